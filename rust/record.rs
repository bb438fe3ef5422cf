// SPDX-License-Identifier: GPL-2.0

//! What is on record for a UID in a user namespace.
//!
//! A [`Record`] hangs something off the kernel's record of a UID, the `struct user_struct`, for one
//! user namespace: the UID's keyrings, or a register of its own. Nothing here decides what that is;
//! the resolver does.
//!
//! Records are read under RCU alone. They are published with `keyring_sem` of their namespace held
//! for writing, and dropped when the namespace is freed. A pair is dropped before that when one of
//! its keyrings is dead: the record would keep what is in it, and its quota. Until then a record
//! keeps its `struct user_struct`, so that its address is not given to another. Of the namespace it
//! knows the identifier only, which is never used for another.
//!
//! Lock order: `keyring_sem`, then `Namespace::members`.

#![forbid(unsafe_code)]

use kernel::{
    new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::{
        aref::ARef,
        rcu,
        Arc,
        Mutex, //
    },
    workqueue::{
        impl_has_work,
        new_work,
        Work,
        WorkItem, //
    },
};

use crate::abstractions::{
    fprobe,
    keyring::{
        Collected,
        Keyring,
        KeyringGc, //
    },
    rhashtable::{
        RhashTable,
        TableKey, //
    },
    user::User,
    user_namespace::{
        Id,
        KeyFreeUserNs,
        KeyringsGuard,
        UserNamespace, //
    },
    workqueue::OwnedQueue, //
};

/// The user keyring and the user session keyring of one UID.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) user: ARef<Keyring>,
    pub(crate) session: ARef<Keyring>,
}

impl Pair {
    /// Returns whether these are the same two keyrings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.user.as_ptr() == other.user.as_ptr() && self.session.as_ptr() == other.session.as_ptr()
    }

    /// Returns whether both keyrings are live, and will not expire by themselves.
    pub(crate) fn is_live_without_expiry(&self) -> bool {
        self.user.is_live_without_expiry() && self.session.is_live_without_expiry()
    }
}

/// What records are found by.
#[inline]
fn place(user: &User, ns: &UserNamespace) -> TableKey {
    [user.as_ptr().addr() as u64, ns.id().as_u64()]
}

/// Something that belongs to a UID in a user namespace.
struct Record<T> {
    /// Keeps the address by which the record is found.
    _user: ARef<User>,
    value: T,
}

/// The tables of records, each by UID and namespace.
#[pin_data]
struct Tables {
    #[pin]
    pairs: RhashTable<Record<Pair>>,
    #[pin]
    registers: RhashTable<Record<ARef<Keyring>>>,
    #[pin]
    work: Work<Tables>,
}

impl_has_work! {
    impl HasWork<Self> for Tables { self.work }
}

impl WorkItem for Tables {
    type Pointer = Arc<Self>;

    /// Drops the pairs that the kernel is collecting.
    fn run(this: Arc<Self>) {
        this.pairs
            .retain(|record| record.value.is_live_without_expiry());
    }
}

/// The records of one user namespace, so that they can be found when it is freed.
#[pin_data]
struct Namespace {
    tables: Arc<Tables>,
    #[pin]
    members: Mutex<RBTree<TableKey, ()>>,
    #[pin]
    work: Work<Namespace>,
}

impl_has_work! {
    impl HasWork<Self> for Namespace { self.work }
}

impl Namespace {
    fn new(tables: &Arc<Tables>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                tables: tables.clone(),
                members <- new_mutex!(RBTree::new(), "Namespace::members"),
                work <- new_work!("Namespace::work"),
            }),
            GFP_KERNEL,
        )
    }
}

impl WorkItem for Namespace {
    type Pointer = Arc<Self>;

    /// Drops the records of a namespace that is no more.
    fn run(this: Arc<Self>) {
        for place in this.members.lock().keys() {
            this.tables.pairs.remove(place);
            this.tables.registers.remove(place);
        }
    }
}

/// All records.
///
/// Fields are dropped in this order: the queue, which may use the others until then; the
/// namespaces, which share the tables; the tables, by then nobody else's.
pub(crate) struct Records {
    queue: OwnedQueue,
    namespaces: Pin<KBox<RhashTable<Arc<Namespace>>>>,
    tables: Arc<Tables>,
}

