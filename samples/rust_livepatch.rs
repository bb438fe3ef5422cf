// SPDX-License-Identifier: GPL-2.0

//! The smallest livepatch in Rust.
//!
//! Purpose: replaces `cmdline_proc_show()` of the kernel, so that reading `/proc/cmdline` tells so.
//! The same in C is `samples/livepatch/livepatch-sample.c` there.
//!
//! Usage: `make samples KDIR=...`, then as root in a system that runs this kernel:
//!
//! 1. See what is there before.
//!
//!    ```text
//!    # cat /proc/cmdline
//!    ```
//!
//! 2. Load the patch, and wait until all tasks have been switched over.
//!
//!    ```text
//!    # insmod samples/rust_livepatch.ko
//!    # cat /sys/kernel/livepatch/rust_livepatch/transition
//!    0
//!    # cat /proc/cmdline
//!    rust_livepatch: this has been live patched
//!    ```
//!
//! 3. Disable it, wait until it is gone from `/sys/kernel/livepatch`, and remove it.
//!
//!    ```text
//!    # echo 0 > /sys/kernel/livepatch/rust_livepatch/enabled
//!    # rmmod rust_livepatch
//!    # cat /proc/cmdline
//!    ```

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print, //
};

use crate::livepatch::{
    Func,
    Patch,
    Registration,
    Slot, //
};

#[path = "../rust/bindings/mod.rs"]
mod bindings;
#[path = "../rust/abstractions/livepatch.rs"]
#[allow(
    dead_code,
    reason = "an abstraction is whole, whether or not this sample needs all of it"
)]
mod livepatch;

module! {
    type: RustLivepatch,
    name: "rust_livepatch",
    authors: ["The user_session_keyring developers"],
    description: "The smallest livepatch in Rust",
    license: "GPL",
}

livepatch::livepatch_modinfo!();

static SLOT: Slot<Cmdline> = Slot::new();

/// What the replacement functions share.
struct Cmdline {
    text: &'static str,
}

// SAFETY: The slot is a `static` of this patch alone.
unsafe impl Patch for Cmdline {
    const FUNCS: &'static [Func] = &[
        // SAFETY: The signatures are the same, and both print to the file and return 0.
        unsafe { Func::new(c"cmdline_proc_show", cmdline_proc_show as *const ()) },
    ];

    fn slot() -> &'static Slot<Self> {
        &SLOT
    }
}

/// Replaces the function of the same name in `fs/proc/cmdline.c`.
///
/// # Safety
///
/// `m` must be valid for the duration of the call.
unsafe extern "C" fn cmdline_proc_show(m: *mut bindings::seq_file, _v: *mut c_void) -> c_int {
    // SAFETY: This is a replacement function of the patch.
    let cmdline = unsafe { SLOT.get() };
    // SAFETY: By the safety requirements `m` is valid for the duration of the call.
    let m = unsafe { SeqFile::from_raw(m) };

    seq_print!(m, "rust_livepatch: {}\n", cmdline.text);
    0
}

#[pin_data]
struct RustLivepatch {
    #[pin]
    _patch: Registration<Cmdline>,
}

impl kernel::InPlaceModule for RustLivepatch {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // SAFETY: This is the last step of `init`, and it is dropped with the module.
            _patch <- unsafe {
                Registration::new(
                    module,
                    Cmdline {
                        text: "this has been live patched",
                    },
                )
            },
        })
    }
}
