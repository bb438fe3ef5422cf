// SPDX-License-Identifier: GPL-2.0

//! Keyrings.
//!
//! C header: [`include/linux/key.h`](srctree/include/linux/key.h)
//!
//! Reference: <https://docs.kernel.org/security/keys/core.html>

use core::{
    mem::size_of,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    cred::Credential,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    task::Kuid, //
};

use super::key::{
    Key,
    KeyRef,
    Need,
    Permissions,
    Serial, //
};
use crate::bindings;

/// How the size of a new keyring is charged, and what it is for.
#[derive(Clone, Copy)]
pub(crate) enum AllocFlags {
    /// An ordinary keyring, charged to its owner's quota.
    InQuota,
    /// A user or user session keyring, charged to its owner's quota.
    UidKeyring,
}

impl AllocFlags {
    const fn as_raw(self) -> usize {
        match self {
            Self::InQuota => bindings::KEY_ALLOC_IN_QUOTA as usize,
            Self::UidKeyring => {
                (bindings::KEY_ALLOC_IN_QUOTA | bindings::KEY_ALLOC_UID_KEYRING) as usize
            }
        }
    }
}

/// A [`Key`] of the type `keyring`.
///
/// # Examples
///
/// ```
/// use kernel::{
///     cred,
///     key::Permissions,
///     keyring::{AllocFlags, Keyring},
///     sync::aref::ARef,
/// };
///
/// let new = |description, dest: Option<&Keyring>| -> Result<ARef<Keyring>> {
///     cred::with_current(|cred| {
///         Keyring::alloc(
///             description,
///             cred.euid(),
///             cred,
///             Permissions::POSSESSOR_ALL,
///             AllocFlags::InQuota,
///             dest,
///         )
///     })
/// };
/// let outer = new(c"outer", None)?;
/// let inner = new(c"inner", Some(&outer))?;
///
/// assert_eq!(outer.search(c"inner")?.serial(), inner.serial());
/// assert_eq!(inner.link(&outer), Err(EDEADLK));
/// outer.unlink(&inner)?;
/// assert_eq!(outer.search(c"inner").err(), Some(EAGAIN));
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// The type of the key is `key_type_keyring`, which never changes and is never unregistered.
#[repr(transparent)]
pub(crate) struct Keyring(Key);

impl Keyring {
    /// Creates a reference to a [`Keyring`] from a valid pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` is valid, remains valid for the lifetime of the returned
    /// reference, and points to a key of the type `keyring`.
    #[inline]
    pub(crate) unsafe fn from_ptr<'a>(ptr: *const bindings::key) -> &'a Keyring {
        // INVARIANT: The safety requirements guarantee the type of the key.
        // SAFETY: The safety requirements guarantee the validity of the dereference, while both
        // `Keyring` and `Key` being transparent makes the cast ok.
        unsafe { &*ptr.cast() }
    }

    /// Turns a reference on a key into one on a keyring.
    ///
    /// Returns `ENOTDIR`, as C code does, if the key is none.
    pub(crate) fn try_from_key(key: ARef<Key>) -> Result<ARef<Keyring>> {
        // SAFETY: The pointer is valid by the invariant of `Key`, and `type` does not change.
        let key_type = unsafe { (*key.as_ptr()).__bindgen_anon_3.__bindgen_anon_1.type_ };

        if !ptr::eq(key_type, &raw const bindings::key_type_keyring) {
            return Err(ENOTDIR);
        }
        // INVARIANT: We just checked the type.
        // SAFETY: The reference is passed on, and `Keyring` has the same representation as `Key`.
        Ok(unsafe { ARef::from_raw(ARef::into_raw(key).cast()) })
    }

