// SPDX-License-Identifier: GPL-2.0

//! Function tracing.
//!
//! C header: [`include/linux/ftrace.h`](srctree/include/linux/ftrace.h)
//!
//! Reference: <https://docs.kernel.org/trace/ftrace-uses.html>

use core::marker::{
    PhantomData,
    PhantomPinned, //
};

use kernel::{
    error::to_result,
    ffi::c_ulong,
    prelude::*,
    types::Opaque, //
};

use crate::bindings;

/// The registers that a function was called with.
pub(crate) struct Registers<'a>(*mut bindings::ftrace_regs, PhantomData<&'a ()>);

impl Registers<'_> {
    /// Returns the first argument, if it is an integer or a pointer.
    #[doc(alias = "ftrace_regs_get_argument")]
    #[inline]
    pub(crate) fn first_argument(&self) -> usize {
        // SAFETY: The registers are valid for as long as `self` exists: see `call`.
        unsafe { bindings::ftrace_regs_first_argument(self.0) }
    }
}

/// A function whose calls can be followed.
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

/// A function that modules may call, so that its address is known to them.
///
/// # Safety
///
/// `address` must be that of the function named by [`Function::SYMBOL`].
pub(crate) unsafe trait Exported: Function {
    /// Returns where the function begins.
    fn address() -> usize;
}

/// What is to be done when a function is entered.
///
/// Its return could be followed as well, but at the price of a shadow stack for each task.
///
/// Handlers are called in whatever context the function is called in, which must be one that RCU
/// watches. They must not sleep; on `PREEMPT_RT` that includes the taking of a `spinlock_t`.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The function that is followed.
    type Function: Function;

    /// Called when the function is entered.
    fn entry(&self, argument: <Self::Function as Function>::Argument);
}

/// Calls a handler with what is of interest of the arguments, if there is such.
///
/// # Safety
///
/// `registers` must be those that the handler's function was called with, and valid.
#[inline]
pub(super) unsafe fn call<T: Handler>(handler: &T, registers: *mut bindings::ftrace_regs) {
    if let Some(argument) = T::Function::argument(&Registers(registers, PhantomData)) {
        handler.entry(argument);
    }
}

/// The registration of a callback for a single function.
///
/// This costs a call of the function 50 instructions, and a function probe three times as many. In
/// return, nobody looks whether the handler is called within itself: it must not call the function.
///
/// # Examples
///
/// ```
/// use kernel::{
///     bindings,
///     ftrace::{Exported, Function, Handler, Registers, Registration},
///     sync::{
///         atomic::{Atomic, Relaxed},
///         Arc,
///     },
/// };
///
/// /// `int_sqrt()`.
/// struct IntSqrt;
///
/// // SAFETY: The function takes an integer as its only argument.
/// unsafe impl Function for IntSqrt {
///     const SYMBOL: &'static CStr = c"int_sqrt";
///     type Argument = usize;
///
///     fn argument(registers: &Registers<'_>) -> Option<usize> {
///         // Nobody else is to be noticed.
///         Some(registers.first_argument()).filter(|number| [25, 1764].contains(number))
///     }
/// }
///
/// // SAFETY: It is the address of that function.
/// unsafe impl Exported for IntSqrt {
///     fn address() -> usize {
///         bindings::int_sqrt as usize
///     }
/// }
///
/// /// Keeps the number that was asked for last.
/// struct Last(Arc<Atomic<usize>>);
///
/// impl Handler for Last {
///     type Function = IntSqrt;
///
///     fn entry(&self, number: usize) {
///         self.0.store(number, Relaxed);
///     }
/// }
///
/// let last = Arc::new(Atomic::new(0), GFP_KERNEL)?;
/// let registration = KBox::pin_init(Registration::new(Last(last.clone())), GFP_KERNEL)?;
///
/// // SAFETY: An FFI call with no additional requirements.
/// assert_eq!(unsafe { bindings::int_sqrt(1764) }, 42);
/// assert_eq!(last.load(Relaxed), 1764);
///
/// drop(registration);
/// // SAFETY: As above.
/// unsafe { bindings::int_sqrt(25) };
/// assert_eq!(last.load(Relaxed), 1764);
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// `ops` is registered, and its callback is that of `T`.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub(crate) struct Registration<T: Handler> {
    // The callback finds `Self` by it: it has to be the first field.
    #[pin]
    ops: Opaque<bindings::ftrace_ops>,
    #[pin]
    handler: T,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A callback may be unregistered from any thread.
unsafe impl<T: Handler> Send for Registration<T> {}
// SAFETY: All `&self` methods may be called in parallel.
unsafe impl<T: Handler> Sync for Registration<T> {}

impl<T: Handler> Registration<T>
where
    T::Function: Exported,
{
    /// Has the handler called from now on.
    ///
    /// Sleeps. Returns `EINVAL` if calls of the function cannot be followed, `ENODEV` if function
    /// tracing has found itself broken, and `ENOMEM` if memory runs out.
    #[doc(alias = "register_ftrace_function")]
    pub(crate) fn new(handler: T) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            handler,
            ops <- Opaque::try_ffi_init(|ops: *mut bindings::ftrace_ops| {
                // SAFETY: `ops` is valid for writes, and pinned. What the kernel does not find
                // initialised in it, it initialises.
                unsafe {
                    ops.write(bindings::ftrace_ops {
                        func: Some(Self::callback),
                        flags: bindings::FTRACE_OPS_FL_SAVE_ARGS as c_ulong,
                        ..Default::default()
                    });
                    to_result(bindings::ftrace_set_filter_ip(
                        ops,
                        T::Function::address(),
                        0,
                        1,
                    ))
                }?;
                // SAFETY: `ops` is initialised, and of what the callback needs, `handler` is as
                // well: fields are initialised in this order. The callback is no longer called when
                // the destructor, which unregisters, is done.
                to_result(unsafe { bindings::register_ftrace_function(ops) }).inspect_err(|_| {
                    // SAFETY: `ops` is not registered, unless function tracing has found itself
                    // broken just now.
                    unsafe { bindings::ftrace_free_filter(ops) };
                })
            }),
            _pin: PhantomPinned,
        })
    }
}

impl<T: Handler> Registration<T> {
    /// # Safety
    ///
    /// Only to be called as the callback of the `ops` of a [`Registration<T>`].
    unsafe extern "C" fn callback(
        _ip: c_ulong,
        _parent_ip: c_ulong,
        ops: *mut bindings::ftrace_ops,
        registers: *mut bindings::ftrace_regs,
    ) {
        // SAFETY: The safety requirements guarantee that this is a `Registration`, whose first
        // field this is. It is not dropped before its callbacks are over.
        let handler = unsafe { &(*ops.cast::<Self>()).handler };

        // SAFETY: They are valid for the duration of this call.
        unsafe { call(handler, registers) };
    }
}

#[pinned_drop]
impl<T: Handler> PinnedDrop for Registration<T> {
    /// Has the handler called no more, and waits for calls that are under way.
    ///
    /// Sleeps.
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant `ops` is registered. It fails only if function tracing has
        // found itself broken (`ftrace_kill()`). Nobody can take a callback off a function then,
        // and livepatch, which finds itself in the same position, frees its own all the same.
        unsafe {
            bindings::unregister_ftrace_function(self.ops.get());
            bindings::ftrace_free_filter(self.ops.get());
        }
    }
}
