// SPDX-License-Identifier: GPL-2.0

//! Live patching.
//!
//! C header: [`include/linux/livepatch.h`](srctree/include/linux/livepatch.h)
//!
//! Reference: <https://docs.kernel.org/livepatch/livepatch.html>

use core::{
    marker::PhantomPinned,
    ptr, //
};

use kernel::{
    error::{
        from_result,
        to_result, //
    },
    ffi::c_void,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        rcu, //
    },
    task::Task,
    types::Opaque, //
};

use crate::bindings;

/// Marks the module as a livepatch, which `klp_enable_patch()` insists on.
///
/// To be used once, beside `module!`.
#[doc(alias = "MODULE_INFO")]
#[macro_export]
macro_rules! livepatch_modinfo {
    () => {
        #[link_section = ".modinfo"]
        #[used(compiler)]
        static __LIVEPATCH: [u8; 12] = *b"livepatch=Y\0";
    };
}
pub(crate) use livepatch_modinfo;

/// A function of the kernel and the one that replaces it.
pub(crate) struct Func {
    old: &'static CStr,
    new: *mut c_void,
}

impl Func {
    /// Replaces the function called `old` by `new`.
    ///
    /// # Safety
    ///
    /// `new` must be a function with the very signature, calling convention and contract of `old`.
    pub(crate) const unsafe fn new(old: &'static CStr, new: *const ()) -> Self {
        Self {
            old,
            new: new.cast_mut().cast(),
        }
    }
}

/// A set of replacements for functions of `vmlinux`, and what they share.
///
/// The callbacks are called in process context with `klp_mutex` held, and may sleep. When another
/// livepatch replaces this one, none of them is called.
///
/// # Examples
///
/// A module enables it by a [`Registration`].
///
/// ```
/// use kernel::{
///     bindings,
///     livepatch::{Func, Patch, Slot},
///     seq_file::SeqFile,
///     seq_print,
/// };
///
/// static SLOT: Slot<Cmdline> = Slot::new();
///
/// /// What the replacement functions share.
/// struct Cmdline {
///     text: &'static str,
/// }
///
/// // SAFETY: The slot is a `static` of this patch alone.
/// unsafe impl Patch for Cmdline {
///     const FUNCS: &'static [Func] = &[
///         // SAFETY: The signatures are the same, and both print to the file and return 0.
///         unsafe { Func::new(c"cmdline_proc_show", cmdline_proc_show as *const ()) },
///     ];
///
///     fn slot() -> &'static Slot<Self> {
///         &SLOT
///     }
/// }
///
/// /// # Safety
/// ///
/// /// `m` must be valid for the duration of the call.
/// unsafe extern "C" fn cmdline_proc_show(m: *mut bindings::seq_file, _v: *mut c_void) -> c_int {
///     // SAFETY: This is a replacement function of the patch.
///     let cmdline = unsafe { SLOT.get() };
///     // SAFETY: By the safety requirements `m` is valid for the duration of the call.
///     let m = unsafe { SeqFile::from_raw(m) };
///
///     seq_print!(m, "{}\n", cmdline.text);
///     0
/// }
///
/// assert!(!Cmdline::is_enabled());
/// ```
///
/// # Safety
///
/// `slot` must always return the same `static`, which no other patch uses.
pub(crate) unsafe trait Patch: Send + Sync + Sized + 'static {
    /// The functions that are replaced.
    const FUNCS: &'static [Func];

    /// Returns where the replacement functions find the patch.
    fn slot() -> &'static Slot<Self>;

    /// Called before the first task is switched to the replacement functions.
    fn pre_patch(&self) -> Result {
        Ok(())
    }

    /// Called when all tasks use the replacement functions.
    fn post_patch(&self) {}

    /// Called before the first task is switched back.
    fn pre_unpatch(&self) {}

    /// Called when no task uses the replacement functions any longer.
    fn post_unpatch(&self) {}

    /// Returns whether all tasks use the replacement functions, and none is about to stop using
    /// them, be it in favour of those of another livepatch on top of this one.
    ///
    /// A transition, be it of this patch or of one that replaces it, may begin right after. As soon
    /// as a task may use other functions, this is `false`: whoever calls it with a lock held that
    /// the original functions take knows that they were not called before, since the lock was
    /// taken, and that they wait.
    ///
    /// May be called by any task but an idle one, in process context.
    fn in_charge() -> bool {
        // In this order. When another patch has replaced this one, it is marked as disabled first,
        // and the tasks as being in no transition last.
        if in_transition() {
            return false;
        }
        // SAFETY: An FFI call with no additional requirements.
        unsafe { bindings::smp_rmb() };
        Self::is_on_top()
    }

    /// Returns whether the patch is enabled, and no other one has been put on top of it since all
    /// tasks use it.
    ///
    /// May be called from any context.
    fn is_on_top() -> bool {
        Self::slot().is_on_top()
    }

    /// Returns whether the patch is enabled, be it that a transition is under way.
    ///
    /// As long as it is, function tracing cannot be switched off, and function probes miss no call
    /// that is not made by a handler.
    ///
    /// May be called from any context.
    fn is_enabled() -> bool {
        Self::slot().is_enabled()
    }
}

