// SPDX-License-Identifier: GPL-2.0

//! Keys.
//!
//! C headers: [`include/linux/key.h`](srctree/include/linux/key.h),
//! [`security/keys/internal.h`](srctree/security/keys/internal.h)
//!
//! Reference: <https://docs.kernel.org/security/keys/core.html>

use core::{
    ops::BitOr,
    ptr::NonNull, //
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
    task::Kuid,
    types::Opaque, //
};

use crate::bindings;

/// The serial number of a key.
pub(crate) type Serial = bindings::key_serial_t;

/// The permissions mask of a key: six bits each for its possessor, its owner, its group and others.
///
/// # Examples
///
/// ```
/// use kernel::key::Permissions;
///
/// let all = Permissions::POSSESSOR_ALL | Permissions::OWNER_VIEW;
/// let fixed = all.without(Permissions::POSSESSOR_SETATTR);
///
/// assert!(fixed.contains(Permissions::POSSESSOR_SEARCH));
/// assert!(!fixed.contains(Permissions::POSSESSOR_SETATTR));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permissions(u32);

impl Permissions {
    /// The possessor may do everything.
    pub(crate) const POSSESSOR_ALL: Self = Self(bindings::KEY_POS_ALL);
    /// The possessor may add links to the keyring, and remove them.
    pub(crate) const POSSESSOR_WRITE: Self = Self(bindings::KEY_POS_WRITE);
    /// The possessor may search the keyring and find the key.
    pub(crate) const POSSESSOR_SEARCH: Self = Self(bindings::KEY_POS_SEARCH);
    /// The possessor may change the owner, the permissions and the timeout.
    pub(crate) const POSSESSOR_SETATTR: Self = Self(bindings::KEY_POS_SETATTR);
    /// The owner may do everything.
    pub(crate) const OWNER_ALL: Self = Self(bindings::KEY_USR_ALL);
    /// The owner may see the attributes.
    pub(crate) const OWNER_VIEW: Self = Self(bindings::KEY_USR_VIEW);
    /// The owner may read the payload.
    pub(crate) const OWNER_READ: Self = Self(bindings::KEY_USR_READ);

    /// Returns these permissions less those in `other`.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the union, where `|` cannot be used because it is not `const`.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether all permissions in `other` are among these.
    #[inline]
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the mask as `struct key` has it.
    pub(crate) const fn as_raw(self) -> bindings::key_perm_t {
        self.0
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

/// What somebody needs permission for.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Need {
    /// To see the attributes.
    View = bindings::key_need_perm_KEY_NEED_VIEW,
    /// To read the payload.
    Read = bindings::key_need_perm_KEY_NEED_READ,
    /// To update the payload, or to add links to a keyring and remove them.
    Write = bindings::key_need_perm_KEY_NEED_WRITE,
    /// To find the key, or to search a keyring.
    Search = bindings::key_need_perm_KEY_NEED_SEARCH,
    /// To link the key to a keyring.
    Link = bindings::key_need_perm_KEY_NEED_LINK,
    /// To change the owner, the permissions or the timeout.
    Setattr = bindings::key_need_perm_KEY_NEED_SETATTR,
}

/// Wraps the kernel's `struct key`.
///
/// # Invariants
///
/// Instances of this type are always refcounted, that is, a call to `key_get` ensures that the
/// allocation remains valid at least until the matching call to `key_put`.
#[repr(transparent)]
pub(crate) struct Key(Opaque<bindings::key>);

// SAFETY:
// - `key_put` can be called from any thread.
// - It is okay to send ownership of `Key` across thread boundaries.
unsafe impl Send for Key {}

// SAFETY: What changes in it is only read by single loads, or accessed by C code that takes the
// key's locks.
unsafe impl Sync for Key {}

/// Reads a field of a key that C code may be changing at the same time.
///
/// Mirrors `READ_ONCE()`. Expands to a load of its own, because this is what look-ups are made of.
macro_rules! read_once {
    ($key:ident . $($field:ident).+) => {
        // SAFETY: By the type invariant the pointer is valid. The fields are aligned words, which
        // C code writes by single stores.
        unsafe { (&raw const (*$key.as_ptr()).$($field).+).read_volatile() }
    };
}

impl Key {
    /// Creates a reference to a [`Key`] from a valid pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` is valid and remains valid for the lifetime of the
    /// returned reference.
    #[inline]
    pub(crate) unsafe fn from_ptr<'a>(ptr: *const bindings::key) -> &'a Key {
        // SAFETY: The safety requirements guarantee the validity of the dereference, while the
        // `Key` type being transparent makes the cast ok.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the inner `struct key`.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::key {
        self.0.get()
    }

