// SPDX-License-Identifier: GPL-2.0

//! The smallest function probe in Rust.
//!
//! Purpose: counts the calls of `cmdline_proc_show()`, by which the kernel answers who reads
//! `/proc/cmdline`. The same in C is `samples/fprobe/fprobe_example.c` there.
//!
//! Usage: `make samples KDIR=...`, then as root in a system that runs this kernel:
//!
//! 1. Load the probe, and have the function called.
//!
//!    ```text
//!    # insmod samples/rust_fprobe.ko
//!    # cat /proc/cmdline
//!    ```
//!
//! 2. Remove it, and see what it counted.
//!
//!    ```text
//!    # rmmod rust_fprobe
//!    # dmesg | tail -n 1
//!    rust_fprobe: cmdline_proc_show() was called 1 times, and 0 calls were missed
//!    ```

use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

use crate::{
    fprobe::Registration,
    ftrace::{
        Function,
        Handler,
        Registers, //
    },
};

#[path = "../rust/bindings/mod.rs"]
mod bindings;
#[path = "../rust/abstractions/fprobe.rs"]
mod fprobe;
#[path = "../rust/abstractions/ftrace.rs"]
#[allow(
    dead_code,
    reason = "an abstraction is whole, whether or not this sample needs all of it"
)]
mod ftrace;

module! {
    type: RustFprobe,
    name: "rust_fprobe",
    authors: ["The user_session_keyring developers"],
    description: "The smallest function probe in Rust",
    license: "GPL",
}

struct CmdlineProcShow;

// SAFETY: Nothing is read of what the function is called with.
unsafe impl Function for CmdlineProcShow {
    const SYMBOL: &'static CStr = c"cmdline_proc_show";

    type Argument = ();

    fn argument(_registers: &Registers<'_>) -> Option<()> {
        Some(())
    }
}

/// How often the function was called.
struct Calls(Atomic<u64>);

impl Handler for Calls {
    type Function = CmdlineProcShow;

    fn entry(&self, (): ()) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[pin_data(PinnedDrop)]
struct RustFprobe {
    #[pin]
    probe: Registration<Calls>,
}

impl kernel::InPlaceModule for RustFprobe {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            probe <- Registration::new(Calls(Atomic::new(0))),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for RustFprobe {
    fn drop(self: Pin<&mut Self>) {
        pr_info!(
            "cmdline_proc_show() was called {} times, and {} calls were missed\n",
            self.probe.handler().0.load(Relaxed),
            self.probe.missed(),
        );
    }
}