/// Returns whether a transition of any livepatch is under way.
///
/// When one begins, all tasks are marked before the first is switched. When it is over, the marks
/// are removed.
fn in_transition() -> bool {
    let current = Task::current_raw();

    // SAFETY: The current task is valid, and C code writes the field by single stores.
    let state = unsafe { (&raw const (*current).patch_state).read_volatile() };

    state != bindings::KLP_TRANSITION_IDLE
}

/// Where the replacement functions of a patch find what they share.
///
/// # Invariants
///
/// The pointer is NULL or that of an existing [`Registration`], which is not freed before a grace
/// period has passed since the pointer was set to NULL.
pub(crate) struct Slot<T: Patch>(Atomic<*mut Registration<T>>);

impl<T: Patch> Slot<T> {
    /// Returns an empty slot, for a `static`.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is NULL.
        Self(Atomic::new(ptr::null_mut()))
    }

    /// Returns the patch.
    ///
    /// # Safety
    ///
    /// Only to be called by a replacement function of the patch, or by one of its callbacks. The
    /// reference must not outlive the call of that function.
    #[inline]
    pub(crate) unsafe fn get<'a>(&self) -> &'a T {
        // SAFETY: `T` has no other slot. Replacement functions are not called before the patch is
        // enabled, which is when the pointer has been set, and the `Registration` is not dropped as
        // long as a task executes one: the kernel waits for all tasks to leave them, and then for
        // the module to be removed. So nobody changes the pointer meanwhile.
        unsafe { &(**self.0.as_ptr()).data }
    }

    /// Returns whether the patch is enabled.
    ///
    /// May be called from any context.
    fn is_enabled(&self) -> bool {
        self.with_tables(Tables::is_enabled).unwrap_or(false)
    }

    /// Returns whether the patch is enabled, and no other one replaces the same functions since.
    ///
    /// May be called from any context.
    fn is_on_top(&self) -> bool {
        self.with_tables(|tables| tables.is_enabled() && tables.are_on_top())
            .unwrap_or(false)
    }

    fn with_tables<R>(&self, f: impl FnOnce(&Tables) -> R) -> Option<R> {
        let _rcu = rcu::read_lock();
        let registration = self.0.load(Acquire);

        if registration.is_null() {
            return None;
        }
        // SAFETY: By the type invariant the registration is not freed before the RCU read lock is
        // released.
        Some(f(unsafe { &(*registration).tables }))
    }
}

impl<T: Patch> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What `klp_enable_patch()` reads and then keeps its own state in.
struct Tables {
    patch: Opaque<bindings::klp_patch>,
    // Each terminated by an empty element.
    objects: Opaque<[bindings::klp_object; 2]>,
    funcs: KVec<Opaque<bindings::klp_func>>,
    // What is above each function in the stack of those that replace the same one, when all tasks
    // use it: the head of the stack, until another is put on top.
    above: KVec<Atomic<*mut bindings::list_head>>,
}

impl Tables {
    fn is_enabled(&self) -> bool {
        // SAFETY: C code writes the field by single stores.
        unsafe { (&raw const (*self.patch.get()).enabled).read_volatile() }
    }

    /// Returns what is above a function in its stack.
    fn above(func: &Opaque<bindings::klp_func>) -> *mut bindings::list_head {
        // SAFETY: C code writes the field by single stores.
        unsafe { (&raw const (*func.get()).stack_node.prev).read_volatile() }
    }

    /// Takes what is above the functions now for the heads of their stacks.
    fn note_top(&self) {
        for (above, func) in self.above.iter().zip(&self.funcs) {
            above.store(Self::above(func), Release);
        }
    }

    fn are_on_top(&self) -> bool {
        self.above
            .iter()
            .zip(&self.funcs)
            .all(|(above, func)| above.load(Acquire) == Self::above(func))
    }
}

/// An enabled livepatch.
///
/// It is disabled through sysfs only, and the module cannot be removed before: the kernel holds a
/// reference on it.
///
/// # Invariants
///
/// The patch has been enabled, and the slot of `T` points to the registration.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: Patch> {
    #[pin]
    data: T,
    tables: Tables,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The tables are the kernel's, which protects them by `klp_mutex`.
unsafe impl<T: Patch> Send for Registration<T> {}
// SAFETY: As above; `T` is `Sync`.
unsafe impl<T: Patch> Sync for Registration<T> {}

