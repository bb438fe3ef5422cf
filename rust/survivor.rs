// SPDX-License-Identifier: GPL-2.0

//! Keyrings that something else pins when their UID is gone.
//!
//! Another keyring may link them, or they may be the session keyring of a process of another UID.
//! They live on for as long as that does, and are the UID's again when it comes back.
//!
//! What is remembered of them is a serial number, which pins nothing. So each entry stands for a
//! keyring that somebody's quota is charged for, less those that have gone since entries were last
//! looked through; that happens when there are twice as many.

#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::aref::ARef,
    task::Kuid,
    time::{
        delay::fsleep,
        Delta, //
    },
};

use crate::{
    abstractions::{
        cred::{
            self,
            CredentialExt as _, //
        },
        key::{
            Key,
            Serial, //
        },
        keyring::Keyring,
        user_namespace::{
            Id,
            KeyringsGuard, //
        },
    },
    name::{
        Name,
        UNMAPPED, //
    },
};

/// How long a keyring may be pinned by what is about to be freed.
///
/// The kernel frees keys by a work item. A keyring that is linked by one that has no references any
/// more, a session keyring of the last process for instance, looks as if it was pinned until then.
const SETTLING: Delta = Delta::from_secs(1);

/// The namespace and the UID.
type Place = (Id, u32);

fn place(ns: Id, uid: Kuid) -> Place {
    (ns, uid.into_raw().val)
}

/// Which of the keyrings of a UID live on.
#[derive(Clone, Copy)]
pub(crate) struct Survivor {
    /// The UID that they belong to.
    pub(crate) uid: Kuid,
    /// The user keyring.
    pub(crate) user: Option<Serial>,
    /// The user session keyring.
    pub(crate) session: Option<Serial>,
    /// When the UID died.
    pub(crate) died: Delta,
}

impl Survivor {
    /// Returns a keyring, if `serial` is still that of one of this name, and it may be used.
    pub(crate) fn find(&self, serial: Option<Serial>, name: &Name) -> Option<ARef<Keyring>> {
        find(serial, name).filter(|keyring| keyring.uid() == self.uid && keyring.validate().is_ok())
    }

    /// Waits until it is certain that what pins the keyrings is not about to be freed.
    ///
    /// Sleeps, for a second after the death of the UID at most.
    pub(crate) fn settle(&self, now: impl Fn() -> Delta) {
        while self.is_alive() && now().as_nanos() < self.died.as_nanos() + SETTLING.as_nanos() {
            fsleep(Delta::from_millis(5));
        }
    }

    /// Links the keyrings to the register of the namespace, unless there are others.
    pub(crate) fn hand_back(&self, keyrings: &KeyringsGuard<'_>) {
        let ns = keyrings.ns();
        let number = ns.uid(self.uid).unwrap_or(UNMAPPED);
        let Some(register) = ns.user_keyring_register() else {
            return;
        };

        for (serial, name) in [
            (self.user, Name::user(number)),
            (self.session, Name::session(number)),
        ] {
            let found = cred::kernel().impersonate(|| register.search(name.as_c_str()));

            if let (Some(keyring), Err(EAGAIN)) = (self.find(serial, &name), found) {
                if let Err(e) = register.link(&keyring) {
                    pr_warn!("keyring {} is lost to its UID: {e:?}\n", keyring.serial());
                }
            }
        }
    }

    fn is_alive(&self) -> bool {
        [self.user, self.session]
            .into_iter()
            .flatten()
            .any(|serial| Key::lookup(serial).is_ok())
    }
}

/// Returns a keyring that the kernel made, if `serial` is still that of one of this name.
pub(crate) fn find(serial: Option<Serial>, name: &Name) -> Option<ARef<Keyring>> {
    let keyring = Keyring::try_from_key(Key::lookup(serial?).ok()?).ok()?;

    (keyring.is_uid_keyring() && keyring.description() == name.as_c_str()).then_some(keyring)
}

/// All survivors.
pub(crate) struct Survivors {
    entries: RBTree<Place, Survivor>,
    len: usize,
    prune_at: usize,
}

/// The memory for one more entry.
pub(crate) type Reservation = RBTreeNodeReservation<Place, Survivor>;

impl Survivors {
    const PRUNE_AT: usize = 64;

    pub(crate) fn new() -> Self {
        Self {
            entries: RBTree::new(),
            len: 0,
            prune_at: Self::PRUNE_AT,
        }
    }

    /// Remembers the keyrings of a UID in a namespace.
    pub(crate) fn insert(&mut self, ns: Id, survivor: Survivor, memory: Reservation) {
        let node = memory.into_node(place(ns, survivor.uid), survivor);

        if self.entries.insert(node).is_none() {
            self.len += 1;
        }
        if self.len >= self.prune_at {
            self.prune();
            self.prune_at = Self::PRUNE_AT.max(self.len * 2);
        }
    }

    /// Forgets the keyrings of `uid` in a namespace, and returns them with the memory to remember
    /// them once more.
    pub(crate) fn take(&mut self, ns: Id, uid: Kuid) -> Option<(Survivor, Reservation)> {
        let place = place(ns, uid);
        let survivor = *self.entries.get(&place)?;
        let memory = self.entries.remove_node(&place)?.into_reservation();

        self.len -= 1;
        Some((survivor, memory))
    }

    /// Forgets the keyrings of all UIDs of which `select` is true, and returns of how many.
    pub(crate) fn remove(&mut self, select: impl Fn(Kuid) -> bool) -> usize {
        let len = self.len;

        self.retain(|_, survivor| !select(survivor.uid));
        len - self.len
    }

    /// Forgets all in a namespace.
    pub(crate) fn remove_namespace(&mut self, ns: Id) {
        self.retain(|&(other, _), _| other != ns);
    }

    /// Forgets those that are no more.
    pub(crate) fn prune(&mut self) {
        self.retain(|_, survivor| survivor.is_alive());
    }

    /// Forgets those for which `keep` returns `false`.
    fn retain(&mut self, mut keep: impl FnMut(&Place, &Survivor) -> bool) {
        let mut next = self.entries.cursor_front_mut();

        while let Some(cursor) = next {
            let (key, survivor) = cursor.current();

            next = if keep(key, survivor) {
                cursor.move_next()
            } else {
                self.len -= 1;
                cursor.remove_current().0
            };
        }
    }

    /// Forgets all, after calling `f` with each and its namespace.
    pub(crate) fn drain(&mut self, f: impl FnMut(Id, &Survivor)) {
        self.for_each(f);
        self.retain(|_, _| false);
    }

    /// Calls `f` with each and its namespace.
    pub(crate) fn for_each(&self, mut f: impl FnMut(Id, &Survivor)) {
        for (&(ns, _), survivor) in self.entries.iter() {
            f(ns, survivor);
        }
    }

    /// Returns their number.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}
