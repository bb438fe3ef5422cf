// SPDX-License-Identifier: GPL-2.0

//! The life of what hangs off the record of a UID.
//!
//! An [`Owner`] stands for a `struct user_struct` and holds one reference on it. When that is the
//! only one left, no process and no open file pins the record any more: the keyrings of the UID go,
//! in all namespaces, and then the owner with its reference.
//!
//! They must not go if the UID comes back meanwhile, by `setuid()` for instance, and somebody is
//! given them. So it is decided in three steps.
//!
//! 1. The UID is marked as dying, and its pairs are taken out of the table.
//! 2. A grace period is waited for. Whoever found a pair in the table had pinned the record before
//!    that, and either is seen now or has finished.
//! 3. The references are counted again. If there is still one, the UID is marked as dead.
//!
//! Whoever looks the UID up from step 1 on finds no pair. If it may sleep, it waits for the lock,
//! and gets the old pair or a new one. If it may not, which is when `request_key()` searches, it
//! marks a dying UID as alive, and step 3 fails: it has pinned the record, so it may decide.

#![forbid(unsafe_code)]

use kernel::{
    new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    },
    task::Kuid,
    time::Delta,
    workqueue::{
        impl_has_work,
        new_work,
        Work,
        WorkItem, //
    },
};

use crate::{
    abstractions::{
        counters::Event as _,
        key::{
            Key,
            Serial, //
        },
        keyring::Keyring,
        params,
        tracepoints::{
            Cause,
            Keyrings, //
        },
        user::User,
        user_namespace::{
            Id,
            UserNamespace, //
        },
    },
    name::{
        Name,
        UNMAPPED, //
    },
    record::State,
    stats::Event,
    survivor::{
        self,
        Reservation,
        Survivor, //
    },
};

/// Whether the UID lives.
pub(crate) struct Phase(Atomic<i32>);

impl Phase {
    /// The keyrings may be used.
    const ALIVE: i32 = 0;
    /// They may be used by those who say so.
    const DYING: i32 = 1;
    /// They may not be used any more.
    const DEAD: i32 = 2;

    pub(crate) fn new() -> Self {
        Self(Atomic::new(Self::ALIVE))
    }

    /// Begins to decide whether the UID is dead.
    ///
    /// To be called with the owner locked, as everything but [`Self::keep`].
    pub(crate) fn begin(&self) {
        self.0.store(Self::DYING, Relaxed);
    }

    /// Decides that it is dead, if nobody has kept it alive since [`Self::begin`].
    pub(crate) fn commit(&self) -> bool {
        self.0.cmpxchg(Self::DYING, Self::DEAD, Full).is_ok()
    }

    /// Decides that it is dead, whoever uses it.
    pub(crate) fn force(&self) {
        self.0.store(Self::DEAD, Relaxed);
    }

    /// Decides that it is alive.
    pub(crate) fn cancel(&self) {
        self.0.store(Self::ALIVE, Relaxed);
    }

    /// Makes sure that what is found in the register may be used, unless it is too late.
    ///
    /// To be called with the record of the UID pinned. May be called from any context.
    pub(crate) fn keep(&self) -> bool {
        match self.0.load(Relaxed) {
            Self::ALIVE => true,
            Self::DYING => self.0.cmpxchg(Self::DYING, Self::ALIVE, Full) != Err(Self::DEAD),
            _ => false,
        }
    }
}

/// Keyrings that were unlinked from a register.
#[derive(Default)]
struct Unlinked {
    user: Option<ARef<Keyring>>,
    session: Option<ARef<Keyring>>,
}

impl Unlinked {
    /// Unlinks the keyrings of the UID `number` for which `select` is true from a register.
    ///
    /// Returns an error if memory runs out. What is in `self` then could not be linked again.
    fn unlink(
        &mut self,
        register: &Keyring,
        number: u32,
        known: [Option<Serial>; 2],
        select: impl Fn(&Keyring) -> bool,
    ) -> Result {
        let find = |name: Name, known: Option<Serial>| -> Result<_> {
            let found = match register.search(name.as_c_str()) {
                Ok(keyring) => Some(keyring),
                Err(e) if e == EAGAIN => None,
                // It is there, but its permissions or its state keep a search from finding it. If
                // it is not the one that is known, as may be after a task has used the kernel's own
                // code, that serves as well: links are found by name.
                Err(_) => match survivor::find(known, name.as_c_str()) {
                    Some(keyring) => Some(keyring),
                    None => register.find_linked(name.as_c_str())?,
                },
            };

            Ok(found.filter(|keyring| select(keyring)))
        };
        let user = find(Name::user(number), known[0])?;
        let session = find(Name::session(number), known[1])?;

        if let Some(user) = &user {
            register.unlink(user)?;
        }
        if let Some(session) = &session {
            if let Err(e) = register.unlink(session) {
                // The memory for the link has just been freed, but another may have taken it.
                self.user = user.filter(|user| register.link(user).is_err());
                return Err(e);
            }
        }
        *self = Self { user, session };
        Ok(())
    }