impl<T: Patch> Registration<T> {
    /// Enables a livepatch.
    ///
    /// On success the transition has begun, but need not be over. Sleeps. Returns `EBUSY` if
    /// another livepatch is in transition or this one is registered already, `ENOENT` if a function
    /// does not exist, `EINVAL` if its name is not unique, the module is not marked as a livepatch,
    /// or one that is already there is not compatible, and `ENOMEM` if memory runs out.
    ///
    /// # Safety
    ///
    /// To be called by the `init` of `module`, which must not fail afterwards. The registration
    /// must be dropped by the removal of the module only.
    #[doc(alias = "klp_enable_patch")]
    pub(crate) unsafe fn new(module: &'static ThisModule, data: T) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            data,
            tables: Self::tables(module)?,
            _pin: PhantomPinned,
            _: {
                // SAFETY: All fields are initialised, and pinned.
                unsafe { Self::enable(this.as_ptr()) }?;
            },
        })
    }

    fn tables(module: &'static ThisModule) -> Result<Tables> {
        let mut funcs = KVec::with_capacity(T::FUNCS.len() + 1, GFP_KERNEL)?;
        let mut above = KVec::with_capacity(T::FUNCS.len(), GFP_KERNEL)?;

        for func in T::FUNCS {
            funcs.push(
                Opaque::new(bindings::klp_func {
                    old_name: func.old.as_char_ptr(),
                    new_func: func.new,
                    ..Default::default()
                }),
                GFP_KERNEL,
            )?;
        }
        funcs.push(Opaque::new(Default::default()), GFP_KERNEL)?;
        for _ in T::FUNCS {
            above.push(Atomic::new(ptr::null_mut()), GFP_KERNEL)?;
        }

        let vmlinux = bindings::klp_object {
            funcs: funcs.as_mut_ptr().cast(),
            callbacks: bindings::klp_callbacks {
                pre_patch: Some(Self::pre_patch),
                post_patch: Some(Self::post_patch),
                pre_unpatch: Some(Self::pre_unpatch),
                post_unpatch: Some(Self::post_unpatch),
                post_unpatch_enabled: false,
            },
            ..Default::default()
        };

        Ok(Tables {
            patch: Opaque::new(bindings::klp_patch {
                mod_: module.as_ptr(),
                ..Default::default()
            }),
            objects: Opaque::new([vmlinux, Default::default()]),
            funcs,
            above,
        })
    }

    /// # Safety
    ///
    /// `this` must be initialised but for what the type invariants say, and stay where it is.
    unsafe fn enable(this: *mut Self) -> Result {
        // SAFETY: By the safety requirements `this` is valid.
        let tables = unsafe { &(*this).tables };

        // SAFETY: The kernel does not know the tables yet, so nobody else accesses them.
        unsafe { (*tables.patch.get()).objs = tables.objects.get().cast() };

        // INVARIANT: The registration is initialised, and its address is stable.
        if T::slot().0.cmpxchg(ptr::null_mut(), this, Full).is_err() {
            return Err(EBUSY);
        }

        // SAFETY: The tables are complete, and stay where they are until the module is removed,
        // which the kernel allows only when it has finished with them. `Func::new` guarantees that
        // the functions may stand in for each other.
        to_result(unsafe { bindings::klp_enable_patch(tables.patch.get()) })
            .inspect_err(|_| Self::vacate())
    }

    /// Empties the slot, and waits for those who still look at the registration.
    ///
    /// Sleeps.
    fn vacate() {
        T::slot().0.store(ptr::null_mut(), Release);
        // SAFETY: An FFI call with no additional requirements.
        unsafe { bindings::synchronize_rcu() };
    }

    extern "C" fn pre_patch(_object: *mut bindings::klp_object) -> c_int {
        from_result(|| {
            // SAFETY: This is a callback of the patch.
            unsafe { T::slot().get() }.pre_patch()?;
            Ok(0)
        })
    }

    extern "C" fn post_patch(_object: *mut bindings::klp_object) {
        // Only one transition is under way at a time, so no other patch is on top yet.
        let _ = T::slot().with_tables(Tables::note_top);
        // SAFETY: This is a callback of the patch.
        unsafe { T::slot().get() }.post_patch();
    }

    extern "C" fn pre_unpatch(_object: *mut bindings::klp_object) {
        // SAFETY: This is a callback of the patch.
        unsafe { T::slot().get() }.pre_unpatch();
    }

    extern "C" fn post_unpatch(_object: *mut bindings::klp_object) {
        // SAFETY: This is a callback of the patch.
        unsafe { T::slot().get() }.post_unpatch();
    }
}

#[pinned_drop]
impl<T: Patch> PinnedDrop for Registration<T> {
    /// The patch is no longer enabled: the kernel would not remove the module otherwise.
    fn drop(self: Pin<&mut Self>) {
        Self::vacate();
    }
}
