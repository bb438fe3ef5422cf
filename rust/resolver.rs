// SPDX-License-Identifier: GPL-2.0

//! Which user and user session keyring a task gets.
//!
//! What `look_up_user_keyrings()` and `get_user_session_keyring_rcu()` of
//! `security/keys/process_keys.c` answer is answered here, and has to be the same in everything.
//!
//! The keyrings of a UID are linked to the register of its user namespace, as ever: that is where
//! the kernel's own code looks for them, as long as a task uses it, and when it is put back. A
//! record holds those that were found there last.
//!
//! The lock-free path reads the record of the caller under RCU. It answers if both keyrings are
//! what a search of the register would find. It need not look whether they are still linked there:
//! nobody but the kernel may unlink them, and it unlinks those that are invalidated, which is for
//! good, and those that are revoked or have expired, some time after. That is by the clock, which
//! may be set back, so a keyring that has an expiry time is left to the slow path, and taken off
//! the record when the kernel collects it. The slow path does what the kernel does: it searches the
//! register, and creates what is missing.
//!
//! UIDs that have no mapping in the namespace all go by the same name, so the keyrings of that name
//! in the register may be another's. A UID that finds them so gets a register for itself, which is
//! on record, and in everything else stands in for that of the namespace. Such UIDs always take the
//! slow path: they may get a mapping, and with it a name and keyrings of their own.
//!
//! A keyring of the UID's former life that something else pins is linked to the register again
//! before another is made.
//!
//! The slow path holds what is on record for the UID locked, and `keyring_sem` of the namespace.
//!
//! The result carries references of its own.

#![forbid(unsafe_code)]

use kernel::{
    cred::Credential,
    prelude::*,
    sync::{
        aref::ARef,
        rcu,
        Arc, //
    },
    task::Kuid, //
};

use crate::{
    abstractions::{
        counters::Event as _,
        cred::{
            self,
            CredentialExt as _, //
        },
        key::{
            Need,
            Permissions, //
        },
        keyring::{
            AllocFlags,
            Keyring, //
        },
        user::User,
        user_namespace::KeyringsGuard, //
    },
    name::{
        Name,
        UNMAPPED, //
    },
    record::{
        Entry,
        Pair,
        Records, //
    },
    stats::Event,
};

/// What the possessor and the owner of a user or user session keyring may do at first.
const KEYRING_PERMISSIONS: Permissions = Permissions::POSSESSOR_ALL
    .without(Permissions::POSSESSOR_SETATTR)
    .with(Permissions::OWNER_ALL);

/// What may be done to a register. Nobody possesses it but the kernel.
const REGISTER_PERMISSIONS: Permissions = Permissions::POSSESSOR_WRITE
    .with(Permissions::POSSESSOR_SEARCH)
    .with(Permissions::OWNER_VIEW)
    .with(Permissions::OWNER_READ);

/// Resolves UIDs to keyrings.
pub(crate) struct Resolver {
    records: Arc<Records>,
}

impl Resolver {
    /// Answers from, and adds to, `records`.
    pub(crate) fn new(records: Arc<Records>) -> Self {
        Self { records }
    }

    /// Returns what `take` makes of the keyrings of `cred`'s real UID in its user namespace, which
    /// are created if they do not exist.
    ///
    /// `cred` must be the current task's subjective credentials. `take` is called once, and must
    /// not sleep. This function may.
    ///
    /// Returns `EKEYREVOKED` if one of the keyrings is revoked or invalidated, `EKEYEXPIRED` if one
    /// has expired, `EACCES` if one must not be searched, `EDQUOT` if the UID's quota is used up,
    /// and `ENOMEM` if memory runs out.
    #[doc(alias = "look_up_user_keyrings")]
    #[inline]
    pub(crate) fn resolve<R>(&self, cred: &Credential, take: impl Fn(&Pair) -> R) -> Result<R> {
        let rcu = rcu::read_lock();

        if let Some(pair) = self.records.pair(cred.user(), cred.user_ns(), &rcu) {
            if both_answer(pair, cred) {
                Event::Hit.count();
                return Ok(take(pair));
            }
        }
        drop(rcu);

        self.resolve_slow(cred).map(|pair| take(&pair))
    }