    /// Returns the user session keyring of the current task's real UID in its user namespace.
    ///
    /// If there is none, it is made. The task possesses it, whatever its session keyring is.
    ///
    /// Sleeps. Returns `ENOKEY` if it cannot be made or used, and `EACCES` if it does not grant
    /// what is needed to the current task's subjective credentials.
    #[doc(alias = "lookup_user_key")]
    pub(crate) fn user_session(need: Need) -> Result<ARef<Keyring>> {
        // SAFETY: An FFI call with no additional requirements. What is returned is an error or a
        // reference of our own.
        let found = unsafe {
            KeyRef::from_raw(bindings::lookup_user_key(
                bindings::KEY_SPEC_USER_SESSION_KEYRING,
                bindings::key_lookup_flag_KEY_LOOKUP_CREATE as usize,
                need as bindings::key_need_perm,
            ))
        }?;

        Self::try_from_key(found.into_key())
    }

    /// Allocates a keyring that belongs to `owner` and to no group.
    ///
    /// If `dest` is given, the new keyring is linked there before anybody else can see it.
    ///
    /// Sleeps, and takes the semaphore of `dest`. Returns `EDQUOT` if the owner's quota is used up,
    /// `ENOMEM` if memory runs out, `EKEYREVOKED` and others if `dest` cannot take the link, or
    /// what a security module objects with. No keyring is left behind then.
    #[doc(alias = "keyring_alloc")]
    pub(crate) fn alloc(
        description: &CStr,
        owner: Kuid,
        cred: &Credential,
        permissions: Permissions,
        flags: AllocFlags,
        dest: Option<&Keyring>,
    ) -> Result<ARef<Keyring>> {
        const INVALID_GID: bindings::kgid_t = bindings::kgid_t { val: u32::MAX };

        // SAFETY: All pointers are valid for the duration of the call, or NULL where that is
        // allowed.
        let keyring = from_err_ptr(unsafe {
            bindings::keyring_alloc(
                description.as_char_ptr(),
                owner.into_raw(),
                INVALID_GID,
                cred.as_ptr(),
                permissions.as_raw(),
                flags.as_raw(),
                ptr::null_mut(),
                dest.map_or(ptr::null_mut(), |keyring| keyring.as_ptr()),
            )
        })?;

        // INVARIANT: `keyring_alloc` makes keyrings.
        // SAFETY: It returned a reference, which the `ARef` takes over.
        Ok(unsafe { ARef::from_raw(NonNull::new(keyring.cast()).ok_or(ENOMEM)?) })
    }

    /// Searches this keyring, but not those linked to it, for a keyring, with the permissions of
    /// one who possesses it.
    ///
    /// Permissions are those of the current task's subjective credentials. Takes only the RCU read
    /// lock, and does not sleep.
    ///
    /// Returns `EAGAIN` if there is none, `EKEYREVOKED` if it is revoked or invalidated,
    /// `EKEYEXPIRED` if it has expired, and `EACCES` if it must not be found.
    #[doc(alias = "keyring_search")]
    pub(crate) fn search(&self, description: &CStr) -> Result<ARef<Keyring>> {
        // SAFETY: The pointers are valid for the duration of the call. What is returned is an error
        // or a reference of our own.
        let found = unsafe {
            KeyRef::from_raw(bindings::keyring_search(
                KeyRef::encode(self, true),
                &raw mut bindings::key_type_keyring,
                description.as_char_ptr(),
                false,
            ))
        }?;

        Self::try_from_key(found.into_key())
    }

    /// Links `key` to this keyring. A key of the same type and description is displaced.
    ///
    /// Sleeps, and takes the semaphore of the keyring. Returns `EKEYREVOKED` if the keyring is
    /// revoked, `EDQUOT` or `ENOMEM` if there is no room for the link, and `EPERM` if the keyring
    /// is restricted.
    #[doc(alias = "key_link")]
    pub(crate) fn link(&self, key: &Key) -> Result {
        // SAFETY: Both pointers are valid by the type invariants.
        to_result(unsafe { bindings::key_link(self.as_ptr(), key.as_ptr()) })
    }

