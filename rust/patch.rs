// SPDX-License-Identifier: GPL-2.0

//! The functions that replace those of the kernel.
//!
//! They turn pointers into types and results into an errno, and leave the thinking to the resolver.

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    bindings,
    cred::Credential,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
};

use crate::{
    abstractions::{
        cred::{
            self,
            CredentialExt as _, //
        },
        keyring::Keyring,
        livepatch::{
            Func,
            Patch,
            Slot, //
        },
        params,
        user_namespace, //
    },
    resolver::Resolver,
};

static RESOLVER: Slot<Resolver> = Slot::new();

// SAFETY: The slot is a `static` of this patch alone.
unsafe impl Patch for Resolver {
    const FUNCS: &'static [Func] = &[
        // SAFETY: The signatures, and what the functions say of their contracts, are the same.
        unsafe { Func::new(c"look_up_user_keyrings", look_up_user_keyrings as *const ()) },
        // SAFETY: As above.
        unsafe {
            Func::new(
                c"get_user_session_keyring_rcu",
                get_user_session_keyring_rcu as *const (),
            )
        },
    ];

    fn slot() -> &'static Slot<Self> {
        &RESOLVER
    }

    fn post_patch(&self) {
        self.take_charge();
        pr_info!("all tasks are answered from UID records\n");
    }

    fn pre_unpatch(&self) {
        let uids = self.unregistered();

        self.hand_back();

        if uids != 0 {
            pr_warn!("{uids} UIDs without a mapping have keyrings that the kernel does not find\n");
        }
    }

    fn post_unpatch(&self) {
        pr_info!("all tasks are answered by the kernel's own code\n");
    }
}

/// Turns a reference on a keyring into a pointer that owns it.
#[inline]
fn into_raw(keyring: ARef<Keyring>) -> *mut bindings::key {
    ARef::into_raw(keyring).cast().as_ptr()
}

/// Tells root that it relies on keyrings that it had better not rely on.
#[cold]
fn notice_root(cred: &Credential) {
    if cred.user().uid() == user_namespace::init().owner() {
        params::print_notice_root();
    }
}

/// Looks up the user and user session keyrings of the current task's UID, and creates them if they
/// do not exist.
///
/// Replaces the function of the same name in `security/keys/process_keys.c`. Called in process
/// context; may sleep. Returns 0, or an errno as [`Resolver::resolve`] does and stores nothing.
///
/// # Safety
///
/// Each of the two pointers must be NULL or valid for a write. The caller takes over a reference on
/// what is stored.
unsafe extern "C" fn look_up_user_keyrings(
    user_keyring: *mut *mut bindings::key,
    user_session_keyring: *mut *mut bindings::key,
) -> c_int {
    // SAFETY: This is a replacement function of the patch.
    let resolver = unsafe { RESOLVER.get() };

    if params::notice_root() {
        cred::with_current(notice_root);
    }

    let resolved = cred::with_current(|cred| {
        resolver.resolve(cred, |pair| {
            // References are taken on what is asked for only.
            let user = NonNull::new(user_keyring).map(|out| (out, pair.user.clone()));
            let session = NonNull::new(user_session_keyring).map(|out| (out, pair.session.clone()));

            [user, session]
        })
    });

    match resolved {
        Ok(keyrings) => {
            for (out, keyring) in keyrings.into_iter().flatten() {
                // SAFETY: The pointer is not NULL, so the caller guarantees that it is valid.
                unsafe { out.write(into_raw(keyring)) };
            }
            0
        }
        Err(e) => e.to_errno(),
    }
}

/// Returns the user session keyring of `cred`'s UID if it exists, or NULL.
///
/// Replaces the function of the same name in `security/keys/process_keys.c`. Called with the RCU
/// read lock held; does not sleep. The caller takes over a reference.
///
/// # Safety
///
/// `cred` must point to credentials that are kept alive for the duration of the call.
unsafe extern "C" fn get_user_session_keyring_rcu(
    cred: *const bindings::cred,
) -> *mut bindings::key {
    // SAFETY: This is a replacement function of the patch.
    let resolver = unsafe { RESOLVER.get() };
    // SAFETY: The safety requirements of this function are those of the callee.
    let cred = unsafe { Credential::from_ptr(cred) };

    resolver
        .session_keyring(cred, &rcu::read_lock())
        .map_or(ptr::null_mut(), into_raw)
}
