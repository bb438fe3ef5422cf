// SPDX-License-Identifier: GPL-2.0

//! UID records, user namespaces and credentials for tests to use as they like.
//!
//! The kernel makes these for processes only, and tests run in a kernel thread. What is made here
//! is known to nobody else. It starts with many references, so that C code never frees it.

use core::ops::Deref;

use kernel::{
    cred::Credential,
    prelude::*,
    sync::{
        aref::ARef,
        rcu,
        Arc, //
    },
    time::{delay::fsleep, Delta},
    types::Opaque, //
};

use crate::{
    abstractions::{
        cred::CredentialExt as _,
        key::{
            Key,
            Permissions, //
        },
        keyring::{
            AllocFlags,
            Keyring, //
        },
        user::User,
        user_namespace::UserNamespace, //
    },
    bindings,
    record::{
        Pair,
        Records, //
    },
    resolver::Resolver,
};

const REFS: i32 = 1000;

/// A UID record that is in no hash table.
///
/// It is leaked, so that tests need not care what refers to it for how long.
pub(crate) struct TestUser(&'static Opaque<bindings::user_struct>);

impl TestUser {
    pub(crate) fn new(uid: u32) -> Result<Self> {
        let mut user = bindings::user_struct::default();

        user.__count.refs.counter = REFS;
        user.uid.val = uid;
        Ok(Self(KBox::leak(KBox::new(Opaque::new(user), GFP_KERNEL)?)))
    }

    /// Returns the number of references that others hold.
    pub(crate) fn refs(&self) -> i32 {
        // Credentials and records are dropped after a grace period.
        rcu::rcu_barrier();
        // SAFETY: The pointer is valid.
        unsafe { (&raw const (*self.0.get()).__count.refs.counter).read_volatile() - REFS }
    }
}

impl Deref for TestUser {
    type Target = User;

    fn deref(&self) -> &User {
        // SAFETY: The pointer is valid for as long as `self` is.
        unsafe { User::from_ptr(self.0.get()) }
    }
}

/// A user namespace that is in no tree.
///
/// It is leaked, because keyrings that outlive a test take themselves out of a list in it.
pub(crate) struct TestNamespace(&'static Opaque<bindings::user_namespace>);

impl TestNamespace {
    /// Creates a namespace that maps `count` UIDs: `inside` in it is `outside` in the initial one.
    pub(crate) fn new(id: u64, inside: u32, outside: u32, count: u32) -> Result<Self> {
        let ns = KBox::leak(KBox::new(
            Opaque::new(bindings::user_namespace::default()),
            GFP_KERNEL,
        )?);
        let raw = ns.get();

        // SAFETY: Nobody else knows the namespace yet. `id` is written to where it is.
        unsafe {
            bindings::__init_rwsem(
                &raw mut (*raw).keyring_sem,
                c"TestNamespace".as_char_ptr(),
                kernel::static_lock_class!().get_ref().as_ptr(),
            );
            bindings::INIT_LIST_HEAD(&raw mut (*raw).keyring_name_list);
            (*raw).ns.__bindgen_anon_1.__ns_ref.refs.counter = REFS;
            raw.byte_add(bindings::USER_NS_ID_OFFSET)
                .cast::<u64>()
                .write(id);
        }
        let ns = Self(ns);
        if count != 0 {
            ns.map(inside, outside, count);
        }
        Ok(ns)
    }

    /// Writes the mapping, as a process does through `/proc/PID/uid_map`.
    pub(crate) fn map(&self, inside: u32, outside: u32, count: u32) {
        // SAFETY: The pointer is valid, and the test is the only one to use the namespace.
        unsafe {
            let map = &raw mut (*self.0.get()).uid_map.__bindgen_anon_1.__bindgen_anon_1;

            (*map).extent[0] = bindings::uid_gid_extent {
                first: inside,
                lower_first: outside,
                count,
            };
            (*map).nr_extents = 1;
        }
    }

    /// Returns the number of references that others hold.
    pub(crate) fn refs(&self) -> i32 {
        rcu::rcu_barrier();
        // SAFETY: The pointer is valid.
        unsafe {
            (&raw const (*self.0.get()).ns.__bindgen_anon_1.__ns_ref.refs.counter).read_volatile()
                - REFS
        }
    }
}

impl Deref for TestNamespace {
    type Target = UserNamespace;

    fn deref(&self) -> &UserNamespace {
        // SAFETY: The pointer is valid for as long as `self` is.
        unsafe { UserNamespace::from_ptr(self.0.get()) }
    }
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        // SAFETY: The namespace holds a reference on its register. `key_put` takes NULL.
        unsafe { bindings::key_put((*self.0.get()).user_keyring_register) };
    }
}

/// Returns credentials of `user` in `ns`.
pub(crate) fn cred(user: &TestUser, ns: &TestNamespace) -> Result<ARef<Credential>> {
    // SAFETY: `init_task` is never freed.
    let raw = unsafe { bindings::prepare_kernel_cred(&raw mut bindings::init_task) };
    let cred = core::ptr::NonNull::new(raw.cast::<Credential>()).ok_or(ENOMEM)?;

    // SAFETY: Nobody else knows the credentials yet, which own a reference on each record and
    // namespace: the old ones are given up, and the new ones taken.
    unsafe {
        bindings::free_uid((*raw).user);
        (*raw).user = ARef::into_raw(ARef::<User>::from(&**user)).cast().as_ptr();
        bindings::put_user_ns((*raw).user_ns);
        (*raw).user_ns = ARef::into_raw(ARef::<UserNamespace>::from(&**ns))
            .cast()
            .as_ptr();
        (*raw).uid = user.uid().into_raw();
        (*raw).euid = user.uid().into_raw();
        (*raw).fsuid = user.uid().into_raw();
    }

    // SAFETY: The one reference is handed over.
    Ok(unsafe { ARef::from_raw(cred) })
}

/// Returns an empty keyring that belongs to root.
pub(crate) fn keyring(description: &CStr) -> Result<ARef<Keyring>> {
    crate::abstractions::cred::with_current(|cred| {
        Keyring::alloc(
            description,
            cred.user().uid(),
            cred,
            Permissions::POSSESSOR_ALL.with(Permissions::OWNER_ALL),
            AllocFlags::InQuota,
            None,
        )
    })
}

/// Returns a key of the type `user`, linked to `keyring`.
pub(crate) fn user_key(keyring: &Keyring, description: &CStr) -> Result<ARef<Key>> {
    let payload = b"payload";

    // SAFETY: All pointers are valid. What is returned is an error or a reference of our own.
    let key = unsafe {
        crate::abstractions::key::KeyRef::from_raw(bindings::key_create_or_update(
            crate::abstractions::key::KeyRef::encode(keyring, true),
            c"user".as_char_ptr(),
            description.as_char_ptr(),
            payload.as_ptr().cast(),
            payload.len(),
            bindings::KEY_POS_ALL | bindings::KEY_USR_ALL,
            bindings::KEY_ALLOC_IN_QUOTA as usize,
        ))
    }?;

    Ok(key.into_key())
}

/// Waits for something that a work item does, for two seconds at most.
pub(crate) fn wait_until(f: impl Fn() -> bool) -> bool {
    for _ in 0..200 {
        if f() {
            return true;
        }
        fsleep(Delta::from_millis(10));
    }
    false
}

/// A resolver with records of its own.
pub(crate) struct TestResolver {
    pub(crate) resolver: Resolver,
    pub(crate) records: Arc<Records>,
}

impl TestResolver {
    pub(crate) fn new() -> Result<Self> {
        let records = Records::new()?;

        Ok(Self {
            resolver: Resolver::new(records.clone()),
            records,
        })
    }

    /// Resolves as a task with these credentials would.
    pub(crate) fn resolve(&self, cred: &Credential) -> Result<Pair> {
        cred.impersonate(|| self.resolver.resolve(cred, Pair::clone))
    }

    /// Returns what `request_key()` would search on behalf of these credentials.
    pub(crate) fn session_keyring(&self, cred: &Credential) -> Option<ARef<Keyring>> {
        self.resolver.session_keyring(cred, &rcu::read_lock())
    }
}
