// SPDX-License-Identifier: GPL-2.0

//! What is on record for a UID in a user namespace.
//!
//! The keyrings of a UID hang off the kernel's record of it, the `struct user_struct`, once for
//! each user namespace. An [`Owner`] stands for the `struct user_struct`: it holds the one
//! reference on it that the module has, and so its address is not given to another.
//!
//! Pairs are read under RCU alone. They are found by that address and by the identifier of the
//! namespace, which is never used again. Everything else is done with the owner locked, and changes
//! to the register with `keyring_sem` of the namespace held as well. Nothing here decides what the
//! keyrings of a UID are; the resolver does. When they go is decided by the owner.
//!
//! A pair is dropped from its record before that when one of its keyrings is dead: the record would
//! keep what is in it, and its quota.
//!
//! Lock order: `Owner::places`, then `keyring_sem`, then `State::survivors`, then each on its own:
//! the semaphores of keyrings, `State::owners_by_address`, `Namespace::owners`, locks of tables. On
//! its own, and with no lock that another might wait for: `State::awaited`.

#![forbid(unsafe_code)]

use core::{
    mem,
    ops::RangeInclusive, //
};

use kernel::{
    impl_has_hr_timer, new_mutex,
    prelude::*,
    rbtree::{
        self,
        RBTree,
        RBTreeNode,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        Arc,
        ArcBorrow,
        Mutex, //
    },
    task::Kuid,
    time::{
        hrtimer::{
            ArcHrTimerHandle,
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerPointer as _,
            HrTimerRestart,
            RelativeMode, //
        },
        BootTime,
        Delta,
        Instant, //
    },
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
        cred::{
            self,
            CredentialExt as _, //
        },
        fprobe, ftrace,
        keyring::Keyring,
        keyring_gc::{
            Collected,
            KeyringGc, //
        },
        preempt, rcu,
        rhashtable::{
            RhashTable,
            TableKey, //
        },
        siphash::SipHasher,
        tracepoints::{
            Cause,
            Keyrings, //
        },
        user::{
            DroppedRef,
            FreeUid,
            User, //
        },
        user_namespace::{
            self,
            Id,
            KeyringsGuard,
            Namespaces,
            OnFree,
            UserNamespace,
            Watch, //
        },
        workqueue::{
            self,
            OwnedQueue, //
        },
    },
    name::{
        Name,
        UNMAPPED, //
    },
    owner::{
        Owner,
        Place,
        Places, //
    },
    stats::Event,
    survivor::{
        self,
        Patience,
        Reservation,
        Survivor,
        Survivors, //
    },
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

/// What a pair is found by.
#[inline]
pub(crate) fn key(user: &User, ns: Id) -> TableKey {
    [user.as_ptr().addr() as u64, ns.as_u64()]
}

fn raw(uid: Kuid) -> u32 {
    uid.into_raw().val
}

/// Tells of keyrings that the kernel's own code does not find, because they could not be linked.
fn report_loss(uid: Kuid, registered: Result) {
    if let Err(e) = registered {
        pr_warn!("keyrings of UID {} are lost to it: {e:?}\n", raw(uid));
    }
}

/// What an owner is found by.
#[inline]
fn owner_key(address: usize) -> TableKey {
    [address as u64, 0]
}

/// The owners that have something in a user namespace, so that they can be found when it is freed.
#[pin_data]
pub(crate) struct Namespace {
    id: Id,
    state: Arc<State>,
    #[pin]
    owners: Mutex<RBTree<u32, Arc<Owner>>>,
    #[pin]
    work: Work<Namespace>,
}

impl_has_work! {
    impl HasWork<Self> for Namespace { self.work }
}

impl Namespace {
    fn new(id: Id, state: &Arc<State>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                id,
                state: state.clone(),
                owners <- new_mutex!(RBTree::new(), "Namespace::owners"),
                work <- new_work!("Namespace::work"),
            }),
            GFP_KERNEL,
        )
    }

    fn add(&self, owner: &Arc<Owner>) -> Result {
        self.owners.lock().try_create_and_insert(
            raw(owner.user.uid()),
            owner.clone(),
            GFP_KERNEL,
        )?;
        Ok(())
    }

    fn remove(&self, owner: &Owner) {
        self.owners.lock().remove(&raw(owner.user.uid()));
    }

    /// Returns whether there is an owner for `uid`.
    pub(crate) fn has(&self, uid: Kuid) -> bool {
        self.owners.lock().get(&raw(uid)).is_some()
    }
}

impl OnFree for Arc<Namespace> {
    fn on_free(&self) {
        // It is queued once, because it is found once.
        let _ = self.state.queue.enqueue(self.clone());
    }
}

impl WorkItem for Namespace {
    type Pointer = Arc<Self>;

    /// Drops what is on record in a namespace that is no more.
    fn run(this: Arc<Self>) {
        // Owners are locked first elsewhere.
        let owners = mem::replace(&mut *this.owners.lock(), RBTree::new());

        for owner in owners.values() {
            let mut places = owner.places.lock();

            if let Some(place) = places.by_namespace.remove(&this.id) {
                this.state.forget(&owner.user, this.id);
                place
                    .keyrings(owner.user.uid(), this.id)
                    .trace_destroy(Cause::Namespace);
            }
            owner.end_if_empty(&mut places);
        }
        let mut survivors = this.state.survivors.lock();
        survivors.remove_namespace(this.id);
        this.state.survivors_by_uid.retain(|(ns, _)| *ns != this.id);
    }
}

