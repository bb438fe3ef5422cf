// SPDX-License-Identifier: GPL-2.0

//! Tests of function probes.

use kernel::{prelude::*, sync::atomic::Relaxed};

use crate::{
    abstractions::{
        fprobe,
        ftrace::{Function, Handler, Registers},
    },
    ftrace_kunit::{Counts, Entries},
};

/// A function that does not exist.
struct Nothing;

// SAFETY: It takes nothing.
unsafe impl Function for Nothing {
    const SYMBOL: &'static CStr = c"no_function_is_called_like_this";
    type Argument = ();

    fn argument(_registers: &Registers<'_>) -> Option<()> {
        Some(())
    }
}

struct Never;

impl Handler for Never {
    type Function = Nothing;

    fn entry(&self, _argument: ()) {}
}

#[kunit_tests(usk_fprobe)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_entry_is_probed_as_long_as_registered() -> Result {
        let key = fixture::keyring(c"usk_fprobe")?;
        let counts = Counts::new(&key)?;

        key.validate()?;
        let probe = KBox::pin_init(
            fprobe::Registration::new(Entries(counts.clone())),
            GFP_KERNEL,
        )?;
        key.validate()?;
        key.validate()?;
        assert_eq!(probe.missed(), 0);
        drop(probe);
        key.validate()?;

        assert_eq!(counts.entries.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn a_function_that_does_not_exist_is_refused() {
        let probe = KBox::pin_init(fprobe::Registration::new(Never), GFP_KERNEL);

        assert!(probe.is_err());
    }
}
