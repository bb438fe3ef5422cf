// SPDX-License-Identifier: GPL-2.0

//! Tests of function tracing.

use kernel::prelude::*;

#[kunit_tests(usk_ftrace)]
pub(crate) mod tests {
    use kernel::{
        prelude::*,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            Arc, //
        },
    };

    use crate::{
        abstractions::ftrace::{
            Exported,
            Function,
            Handler,
            Registers,
            Registration, //
        },
        bindings,
    };

    /// `int_sqrt()`, of which tests know who calls it with which number.
    pub(crate) struct IntSqrt;

    // SAFETY: The function takes an integer as its only argument.
    unsafe impl Function for IntSqrt {
        const SYMBOL: &'static CStr = c"int_sqrt";
        type Argument = usize;

        fn argument(registers: &Registers<'_>) -> Option<usize> {
            Some(registers.first_argument())
        }
    }

    // SAFETY: It is the address of that function.
    unsafe impl Exported for IntSqrt {
        fn address() -> usize {
            bindings::int_sqrt as usize
        }
    }

    /// Counts calls with one number.
    pub(crate) struct Counts {
        number: usize,
        pub(crate) entries: Atomic<i32>,
    }

    impl Counts {
        pub(crate) fn new(number: usize) -> Result<Arc<Self>> {
            let entries = Atomic::new(0);

            Ok(Arc::new(Self { number, entries }, GFP_KERNEL)?)
        }

        /// Calls the function with it.
        pub(crate) fn call(&self) {
            // SAFETY: An FFI call with no additional requirements.
            unsafe { bindings::int_sqrt(self.number) };
        }
    }

    pub(crate) struct Entries(pub(crate) Arc<Counts>);

    impl Handler for Entries {
        type Function = IntSqrt;

        fn entry(&self, number: usize) {
            if number == self.0.number {
                self.0.entries.add(1, Relaxed);
            }
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

    struct Never;

    impl Handler for Never {
        type Function = Untraceable;

        fn entry(&self, _argument: ()) {}
    }

    fn follow(counts: &Arc<Counts>) -> Result<Pin<KBox<Registration<Entries>>>> {
        KBox::pin_init(Registration::new(Entries(counts.clone())), GFP_KERNEL)
    }

    #[test]
    fn calls_are_followed_as_long_as_registered() -> Result {
        let counts = Counts::new(0x5eed_0001)?;

        counts.call();
        for round in 1..=2 {
            let registration = follow(&counts)?;

            counts.call();
            counts.call();
            drop(registration);
            counts.call();
            assert_eq!(counts.entries.load(Relaxed), 2 * round);
        }
        Ok(())
    }

    #[test]
    fn two_may_follow_the_same_function() -> Result {
        let counts = [Counts::new(0x5eed_0002)?, Counts::new(0x5eed_0002)?];
        let first = follow(&counts[0])?;
        let second = follow(&counts[1])?;

        counts[0].call();
        drop(first);
        counts[0].call();
        drop(second);
        counts[0].call();
        assert_eq!(counts[0].entries.load(Relaxed), 1);
        assert_eq!(counts[1].entries.load(Relaxed), 2);
        Ok(())
    }

    #[test]
    fn a_function_that_cannot_be_traced_is_refused() {
        let registration = KBox::pin_init(Registration::new(Never), GFP_KERNEL);

        assert_eq!(registration.err(), Some(EINVAL));
    }
}