    #[cold]
    #[inline(never)]
    fn resolve_slow(&self, cred: &Credential) -> Result<Pair> {
        Event::Miss.count();

        self.records
            .with(cred.user(), cred.user_ns(), |entry| {
                match cred.user_ns().uid(cred.user().uid()) {
                    Some(uid) => resolve_mapped(cred, uid, entry),
                    None => resolve_unmapped(cred, entry),
                }
            })
            .inspect_err(|_| Event::Error.count())
    }

    /// Puts the keyrings of `cred`'s real UID in its user namespace on record, if there are some.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out.
    pub(crate) fn adopt(&self, cred: &Credential) -> Result {
        let (user, ns) = (cred.user(), cred.user_ns());

        if self.records.pair(user, ns, &rcu::read_lock()).is_some() {
            return Ok(());
        }
        self.records.with(user, ns, |entry| {
            let uid = ns.uid(user.uid());
            let number = uid.unwrap_or(UNMAPPED);
            let owner = uid.is_none().then_some(user);
            let Some(register) = ns.user_keyring_register() else {
                return Ok(());
            };

            cred::kernel().impersonate(|| {
                let found = [Name::user(number), Name::session(number)]
                    .map(|name| find(register, name.as_c_str(), owner).transpose());

                if found
                    .iter()
                    .any(|found| matches!(found, Some(Err(Failure::Foreign))))
                {
                    return Ok(());
                }
                // One that refuses to be found is there as well.
                if found.iter().any(Option::is_some) {
                    entry.keep(uid.is_some());
                }
                if let ([Some(Ok(user)), Some(Ok(session))], true) = (found, uid.is_some()) {
                    let pair = Pair { user, session };

                    entry.settle(&pair);
                    if pair.is_live_without_expiry() && entry.pair().is_none() {
                        entry.set_pair(pair.clone())?;
                        Event::Adoption.count();
                        entry.keyrings_of(&pair).trace_adopt();
                    }
                }
                Ok(())
            })
        })
    }

    /// Returns the user session keyring of `cred`'s real UID in its user namespace, if there is one
    /// that may be searched as `cred`.
    ///
    /// `cred` may be any credentials that are kept alive. To be called in process context. Does not
    /// sleep, and creates nothing.
    #[doc(alias = "get_user_session_keyring_rcu")]
    pub(crate) fn session_keyring(
        &self,
        cred: &Credential,
        rcu: &rcu::Guard,
    ) -> Option<ARef<Keyring>> {
        let (user, ns) = (cred.user(), cred.user_ns());
        let shared = ns.user_keyring_register()?;

        if let Some(pair) = self.records.pair(user, ns, rcu) {
            if answers(&pair.session, cred) && may_search(shared, cred) {
                Event::RcuHit.count();
                return Some(pair.session.clone());
            }
        }
        Event::RcuMiss.count();
        if !self.records.keep(user, rcu) {
            return None;
        }

        let uid = ns.uid(user.uid());
        let own = match uid {
            Some(_) => None,
            None => self.records.register(user, ns, rcu),
        };
        let name = Name::session(uid.unwrap_or(UNMAPPED));
        let register = own.map_or(shared, |own| own);
        let session = match cred.impersonate(|| register.search(name.as_c_str())) {
            // Nobody who may sleep has asked for it since the UID has come back.
            Err(e) if e == EAGAIN => self
                .records
                .surviving_session_keyring(user, ns, name.as_c_str(), rcu)
                .filter(|session| may_search(session, cred) && may_search(shared, cred))?,
            found => found.ok()?,
        };
        let is_own = uid.is_some() || own.is_some() || session.uid() == user.uid();

        is_own.then_some(session)
    }

