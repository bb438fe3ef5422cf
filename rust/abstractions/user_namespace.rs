// SPDX-License-Identifier: GPL-2.0

//! User namespaces.
//!
//! C header: [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h)

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            atomic_load,
            atomic_store,
            Acquire,
            Release, //
        },
        rcu,
        Arc, //
    },
    task::Kuid,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

use super::{
    fprobe, ftrace,
    keyring::Keyring,
    rhashtable::{
        RhashTable,
        TableKey, //
    },
};
use crate::bindings;

/// Identifies a user namespace for the whole uptime of the kernel.
///
/// Unlike its address and its inode number, it is never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(u64);

impl Id {
    /// No namespace has a smaller one.
    pub(crate) const FIRST: Self = Self(0);

    /// Returns the number, as `NS_GET_ID` of `ioctl_nsfs(2)` does.
    #[inline]
    pub(crate) fn as_u64(self) -> u64 {
        self.0
    }
}

/// Wraps the kernel's `struct user_namespace`.
///
/// # Invariants
///
/// Instances of this type are always refcounted, that is, a call to `get_user_ns` ensures that the
/// allocation remains valid at least until the matching call to `put_user_ns`.
#[repr(transparent)]
pub(crate) struct UserNamespace(Opaque<bindings::user_namespace>);

// SAFETY:
// - `put_user_ns` can be called from any thread.
// - It is okay to send ownership of `UserNamespace` across thread boundaries.
unsafe impl Send for UserNamespace {}

// SAFETY: What changes in it is only accessed atomically, or by C code that takes its locks.
unsafe impl Sync for UserNamespace {}

impl UserNamespace {
    /// Creates a reference to a [`UserNamespace`] from a valid pointer.
    ///
    /// # Safety
    ///
    /// The caller must ensure that `ptr` is valid and remains valid for the lifetime of the
    /// returned reference.
    #[inline]
    pub(crate) unsafe fn from_ptr<'a>(ptr: *const bindings::user_namespace) -> &'a UserNamespace {
        // SAFETY: The safety requirements guarantee the validity of the dereference, while the
        // `UserNamespace` type being transparent makes the cast ok.
        unsafe { &*ptr.cast() }
    }

    /// Returns a raw pointer to the inner `struct user_namespace`.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut bindings::user_namespace {
        self.0.get()
    }

    /// Returns a pointer to the field at an offset that C knows, and bindgen does not.
    #[inline]
    fn field<T>(&self, offset: usize) -> *mut T {
        self.as_ptr().wrapping_byte_add(offset).cast()
    }

    /// Returns a pointer to `user_keyring_register`, which is an aligned word.
    #[inline]
    fn register_ptr(&self) -> *mut *mut bindings::key {
        self.field(bindings::USER_NS_REGISTER_OFFSET)
    }

    /// Returns a pointer to `keyring_sem`.
    fn sem_ptr(&self) -> *mut bindings::rw_semaphore {
        self.field(bindings::USER_NS_SEM_OFFSET)
    }

    /// Returns the identifier of the namespace.
    #[inline]
    pub(crate) fn id(&self) -> Id {
        // SAFETY: By the type invariant the pointer is valid. The offset is that of `ns.ns_id`, a
        // `u64` that never changes.
        Id(unsafe { self.field::<u64>(bindings::USER_NS_ID_OFFSET).read() })
    }

    /// Returns the UID as it is seen in this namespace, or [`None`] if it has no mapping.
    #[doc(alias = "from_kuid")]
    #[inline]
    pub(crate) fn uid(&self, kuid: Kuid) -> Option<u32> {
        // SAFETY: By the type invariant the pointer is valid.
        let uid = unsafe { bindings::from_kuid(self.as_ptr(), kuid.into_raw()) };

        (uid != u32::MAX).then_some(uid)
    }

    /// Returns what the UID of this namespace is to the kernel, or [`None`] if it has no mapping.
    #[doc(alias = "make_kuid")]
    pub(crate) fn kuid(&self, uid: u32) -> Option<Kuid> {
        // SAFETY: By the type invariant the pointer is valid.
        let kuid = unsafe { bindings::make_kuid(self.as_ptr(), uid) };

        (kuid.val != u32::MAX).then(|| Kuid::from_raw(kuid))
    }

    /// Returns the UID that owns the namespace.
    pub(crate) fn owner(&self) -> Kuid {
        // SAFETY: By the type invariant the pointer is valid, and `owner` never changes.
        Kuid::from_raw(unsafe { (*self.as_ptr()).owner })
    }

    /// Returns the keyring that user and user session keyrings are registered in, if there is one
    /// already.
    ///
    /// It is set once, and the namespace holds a reference on it for as long as it exists.
    #[inline]
    pub(crate) fn user_keyring_register(&self) -> Option<&Keyring> {
        // As `READ_ONCE()`, a load of its own. What is read through the pointer depends on it, and
        // so comes after what came before the release in `set_user_keyring_register` or its
        // equivalent in C.
        // SAFETY: By the type invariant the pointer is valid, and the field is an aligned word.
        let key = unsafe { self.register_ptr().read_volatile() };

        // SAFETY: If it is not NULL, it is a keyring on which the namespace holds a reference.
        (!key.is_null()).then(|| unsafe { Keyring::from_ptr(key) })
    }

    /// Takes `keyring_sem` for writing.
    ///
    /// It is the outermost lock of all that have to do with user keyrings. Sleeps.
    pub(crate) fn lock_keyrings(&self) -> KeyringsGuard<'_> {
        // SAFETY: By the type invariant the pointer is valid.
        unsafe { bindings::down_write(self.sem_ptr()) };

        KeyringsGuard {
            ns: self,
            _not_send: NotThreadSafe,
        }
    }
}