    fn serials(&self) -> [Option<Serial>; 2] {
        [&self.user, &self.session].map(|keyring| keyring.as_ref().map(|it| it.serial()))
    }

    /// Returns how many keys are linked to them, but for the one to the other.
    fn keys(&self) -> usize {
        let keys = |keyring: &Option<ARef<Keyring>>| keyring.as_ref().map_or(0, |it| it.len());
        let is_linked = match (&self.user, &self.session) {
            (Some(user), Some(session)) => match session.find_linked(user.description()) {
                Ok(found) => found.is_some_and(|it| it.as_ptr() == user.as_ptr()),
                // There is no memory to look. It is, unless somebody has removed the link.
                Err(_) => true,
            },
            _ => false,
        };

        // A link may be removed meanwhile.
        (keys(&self.user) + keys(&self.session)).saturating_sub(is_linked.into())
    }

    /// Tells that they are gone.
    fn tell(&self, uid: Kuid, ns: Id, by_request: bool) {
        let keyrings = Keyrings::new(uid, ns, self.serials());

        if keyrings.user.or(keyrings.session).is_none() {
            return;
        }
        if by_request {
            keyrings.trace_destroy(Cause::Reap);
        } else {
            Event::KeyGone.count_many(self.keys());
            keyrings.trace_destroy(Cause::Death);
        }
    }
}

/// What a UID has in one namespace, beside the pair.
pub(crate) struct Place {
    /// The register that the UID has for itself.
    pub(crate) register: Option<ARef<Keyring>>,
    /// Whether there may be keyrings in the register by the name of all UIDs without a mapping.
    pub(crate) was_unmapped: bool,
    /// The serial numbers of the user keyring and of the user session keyring that were found last.
    ///
    /// While there is a pair on record it has both.
    pub(crate) known: [Option<Serial>; 2],
    /// Since when.
    pub(crate) since: Delta,
    is_unlinked: bool,
    /// What was unlinked, and could neither be followed by the other nor be linked again. It is
    /// remembered as if it lived on, and kept from going before the other.
    pub(crate) stranded: Option<ARef<Keyring>>,
}

impl Place {
    pub(crate) fn new(now: Delta) -> Self {
        Self {
            register: None,
            was_unmapped: false,
            known: [None; 2],
            since: now,
            is_unlinked: false,
            stranded: None,
        }
    }

