// SPDX-License-Identifier: GPL-2.0

//! Tests of function probes.

use kernel::prelude::*;

#[kunit_tests(usk_fprobe)]
mod tests {
    use kernel::{
        prelude::*,
        sync::atomic::Relaxed, //
    };

    use crate::{
        abstractions::{
            fprobe::Registration,
            ftrace::{
                Function,
                Handler,
                Registers, //
            },
        },
        ftrace_kunit::tests::{
            Counts,
            Entries, //
        },
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

    #[test]
    fn the_entry_is_probed_as_long_as_registered() -> Result {
        let counts = Counts::new(0x5eed_0003)?;

        counts.call();
        let probe = KBox::pin_init(Registration::new(Entries(counts.clone())), GFP_KERNEL)?;
        counts.call();
        counts.call();
        assert_eq!(probe.missed(), 0);
        drop(probe);
        counts.call();

        assert_eq!(counts.entries.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn a_function_that_does_not_exist_is_refused() {
        let probe = KBox::pin_init(Registration::new(Never), GFP_KERNEL);

        assert!(probe.is_err());
    }
}