    /// Finds a key by its serial number.
    ///
    /// No permission is checked. To be called in process context, without `key_serial_lock`, which
    /// `/proc/keys` holds while it searches the keyrings of its reader; does not sleep. Returns
    /// `ENOKEY` if there is no such key or it is about to be freed.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::key::Key;
    ///
    /// // No key has such a serial number.
    /// assert_eq!(Key::lookup(-1).err(), Some(ENOKEY));
    /// ```
    #[doc(alias = "key_lookup")]
    pub(crate) fn lookup(serial: Serial) -> Result<ARef<Key>> {
        // SAFETY: An FFI call with no additional requirements.
        let key = from_err_ptr(unsafe { bindings::key_lookup(serial) })?;

        // SAFETY: `key_lookup` returned a reference, which the `ARef` takes over.
        Ok(unsafe { ARef::from_raw(NonNull::new(key.cast()).ok_or(ENOENT)?) })
    }

    /// Returns the serial number.
    #[inline]
    pub(crate) fn serial(&self) -> Serial {
        // SAFETY: By the type invariant the pointer is valid, and `serial` does not change once
        // others can see the key.
        unsafe { (*self.as_ptr()).serial }
    }

    /// Returns the description.
    pub(crate) fn description(&self) -> &CStr {
        // SAFETY: By the type invariant the pointer is valid. The description is set before others
        // can see the key and freed with it.
        unsafe {
            CStr::from_char_ptr(
                (*self.as_ptr())
                    .__bindgen_anon_3
                    .__bindgen_anon_1
                    .description,
            )
        }
    }

    /// Returns the owner.
    pub(crate) fn uid(&self) -> Kuid {
        Kuid::from_raw(read_once!(self.uid))
    }

    /// Returns the permissions mask.
    #[inline]
    pub(crate) fn permissions(&self) -> Permissions {
        Permissions(read_once!(self.perm))
    }

    /// Returns the number of references at this moment.
    pub(crate) fn refcount(&self) -> i32 {
        read_once!(self.usage.refs.counter)
    }

    #[inline]
    fn has_flag(&self, flag: u32) -> bool {
        read_once!(self.flags) & (1 << flag) != 0
    }

    /// Returns whether the key was made to be a user or user session keyring by the kernel.
    ///
    /// No key that user space makes has this flag, whatever its name.
    #[inline]
    pub(crate) fn is_uid_keyring(&self) -> bool {
        self.has_flag(bindings::KEY_FLAG_UID_KEYRING)
    }

    /// Returns whether the key is neither revoked nor invalidated, and will not expire by itself.
    ///
    /// May be called from any context.
    #[inline]
    pub(crate) fn is_live_without_expiry(&self) -> bool {
        const GONE: usize = 1 << bindings::KEY_FLAG_INVALIDATED | 1 << bindings::KEY_FLAG_REVOKED;

        read_once!(self.flags) & GONE == 0
            && matches!(
                read_once!(self.__bindgen_anon_2.expiry),
                0 | bindings::time64_t::MAX
            )
    }

    /// Checks that the key may be used.
    ///
    /// May be called from any context. Returns `ENOKEY` if the key is invalidated, `EKEYREVOKED` if
    /// it is revoked or its type is gone, and `EKEYEXPIRED` if it has expired.
    #[doc(alias = "key_validate")]
    pub(crate) fn validate(&self) -> Result {
        // SAFETY: By the type invariant the pointer is valid.
        to_result(unsafe { bindings::key_validate(self.as_ptr()) })
    }