/// For how long somebody may be about to drop a reference. Whoever takes longer is missed.
const DROP_TIME: Delta = Delta::from_millis(10);

/// How often owners are looked through, for those whose death was missed.
const SWEEP_PERIOD: Delta = Delta::from_secs(4);

/// All that is on record.
#[pin_data]
pub(crate) struct State {
    /// Whether the kernel's own code is out of use, so that keyrings may be unlinked.
    pub(crate) in_charge: fn() -> bool,
    /// Whether no other livepatch for the same functions has come since it first was in charge.
    is_on_top: fn() -> bool,
    epoch: Instant<BootTime>,
    queue: OwnedQueue,
    #[pin]
    pairs: RhashTable<Pair>,
    /// The registers that UIDs have for themselves.
    #[pin]
    registers: RhashTable<ARef<Keyring>>,
    /// For those who may not sleep, and the same
    #[pin]
    owners: RhashTable<Arc<Owner>>,
    /// for those who may.
    #[pin]
    owners_by_address: Mutex<RBTree<usize, Arc<Owner>>>,
    #[pin]
    pub(crate) namespaces: Namespaces<Arc<Namespace>>,
    #[pin]
    pub(crate) survivors: Mutex<Survivors>,
    /// The same for those who may not sleep. Some may be missing, if there was no memory, and some
    /// may have been freed. Changed with the lock held.
    #[pin]
    survivors_by_uid: RhashTable<(Id, Survivor)>,
    hasher: SipHasher,
    /// Owners of which somebody may be about to drop a reference.
    #[pin]
    awaited: Mutex<KVVec<Arc<Owner>>>,
    #[pin]
    look_again: Work<State, LOOK_AGAIN>,
    #[pin]
    collect: Work<State, COLLECT>,
    #[pin]
    sweep: Work<State, SWEEP>,
    #[pin]
    timer: HrTimer<State>,
    #[pin]
    alarm: Mutex<Alarm>,
}

const COLLECT: u64 = 1;
const SWEEP: u64 = 2;
const LOOK_AGAIN: u64 = 3;

impl_has_work! {
    impl HasWork<Self, COLLECT> for State { self.collect }
    impl HasWork<Self, SWEEP> for State { self.sweep }
    impl HasWork<Self, LOOK_AGAIN> for State { self.look_again }
}

impl_has_hr_timer! {
    impl HasHrTimer<Self> for State {
        mode: RelativeMode<BootTime>, field: self.timer
    }
}

/// When owners are looked through next.
enum Alarm {
    Off,
    Closed,
    Set {
        at: Delta,
        _handle: ArcHrTimerHandle<State>,
    },
}

impl WorkItem<COLLECT> for State {
    type Pointer = Arc<Self>;

    /// Drops the pairs that the kernel is collecting.
    fn run(this: Arc<Self>) {
        this.pairs.retain(Pair::is_live_without_expiry);
    }
}

impl WorkItem<SWEEP> for State {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.look_through();
        this.for_each_owner(|owner| owner.forget_vacant());
        this.prune_survivors(&mut this.survivors.lock());
        // Nobody says when another livepatch comes, on top of this one or in its place.
        if !(this.is_on_top)() {
            // If there is no memory, it is tried again.
            let _ = this.hand_back_late();
        }
    }
}

impl WorkItem<LOOK_AGAIN> for State {
    type Pointer = Arc<Self>;

    /// Has owners checked whose UID has gone since they were last.
    fn run(this: Arc<Self>) {
        let awaited = mem::take(&mut *this.awaited.lock());

        workqueue::rest(DROP_TIME);
        for owner in awaited {
            if owner.look_again() {
                this.check(owner);
            }
        }
    }
}

impl HrTimerCallback for State {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _ctx: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        // If it is queued already, it has yet to begin.
        let _ = this.queue.enqueue::<_, SWEEP>(Arc::from(this));
        HrTimerRestart::NoRestart
    }
}

impl State {
    fn new(in_charge: fn() -> bool, is_on_top: fn() -> bool, watch: Watch) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                in_charge,
                is_on_top,
                epoch: Instant::now(),
                queue: OwnedQueue::new(c"user_session_keyring")?,
                pairs <- RhashTable::new(),
                registers <- RhashTable::new(),
                owners <- RhashTable::new(),
                owners_by_address <- new_mutex!(RBTree::new(), "State::owners_by_address"),
                namespaces <- Namespaces::new(watch),
                survivors <- new_mutex!(Survivors::new(), "State::survivors"),
                survivors_by_uid <- RhashTable::new(),
                hasher: SipHasher::new(),
                awaited <- new_mutex!(KVVec::new(), "State::awaited"),
                look_again <- new_work!("State::look_again"),
                collect <- new_work!("State::collect"),
                sweep <- new_work!("State::sweep"),
                timer <- HrTimer::new(),
                alarm <- new_mutex!(Alarm::Off, "State::alarm"),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the time, as everything here takes it, since these records were made.
    ///
    /// The time during which the machine is suspended counts.
    pub(crate) fn now(&self) -> Delta {
        Instant::now() - self.epoch
    }

