// SPDX-License-Identifier: GPL-2.0

//! Keys of the type `user`.
//!
//! C header: [`include/keys/user-type.h`](srctree/include/keys/user-type.h)
//!
//! Reference: <https://docs.kernel.org/security/keys/core.html>

use core::{
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    error::to_result,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
};

use super::{
    cred,
    key::{
        Key,
        KeyRef,
        Need, //
    },
    keyring::Keyring,
};
use crate::bindings;

/// A copy of what a key keeps. It is overwritten when it is dropped.
pub(crate) struct Payload(KVec<u8>);

impl Payload {
    /// Allocates a payload of `len` zeroes.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out.
    pub(crate) fn zeroed(len: usize) -> Result<Self> {
        Ok(Self(KVec::from_elem(0, len, GFP_KERNEL)?))
    }
}

impl Deref for Payload {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Payload {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        for byte in self.iter_mut() {
            // SAFETY: A reference is valid for writes. The compiler may not leave these out, though
            // nobody reads the memory before it is freed.
            unsafe { ptr::from_mut(byte).write_volatile(0) };
        }
    }
}

/// A [`Key`] of the type `user`.
///
/// # Invariants
///
/// The type of the key is `key_type_user`, and it has been instantiated, so that it has a payload
/// unless it is revoked.
#[repr(transparent)]
pub(crate) struct UserKey(Key);

impl UserKey {
    /// The size of the largest payload.
    pub(crate) const MAX_PAYLOAD: usize = 32767;

    /// The room that the longest description takes, as in `add_key(2)`.
    const DESCRIPTION_SIZE: usize = 4096;

    /// Stores a payload in the key of this description in `keyring`, which is made if there is
    /// none.
    ///
    /// Permissions are those of the current task's subjective credentials, and of one who possesses
    /// the keyring. The owner of a new key is charged for it.
    ///
    /// Sleeps. Returns `EINVAL` if the payload or the description is empty or too large, `EDQUOT`
    /// if the quota is used up, `ENOMEM` if memory runs out, `EKEYREVOKED` if the keyring is
    /// revoked, the error of its restriction if that does not take the key, and `EACCES` if it or
    /// the key must not be changed.
    #[doc(alias = "key_create_or_update")]
    pub(crate) fn store(
        keyring: &Keyring,
        description: &CStr,
        payload: &[u8],
    ) -> Result<ARef<UserKey>> {
        // The kernel relies on its callers for that.
        if !(1..Self::DESCRIPTION_SIZE).contains(&description.to_bytes().len()) {
            return Err(EINVAL);
        }

        // SAFETY: The pointers are valid for the duration of the call, and the length of the
        // description is one that the kernel takes. What is returned is an error or a reference of
        // our own.
        let key = unsafe {
            KeyRef::from_raw(bindings::key_create_or_update(
                KeyRef::encode(keyring, true),
                c"user".as_char_ptr(),
                description.as_char_ptr(),
                payload.as_ptr().cast(),
                payload.len(),
                bindings::KEY_PERM_UNDEF,
                bindings::KEY_ALLOC_IN_QUOTA as usize,
            ))
        }?;

        // SAFETY: The key is of the type that was asked for, and this instantiates it.
        Ok(unsafe { Self::from_key(key.into_key()) })
    }

    /// Finds the key of this description in `keyring`, but not in those linked to it.
    ///
    /// Permissions are those of the current task's subjective credentials, and of one who possesses
    /// the keyring.
    ///
    /// Sleeps until the key has been instantiated. Returns `ENOKEY` if there is none or it has been
    /// invalidated, `ERESTARTSYS` if a signal arrives, `EKEYREVOKED` or `EKEYEXPIRED` if it or the
    /// keyring cannot be used, the error that the key was instantiated with if it was rejected, and
    /// `EACCES` if it does not grant what is needed.
    #[doc(alias = "keyring_search")]
    pub(crate) fn find(keyring: &Keyring, description: &CStr, need: Need) -> Result<ARef<UserKey>> {
        // SAFETY: The pointers are valid for the duration of the call. What is returned is an error
        // or a reference of our own.
        let key = unsafe {
            KeyRef::from_raw(bindings::keyring_search(
                KeyRef::encode(keyring, true),
                &raw mut bindings::key_type_user,
                description.as_char_ptr(),
                false,
            ))
        }
        .map_err(|e| match e == EAGAIN {
            // The prelude has no `ENOKEY` before Linux 7.3.
            true => Error::from_errno(-(bindings::ENOKEY as c_int)),
            false => e,
        })?
        .into_key();

        // SAFETY: By the type invariant the pointer is valid.
        to_result(unsafe { bindings::wait_for_key_construction(key.as_ptr(), true) })?;
        if !cred::with_current(|cred| key.permits(true, cred, need)) {
            return Err(EACCES);
        }
        // SAFETY: The key is of the type that was asked for, and we waited for it.
        Ok(unsafe { Self::from_key(key) })
    }

    /// # Safety
    ///
    /// The key must be of the type `user`, and instantiated.
    unsafe fn from_key(key: ARef<Key>) -> ARef<UserKey> {
        // INVARIANT: The safety requirements are those of the invariant.
        // SAFETY: The reference is passed on, and `UserKey` has the same representation as `Key`.
        unsafe { ARef::from_raw(ARef::into_raw(key).cast()) }
    }

    /// Returns a copy of the payload.
    ///
    /// Permissions are not checked. Sleeps, and takes the semaphore of the key. Returns
    /// `EKEYREVOKED` or `EKEYEXPIRED` if the key is of no use any more, and `ENOMEM` if memory runs
    /// out.
    #[doc(alias = "user_read")]
    pub(crate) fn read(&self) -> Result<Payload> {
        let mut payload = Payload::zeroed(0)?;

        loop {
            let size = self.read_to(&mut payload)?;

            if size == payload.len() {
                return Ok(payload);
            }
            payload = Payload::zeroed(size)?;
        }
    }

    /// Copies as much of the payload as there is room for, and returns the size of all of it.
    fn read_to(&self, buffer: &mut [u8]) -> Result<usize> {
        let key = self.0.as_ptr();

        // SAFETY: By the type invariant the pointer is valid.
        unsafe { bindings::down_read(&raw mut (*key).sem) };
        let size = self.0.validate().map(|()| {
            // SAFETY: By the type invariant there is a payload, because the key is not revoked, and
            // nobody changes that while the semaphore is held. The buffer has room for its length.
            unsafe { bindings::user_read(key, buffer.as_mut_ptr(), buffer.len()) }
        });
        // SAFETY: It was taken above.
        unsafe { bindings::up_read(&raw mut (*key).sem) };

        // CAST: It is the size of a payload, of 16 bits.
        Ok(size? as usize)
    }
}

impl Deref for UserKey {
    type Target = Key;

    #[inline]
    fn deref(&self) -> &Key {
        &self.0
    }
}

// SAFETY: A key of this type is a key, which is always refcounted.
unsafe impl AlwaysRefCounted for UserKey {
    #[inline]
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<UserKey>) {
        // SAFETY: The safety requirements are those of the callee, and `UserKey` has the same
        // representation as `Key`.
        unsafe { Key::dec_ref(obj.cast()) };
    }
}
