// SPDX-License-Identifier: GPL-2.0

//! Tests of livepatches, as far as a module that is none can go.

use kernel::prelude::*;

#[kunit_tests(usk_livepatch)]
mod tests {
    use kernel::{
        module::this_module,
        prelude::*,
        sync::Arc, //
    };

    use crate::{
        abstractions::livepatch::{
            Func,
            Patch,
            Registration,
            Slot, //
        },
        LocalModule,
    };

    static SLOT: Slot<Unmarked> = Slot::new();

    struct Unmarked(#[expect(dead_code, reason = "dropped with the patch")] Arc<()>);

    extern "C" fn replacement() {}

    // SAFETY: The slot is a `static` of this patch alone.
    unsafe impl Patch for Unmarked {
        const FUNCS: &'static [Func] = &[
            // SAFETY: The patch is refused, so it does not matter.
            unsafe { Func::new(c"cmdline_proc_show", replacement as *const ()) },
        ];

        fn slot() -> &'static Slot<Self> {
            &SLOT
        }
    }

    #[test]
    fn a_module_that_is_not_marked_is_refused() -> Result {
        // Once more, because the slot has to be free again.
        for _ in 0..2 {
            let data = Arc::new((), GFP_KERNEL)?;
            // SAFETY: It is refused, so there is nothing that has to stay.
            let patch =
                unsafe { Registration::new(this_module::<LocalModule>(), Unmarked(data.clone())) };

            assert_eq!(KBox::pin_init(patch, GFP_KERNEL).err(), Some(EINVAL));
            // Nothing of it is left.
            assert!(Arc::into_unique_or_drop(data).is_some());
        }
        Ok(())
    }

    #[test]
    fn a_patch_that_is_not_enabled_is_not_in_charge() {
        assert!(!Unmarked::in_charge());
    }
}
