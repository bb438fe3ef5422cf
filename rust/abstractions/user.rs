// SPDX-License-Identifier: GPL-2.0

//! The kernel's record of a UID.
//!
//! C header: [`include/linux/sched/user.h`](srctree/include/linux/sched/user.h)

use core::ptr::NonNull;

use kernel::{
    prelude::*,
    sync::aref::AlwaysRefCounted,
    task::Kuid,
    types::Opaque, //
};

use super::ftrace;
use crate::bindings;

/// Wraps the kernel's `struct user_struct`.
///
/// There is at most one for each kuid at any time. Processes, by their real UID, and the
/// credentials of open files hold references on it.
///
/// # Invariants
///
/// Instances of this type are always refcounted, that is, a call to `get_uid` ensures that the
/// allocation remains valid at least until the matching call to `free_uid`.
#[repr(transparent)]
pub(crate) struct User(Opaque<bindings::user_struct>);

// SAFETY:
// - `free_uid` can be called from any thread.
// - It is okay to send ownership of `User` across thread boundaries.
unsafe impl Send for User {}

// SAFETY: Only the UID, which never changes, and the reference count, which is atomic, are used.
unsafe impl Sync for User {}

impl User {
    /// Creates a reference to a [`User`] from a valid pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` is valid and remains valid for the lifetime of the
    /// returned reference.
    #[inline]
    pub(crate) unsafe fn from_ptr<'a>(ptr: *const bindings::user_struct) -> &'a User {
        // SAFETY: The safety requirements guarantee the validity of the dereference, while the
        // `User` type being transparent makes the cast ok.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the inner `struct user_struct`.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::user_struct {
        self.0.get()
    }

    /// Returns the UID that this is the record of.
    #[inline]
    pub(crate) fn uid(&self) -> Kuid {
        // SAFETY: By the type invariant the pointer is valid, and `uid` never changes.
        Kuid::from_raw(unsafe { (*self.as_ptr()).uid })
    }

    /// Returns the number of references at this moment.
    ///
    /// May be called from any context.
    #[inline]
    pub(crate) fn refcount(&self) -> i32 {
        // SAFETY: By the type invariant the pointer is valid, and the counter is an aligned word.
        unsafe { (&raw const (*self.as_ptr()).__count.refs.counter).read_volatile() }
    }
}

// SAFETY: The type invariants guarantee that `User` is always refcounted.
unsafe impl AlwaysRefCounted for User {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: The existence of a shared reference means that the refcount is nonzero. This is
        // all that `get_uid` does.
        unsafe { bindings::refcount_inc(&raw mut (*self.as_ptr()).__count) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<User>) {
        // SAFETY: The safety requirements guarantee that the refcount is nonzero.
        unsafe { bindings::free_uid(obj.cast().as_ptr()) };
    }
}

/// A reference on a UID record that is about to be dropped.
pub(crate) struct DroppedRef {
    /// Not the record itself, which may be freed next.
    pub(crate) address: usize,
    /// How many references there are at this moment, this one included.
    pub(crate) refcount: i32,
}

/// `free_uid()`, by which every reference on a UID record is dropped.
pub(crate) struct FreeUid;

// SAFETY: The function takes a pointer to a `struct user_struct` as its only argument.
unsafe impl ftrace::Function for FreeUid {
    const SYMBOL: &'static CStr = c"free_uid";

    type Argument = DroppedRef;

    #[inline]
    fn argument(registers: &ftrace::Registers<'_>) -> Option<DroppedRef> {
        let address = registers.first_argument();
        let user: *const bindings::user_struct = core::ptr::with_exposed_provenance(address);

        if user.is_null() {
            return None;
        }
        // SAFETY: The caller of the function owns the reference that it is to drop.
        let refcount = unsafe { User::from_ptr(user) }.refcount();

        Some(DroppedRef { address, refcount })
    }
}

// SAFETY: It is the address of that function.
unsafe impl ftrace::Exported for FreeUid {
    fn address() -> usize {
        bindings::free_uid as usize
    }
}