impl Records {
    /// Sleeps. Returns `ENOMEM` if memory runs out.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let records = Self {
            queue: OwnedQueue::new(c"user_session_keyring")?,
            namespaces: KBox::pin_init(RhashTable::new(), GFP_KERNEL)?,
            tables: Arc::pin_init(
                try_pin_init!(Tables {
                    pairs <- RhashTable::new(),
                    registers <- RhashTable::new(),
                    work <- new_work!("Tables::work"),
                }),
                GFP_KERNEL,
            )?,
        };

        Ok(Arc::new(records, GFP_KERNEL)?)
    }

    /// Returns the keyrings of `user` in `ns`.
    ///
    /// May be called from any context.
    #[inline]
    pub(crate) fn pair<'a>(
        &'a self,
        user: &User,
        ns: &UserNamespace,
        rcu: &'a rcu::Guard,
    ) -> Option<&'a Pair> {
        let record = self.tables.pairs.get(&place(user, ns), rcu)?;

        Some(&record.value)
    }

    /// Returns the register that `user` has for itself in `ns`.
    ///
    /// May be called from any context.
    pub(crate) fn register<'a>(
        &'a self,
        user: &User,
        ns: &UserNamespace,
        rcu: &'a rcu::Guard,
    ) -> Option<&'a ARef<Keyring>> {
        let record = self.tables.registers.get(&place(user, ns), rcu)?;

        Some(&record.value)
    }

    /// Puts `pair` on record for `user`, in the place of what is there.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out; what was there stays then.
    pub(crate) fn publish_pair(
        &self,
        user: &User,
        keyrings: &KeyringsGuard<'_>,
        pair: Pair,
    ) -> Result {
        let record = Record {
            _user: user.into(),
            value: pair,
        };

        self.publish(user, keyrings, record, |tables| &tables.pairs)
    }

    /// Drops the keyrings that are on record for `user` in `ns`.
    pub(crate) fn remove_pair(&self, user: &User, ns: &UserNamespace) {
        self.tables.pairs.remove(&place(user, ns));
    }

    /// Has the pairs dropped of which a keyring is dead, or may expire.
    ///
    /// Does not sleep, and takes no lock that does.
    pub(crate) fn collect(&self) {
        // If it is queued already, it has yet to begin.
        let _ = self.queue.enqueue(self.tables.clone());
    }

    /// Puts `register` on record for `user`, in the place of what is there.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out; what was there stays then.
    pub(crate) fn publish_register(
        &self,
        user: &User,
        keyrings: &KeyringsGuard<'_>,
        register: ARef<Keyring>,
    ) -> Result {
        let record = Record {
            _user: user.into(),
            value: register,
        };

        self.publish(user, keyrings, record, |tables| &tables.registers)
    }

    fn publish<T: Send + Sync + 'static>(
        &self,
        user: &User,
        keyrings: &KeyringsGuard<'_>,
        record: Record<T>,
        table: impl FnOnce(&Tables) -> &RhashTable<Record<T>>,
    ) -> Result {
        let namespace = self.namespace(keyrings)?;
        let place = place(user, keyrings.ns());
        let mut members = namespace.members.lock();

        if members.get(&place).is_none() {
            members.try_create_and_insert(place, (), GFP_KERNEL)?;
        }
        table(&self.tables).store(place, record)
    }

    /// Returns the list of the records in a namespace, and creates it if there is none yet.
    fn namespace(&self, keyrings: &KeyringsGuard<'_>) -> Result<Arc<Namespace>> {
        let key = Self::namespace_key(keyrings.ns().id());
        if let Some(namespace) = self.namespaces.get(&key, &rcu::read_lock()) {
            return Ok(namespace.clone());
        }

        let namespace = Namespace::new(&self.tables)?;
        self.namespaces.store(key, namespace.clone())?;
        Ok(namespace)
    }

    fn namespace_key(id: Id) -> TableKey {
        [0, id.as_u64()]
    }

    /// Has the records of a namespace dropped, to which no task belongs any more.
    ///
    /// They are dropped a little later. Does not sleep, and takes no lock that does.
    pub(crate) fn namespace_freed(&self, id: Id) {
        let key = Self::namespace_key(id);
        let rcu = rcu::read_lock();

        if let Some(namespace) = self.namespaces.get(&key, &rcu) {
            // It is queued once, because it is found once.
            let _ = self.queue.enqueue(namespace.clone());
            self.namespaces.remove(&key);
        }
    }

    /// Returns the number of pairs on record.
    pub(crate) fn pairs(&self) -> usize {
        self.tables.pairs.len()
    }

    /// Returns the number of UIDs that have a register for themselves.
    pub(crate) fn registers(&self) -> usize {
        self.tables.registers.len()
    }
}

/// Tells the records that a user namespace is being freed.
pub(crate) struct NamespaceFreed(pub(crate) Arc<Records>);

impl fprobe::Handler for NamespaceFreed {
    type Function = KeyFreeUserNs;
    type Data = ();

    const PROBES_EXIT: bool = false;

    fn entry(&self, id: Id) -> Option<()> {
        self.0.namespace_freed(id);
        None
    }
}

/// Tells the records that the kernel collects a keyring that they may have.
///
/// The kernel's collector visits all keyrings in turn, those included that are dead themselves.
pub(crate) struct KeyringCollected(pub(crate) Arc<Records>);

impl fprobe::Handler for KeyringCollected {
    type Function = KeyringGc;
    type Data = ();

    const PROBES_EXIT: bool = false;

    fn entry(&self, keyring: Collected) -> Option<()> {
        if keyring.is_uid_keyring && !keyring.is_live_without_expiry {
            self.0.collect();
        }
        None
    }
}
