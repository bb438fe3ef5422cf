// SPDX-License-Identifier: GPL-2.0

//! Uses memory after it was freed, to see that this is noticed of Rust code as well.

use core::ptr;

use kernel::prelude::*;

module! {
    type: UseAfterFree,
    name: "test_use_after_free",
    authors: ["The user_session_keyring developers"],
    description: "Test of what watches the kernel: a use after free in Rust",
    license: "GPL",
}

struct UseAfterFree;

impl kernel::Module for UseAfterFree {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let object = KBox::into_raw(KBox::new([0u64; 8], GFP_KERNEL)?);

        // SAFETY: It is not used any more but for what is to be noticed.
        drop(unsafe { KBox::from_raw(object) });
        // SAFETY: None. The memory is still mapped, so that nothing but a report comes of it.
        let _ = unsafe { ptr::read_volatile(object) };
        Ok(Self)
    }
}