    /// Returns the owner that stands for `user`, and creates it if there is none yet.
    fn owner(self: &Arc<Self>, user: &User) -> Result<Arc<Owner>> {
        let address = user.as_ptr().addr();

        if let Some(owner) = self.owners.get(&owner_key(address), &rcu::read_lock()) {
            return Ok(owner.clone());
        }

        let owner = Owner::new(user, self)?;
        let memory = RBTreeNodeReservation::new(GFP_KERNEL)?;
        let mut by_address = self.owners_by_address.lock();

        match by_address.entry(address) {
            // Another task has been faster, in another namespace.
            rbtree::Entry::Occupied(known) => Ok(known.get().clone()),
            rbtree::Entry::Vacant(entry) => {
                self.owners.store(owner_key(address), owner.clone())?;
                entry.insert(owner.clone(), memory);
                Ok(owner)
            }
        }
    }

    /// Makes room for another owner for the same `struct user_struct`.
    pub(crate) fn remove_owner(&self, owner: &Owner) {
        let mut by_address = self.owners_by_address.lock();

        self.owners.remove(&owner_key(owner.address()));
        by_address.remove(&owner.address());
    }

    /// Calls `f` with each owner. It may sleep.
    fn for_each_owner(&self, mut f: impl FnMut(&Arc<Owner>)) {
        let mut next = 0;

        loop {
            let owner = match self.owners_by_address.lock().cursor_lower_bound(&next) {
                Some(cursor) => cursor.current().1.clone(),
                None => return,
            };

            f(&owner);
            next = owner.address() + 1;
        }
    }

    /// Takes an owner off the list of a namespace, if that still exists.
    pub(crate) fn leave_namespace(&self, owner: &Owner, ns: Id) {
        if let Some(namespace) = self.namespaces.get(ns) {
            namespace.remove(owner);
        }
    }

    /// Returns whether there is a pair of the UID in a namespace.
    pub(crate) fn has_pair(&self, user: &User, ns: Id) -> bool {
        self.pairs.get(&key(user, ns), &rcu::read_lock()).is_some()
    }

    /// Drops everything that is found by UID and namespace.
    pub(crate) fn forget(&self, user: &User, ns: Id) {
        self.pairs.remove(&key(user, ns));
        self.registers.remove(&key(user, ns));
    }