    /// Lets keyrings live and die with the records of their UIDs from now on.
    ///
    /// Those that are there already are put on record if the UID has a task. Sleeps.
    pub(crate) fn take_charge(&self) {
        match cred::of_all_tasks() {
            Ok(creds) => {
                for cred in &creds {
                    if self.adopt(cred).is_err() {
                        pr_warn!("no memory to put the keyrings of a UID on record\n");
                    }
                }
            }
            Err(_) => pr_warn!("no memory to put the keyrings of running UIDs on record\n"),
        }
        self.records.take_charge();
    }

    /// Gives keyrings that live on back to the kernel's own code.
    ///
    /// Must be called when no longer in charge. Sleeps.
    pub(crate) fn hand_back(&self) {
        self.records.hand_back();
    }

    /// Returns the number of UIDs whose keyrings the kernel's own code does not find.
    pub(crate) fn unregistered(&self) -> usize {
        self.records.registers()
    }
}

fn resolve_mapped(cred: &Credential, uid: u32, entry: &mut Entry<'_>) -> Result<Pair> {
    let known = entry.pair();

    if let Some(pair) = &known {
        // Another task may have put them on record while this one waited for the lock.
        if both_answer(pair, cred) {
            return Ok(pair.clone());
        }
        // The dead give their quota back only when nobody has them.
        if !pair.is_live_without_expiry() {
            entry.remove_pair();
        }
    }
    // For the same reason.
    let known = known.filter(Pair::is_live_without_expiry);

    let (pair, created) = find_or_create(None, cred, uid, None, entry)?;

    // If there is no memory, the register has them: the next look-up finds them there, as the
    // kernel would.
    if !known.is_some_and(|known| known.is_same(&pair))
        && pair.is_live_without_expiry()
        && entry.set_pair(pair.clone()).is_ok()
        && !created
    {
        Event::Adoption.count();
        entry.keyrings_of(&pair).trace_adopt();
    }
    Ok(pair)
}

fn resolve_unmapped(cred: &Credential, entry: &mut Entry<'_>) -> Result<Pair> {
    let user = cred.user();

    if let Some(own) = entry.register() {
        return Ok(find_or_create(Some(&own), cred, UNMAPPED, None, entry)?.0);
    }

    match find_or_create(None, cred, UNMAPPED, Some(user), entry) {
        Ok((pair, _)) => return Ok(pair),
        Err(Failure::Foreign) => {}
        Err(Failure::Errno(e)) => return Err(e),
    }

    let own = alloc_register(user.uid())?;
    entry.set_register(own.clone())?;
    Ok(find_or_create(Some(&own), cred, UNMAPPED, None, entry)?.0)
}

/// Returns whether a keyring on record is what a search of its register as `cred` would find, and
/// is sure to be linked there.
#[inline]
fn answers(keyring: &Keyring, cred: &Credential) -> bool {
    keyring.is_live_without_expiry() && may_search(keyring, cred)
}

/// Returns whether `cred`, who counts as the possessor, may search the keyring.
#[inline]
fn may_search(keyring: &Keyring, cred: &Credential) -> bool {
    keyring.permits(true, cred, Need::Search)
}

#[inline]
fn both_answer(pair: &Pair, cred: &Credential) -> bool {
    answers(&pair.user, cred)
        && answers(&pair.session, cred)
        && cred
            .user_ns()
            .user_keyring_register()
            .is_some_and(|register| may_search(register, cred))
}

/// Returns the register of the namespace, and creates it if there is none yet.
///
/// Mirrors `get_user_register()`.
fn register<'a>(keyrings: &KeyringsGuard<'a>) -> Result<&'a Keyring> {
    let ns = keyrings.ns();

    match ns.user_keyring_register() {
        Some(register) => Ok(register),
        None => Ok(keyrings.set_user_keyring_register(alloc_register(ns.owner())?)),
    }
}

