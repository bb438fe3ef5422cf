// SPDX-License-Identifier: GPL-2.0

//! Function probes.
//!
//! C header: [`include/linux/fprobe.h`](srctree/include/linux/fprobe.h)
//!
//! Reference: <https://docs.kernel.org/trace/fprobe.html>

use core::marker::PhantomPinned;

use kernel::{
    error::to_result,
    ffi::c_void,
    prelude::*,
    types::Opaque, //
};

use super::ftrace::{
    self,
    Function,
    Handler, //
};
use crate::bindings;

/// The registration of a function probe.
///
/// Any function that can be traced may be probed, by its name. The handler is called with
/// preemption disabled, and not at all within itself.
///
/// # Examples
///
/// ```
/// use kernel::{
///     bindings, fprobe,
///     ftrace::{Function, Handler, Registers},
///     sync::{
///         atomic::{Atomic, Relaxed},
///         Arc,
///     },
/// };
///
/// /// `int_sqrt()`. Its address need not be known.
/// struct IntSqrt;
///
/// // SAFETY: The function takes an integer as its only argument.
/// unsafe impl Function for IntSqrt {
///     const SYMBOL: &'static CStr = c"int_sqrt";
///     type Argument = usize;
///
///     fn argument(registers: &Registers<'_>) -> Option<usize> {
///         // Nobody else is to be noticed.
///         Some(registers.first_argument()).filter(|&number| number == 1764)
///     }
/// }
///
/// struct Count(Arc<Atomic<i32>>);
///
/// impl Handler for Count {
///     type Function = IntSqrt;
///
///     fn entry(&self, _number: usize) {
///         self.0.add(1, Relaxed);
///     }
/// }
///
/// let count = Arc::new(Atomic::new(0), GFP_KERNEL)?;
/// let probe = KBox::pin_init(fprobe::Registration::new(Count(count.clone())), GFP_KERNEL)?;
///
/// for number in [1763, 1764] {
///     // SAFETY: An FFI call with no additional requirements.
///     unsafe { bindings::int_sqrt(number) };
/// }
/// assert_eq!(count.load(Relaxed), 1);
/// assert_eq!(probe.missed(), 0);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `fprobe` is registered, and its callback is that of `T`.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Registration<T: Handler> {
    // The callback finds `Self` by it: it has to be the first field.
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
        try_pin_init!(&this in Self {
            handler,
            fprobe: Opaque::new(bindings::fprobe {
                entry_handler: Some(Self::entry),
                ..Default::default()
            }),
            _pin: PhantomPinned,
            _: {
                let mut symbol = T::Function::SYMBOL.as_char_ptr();

                // SAFETY: All fields are initialised, so the callback may be called at once. It is
                // no longer called when the destructor, which unregisters, is done.
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

    /// Returns the handler.
    pub(crate) fn handler(&self) -> &T {
        &self.handler
    }

    /// Returns the number of calls that were missed.
    pub(crate) fn missed(&self) -> usize {
        // SAFETY: By the type invariant `fprobe` is initialised. The counter is written by single
        // stores.
        unsafe { (&raw const (*self.fprobe.get()).nmissed).read_volatile() }
    }

    /// # Safety
    ///
    /// Only to be called as the callback of the `fprobe` of a [`Registration<T>`].
    unsafe extern "C" fn entry(
        fprobe: *mut bindings::fprobe,
        _entry_ip: usize,
        _ret_ip: usize,
        regs: *mut bindings::ftrace_regs,
        _entry_data: *mut c_void,
    ) -> c_int {
        // SAFETY: The safety requirements guarantee that this is a `Registration`, whose first
        // field this is. It is not dropped before its callbacks are over.
        let handler = unsafe { &(*fprobe.cast::<Self>()).handler };

        // SAFETY: They are valid for the duration of this call.
        unsafe { ftrace::call(handler, regs) };
        // Anything else would say that the exit is not to be probed, which it is not anyway.
        0
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