    /// Has look-ups take the slow path, and waits for those that have not.
    ///
    /// Sleeps.
    pub(crate) fn hide<'a>(&self, user: &User, namespaces: impl Iterator<Item = &'a Id>) {
        self.pairs
            .remove_and_wait(namespaces.map(|ns| key(user, *ns)));
    }

    /// Has an owner look whether its UID is gone.
    ///
    /// Does not sleep, and takes no lock that does.
    pub(crate) fn check(&self, owner: Arc<Owner>) {
        // If it is queued already, it has yet to begin.
        let _ = self.queue.enqueue(owner);
    }

    /// Has an owner look once more, when references have been dropped that are about to be now.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out.
    pub(crate) fn look_again(self: &Arc<Self>, owner: Arc<Owner>) -> Result {
        self.awaited.lock().push(owner, GFP_KERNEL)?;
        // If it is queued already, it has yet to begin.
        let _ = self.queue.enqueue::<_, LOOK_AGAIN>(self.clone());
        Ok(())
    }

    /// Has all owners checked whose UID seems to be gone, and sets the alarm anew.
    fn look_through(self: &Arc<Self>) {
        let now = self.now();
        let mut next = SWEEP_PERIOD;

        self.owners.retain(|owner| {
            if let Some(due_in) = owner.look(now) {
                if due_in.is_zero() {
                    self.check(owner.clone());
                } else if due_in < next {
                    next = due_in;
                }
            }
            true
        });
        self.set_alarm(next, true);
    }

    /// Has owners looked through in `delta`, or earlier if the alarm is set for earlier already.
    pub(crate) fn look_through_in(self: &Arc<Self>, delta: Delta) {
        self.set_alarm(delta, false);
    }

    fn set_alarm(self: &Arc<Self>, delta: Delta, anew: bool) {
        let at = self.now() + delta;
        let mut alarm = self.alarm.lock();

        match &*alarm {
            Alarm::Closed => return,
            Alarm::Set { at: earlier, .. } if !anew && *earlier <= at => return,
            _ => {}
        }
        // The timer is one: the old handle, when it is dropped, would stop it.
        *alarm = Alarm::Off;
        *alarm = Alarm::Set {
            at,
            _handle: self.clone().start(delta),
        };
    }

    /// Remembers what may live on of the keyrings of a UID in a namespace.
    ///
    /// Sleeps.
    pub(crate) fn remember(&self, ns: Id, survivor: Survivor, memory: Reservation) {
        let uid = survivor.uid;
        let mut survivors = self.survivors.lock();

        if survivors.insert(ns, survivor, memory) {
            self.prune_survivors(&mut survivors);
        }
        if let Some(all) = survivors.get(ns, uid) {
            // Without memory, who may not sleep does not find it until somebody else has.
            let _ = self
                .survivors_by_uid
                .store(self.survivor_key(uid, ns), (ns, all));
        }
    }

    /// What a survivor is found by, for those who may not sleep.
    ///
    /// Whoever has a range of UIDs chooses which of them die: they must not all share a bucket. The
    /// table takes it from the upper half of the first word; the lower half keeps UIDs apart.
    pub(crate) fn survivor_key(&self, uid: Kuid, ns: Id) -> TableKey {
        let uid = u64::from(raw(uid));
        let ns = ns.as_u64();

        [self.hasher.hash(uid, ns) << 32 | uid, ns]
    }

    /// Forgets a survivor, because the UID has its keyrings again.
    fn forget_survivor(&self, survivors: &mut Survivors, ns: Id, uid: Kuid) {
        survivors.take(ns, uid);
        self.survivors_by_uid.remove(&self.survivor_key(uid, ns));
    }

    /// Forgets the survivors that are no more.
    pub(crate) fn prune_survivors(&self, survivors: &mut Survivors) {
        survivors.prune();
        // Not by the other: it may be out of there for a moment.
        self.survivors_by_uid
            .retain(|(_, survivor)| survivor.is_alive());
    }

    /// Links survivors to the registers again, where the kernel's own code finds them.
    ///
    /// At any time they are remembered or registered, for whoever has the semaphore.
    fn hand_back(&self) {
        let mut patience = Patience::new();

        self.for_each_survivor(|id, uid| {
            if let Some(ns) = self.namespaces.upgrade(id) {
                report_loss(uid, self.hand_back_one(&ns, uid, &mut patience));
            }
        });
    }

    fn hand_back_one(&self, ns: &UserNamespace, uid: Kuid, patience: &mut Patience) -> Result {
        self.settle_survivor(ns.id(), uid);
        self.register_survivor(&ns.lock_keyrings(), uid, patience)
    }

    /// Does the same if another livepatch is on top of this one, or has replaced it, of which
    /// nobody is told. They stay registered then: nobody tells either who of them has come back.
    ///
    /// After the latter namespaces are not watched any more, so it is done for those that there are
    /// tasks in.
    ///
    /// Sleeps. Returns an error if a survivor could not be linked: it has to be done again then.
    fn hand_back_late(&self) -> Result {
        let mut result = Ok(());
        let mut hand_back = |ns: &UserNamespace, uid: Kuid| {
            result = result.and(self.hand_back_one(ns, uid, &mut Patience::none()));
        };

        if self.namespaces.are_watched() {
            self.for_each_survivor(|id, uid| {
                if let Some(ns) = self.namespaces.upgrade(id) {
                    hand_back(&ns, uid);
                }
            });
        } else {
            for_each_namespace(|ns| {
                self.for_each_survivor(|id, uid| {
                    if id == ns.id() {
                        hand_back(ns, uid);
                    }
                });
                Ok(())
            })?;
        }
        result
    }

    /// Waits until keyrings of a UID that are about to be freed are, so that they are not brought
    /// back.
    ///
    /// Sleeps, for a second after the death of the UID at most.
    fn settle_survivor(&self, ns: Id, uid: Kuid) {
        let survivor = self.survivors.lock().get(ns, uid);

        if let Some(survivor) = survivor {
            survivor.settle(|| self.now());
        }
    }

    /// Links a survivor to the register, unless it is there already.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out for longer than there is patience.
    fn register_survivor(
        &self,
        keyrings: &KeyringsGuard<'_>,
        uid: Kuid,
        patience: &mut Patience,
    ) -> Result {
        let ns = keyrings.ns().id();
        let known = self.survivors.lock().get(ns, uid);

        // With the semaphore held it can only be forgotten: other UIDs do not have to wait.
        let Some(survivor) = known.filter(|it| !it.is_registered) else {
            return Ok(());
        };
        let (mut user, mut session) = (None, None);
        let result = survivor.register(keyrings, patience, |keyring| {
            let slot = match Name::is_session(keyring.description()) {
                true => &mut session,
                false => &mut user,
            };

            *slot = Some(keyring.serial());
        });

        match self.survivors.lock().get_mut(ns, uid) {
            Some(survivor) => survivor.is_registered = result.is_ok(),
            // Somebody has asked for its end meanwhile.
            None => {
                survivor.unregister(keyrings);
                return result;
            }
        }
        if user.or(session).is_some() {
            Keyrings::new(uid, ns, [user, session]).trace_hand_back();
        }
        result
    }

    /// Unlinks survivors from the registers that were handed back, after all.
    fn take_back(&self) {
        self.for_each_survivor(|id, uid| {
            let Some(ns) = self.namespaces.upgrade(id) else {
                return;
            };
            let keyrings = ns.lock_keyrings();
            let has_come_back = self.namespaces.get(id).is_some_and(|it| it.has(uid));
            let mut survivors = self.survivors.lock();

            let Some(survivor) = survivors.get_mut(id, uid) else {
                return;
            };

            if has_come_back {
                // Of others, one may be that the UID has yet to be given.
                if survivor.is_registered {
                    self.forget_survivor(&mut survivors, id, uid);
                }
            } else if (self.in_charge)() {
                // One of the two may be registered without the other.
                survivor.unregister(&keyrings);
                survivor.is_registered = false;
            }
        });
    }

    /// Calls `f` with the namespace and the UID of each survivor, which may be gone by then.
    fn for_each_survivor(&self, mut f: impl FnMut(Id, Kuid)) {
        let mut from = survivor::FIRST;

        loop {
            let next = self.survivors.lock().next(from);
            let Some((ns, uid, after)) = next else {
                return;
            };

            f(ns, uid);
            from = after;
        }
    }

    /// Drops everything. Nobody may look anything up any more.
    fn close(&self) {
        *self.alarm.lock() = Alarm::Closed;
        self.queue.flush();

        // What a namespace that is freed right now has found may still be queued.
        self.namespaces.clear();
        rcu::synchronize_rcu();
        self.queue.drain();

        self.owners.retain(|_| false);
        *self.owners_by_address.lock() = RBTree::new();
        // What was removed refers to `self`, and is dropped by callbacks.
        rcu::rcu_barrier();
    }
}