fn alloc_register(owner: Kuid) -> Result<ARef<Keyring>> {
    Keyring::alloc(
        c".user_reg",
        owner,
        cred::kernel(),
        REGISTER_PERMISSIONS,
        AllocFlags::InQuota,
        None,
    )
}

/// Why a register does not have the keyrings that were asked for.
enum Failure {
    /// It has another UID's under this name.
    Foreign,
    /// The kernel would have failed as well.
    Errno(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Errno(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Foreign => EACCES,
            Failure::Errno(error) => error,
        }
    }
}

/// Finds the keyrings of `uid` in a register, or creates them there, and tells whether it did.
///
/// If no register is given, it is that of the namespace.
///
/// If `owner` is given, keyrings of another are not taken. Otherwise the name is enough: it is that
/// of one UID alone, even if root has given the keyring to another.
///
/// Mirrors `look_up_user_keyrings()`: things are done in the same order, so that what exists after
/// a failure is the same.
fn find_or_create(
    own_register: Option<&Keyring>,
    cred: &Credential,
    uid: u32,
    owner: Option<&User>,
    entry: &mut Entry<'_>,
) -> Result<(Pair, bool), Failure> {
    let register = match own_register {
        Some(own) => own,
        None => register(entry.keyrings())?,
    };
    let (user_name, session_name) = (Name::user(uid), Name::session(uid));
    let (user_name, session_name) = (user_name.as_c_str(), session_name.as_c_str());

    let is_mapped = uid != UNMAPPED;
    let look = |name: &CStr, entry: &mut Entry<'_>| {
        let found = find(register, name, owner);

        // One that refuses to be found is there as well.
        if !matches!(found, Ok(None) | Err(Failure::Foreign)) {
            entry.keep(is_mapped);
        }
        found
    };

    // Nothing is to be created beside the other keyring of another.
    if owner.is_some() {
        if let Err(Failure::Foreign) = look(session_name, entry) {
            return Err(Failure::Foreign);
        }
    }

    let (user, user_created) = match look(user_name, entry)? {
        Some(user) => (user, false),
        None => match entry.surviving_user_keyring(user_name) {
            Some(survivor) => {
                register.link(&survivor)?;
                // It may refuse to be found.
                (look(user_name, entry)?.ok_or(EAGAIN)?, false)
            }
            None => (alloc(user_name, cred, Some(register))?, true),
        },
    };
    entry.keep(is_mapped);

    let (session, session_created) = match look(session_name, entry)? {
        Some(session) => (session, false),
        None => match entry.surviving_session_keyring(session_name) {
            Some(survivor) => {
                register.link(&survivor)?;
                (look(session_name, entry)?.ok_or(EAGAIN)?, false)
            }
            None => {
                let session = alloc(session_name, cred, None)?;

                session.link(&user)?;
                register.link(&session)?;
                (session, true)
            }
        },
    };

    let pair = Pair { user, session };
    entry.settle(&pair);

    let created = user_created || session_created;
    if created {
        Event::Creation.count();
        entry.keyrings_of(&pair).trace_create();
    }
    Ok((pair, created))
}

/// Searches a register as the current task.
fn find(
    register: &Keyring,
    name: &CStr,
    owner: Option<&User>,
) -> Result<Option<ARef<Keyring>>, Failure> {
    match register.search(name) {
        Ok(keyring) if owner.is_some_and(|owner| keyring.uid() != owner.uid()) => {
            Err(Failure::Foreign)
        }
        Ok(keyring) => Ok(Some(keyring)),
        Err(e) if e == EAGAIN => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Allocates a user or user session keyring, and links it to `dest`.
fn alloc(name: &CStr, cred: &Credential, dest: Option<&Keyring>) -> Result<ARef<Keyring>> {
    Keyring::alloc(
        name,
        cred.user().uid(),
        cred,
        KEYRING_PERMISSIONS,
        AllocFlags::UidKeyring,
        dest,
    )
}