    /// Returns the register that has the keyrings of `user`, the UID that they are named by, and
    /// whether all of that name are its.
    pub(crate) fn registered<'a>(
        &'a self,
        user: &User,
        ns: &'a UserNamespace,
    ) -> Option<(&'a Keyring, u32, bool)> {
        let shared = ns.user_keyring_register()?;

        Some(match (ns.uid(user.uid()), &self.register) {
            (Some(uid), _) => (shared, uid, true),
            (None, Some(own)) => (own, UNMAPPED, true),
            (None, None) => (shared, UNMAPPED, false),
        })
    }

    /// Returns whether the keyrings that were found last are freed, and the register has no others:
    /// only one of them may have been made since, or both by the kernel's own code.
    fn is_vacant(&self, user: &User, ns: &UserNamespace) -> bool {
        let is_freed = |serial: &Option<Serial>| serial.is_some_and(|it| Key::lookup(it).is_err());
        let is_missing =
            |register: &Keyring, name: Name| register.search(name.as_c_str()).err() == Some(EAGAIN);

        self.register.is_none()
            && !self.was_unmapped
            && self.known.iter().all(is_freed)
            && self
                .registered(user, ns)
                .is_none_or(|(register, number, _)| {
                    is_missing(register, Name::user(number))
                        && is_missing(register, Name::session(number))
                })
    }

    /// Returns what is told of the keyrings of `uid` that were found last.
    pub(crate) fn keyrings(&self, uid: Kuid, ns: Id) -> Keyrings {
        Keyrings::new(uid, ns, self.known)
    }

    /// Unlinks the keyrings of `owner` from their register.
    fn unlink(&mut self, owner: &Owner, ns: &UserNamespace, by_request: bool) -> Result {
        let (user, state) = (&owner.user, &owner.state);
        let memory = Reservation::new(GFP_KERNEL)?;
        let keyrings = ns.lock_keyrings();

        // From here on the kernel's own code waits.
        if !(state.in_charge)() {
            return Err(EBUSY);
        }

        let is_of_user = |keyring: &Keyring| keyring.uid() == user.uid();
        let mut unlinked = Unlinked::default();
        let result = match self.registered(user, keyrings.ns()) {
            Some((register, number, is_own)) => {
                if self.was_unmapped && number != UNMAPPED {
                    // The UID has a mapping now, and nobody finds these any more.
                    for (register, is_own) in
                        [(Some(register), false), (self.register.as_deref(), true)]
                    {
                        let Some(register) = register else {
                            continue;
                        };
                        let mut unnamed = Unlinked::default();
                        let result = unnamed.unlink(register, UNMAPPED, [None; 2], |keyring| {
                            is_own || is_of_user(keyring)
                        });

                        // One of them may be gone without the other.
                        unnamed.tell(user.uid(), ns.id(), by_request);
                        result?;
                    }
                }
                unlinked.unlink(register, number, self.known, |keyring| {
                    is_own || is_of_user(keyring)
                })
            }
            None => Ok(()),
        };

        match (&result, &unlinked.user) {
            (Ok(()), _) => {
                self.is_unlinked = true;
                if unlinked.user.is_none() {
                    // It has been waiting for the other, so it goes now.
                    unlinked.user = self.stranded.take();
                }
                unlinked.tell(user.uid(), ns.id(), by_request);
            }
            (Err(_), Some(user)) => self.stranded = Some(user.clone()),
            (Err(_), None) => return result,
        }
        // Who asks for the end does not want to see them again, but nobody asks for half of it.
        if !(self.is_unlinked && by_request) {
            let [user_serial, session_serial] = unlinked.serials();
            let survivor = Survivor {
                uid: user.uid(),
                user: user_serial,
                session: session_serial,
                died: state.now(),
                is_registered: false,
            };

            // Before the semaphore is released: whoever has it finds them here or there.
            state.remember(ns.id(), survivor, memory);
        }
        result
    }
}

/// What is protected by the lock of an owner.
pub(crate) struct Places {
    pub(crate) by_namespace: RBTree<Id, Place>,
    /// Whether another owner takes the place of this one.
    pub(crate) ended: bool,
}

/// Stands for a `struct user_struct`.
#[pin_data]
pub(crate) struct Owner {
    /// The only reference that the module has.
    pub(crate) user: ARef<User>,
    pub(crate) phase: Phase,
    state: Arc<State>,
    /// When the last reference but ours was dropped, in nanoseconds, if it was.
    unpinned: Atomic<i64>,
    /// Whether references were about to be dropped since somebody looked: `SEEN` or not.
    drops: Atomic<i32>,
    /// Whether somebody is going to look again: `LISTED` or not.
    listed: Atomic<i32>,
    /// Whether it is known that ours is the only one: one of `NOTICED`, `SUSPECTED` and neither.
    noticed: Atomic<i32>,
    /// Whether to end whatever pins the record: one of `ASKED`, `FAILED` and neither.
    reaped: Atomic<i32>,
    #[pin]
    pub(crate) places: Mutex<Places>,
    #[pin]
    work: Work<Owner>,
}

/// `free_uid()` was entered, and nobody has looked since.
const SEEN: i32 = 1;

/// Among those that are looked at again.
const LISTED: i32 = 1;

/// `free_uid()` was seen to drop the last reference but ours.
const NOTICED: i32 = 1;
/// It was not, and yet ours is the only one. It may be about to be seen.
const SUSPECTED: i32 = 2;

/// Somebody wants the keyrings to go.
const ASKED: i32 = 1;
/// It could not be done, or not all of it.
const FAILED: i32 = 2;

impl_has_work! {
    impl HasWork<Self> for Owner { self.work }
}