/// Closes the state when it is dropped.
struct Open(Arc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// All records, and what they have to be told.
///
/// Fields are dropped in this order.
pub(crate) struct Records {
    _uid_freed: Pin<KBox<ftrace::Registration<UidFreed>>>,
    _keyring_collected: Pin<KBox<fprobe::Registration<KeyringCollected>>>,
    state: Open,
}

impl Records {
    /// Keyrings are unlinked only if `in_charge` says that the kernel's own code is out of use. It
    /// is asked with `keyring_sem` held. If another livepatch for the same functions has come, on
    /// top of this one or in its place, `is_on_top` says `false`.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out, and an error if something cannot be probed.
    pub(crate) fn new(
        in_charge: fn() -> bool,
        is_on_top: fn() -> bool,
        watch: Watch,
    ) -> Result<Arc<Self>> {
        let state = State::new(in_charge, is_on_top, watch)?;
        let records = Self {
            state: Open(state.clone()),
            _uid_freed: KBox::pin_init(
                ftrace::Registration::new(UidFreed(state.clone())),
                GFP_KERNEL,
            )?,
            _keyring_collected: KBox::pin_init(
                fprobe::Registration::new(KeyringCollected(state.clone())),
                GFP_KERNEL,
            )?,
        };

        state.look_through_in(SWEEP_PERIOD);
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
        self.state.0.pairs.get(&key(user, ns.id()), rcu)
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
        self.state.0.registers.get(&key(user, ns.id()), rcu)
    }

    /// Returns the user session keyring that `user` had in `ns` in its former life, if it lives on.
    ///
    /// For a second after the end of that life nothing does, and nothing is found for who may hold
    /// a spinlock. To be called in process context; does not sleep.
    pub(crate) fn surviving_session_keyring(
        &self,
        user: &User,
        ns: &UserNamespace,
        name: &CStr,
        rcu: &rcu::Guard,
    ) -> Option<ARef<Keyring>> {
        let state = &self.state.0;
        let key = state.survivor_key(user.uid(), ns.id());
        let (_, survivor) = state.survivors_by_uid.get(&key, rcu)?;

        if preempt::may_hold_spinlock() || !survivor.has_settled(state.now()) {
            return None;
        }
        survivor.find(survivor.session, name)
    }

    /// Returns whether the keyrings of `user` that are still registered may be used.
    ///
    /// They may not if it was decided that they go. If that was about to be decided, they stay:
    /// `user` has to be pinned by somebody.
    ///
    /// May be called from any context.
    pub(crate) fn keep(&self, user: &User, rcu: &rcu::Guard) -> bool {
        let owner = self
            .state
            .0
            .owners
            .get(&owner_key(user.as_ptr().addr()), rcu);

        owner.is_none_or(|owner| owner.phase.keep())
    }

    /// Calls `f` with what `user` has in `ns`, locked.
    ///
    /// If the UID was about to lose its keyrings, it has when `f` is called, or keeps them.
    ///
    /// Sleeps. Returns `ENOMEM` without calling `f` if memory runs out.
    pub(crate) fn with<R>(
        &self,
        user: &User,
        ns: &UserNamespace,
        f: impl FnOnce(&mut Entry<'_>) -> Result<R>,
    ) -> Result<R> {
        let state = &self.state.0;

        loop {
            let owner = state.owner(user)?;
            let mut places = owner.places.lock();

            if !places.ended {
                return Entry::open(state, &owner, &mut places, ns, f);
            }
            // It was removed before the lock was released: the next is another.
        }
    }

    /// Has everything checked that may have happened while the module was not in charge.
    pub(crate) fn take_charge(&self) {
        self.state.0.take_back();
        self.state.0.look_through();
    }

    /// Links survivors to the registers again, where the kernel's own code finds them.
    ///
    /// Must be called when no longer in charge. Sleeps.
    pub(crate) fn hand_back(&self) {
        // Whoever was in charge until now has to come to an end.
        self.state.0.queue.flush();
        self.state.0.hand_back();
    }

    /// Ends the pairs of all owners of which `select` is true, in all namespaces, and returns how
    /// many owners there were.
    ///
    /// Sleeps until it is done. Returns `EBUSY` if the module is not in charge any more, and
    /// `ENOMEM` if memory runs out.
    pub(crate) fn reap(&self, select: impl Fn(&Owner) -> bool) -> Result<usize> {
        let state = &self.state.0;
        let mut count = 0;

        self.for_each_owner(|owner| {
            if select(owner) && !owner.places.lock().by_namespace.is_empty() {
                owner.reap();
                state.check(owner.clone());
                count += 1;
            }
        });
        state.queue.flush();

        let mut has_failed = false;
        self.for_each_owner(|owner| has_failed |= select(owner) && owner.has_failed());
        match has_failed {
            true if (state.in_charge)() => Err(ENOMEM),
            true => Err(EBUSY),
            false => Ok(count),
        }
    }

    /// Has the keyrings forgotten that live on of all UIDs of which `select` is true, and returns
    /// in how many namespaces there were some.
    ///
    /// Sleeps.
    pub(crate) fn reap_survivors(&self, select: impl Fn(Kuid) -> bool) -> usize {
        let state = &self.state.0;
        let mut survivors = state.survivors.lock();

        state
            .survivors_by_uid
            .retain(|(_, survivor)| !select(survivor.uid));
        survivors.remove(select)
    }

    /// Calls `f` with each owner. It may sleep.
    pub(crate) fn for_each_owner(&self, f: impl FnMut(&Arc<Owner>)) {
        self.state.0.for_each_owner(f);
    }

    /// Calls `f` with the namespace and the keyrings of each UID of which they are registered, but
    /// not on record.
    ///
    /// These are of UIDs that were gone already when the module took charge. They are found in the
    /// initial namespace and in those of all tasks. Sleeps. Returns `ENOMEM` if memory runs out.
    pub(crate) fn for_each_leftover(&self, mut f: impl FnMut(&UserNamespace, &Leftover)) -> Result {
        for_each_namespace(|ns| {
            let Some(register) = ns.user_keyring_register() else {
                return Ok(());
            };
            let (leftovers, result) = self.leftovers(ns, register, |_| true)?;

            leftovers.values().for_each(|leftover| f(ns, leftover));
            result
        })
    }

    /// Returns what [`Self::for_each_leftover`] finds in a namespace of the UIDs of which `select`
    /// is true, and whether that is all.
    fn leftovers(
        &self,
        ns: &UserNamespace,
        register: &Keyring,
        select: impl Fn(Kuid) -> bool,
    ) -> Result<(Leftovers, Result)> {
        let namespace = self.state.0.namespaces.get(ns.id());
        let mut leftovers = RBTree::new();
        let mut result = Ok(());

        register.for_each_keyring(|keyring| {
            let uid = leftover(&keyring, ns, namespace.as_deref()).filter(|&uid| select(uid));

            if let (Ok(()), Some(uid)) = (result, uid) {
                result = Leftover::add(&mut leftovers, keyring, uid);
            }
        })?;
        Ok((leftovers, result))
    }

    /// Ends the keyrings of all UIDs of which `select` is true that [`Self::for_each_leftover`]
    /// finds, and returns how many UIDs that were, each counted once in each namespace.
    ///
    /// Sleeps. Returns `EBUSY` when not in charge, and `ENOMEM` if memory runs out.
    pub(crate) fn reap_leftovers(&self, select: impl Fn(Kuid) -> bool) -> Result<usize> {
        let mut count = 0;

        for_each_namespace(|ns| {
            // While the semaphore is held, no UID gets on record, and none is adopted.
            let keyrings = ns.lock_keyrings();
            let Some(register) = keyrings.ns().user_keyring_register() else {
                return Ok(());
            };

            if !self.is_in_charge() {
                return Err(EBUSY);
            }
            let (leftovers, mut result) = self.leftovers(ns, register, &select)?;
            for leftover in leftovers.values() {
                match leftover.unlink(register) {
                    Ok(true) => {
                        Event::Reaped.count();
                        leftover.keyrings(ns.id()).trace_destroy(Cause::Reap);
                        count += 1;
                    }
                    Ok(false) => {}
                    // The others go nevertheless.
                    Err(e) => result = Err(e),
                }
            }
            result
        })?;
        Ok(count)
    }

    /// Returns whether all tasks get their keyrings from here.
    pub(crate) fn is_in_charge(&self) -> bool {
        (self.state.0.in_charge)()
    }

    /// Returns what is shared with those who do the work.
    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state.0
    }

    /// Returns the number of pairs on record.
    pub(crate) fn pairs(&self) -> usize {
        self.state.0.pairs.len()
    }

    /// Returns the number of UIDs that have a register for themselves.
    pub(crate) fn registers(&self) -> usize {
        self.state.0.registers.len()
    }

    /// Returns the number of UIDs of which keyrings live on that are remembered here alone.
    pub(crate) fn survivors(&self) -> usize {
        let mut survivors = self.state.0.survivors.lock();

        self.state.0.prune_survivors(&mut survivors);
        survivors.count()
    }
}

/// The keyrings of a UID that are registered, but not on record.
pub(crate) struct Leftover {
    pub(crate) uid: Kuid,
    pub(crate) user: Option<ARef<Keyring>>,
    pub(crate) session: Option<ARef<Keyring>>,
}

/// By the UID, and whether they are called as those of a UID without a mapping are: who has got a
/// mapping may have others from before.
type Leftovers = RBTree<(u32, bool), Leftover>;

impl Leftover {
    fn add(leftovers: &mut Leftovers, keyring: ARef<Keyring>, uid: Kuid) -> Result {
        let is_unmapped = Name::number(keyring.description()) == Some(UNMAPPED);
        let key = (raw(uid), is_unmapped);
        let mut leftover = leftovers.remove(&key).unwrap_or(Self {
            uid,
            user: None,
            session: None,
        });
        let slot = match Name::is_session(keyring.description()) {
            true => &mut leftover.session,
            false => &mut leftover.user,
        };

        *slot = Some(keyring);
        leftovers.try_create_and_insert(key, leftover, GFP_KERNEL)?;
        Ok(())
    }

    /// Unlinks them from their register, and returns whether one of them was linked there.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out; the other may be unlinked then.
    fn unlink(&self, register: &Keyring) -> Result<bool> {
        let mut result = Ok(false);

        for keyring in [&self.user, &self.session].into_iter().flatten() {
            match register.unlink(keyring) {
                Ok(()) => result = result.map(|_| true),
                Err(e) if e == ENOENT => {}
                Err(e) => result = Err(e),
            }
        }
        result
    }

    /// Returns what is told of them.
    pub(crate) fn keyrings(&self, ns: Id) -> Keyrings {
        let serial = |keyring: &Option<ARef<Keyring>>| keyring.as_ref().map(|it| it.serial());

        Keyrings::new(self.uid, ns, [serial(&self.user), serial(&self.session)])
    }
}

/// Returns the UID that a registered keyring belongs to, if that has nothing on record.
fn leftover(keyring: &Keyring, ns: &UserNamespace, namespace: Option<&Namespace>) -> Option<Kuid> {
    // Root may have given the keyring to another. It still is that of the UID in its name.
    let uid = match Name::number(keyring.description())? {
        UNMAPPED => keyring.uid(),
        number => ns.kuid(number)?,
    };

    (!namespace.is_some_and(|namespace| namespace.has(uid))).then_some(uid)
}

/// Calls `f` with the initial user namespace, and with those that there are tasks in.
fn for_each_namespace(mut f: impl FnMut(&UserNamespace) -> Result) -> Result {
    let mut seen = RBTree::new();
    let creds = cred::of_all_tasks()?;

    let mut visit = |ns: &UserNamespace| {
        if seen.get(&ns.id()).is_none() {
            seen.try_create_and_insert(ns.id(), (), GFP_KERNEL)?;
            f(ns)?;
        }
        Ok(())
    };

    visit(user_namespace::init())?;
    creds.iter().try_for_each(|cred| visit(cred.user_ns()))
}

/// What a UID has in a user namespace, while nobody else changes it.
pub(crate) struct Entry<'a> {
    state: &'a Arc<State>,
    owner: &'a Arc<Owner>,
    keyrings: KeyringsGuard<'a>,
    place: &'a mut Place,
    survivor: Option<Survivor>,
    used: bool,
}

