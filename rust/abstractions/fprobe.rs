// SPDX-License-Identifier: GPL-2.0

//! Function probes.
//!
//! C header: [`include/linux/fprobe.h`](srctree/include/linux/fprobe.h)
//!
//! Reference: <https://docs.kernel.org/trace/fprobe.html>

use core::{
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    mem::{
        align_of,
        size_of, //
    },
};

use kernel::{
    error::to_result,
    ffi::c_void,
    prelude::*,
    types::Opaque, //
};

use crate::bindings;

/// The registers that a probed function was called with.
pub(crate) struct Registers<'a>(*mut bindings::ftrace_regs, PhantomData<&'a ()>);

impl Registers<'_> {
    /// Returns the `n`th argument, counted from 0, if it is passed in a register.
    #[doc(alias = "ftrace_regs_get_argument")]
    #[inline]
    pub(crate) fn argument(&self, n: u32) -> usize {
        // SAFETY: The registers are valid for the duration of the handler, which is as long as
        // `self` can exist.
        unsafe { bindings::ftrace_regs_get_argument(self.0, n) }
    }
}

/// A function that can be probed.
///
/// # Safety
///
/// `argument` must be right about the signature of the function.
pub(crate) unsafe trait Function {
    /// The name of the function.
    const SYMBOL: &'static CStr;

    /// What is of interest of its arguments.
    type Argument;

    /// Reads the argument, or returns [`None`] if this call of the function has none.
    fn argument(registers: &Registers<'_>) -> Option<Self::Argument>;
}

/// What is to be done when a probed function is entered, and when it returns.
///
/// Handlers are called with preemption disabled, in whatever context the function is called in, and
/// not at all within themselves. They must not sleep; on `PREEMPT_RT` that includes the taking of a
/// `spinlock_t`.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The function that is probed.
    type Function: Function;

    /// What is handed from the entry to the exit of the same call.
    type Data: Copy + Send + 'static;

    /// Whether the exit of the function is probed, which costs a good deal more than its entry.
    const PROBES_EXIT: bool;

    /// Called when the function is entered. The exit of this call is left alone on [`None`].
    fn entry(&self, argument: <Self::Function as Function>::Argument) -> Option<Self::Data>;

    /// Called when the function returns.
    fn exit(&self, data: Self::Data) {
        let _ = data;
    }
}

/// The registration of a function probe.
///
/// # Invariants
///
/// `fprobe` is registered, and its callbacks are those of `T`.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Registration<T: Handler> {
    // The callbacks find `Self` by it: it has to be the first field.
    #[pin]
    fprobe: Opaque<bindings::fprobe>,
    #[pin]
    handler: T,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A function probe may be unregistered from any thread.
unsafe impl<T: Handler> Send for Registration<T> {}
// SAFETY: All `&self` methods may be called in parallel.
unsafe impl<T: Handler> Sync for Registration<T> {}

impl<T: Handler> Registration<T> {
    /// Probes the function.
    ///
    /// Sleeps. Returns an error if there is no such function or it cannot be probed, and `ENOMEM`
    /// if memory runs out.
    #[doc(alias = "register_fprobe_syms")]
    pub(crate) fn new(handler: T) -> impl PinInit<Self, Error> {
        const { assert!(align_of::<T::Data>() <= align_of::<usize>()) };

        try_pin_init!(&this in Self {
            handler,
            fprobe: Opaque::new(bindings::fprobe {
                entry_handler: Some(Self::entry),
                exit_handler: if T::PROBES_EXIT { Some(Self::exit) } else { None },
                entry_data_size: if T::PROBES_EXIT { size_of::<T::Data>() } else { 0 },
                ..Default::default()
            }),
            _pin: PhantomPinned,
            _: {
                let mut symbol = T::Function::SYMBOL.as_char_ptr();

                // SAFETY: All fields are initialised, so the callbacks may be called at once. They
                // are no longer called when the destructor, which unregisters, is done.
                to_result(unsafe {
                    bindings::register_fprobe_syms(
                        (&raw mut (*this.as_ptr()).fprobe).cast(),
                        &raw mut symbol,
                        1,
                    )
                })?;
            },
        })
    }

    /// Returns the number of calls that were missed.
    pub(crate) fn missed(&self) -> usize {
        // SAFETY: By the type invariant `fprobe` is initialised. The counter is written by single
        // stores.
        unsafe { (&raw const (*self.fprobe.get()).nmissed).read_volatile() }
    }

    /// # Safety
    ///
    /// `fprobe` must be the field of a [`Registration<T>`], of which `handler` is initialised.
    #[inline]
    unsafe fn handler<'a>(fprobe: *mut bindings::fprobe) -> &'a T {
        // SAFETY: The safety requirements guarantee that this is a `Registration`, whose first
        // field this is. It is not dropped before the callbacks are over.
        unsafe { &(*fprobe.cast::<Self>()).handler }
    }

    /// # Safety
    ///
    /// Only to be called as the entry callback of the `fprobe` of a [`Registration<T>`].
    unsafe extern "C" fn entry(
        fprobe: *mut bindings::fprobe,
        _entry_ip: usize,
        _ret_ip: usize,
        regs: *mut bindings::ftrace_regs,
        entry_data: *mut c_void,
    ) -> c_int {
        // SAFETY: The safety requirements of this function are those of the callee.
        let handler = unsafe { Self::handler(fprobe) };

        let registers = Registers(regs, PhantomData);
        let data = T::Function::argument(&registers).and_then(|argument| handler.entry(argument));

        match data {
            Some(data) if T::PROBES_EXIT => {
                // SAFETY: There are `entry_data_size` bytes for it, aligned as a `long` is.
                unsafe { entry_data.cast::<T::Data>().write(data) };
                0
            }
            // Anything but 0 makes the exit of this call go unprobed.
            _ => 1,
        }
    }

    /// # Safety
    ///
    /// Only to be called as the exit callback of the `fprobe` of a [`Registration<T>`].
    unsafe extern "C" fn exit(
        fprobe: *mut bindings::fprobe,
        _entry_ip: usize,
        _ret_ip: usize,
        _regs: *mut bindings::ftrace_regs,
        entry_data: *mut c_void,
    ) {
        // SAFETY: The safety requirements of this function are those of the callee.
        let handler = unsafe { Self::handler(fprobe) };

        // SAFETY: `entry` returned 0 for this call, so it has written the data.
        handler.exit(unsafe { entry_data.cast::<T::Data>().read() });
    }
}

#[pinned_drop]
impl<T: Handler> PinnedDrop for Registration<T> {
    /// Unregisters the probe, and waits for callbacks that are under way.
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant `fprobe` is registered. It fails only if it is not.
        unsafe { bindings::unregister_fprobe(self.fprobe.get()) };
    }
}