    /// Returns whether `cred` has a permission, and no security module objects.
    ///
    /// May be called from any context, as long as `cred` is kept alive.
    #[doc(alias = "key_task_permission")]
    #[inline]
    pub(crate) fn permits(&self, possessed: bool, cred: &Credential, need: Need) -> bool {
        // SAFETY: Both pointers are valid by the type invariants.
        let result = unsafe {
            bindings::key_task_permission(
                KeyRef::encode(self, possessed),
                cred.as_ptr(),
                need as bindings::key_need_perm,
            )
        };

        // Nobody asks for the errno, and to make an `Error` of it is a call.
        result == 0
    }

    /// Revokes the key.
    ///
    /// Sleeps.
    #[doc(alias = "key_revoke")]
    pub(crate) fn revoke(&self) {
        // SAFETY: By the type invariant the pointer is valid.
        unsafe { bindings::key_revoke(self.as_ptr()) };
    }

    /// Invalidates the key: nobody finds it any more, and the kernel collects it.
    ///
    /// Sleeps.
    #[doc(alias = "key_invalidate")]
    pub(crate) fn invalidate(&self) {
        // SAFETY: By the type invariant the pointer is valid.
        unsafe { bindings::key_invalidate(self.as_ptr()) };
    }

    /// Lets the key expire in `seconds`, or never if that is 0.
    ///
    /// Sleeps.
    #[doc(alias = "key_set_timeout")]
    pub(crate) fn set_timeout(&self, seconds: u32) {
        // SAFETY: By the type invariant the pointer is valid.
        unsafe { bindings::key_set_timeout(self.as_ptr(), seconds) };
    }
}

// SAFETY: The type invariants guarantee that `Key` is always refcounted.
unsafe impl AlwaysRefCounted for Key {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: The existence of a shared reference means that the refcount is nonzero. This is
        // all that `__key_get` does.
        unsafe { bindings::refcount_inc(&raw mut (*self.as_ptr()).usage) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Key>) {
        // SAFETY: The safety requirements guarantee that the refcount is nonzero.
        unsafe { bindings::key_put(obj.cast().as_ptr()) };
    }
}

/// A reference to a key together with whether it is possessed.
///
/// Mirrors `key_ref_t`, of which the lowest bit says so.
pub(crate) struct KeyRef {
    key: ARef<Key>,
    possessed: bool,
}

impl KeyRef {
    /// Takes over a reference that C code returned, or the errno in its place.
    ///
    /// # Safety
    ///
    /// If `raw` is not an error, the caller must own a reference on the key, which it gives up.
    pub(crate) unsafe fn from_raw(raw: bindings::key_ref_t) -> Result<Self> {
        let raw = from_err_ptr(raw)?;
        let key = NonNull::new(raw.map_addr(|addr| addr & !1).cast::<Key>()).ok_or(ENOENT)?;

        Ok(Self {
            // SAFETY: The safety requirements guarantee that there is a reference to take over.
            key: unsafe { ARef::from_raw(key) },
            possessed: raw.addr() & 1 != 0,
        })
    }

    /// Returns the `key_ref_t` that refers to `key`. It owns nothing.
    #[doc(alias = "make_key_ref")]
    pub(crate) fn encode(key: &Key, possessed: bool) -> bindings::key_ref_t {
        key.as_ptr()
            .map_addr(|addr| addr | usize::from(possessed))
            .cast()
    }

    /// Returns whether the key is possessed.
    #[doc(alias = "is_key_possessed")]
    pub(crate) fn is_possessed(&self) -> bool {
        self.possessed
    }

    /// Returns the key alone.
    #[doc(alias = "key_ref_to_ptr")]
    pub(crate) fn into_key(self) -> ARef<Key> {
        self.key
    }
}