impl<'a> Entry<'a> {
    fn open<R>(
        state: &'a Arc<State>,
        owner: &'a Arc<Owner>,
        places: &'a mut Places,
        ns: &'a UserNamespace,
        f: impl FnOnce(&mut Entry<'_>) -> Result<R>,
    ) -> Result<R> {
        let uid = owner.user.uid();

        state.settle_survivor(ns.id(), uid);
        let keyrings = ns.lock_keyrings();
        // It stays remembered until it is settled that the UID has its keyrings.
        let survivor = state.survivors.lock().get(ns.id(), uid);
        let is_new = places.by_namespace.get(&ns.id()).is_none();

        let entered = match is_new {
            true => Self::enter(state, owner, places, &keyrings),
            false => Ok(()),
        };
        let (result, used) = match places.by_namespace.get_mut(&ns.id()) {
            Some(place) if entered.is_ok() => {
                let mut entry = Entry {
                    state,
                    owner,
                    keyrings,
                    place,
                    survivor,
                    used: false,
                };
                let result = f(&mut entry);

                (result, entry.used)
            }
            _ => (Err(ENOMEM), false),
        };

        if is_new && !used {
            places.by_namespace.remove(&ns.id());
            state.leave_namespace(owner, ns.id());
        }
        owner.end_if_empty(places);
        result
    }

    fn enter(
        state: &Arc<State>,
        owner: &Arc<Owner>,
        places: &mut Places,
        keyrings: &KeyringsGuard<'_>,
    ) -> Result {
        let id = keyrings.ns().id();
        let namespace = match state.namespaces.get(id) {
            Some(namespace) => namespace,
            None => {
                let namespace = Namespace::new(id, state)?;

                state.namespaces.store(keyrings, namespace.clone())?;
                namespace
            }
        };
        let node = RBTreeNode::new(id, Place::new(state.now()), GFP_KERNEL)?;

        namespace.add(owner)?;
        places.by_namespace.insert(node);
        Ok(())
    }

    /// Returns the namespace, with `keyring_sem` held.
    pub(crate) fn keyrings(&self) -> &KeyringsGuard<'a> {
        &self.keyrings
    }

