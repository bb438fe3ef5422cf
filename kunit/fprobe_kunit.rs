// SPDX-License-Identifier: GPL-2.0

//! Tests of function probes.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

use crate::{
    abstractions::{
        fprobe::{self, Function, Handler, Registers},
        key::Key,
    },
    bindings,
};

/// `key_validate()`, which tests can call.
struct KeyValidate;

// SAFETY: The function takes a pointer to a key as its only argument.
unsafe impl Function for KeyValidate {
    const SYMBOL: &'static CStr = c"key_validate";
    type Argument = i32;

    fn argument(registers: &Registers<'_>) -> Option<i32> {
        let key: *const bindings::key = core::ptr::with_exposed_provenance(registers.argument(0));

        // SAFETY: The caller of the function keeps the key alive.
        Some(unsafe { Key::from_ptr(key) }.serial())
    }
}

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

/// Counts calls that are about one key.
struct Counts {
    serial: i32,
    entries: Atomic<i32>,
    exits: Atomic<i32>,
}

impl Counts {
    fn new(key: &Key) -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                serial: key.serial(),
                entries: Atomic::new(0),
                exits: Atomic::new(0),
            },
            GFP_KERNEL,
        )?)
    }
}

struct Entries(Arc<Counts>);

impl Handler for Entries {
    type Function = KeyValidate;
    type Data = ();
    const PROBES_EXIT: bool = false;

    fn entry(&self, serial: i32) -> Option<()> {
        if serial == self.0.serial {
            self.0.entries.add(1, Relaxed);
        }
        Some(())
    }

    fn exit(&self, _data: ()) {
        self.0.exits.add(1, Relaxed);
    }
}

struct Exits(Arc<Counts>);

impl Handler for Exits {
    type Function = KeyValidate;
    type Data = (i32, [u64; 3]);
    const PROBES_EXIT: bool = true;

    fn entry(&self, serial: i32) -> Option<Self::Data> {
        self.0.entries.add(1, Relaxed);
        (serial == self.0.serial).then_some((serial, [1, 2, 3]))
    }

    fn exit(&self, data: Self::Data) {
        if data == (self.0.serial, [1, 2, 3]) {
            self.0.exits.add(1, Relaxed);
        }
    }
}

struct Never;

impl Handler for Never {
    type Function = Nothing;
    type Data = ();
    const PROBES_EXIT: bool = false;

    fn entry(&self, _argument: ()) -> Option<()> {
        None
    }
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
        assert_eq!(counts.exits.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn the_exit_gets_what_the_entry_hands_over() -> Result {
        let key = fixture::keyring(c"usk_fprobe")?;
        let other = fixture::keyring(c"usk_fprobe_other")?;
        let counts = Counts::new(&key)?;
        let probe = KBox::pin_init(fprobe::Registration::new(Exits(counts.clone())), GFP_KERNEL)?;

        key.validate()?;
        other.validate()?;
        drop(probe);

        assert!(counts.entries.load(Relaxed) >= 2);
        assert_eq!(counts.exits.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_function_that_does_not_exist_is_refused() {
        let probe = KBox::pin_init(fprobe::Registration::new(Never), GFP_KERNEL);

        assert!(probe.is_err());
    }
}
