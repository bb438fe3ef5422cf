// SPDX-License-Identifier: GPL-2.0

//! Keyrings that something else pins when their UID is gone.
//!
//! Another keyring may link them, or they may be the session keyring of a process of another UID.
//! They live on for as long as that does, and are the UID's again when it comes back.
//!
//! What is remembered of them is a serial number, which pins nothing. It is remembered of every
//! keyring that is unlinked: a reference count says whether something has it, but not whether
//! something will, that finds it by its serial number before it is freed. So each entry stands for
//! a keyring that somebody's quota is charged for, less those that have gone since entries were
//! last looked through; that happens every few seconds, and when there are twice as many.

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
/// Links hold their references until a grace period has passed, and the kernel frees keys by a work
/// item. A keyring that is linked by one that has no references any more, as the user keyring is by
/// the user session keyring, looks as if it was pinned until then.
const SETTLING: Delta = Delta::from_secs(1);

/// How long memory is waited for, to hand back keyrings.
pub(crate) struct Patience {
    pauses: u32,
}

impl Patience {
    const PAUSE: Delta = Delta::from_millis(50);

    /// Five seconds, for all keyrings that it is lent to: what is not handed back then is lost.
    pub(crate) fn new() -> Self {
        Self { pauses: 100 }
    }

    /// For who tries again later.
    pub(crate) fn none() -> Self {
        Self { pauses: 0 }
    }

    /// Sleeps, and returns whether it did. Otherwise patience is exhausted.
    fn wait(&mut self) -> bool {
        let is_left = self.pauses > 0;

        if is_left {
            self.pauses -= 1;
            fsleep(Self::PAUSE);
        }
        is_left
    }
}

/// The namespace and the UID.
pub(crate) type Place = (Id, u32);

/// The first of all places.
pub(crate) const FIRST: Place = (Id::FIRST, 0);

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
    /// Whether they are linked to the register, for the kernel's own code to find.
    pub(crate) is_registered: bool,
}

impl Survivor {
    /// Returns a keyring, if `serial` is still that of one of this name, and it may be used.
    ///
    /// Does not sleep.
    pub(crate) fn find(&self, serial: Option<Serial>, name: &CStr) -> Option<ARef<Keyring>> {
        find(serial, name).filter(|keyring| keyring.uid() == self.uid && keyring.validate().is_ok())
    }

    /// Returns whether it is certain that what pins the keyrings is not about to be freed.
    pub(crate) fn has_settled(&self, now: Delta) -> bool {
        now.as_nanos() >= self.died.as_nanos() + SETTLING.as_nanos()
    }

    /// Waits until it is, or they are freed.
    ///
    /// Sleeps, for a second after the death of the UID at most.
    pub(crate) fn settle(&self, now: impl Fn() -> Delta) {
        while self.is_alive() && !self.has_settled(now()) {
            fsleep(Delta::from_millis(5));
        }
    }

    /// Links the keyrings to the register of the namespace, unless there are others, and calls
    /// `linked` with each of which this is done.
    ///
    /// Sleeps, for as long as there is patience if memory runs out. Returns the error of the last
    /// one that could not be linked.
    pub(crate) fn register(
        &self,
        keyrings: &KeyringsGuard<'_>,
        patience: &mut Patience,
        mut linked: impl FnMut(&Keyring),
    ) -> Result {
        let mut result = Ok(());

        self.for_each(keyrings, |register, keyring, found| {
            if found.err() != Some(EAGAIN) {
                return;
            }
            match link_patiently(register, keyring, patience) {
                Ok(()) => linked(keyring),
                Err(e) => result = Err(e),
            }
        });
        result
    }

    /// Unlinks them from there again.
    pub(crate) fn unregister(&self, keyrings: &KeyringsGuard<'_>) {
        self.for_each(keyrings, |register, keyring, found| {
            if found.is_ok_and(|found| found.as_ptr() == keyring.as_ptr()) {
                // If there is no memory, they stay as if the UID had been gone before loading.
                let _ = register.unlink(keyring);
            }
        });
    }

    /// Calls `f` with the register, each keyring, and what is found in its place.
    fn for_each(
        &self,
        keyrings: &KeyringsGuard<'_>,
        mut f: impl FnMut(&Keyring, &Keyring, Result<ARef<Keyring>>),
    ) {
        let ns = keyrings.ns();
        let number = ns.uid(self.uid).unwrap_or(UNMAPPED);
        let Some(register) = ns.user_keyring_register() else {
            return;
        };

        for (serial, name) in [
            (self.user, Name::user(number)),
            (self.session, Name::session(number)),
        ] {
            if let Some(keyring) = self.find(serial, name.as_c_str()) {
                let found = cred::kernel().impersonate(|| register.search(name.as_c_str()));

                f(register, &keyring, found);
            }
        }
    }