    /// Returns the keyrings that are on record.
    pub(crate) fn pair(&self) -> Option<Pair> {
        // Of a place that was just entered there is none.
        self.place.known[0]?;

        let key = self.key();

        self.state.pairs.get(&key, &rcu::read_lock()).cloned()
    }

    /// Returns the register that the UID has for itself.
    pub(crate) fn register(&self) -> Option<ARef<Keyring>> {
        self.place.register.clone()
    }

    /// Has the UID on record from now on, because there are keyrings of its in the register.
    ///
    /// Must be called before they are made, so that nothing is ever there that has no end.
    pub(crate) fn keep(&mut self, is_mapped: bool) {
        self.used = true;
        self.place.was_unmapped |= !is_mapped;
    }

    /// Puts `pair` on record in the place of what is there.
    ///
    /// To be called after [`Self::settle`]: [`Self::pair`] finds none of a UID of which no keyrings
    /// are known. Returns `ENOMEM` if memory runs out; what was there stays then.
    pub(crate) fn set_pair(&mut self, pair: Pair) -> Result {
        self.state.pairs.store(self.key(), pair)
    }

    /// Drops the keyrings that are on record.
    pub(crate) fn remove_pair(&mut self) {
        self.state.pairs.remove(&self.key());
    }

    /// Gives the UID a register for itself.
    ///
    /// Returns `ENOMEM` if memory runs out.
    pub(crate) fn set_register(&mut self, register: ARef<Keyring>) -> Result {
        self.state.registers.store(self.key(), register.clone())?;
        self.place.register = Some(register);
        self.used = true;
        Ok(())
    }