// SAFETY: The type invariants guarantee that `UserNamespace` is always refcounted.
unsafe impl AlwaysRefCounted for UserNamespace {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: The existence of a shared reference means that the refcount is nonzero.
        unsafe { bindings::get_user_ns(self.as_ptr()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<UserNamespace>) {
        // SAFETY: The safety requirements guarantee that the refcount is nonzero.
        unsafe { bindings::put_user_ns(obj.cast().as_ptr()) };
    }
}

/// Evidence that `keyring_sem` of a namespace is held for writing.
#[must_use = "the semaphore is released as soon as the guard is dropped"]
pub(crate) struct KeyringsGuard<'a> {
    ns: &'a UserNamespace,
    // A semaphore is released by the task that took it.
    _not_send: NotThreadSafe,
}

impl<'a> KeyringsGuard<'a> {
    /// Returns the namespace whose semaphore is held.
    #[inline]
    pub(crate) fn ns(&self) -> &'a UserNamespace {
        self.ns
    }

    /// Makes `keyring` the one that [`UserNamespace::user_keyring_register`] returns.
    ///
    /// The namespace takes over the reference. If there is a register already, `keyring` is
    /// dropped and that one stays.
    pub(crate) fn set_user_keyring_register(&self, keyring: ARef<Keyring>) -> &'a Keyring {
        if let Some(register) = self.ns.user_keyring_register() {
            return register;
        }

        let keyring = ARef::into_raw(keyring);
        // SAFETY: The pointer to the namespace is valid, and nobody else writes the field because
        // the semaphore is held. The reference is handed over.
        unsafe { atomic_store(self.ns.register_ptr(), keyring.cast().as_ptr(), Release) };

        // SAFETY: The namespace now holds the reference for as long as it exists.
        unsafe { keyring.as_ref() }
    }
}

impl Drop for KeyringsGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The guard is evidence that this task holds the semaphore for writing.
        unsafe { bindings::up_write(self.ns.sem_ptr()) };
    }
}

/// `key_free_user_ns()`, through which every user namespace goes when it is freed.
pub(crate) struct KeyFreeUserNs;

// SAFETY: The function takes a valid pointer to a `struct user_namespace` as its only argument.
unsafe impl ftrace::Function for KeyFreeUserNs {
    const SYMBOL: &'static CStr = c"key_free_user_ns";

    // Not the namespace itself: it has no references any more.
    type Argument = Id;

    fn argument(registers: &ftrace::Registers<'_>) -> Option<Id> {
        let ns = ptr::with_exposed_provenance(registers.first_argument());

        // SAFETY: The namespace is valid until the function returns, and its identifier is set.
        Some(unsafe { UserNamespace::from_ptr(ns) }.id())
    }
}

/// What is to be done when a user namespace is freed.
pub(crate) trait OnFree: Clone + Send + Sync + 'static {
    /// Called when a namespace is being freed, to which no task belongs any more.
    ///
    /// As [`ftrace::Handler::entry`] it must not sleep.
    fn on_free(&self);
}

struct Entry<T> {
    ns: NonNull<UserNamespace>,
    value: T,
}

// SAFETY: The pointer may be dereferenced by any thread, under the conditions in `Namespaces`.
unsafe impl<T: Send> Send for Entry<T> {}
// SAFETY: As above.
unsafe impl<T: Sync> Sync for Entry<T> {}

