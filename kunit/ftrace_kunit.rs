// SPDX-License-Identifier: GPL-2.0

//! Tests of function tracing.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

use crate::{
    abstractions::{
        ftrace::{self, Exported, Function, Handler, Registers},
        key::Key,
    },
    bindings,
};

/// `key_validate()`, which tests can call.
pub(crate) struct KeyValidate;

// SAFETY: The function takes a pointer to a key as its only argument.
unsafe impl Function for KeyValidate {
    const SYMBOL: &'static CStr = c"key_validate";
    type Argument = i32;

    fn argument(registers: &Registers<'_>) -> Option<i32> {
        let key: *const bindings::key =
            core::ptr::with_exposed_provenance(registers.first_argument());

        // SAFETY: The caller of the function keeps the key alive.
        Some(unsafe { Key::from_ptr(key) }.serial())
    }
}

// SAFETY: It is the address of that function.
unsafe impl Exported for KeyValidate {
    fn address() -> usize {
        bindings::key_validate as usize
    }
}

/// A function that cannot be traced, as none in Rust can.
struct Untraceable;

// SAFETY: It takes nothing.
unsafe impl Function for Untraceable {
    const SYMBOL: &'static CStr = c"untraceable";
    type Argument = ();

    fn argument(_registers: &Registers<'_>) -> Option<()> {
        Some(())
    }
}

// SAFETY: It is the address of that function.
unsafe impl Exported for Untraceable {
    fn address() -> usize {
        extern "C" fn untraceable() {}

        untraceable as usize
    }
}

/// Counts calls that are about one key.
pub(crate) struct Counts {
    serial: i32,
    pub(crate) entries: Atomic<i32>,
}

impl Counts {
    pub(crate) fn new(key: &Key) -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                serial: key.serial(),
                entries: Atomic::new(0),
            },
            GFP_KERNEL,
        )?)
    }
}

pub(crate) struct Entries(pub(crate) Arc<Counts>);

impl Handler for Entries {
    type Function = KeyValidate;

    fn entry(&self, serial: i32) {
        if serial == self.0.serial {
            self.0.entries.add(1, Relaxed);
        }
    }
}

struct Never;

impl Handler for Never {
    type Function = Untraceable;

    fn entry(&self, _argument: ()) {}
}

#[kunit_tests(usk_ftrace)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn calls_are_followed_as_long_as_registered() -> Result {
        let key = fixture::keyring(c"usk_ftrace")?;
        let counts = Counts::new(&key)?;

        key.validate()?;
        for round in 1..=2 {
            let registration = KBox::pin_init(
                ftrace::Registration::new(Entries(counts.clone())),
                GFP_KERNEL,
            )?;
            key.validate()?;
            key.validate()?;
            drop(registration);
            key.validate()?;
            assert_eq!(counts.entries.load(Relaxed), 2 * round);
        }
        Ok(())
    }

    #[test]
    fn two_may_follow_the_same_function() -> Result {
        let key = fixture::keyring(c"usk_ftrace")?;
        let counts = [Counts::new(&key)?, Counts::new(&key)?];
        let follow = |counts: &Arc<Counts>| {
            KBox::pin_init(
                ftrace::Registration::new(Entries(counts.clone())),
                GFP_KERNEL,
            )
        };
        let first = follow(&counts[0])?;
        let second = follow(&counts[1])?;

        key.validate()?;
        drop(first);
        key.validate()?;
        drop(second);
        key.validate()?;
        assert_eq!(counts[0].entries.load(Relaxed), 1);
        assert_eq!(counts[1].entries.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn a_function_that_cannot_be_traced_is_refused() {
        let registration = KBox::pin_init(ftrace::Registration::new(Never), GFP_KERNEL);

        assert_eq!(registration.err(), Some(EINVAL));
    }
}