    /// Returns whether one of the keyrings has not been freed yet. Does not sleep.
    pub(crate) fn is_alive(&self) -> bool {
        [self.user, self.session]
            .into_iter()
            .flatten()
            .any(|serial| Key::lookup(serial).is_ok())
    }
}

/// Links a keyring to the register, and waits for memory if need be.
///
/// Sleeps.
fn link_patiently(register: &Keyring, keyring: &Keyring, patience: &mut Patience) -> Result {
    loop {
        match register.link(keyring) {
            Err(e) if e == ENOMEM && patience.wait() => {}
            result => return result,
        }
    }
}

/// Returns a keyring that the kernel made, if `serial` is still that of one of this name.
pub(crate) fn find(serial: Option<Serial>, name: &CStr) -> Option<ARef<Keyring>> {
    let keyring = Keyring::try_from_key(Key::lookup(serial?).ok()?).ok()?;

    (keyring.is_uid_keyring() && keyring.description() == name).then_some(keyring)
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

    /// Remembers the keyrings of a UID in a namespace, beside those that are remembered already.
    ///
    /// Returns whether there are so many that those are to be forgotten that are no more.
    #[must_use]
    pub(crate) fn insert(&mut self, ns: Id, survivor: Survivor, memory: Reservation) -> bool {
        let place = place(ns, survivor.uid);

        if let Some(known) = self.entries.get_mut(&place) {
            *known = Survivor {
                user: survivor.user.or(known.user),
                session: survivor.session.or(known.session),
                ..survivor
            };
            return false;
        }
        self.entries.insert(memory.into_node(place, survivor));
        self.len += 1;
        self.len >= self.prune_at
    }

    /// Returns the keyrings of `uid` in a namespace.
    pub(crate) fn get(&self, ns: Id, uid: Kuid) -> Option<Survivor> {
        self.entries.get(&place(ns, uid)).copied()
    }

    /// Returns the keyrings of `uid` in a namespace, to be changed.
    pub(crate) fn get_mut(&mut self, ns: Id, uid: Kuid) -> Option<&mut Survivor> {
        self.entries.get_mut(&place(ns, uid))
    }

    /// Returns the namespace and the UID of the first keyrings at or after those of `from`, and
    /// where the next ones are to be looked for.
    pub(crate) fn next(&self, from: Place) -> Option<(Id, Kuid, Place)> {
        let cursor = self.entries.cursor_lower_bound(&from)?;
        let (&(ns, uid), survivor) = cursor.current();

        Some((ns, survivor.uid, (ns, uid.saturating_add(1))))
    }

    /// Forgets the keyrings of `uid` in a namespace, and returns them.
    pub(crate) fn take(&mut self, ns: Id, uid: Kuid) -> Option<Survivor> {
        let survivor = self.entries.remove(&place(ns, uid))?;

        self.len -= 1;
        Some(survivor)
    }

    /// Forgets the keyrings of all UIDs of which `select` is true, and returns of how many.
    pub(crate) fn remove(&mut self, select: impl Fn(Kuid) -> bool) -> usize {
        let len = self.len;

        self.retain(|_, survivor| !select(survivor.uid));
        len - self.len
    }

    /// Forgets all in a namespace.
    pub(crate) fn remove_namespace(&mut self, ns: Id) {
        let mut next = self.entries.cursor_lower_bound_mut(&(ns, 0));

        while let Some(cursor) = next {
            if cursor.current().0 .0 != ns {
                break;
            }
            self.len -= 1;
            next = cursor.remove_current().0;
        }
    }

    /// Forgets those that are no more.
    pub(crate) fn prune(&mut self) {
        self.retain(|_, survivor| survivor.is_alive());
        self.prune_at = Self::PRUNE_AT.max(self.len * 2);
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

    /// Calls `f` with each that is not registered, and its namespace.
    pub(crate) fn for_each(&self, mut f: impl FnMut(Id, &Survivor)) {
        for (&(ns, _), survivor) in self.entries.iter() {
            if !survivor.is_registered {
                f(ns, survivor);
            }
        }
    }

    /// Returns the number of those that are not registered.
    pub(crate) fn count(&self) -> usize {
        self.entries.values().filter(|it| !it.is_registered).count()
    }
}