impl Owner {
    pub(crate) fn new(user: &User, state: &Arc<State>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                user: user.into(),
                phase: Phase::new(),
                state: state.clone(),
                unpinned: Atomic::new(0),
                drops: Atomic::new(0),
                listed: Atomic::new(0),
                noticed: Atomic::new(0),
                reaped: Atomic::new(0),
                places <- new_mutex!(
                    Places {
                        by_namespace: RBTree::new(),
                        ended: false,
                    },
                    "Owner::places"
                ),
                work <- new_work!("Owner::work"),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the address of the `struct user_struct`.
    pub(crate) fn address(&self) -> usize {
        self.user.as_ptr().addr()
    }

    /// Returns how many references others have on the record of the UID.
    pub(crate) fn pins(&self) -> i32 {
        self.user.refcount() - 1
    }

    /// Notices that somebody is about to drop a reference on the record of the UID, which is the
    /// last but ours for sure if it `is_last`, and may be if not.
    ///
    /// Returns whether the owner is to be checked for that; if not, it will be anyway. May be
    /// called from any context but NMI.
    pub(crate) fn notice(&self, is_last: bool) -> bool {
        self.unpinned.store(self.state.now().as_nanos(), Relaxed);

        let is_first = self.drops.xchg(SEEN, Full) == 0 && self.listed.load(Relaxed) == 0;
        is_last || is_first
    }

    /// Looks whether what somebody was about to drop has been dropped, and was the last but ours.
    ///
    /// Sleeps.
    fn look_at_drops(self: &Arc<Self>) {
        if self.drops.xchg(0, Full) == 0 {
            return;
        }
        if self.pins() == 0 {
            self.noticed.store(NOTICED, Relaxed);
        } else if self.listed.xchg(LISTED, Full) == 0
            && self.state.look_again(self.clone()).is_err()
        {
            // It is found later, as if nobody had noticed.
            self.listed.store(0, Relaxed);
        }
    }

    /// Looks once more, some time after [`Self::look_at_drops`] has found another reference.
    ///
    /// Returns whether the owner is to be checked.
    pub(crate) fn look_again(&self) -> bool {
        // In this order: whoever finds it listed has been seen before the next line.
        self.listed.xchg(0, Full);
        if self.drops.xchg(0, Full) == 0 && self.pins() != 0 {
            return false;
        }
        self.drops.xchg(SEEN, Full);
        true
    }

    /// Looks whether the UID is gone, and returns in how much time its keyrings go.
    ///
    /// To be called now and then: if twice in a row nobody has noticed it, nobody will.
    ///
    /// May be called from any context but NMI.
    pub(crate) fn look(&self, now: Delta) -> Option<Delta> {
        if self.pins() != 0 {
            // It was about to be seen, or the UID has come back. If it did so while its keyrings
            // lingered, the check forgets when it had gone.
            let noticed = self.noticed.cmpxchg(SUSPECTED, 0, Relaxed);
            return (noticed == Err(NOTICED)).then_some(Delta::ZERO);
        }
        if self.drops.load(Relaxed) != 0 || self.listed.load(Relaxed) != 0 {
            // Somebody has noticed.
            return None;
        }
        match self.noticed.cmpxchg(0, SUSPECTED, Relaxed) {
            Ok(_) => return None,
            Err(SUSPECTED) => {
                self.unpinned.store(now.as_nanos(), Relaxed);
                self.noticed.store(NOTICED, Release);
                Event::Missed.count();
            }
            Err(_) => {}
        }
        Some(self.due_in(now))
    }

    /// Returns in how much time the keyrings go, now that the UID is gone.
    pub(crate) fn due_in(&self, now: Delta) -> Delta {
        let due = self.unpinned.load(Relaxed) + params::linger().as_nanos();

        Delta::from_nanos((due - now.as_nanos()).max(0))
    }

    /// Returns for how long nothing has pinned the record of the UID, if somebody has noticed that
    /// and it is not being decided upon right now.
    ///
    /// To be asked only if nothing pins it.
    pub(crate) fn unpinned_for(&self, now: Delta) -> Option<Delta> {
        let is_noticed = self.noticed.load(Acquire) == NOTICED
            || self.drops.load(Acquire) != 0
            || self.listed.load(Acquire) != 0;

        is_noticed.then(|| Delta::from_nanos(now.as_nanos() - self.unpinned.load(Relaxed)))
    }

    /// Has the keyrings go when the owner is checked, whatever pins the record of the UID.
    pub(crate) fn reap(&self) {
        self.reaped.store(ASKED, Relaxed);
    }

    /// Returns whether [`Self::reap`] has failed since this was last asked.
    pub(crate) fn has_failed(&self) -> bool {
        self.reaped.cmpxchg(FAILED, 0, Relaxed).is_ok()
    }

    /// Forgets the namespaces in which the keyrings have been freed, though the UID lives.
    ///
    /// Nobody's quota pays for what is kept of them. Sleeps.
    pub(crate) fn forget_vacant(&self) {
        // Whoever holds the lock may take long, and there is a next time.
        let Some(mut places) = self.places.try_lock() else {
            return;
        };

        // The kernel's own code may have made others.
        if places.ended || !(self.state.in_charge)() {
            return;
        }

        let mut next = places.by_namespace.cursor_front_mut();
        while let Some(cursor) = next {
            let (&id, place) = cursor.current();

            // If the namespace is being freed, who does that forgets it.
            let is_vacant = !self.state.has_pair(&self.user, id)
                && self
                    .state
                    .namespaces
                    .upgrade(id)
                    .is_some_and(|ns| place.is_vacant(&self.user, &ns));

            next = if is_vacant {
                self.state.leave_namespace(self, id);
                cursor.remove_current().0
            } else {
                cursor.move_next()
            };
        }
        self.end_if_empty(&mut places);
    }

    /// Ends the owner if it has nothing left, so that it does not keep the record of the UID.
    pub(crate) fn end_if_empty(&self, places: &mut Places) {
        if places.by_namespace.is_empty() && !places.ended {
            places.ended = true;
            self.state.remove_owner(self);
        }
    }

    /// Ends the keyrings, if the UID is gone.
    fn check(&self, places: &mut Places) {
        if self.reaped.cmpxchg(ASKED, 0, Relaxed).is_ok() {
            if self.end(places, true).is_err() {
                self.reaped.store(FAILED, Relaxed);
            }
            return;
        }

        // In this order: if the UID goes once more, that is noticed after this, or seen below.
        let noticed = self.noticed.xchg(0, Full);
        if noticed != NOTICED || self.pins() != 0 {
            return;
        }
        self.noticed.store(NOTICED, Relaxed);

        let due_in = self.due_in(self.state.now());
        if due_in.is_zero() {
            // What cannot be unlinked now has to wait until the module is in charge again, or there
            // is memory. Whoever looks through all owners asks again.
            let _ = self.end(places, false);
        } else {
            self.state.look_through_in(due_in);
        }
    }

    fn end(&self, places: &mut Places, by_request: bool) -> Result {
        if !(self.state.in_charge)() {
            return Err(EBUSY);
        }

        self.phase.begin();
        self.state.hide(&self.user, places.by_namespace.keys());

        if by_request {
            self.phase.force();
        } else if self.pins() != 0 || !self.phase.commit() {
            self.phase.cancel();
            Event::Revival.count();
            for (id, place) in places.by_namespace.iter() {
                place.keyrings(self.user.uid(), *id).trace_revive();
            }
            return Ok(());
        }

        let result = self.unlink(places, by_request);
        self.bury(places, by_request);

        self.end_if_empty(places);
        if !places.ended {
            self.phase.cancel();
        }
        result
    }

    /// Unlinks the keyrings from their registers in all namespaces.
    fn unlink(&self, places: &mut Places, by_request: bool) -> Result {
        for (id, place) in places.by_namespace.iter_mut() {
            // If it is being freed, its register goes with it, and takes them along.
            if let Some(ns) = self.state.namespaces.upgrade(*id) {
                place.unlink(self, &ns, by_request)?;
            }
        }
        Ok(())
    }

    /// Removes the places of which the keyrings are unlinked.
    fn bury(&self, places: &mut Places, by_request: bool) {
        let mut next = places.by_namespace.cursor_front_mut();

        while let Some(cursor) = next {
            let (&id, place) = cursor.current();

            if !place.is_unlinked {
                next = cursor.move_next();
                continue;
            }
            if by_request {
                Event::Reaped.count();
            } else {
                Event::Death.count();
            }
            self.state.forget(&self.user, id);
            self.state.leave_namespace(self, id);
            next = cursor.remove_current().0;
        }
    }
}

impl WorkItem for Owner {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.look_at_drops();

        let mut places = this.places.lock();

        if !places.ended {
            this.check(&mut places);
        }
    }
}
