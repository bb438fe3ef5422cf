// SPDX-License-Identifier: GPL-2.0

//! Which keyrings belong to which UID record.
//!
//! A [`Record`] ties the user and the user session keyring of a UID in a user namespace to the
//! kernel's record of that UID, the `struct user_struct`. Nothing here decides which keyrings these
//! are: that is the resolver's business.
//!
//! Records are read under RCU alone. They are published with `keyring_sem` of their namespace held
//! for writing, and taken back when the namespace is freed. Until then a record keeps its
//! `struct user_struct`, so the address of that is not used again; of the namespace it knows only
//! the identifier, which never is.
//!
//! Lock order: `keyring_sem`, then `Namespace::members`.

#![forbid(unsafe_code)]

use kernel::{
    cred::Credential,
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
    keyring::Keyring,
    rhashtable::{
        RhashTable,
        TableKey, //
    },
    user::User,
    user_namespace::{
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
    /// Returns whether a search as `cred` would find both.
    #[inline]
    pub(crate) fn is_found_by(&self, cred: &Credential) -> bool {
        self.user.is_live()
            && self.session.is_live()
            && self.user.possessor_may_search(cred)
            && self.session.possessor_may_search(cred)
    }
}

/// Whether the UID of a record had a mapping in the namespace when the record was made.
///
/// A mapping is written at most once, so a mapped UID stays mapped to the same number. One without
/// a mapping may get one later, and is then found under a name of its own: what was on record for
/// it before must not answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// The UID has a number in the namespace, which it keeps.
    Mapped,
    /// The UID has no number, and shares its name with all others that have none.
    Unmapped,
}

/// What a record is found by.
#[inline]
fn place(user: &User, ns: &UserNamespace, mapping: Mapping) -> TableKey {
    // Identifiers count up from 1, so the topmost bit is free.
    let unmapped = u64::from(mapping == Mapping::Unmapped) << 63;

    [user.as_ptr().addr() as u64, ns.id().as_u64() | unmapped]
}

/// The keyrings that are on record for a UID in a user namespace.
pub(crate) struct Record {
    /// Keeps the address, by which the record is found, from being used again.
    _user: ARef<User>,
    pair: Pair,
}

impl Record {
    /// Returns the keyrings.
    #[inline]
    pub(crate) fn pair(&self) -> &Pair {
        &self.pair
    }
}

/// The records of one user namespace, so that they can be found when it is freed.
#[pin_data]
struct Namespace {
    records: Arc<RhashTable<Record>>,
    #[pin]
    members: Mutex<RBTree<TableKey, ()>>,
    #[pin]
    work: Work<Namespace>,
}

impl_has_work! {
    impl HasWork<Self> for Namespace { self.work }
}

impl Namespace {
    fn new(records: &Arc<RhashTable<Record>>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                records: records.clone(),
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
            this.records.remove(place);
        }
    }
}

/// All records.
///
/// Fields are dropped in this order: the queue, which may use the others until then; the
/// namespaces, which share the table of records; the table, now owned by nobody else.
pub(crate) struct Records {
    queue: OwnedQueue,
    namespaces: Pin<KBox<RhashTable<Arc<Namespace>>>>,
    table: Arc<RhashTable<Record>>,
}

impl Records {
    /// Sleeps. Returns `ENOMEM` if memory runs out.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let records = Self {
            queue: OwnedQueue::new(c"user_session_keyring")?,
            namespaces: KBox::pin_init(RhashTable::new(), GFP_KERNEL)?,
            table: Arc::pin_init(RhashTable::new(), GFP_KERNEL)?,
        };

        Ok(Arc::new(records, GFP_KERNEL)?)
    }

    /// Returns the record of `user` in `ns`.
    ///
    /// May be called from any context.
    #[inline]
    pub(crate) fn get<'a>(
        &'a self,
        user: &User,
        ns: &UserNamespace,
        mapping: Mapping,
        rcu: &'a rcu::Guard,
    ) -> Option<&'a Record> {
        self.table.get(&place(user, ns, mapping), rcu)
    }

    /// Returns the keyrings that are on record for `user` in `ns`.
    pub(crate) fn pair(&self, user: &User, ns: &UserNamespace, mapping: Mapping) -> Option<Pair> {
        let rcu = rcu::read_lock();

        self.get(user, ns, mapping, &rcu)
            .map(|record| record.pair().clone())
    }

    /// Puts `pair` on record for `user` in `ns`, in the place of what is there.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out; there may be no record then.
    pub(crate) fn publish(
        &self,
        user: &User,
        ns: &UserNamespace,
        mapping: Mapping,
        pair: Pair,
        _keyrings: &KeyringsGuard<'_>,
    ) -> Result {
        let namespace = self.namespace(ns)?;
        let place = place(user, ns, mapping);
        let mut members = namespace.members.lock();

        if members.get(&place).is_none() {
            members.try_create_and_insert(place, (), GFP_KERNEL)?;
        }
        self.table.remove(&place);
        self.table.insert(
            place,
            Record {
                _user: user.into(),
                pair,
            },
        )
    }

    /// Returns the list of the records in `ns`, of which there is none before the first of them.
    ///
    /// `keyring_sem` of the namespace is held, so no other task is about to add the same.
    fn namespace(&self, ns: &UserNamespace) -> Result<Arc<Namespace>> {
        let key = Self::namespace_key(ns);
        if let Some(namespace) = self.namespaces.get(&key, &rcu::read_lock()) {
            return Ok(namespace.clone());
        }

        let namespace = Namespace::new(&self.table)?;
        self.namespaces.insert(key, namespace.clone())?;
        Ok(namespace)
    }

    fn namespace_key(ns: &UserNamespace) -> TableKey {
        [0, ns.id().as_u64()]
    }

    /// Has the records of `ns` dropped, of which no task can be a member any more.
    ///
    /// Does not sleep, and takes no lock that does. The records are dropped a little later.
    pub(crate) fn namespace_freed(&self, ns: &UserNamespace) {
        let key = Self::namespace_key(ns);
        let rcu = rcu::read_lock();

        if let Some(namespace) = self.namespaces.get(&key, &rcu) {
            // It is queued once, because it is found once.
            let _ = self.queue.enqueue(namespace.clone());
            self.namespaces.remove(&key);
        }
    }

    /// Returns the number of records.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

/// Tells the records that a user namespace is being freed.
pub(crate) struct NamespaceFreed(pub(crate) Arc<Records>);

impl fprobe::Handler for NamespaceFreed {
    type Function = KeyFreeUserNs;
    type Data = ();

    const PROBES_EXIT: bool = false;

    fn entry(&self, ns: &UserNamespace) -> Option<()> {
        self.0.namespace_freed(ns);
        None
    }
}