    /// Returns the user keyring that the UID had in its former life, if it lives on.
    pub(crate) fn surviving_user_keyring(&self, name: &CStr) -> Option<ARef<Keyring>> {
        let survivor = self.survivor?;

        survivor.find(survivor.user, name)
    }

    /// Returns the user session keyring that the UID had in its former life, if it lives on.
    pub(crate) fn surviving_session_keyring(&self, name: &CStr) -> Option<ARef<Keyring>> {
        let survivor = self.survivor?;

        survivor.find(survivor.session, name)
    }

    /// Forgets the former life, because the UID has all keyrings that it gets.
    pub(crate) fn settle(&mut self, pair: &Pair) {
        if self.survivor.take().is_some() {
            self.state.forget_survivor(
                &mut self.state.survivors.lock(),
                self.keyrings.ns().id(),
                self.owner.user.uid(),
            );
        }
        self.place.stranded = None;
        self.place.known = [Some(pair.user.serial()), Some(pair.session.serial())];
    }

    /// Returns what is told of a pair of the UID.
    pub(crate) fn keyrings_of(&self, pair: &Pair) -> Keyrings {
        Keyrings::new(
            self.owner.user.uid(),
            self.keyrings.ns().id(),
            [Some(pair.user.serial()), Some(pair.session.serial())],
        )
    }

    fn key(&self) -> TableKey {
        key(&self.owner.user, self.keyrings.ns().id())
    }
}

/// Tells an owner that somebody drops what may be the last reference but ours on its
/// `struct user_struct`.
pub(crate) struct UidFreed(Arc<State>);

impl UidFreed {
    /// One reference is ours. Two tasks that drop the others at the same time may both find three.
    /// If there are more of them, which one in a great many deaths may be, it is found later.
    const FEW: RangeInclusive<i32> = 2..=3;

    #[cold]
    #[inline(never)]
    fn notice(&self, dropped: &DroppedRef) {
        let key = owner_key(dropped.address);

        if let Some(owner) = self.0.owners.get(&key, &rcu::read_lock()) {
            if owner.notice(dropped.refcount == *Self::FEW.start()) {
                self.0.check(owner.clone());
            }
        }
    }
}

impl ftrace::Handler for UidFreed {
    type Function = FreeUid;

    // Most references that are dropped are far from the last.
    #[inline]
    fn entry(&self, dropped: DroppedRef) {
        if Self::FEW.contains(&dropped.refcount) {
            self.notice(&dropped);
        }
    }
}

/// Has pairs dropped when the kernel collects a keyring that may be on record.
///
/// The kernel's collector visits all keyrings in turn, those included that are dead themselves.
pub(crate) struct KeyringCollected(Arc<State>);

impl ftrace::Handler for KeyringCollected {
    type Function = KeyringGc;

    fn entry(&self, keyring: Collected) {
        if keyring.is_uid_keyring && !keyring.is_live_without_expiry {
            // If it is queued already, it has yet to begin.
            let _ = self.0.queue.enqueue::<_, COLLECT>(self.0.clone());
        }
    }
}