type Table<T> = Pin<KBox<RhashTable<Entry<T>>>>;

fn place(id: Id) -> TableKey {
    [0, id.as_u64()]
}

/// A value for each of some user namespaces, which is removed when the namespace is freed.
///
/// That takes no reference on the namespace, which would never be freed otherwise. It can be had
/// for as long as there is one.
///
/// # Invariants
///
/// As long as `watch` says so, the namespace of an entry in the table has not gone
/// through `key_free_user_ns()`. So its memory stays for as long as the RCU read lock is held, if
/// it was held when that was asked: the kernel frees it a grace period after that function.
#[pin_data]
pub(crate) struct Namespaces<T: OnFree> {
    // Dropped before the table is.
    #[pin]
    _probe: fprobe::Registration<Freed<T>>,
    table: Arc<Table<T>>,
    watch: Watch,
}

/// Knows whether probes are sure to be called.
#[derive(Clone, Copy)]
pub(crate) struct Watch(fn() -> bool);

impl Watch {
    /// Asks `is_watched`.
    ///
    /// # Safety
    ///
    /// If `is_watched` returns `true`, no call of `key_free_user_ns()` may have been missed by any
    /// probe that was registered before it returned `true` for the first time.
    pub(crate) const unsafe fn new(is_watched: fn() -> bool) -> Self {
        Self(is_watched)
    }
}

impl<T: OnFree> Namespaces<T> {
    /// Sleeps. Returns `ENOMEM` if memory runs out, and an error if `key_free_user_ns()` cannot be
    /// probed.
    pub(crate) fn new(watch: Watch) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let table = Arc::new(KBox::pin_init(RhashTable::new(), GFP_KERNEL)?, GFP_KERNEL)?;

            Ok(try_pin_init!(Self {
                _probe <- fprobe::Registration::new(Freed(table.clone())),
                table,
                watch,
            }))
        })
    }

    /// Returns the value of a namespace.
    ///
    /// May be called from any context.
    pub(crate) fn get(&self, id: Id) -> Option<T> {
        let entry = self.table.get(&place(id), &rcu::read_lock())?.value.clone();

        Some(entry)
    }

    /// Stores the value of a namespace.
    ///
    /// The semaphore makes sure that nobody else does. Sleeps. Returns `ENOMEM` if memory runs out.
    pub(crate) fn store(&self, keyrings: &KeyringsGuard<'_>, value: T) -> Result {
        let ns = keyrings.ns();

        // INVARIANT: The caller keeps the namespace, and once it is freed the probe, which was
        // registered before the table could be filled, removes the entry.
        self.table.store(
            place(ns.id()),
            Entry {
                ns: ns.into(),
                value,
            },
        )
    }

    /// Returns a reference on a namespace, if it still exists, and it is watched.
    pub(crate) fn upgrade(&self, id: Id) -> Option<ARef<UserNamespace>> {
        let rcu = rcu::read_lock();
        if !self.are_watched() {
            return None;
        }
        let entry = self.table.get(&place(id), &rcu)?;

        // SAFETY: By the type invariant the memory is that of the namespace until the RCU read lock
        // is released.
        unsafe {
            bindings::get_user_ns_not_zero(entry.ns.as_ref().as_ptr())
                .then(|| ARef::from_raw(entry.ns))
        }
    }

    /// Returns whether namespaces that are freed are sure to be noticed.
    pub(crate) fn are_watched(&self) -> bool {
        (self.watch.0)()
    }

    /// Does what is done when a namespace is freed.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn free(&self, id: Id) {
        Freed(self.table.clone()).free(id);
    }

    /// Removes and drops all values. Sleeps.
    pub(crate) fn clear(&self) {
        self.table.retain(|_| false);
    }
}

struct Freed<T: OnFree>(Arc<Table<T>>);

impl<T: OnFree> Freed<T> {
    fn free(&self, id: Id) {
        let rcu = rcu::read_lock();

        if let Some(entry) = self.0.get(&place(id), &rcu) {
            entry.value.on_free();
            self.0.remove(&place(id));
        }
    }
}

impl<T: OnFree> ftrace::Handler for Freed<T> {
    type Function = KeyFreeUserNs;

    fn entry(&self, id: Id) {
        self.free(id);
    }
}

/// Returns the initial user namespace.
pub(crate) fn init() -> &'static UserNamespace {
    // SAFETY: `init_user_ns` is a static of the kernel.
    unsafe { UserNamespace::from_ptr(ptr::addr_of!(bindings::init_user_ns)) }
}
