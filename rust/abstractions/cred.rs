// SPDX-License-Identifier: GPL-2.0

//! Credentials: what [`kernel::cred`] leaves out.
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h)

use kernel::{
    cred::Credential,
    prelude::*,
    sync::aref::ARef,
    task::{
        Kuid,
        Task, //
    },
};

use super::{
    user::User,
    user_namespace::UserNamespace, //
};
use crate::bindings;

/// Accessors of `struct cred` that [`Credential`] does not have.
pub(crate) trait CredentialExt {
    /// Returns the record of the real UID.
    fn user(&self) -> &User;

    /// Returns the user namespace that the credentials are relative to.
    fn user_ns(&self) -> &UserNamespace;

    /// Calls `f` with these credentials in the place of the current task's subjective ones.
    ///
    /// Everything that `f` calls and that checks permissions by `current_cred()` checks these.
    ///
    /// May be called in any context in which `current` is meaningful; it does not sleep.
    fn impersonate<R>(&self, f: impl FnOnce() -> R) -> R;
}

/// Calls `f` with the subjective credentials of the current task.
///
/// The reference ends with the call, because the task may change its credentials afterwards. No
/// reference count is taken: the task itself holds one.
///
/// # Examples
///
/// ```
/// use kernel::{cred, task::Kuid};
///
/// let euid = cred::with_current(|cred| cred.euid());
///
/// assert!(euid == Kuid::current_euid());
/// ```
#[doc(alias = "current_cred")]
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&Credential) -> R) -> R {
    let current = Task::current_raw();

    // SAFETY: `current` is valid, only the task itself replaces its `cred`, and the task owns a
    // reference to it. Nothing that `f` may safely do replaces it for good.
    f(unsafe { Credential::from_ptr((*current).cred) })
}

/// Returns the credentials that the kernel itself acts with.
///
/// Mirrors `kernel_cred()`.
pub(crate) fn kernel() -> &'static Credential {
    // SAFETY: These are the credentials of `init_task`, which is never freed and never changes
    // them.
    unsafe { Credential::from_ptr(bindings::kernel_cred()) }
}

/// Returns the objective credentials of all tasks, with some left out that are of the same UID in
/// the same user namespace as others.
///
/// Sleeps. Returns `ENOMEM` if memory runs out.
pub(crate) fn of_all_tasks() -> Result<KVec<ARef<Credential>>> {
    let mut creds = KVec::<ARef<Credential>>::new();

    loop {
        let room = creds.capacity();
        // SAFETY: There is room for so many pointers, which is what an `ARef` is.
        let count = unsafe { bindings::task_creds(creds.as_mut_ptr().cast(), room) };

        // SAFETY: So many have been written, each with a reference of its own.
        unsafe { creds.inc_len(count.min(room)) };
        if count <= room {
            return Ok(creds);
        }
        creds.clear();
        // There may be more next time.
        creds.reserve(count + count / 8, GFP_KERNEL)?;
    }
}

/// Returns the number of processes of which `uid` is the real UID.
///
/// May be called from any context.
pub(crate) fn processes(uid: Kuid) -> u32 {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::uid_tasks(uid.into_raw()) }
}

/// Puts the credentials that it replaced back when it is dropped.
struct Impersonation(*const bindings::cred);

impl Drop for Impersonation {
    fn drop(&mut self) {
        // SAFETY: `self.0` was `current->cred` before, and the task still holds its reference.
        unsafe { bindings::revert_creds(self.0) };
    }
}

impl CredentialExt for Credential {
    #[inline]
    fn user(&self) -> &User {
        // SAFETY: The pointer is valid by the type invariant of `Credential`, `user` never changes
        // and is never NULL, and the credentials hold a reference on it.
        unsafe { User::from_ptr((*self.as_ptr()).user) }
    }

    #[inline]
    fn user_ns(&self) -> &UserNamespace {
        // SAFETY: The pointer is valid by the type invariant of `Credential`, `user_ns` never
        // changes and is never NULL, and the credentials hold a reference on it.
        unsafe { UserNamespace::from_ptr((*self.as_ptr()).user_ns) }
    }

    fn impersonate<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: `self` outlives the guard, which puts the former credentials back.
        let _guard = Impersonation(unsafe { bindings::override_creds(self.as_ptr()) });

        f()
    }
}