    /// Removes the link to `key` from this keyring.
    ///
    /// Sleeps, and takes the semaphore of the keyring. Returns `ENOENT` if there is no such link.
    #[doc(alias = "key_unlink")]
    pub(crate) fn unlink(&self, key: &Key) -> Result {
        // SAFETY: Both pointers are valid by the type invariants.
        to_result(unsafe { bindings::key_unlink(self.as_ptr(), key.as_ptr()) })
    }

    /// Calls `f` with each keyring that is linked to this one, whatever its permissions and state.
    ///
    /// Takes time in proportion to the number of links. Sleeps, and takes the semaphore of the
    /// keyring. Returns `ENOMEM` if memory runs out.
    #[doc(alias = "keyring_read")]
    pub(crate) fn for_each_keyring(&self, mut f: impl FnMut(ARef<Keyring>)) -> Result {
        for serial in self.serials()? {
            // It may have been freed meanwhile.
            if let Ok(keyring) = Key::lookup(serial).and_then(Self::try_from_key) {
                f(keyring);
            }
        }
        Ok(())
    }

    /// Returns the keyring of this description that is linked to this one, whatever its permissions
    /// and state.
    ///
    /// Takes time in proportion to the number of links. Sleeps, and takes the semaphore of the
    /// keyring. Returns `ENOMEM` if memory runs out.
    pub(crate) fn find_linked(&self, description: &CStr) -> Result<Option<ARef<Keyring>>> {
        let mut found = None;

        self.for_each_keyring(|keyring| {
            if keyring.description() == description {
                found = Some(keyring);
            }
        })?;
        Ok(found)
    }

    /// Returns the serial numbers of all that is linked to this keyring.
    fn serials(&self) -> Result<KVVec<Serial>> {
        let mut serials = KVVec::<Serial>::new();

        loop {
            let room = serials.capacity() * size_of::<Serial>();
            // SAFETY: The pointer to the key is valid by the type invariant, and there is `room`
            // in the buffer. What is returned is the size of what would have been written if there
            // had been room for all.
            let size = unsafe { bindings::keyring_read(self.as_ptr(), serials.as_mut_ptr(), room) };
            let size = usize::try_from(size)
                .map_err(|_| c_int::try_from(size).map_or(EINVAL, Error::from_errno))?;

            if size <= room {
                // SAFETY: So many have been written.
                unsafe { serials.inc_len(size / size_of::<Serial>()) };
                return Ok(serials);
            }
            serials.reserve(size / size_of::<Serial>(), GFP_KERNEL)?;
        }
    }

    /// Returns the number of links at this moment.
    ///
    /// May be called from any context.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: The pointer is valid by the type invariant. By the type of the key this is the
        // member of the union that is in use, and C code writes the field by single stores.
        unsafe {
            (&raw const (*self.as_ptr())
                .__bindgen_anon_4
                .__bindgen_anon_1
                .keys
                .nr_leaves_on_tree)
                .read_volatile()
        }
    }

    /// Returns whether there is no link at this moment.
    ///
    /// May be called from any context.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all links from this keyring.
    ///
    /// Sleeps, and takes the semaphore of the keyring.
    #[doc(alias = "keyring_clear")]
    pub(crate) fn clear(&self) -> Result {
        // SAFETY: The pointer is valid by the type invariant.
        to_result(unsafe { bindings::keyring_clear(self.as_ptr()) })
    }
}

impl Deref for Keyring {
    type Target = Key;

    #[inline]
    fn deref(&self) -> &Key {
        &self.0
    }
}

// SAFETY: A keyring is a key, which is always refcounted.
unsafe impl AlwaysRefCounted for Keyring {
    #[inline]
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Keyring>) {
        // SAFETY: The safety requirements are those of the callee, and `Keyring` has the same
        // representation as `Key`.
        unsafe { Key::dec_ref(obj.cast()) };
    }
}
