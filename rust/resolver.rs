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
//! Lock order: `keyring_sem` of the namespace, then the semaphores of keyrings and the locks of
//! [`Records`], each on its own.
//!
//! The result carries references of its own.

#![forbid(unsafe_code)]

use kernel::{
    cred::Credential,
    fmt::{
        self,
        Write, //
    },
    prelude::*,
    str::NullTerminatedFormatter,
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
    record::{
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

/// What `from_kuid()` returns for a UID that has no mapping, and its keyrings are named by.
const UNMAPPED: u32 = u32::MAX;

/// The description of a keyring.
pub(crate) struct Name([u8; Self::SIZE]);

impl Name {
    const SIZE: usize = "_uid_ses.4294967295\0".len();

    /// Returns the name of the user keyring of `uid`.
    pub(crate) fn user(uid: u32) -> Self {
        Self::new(fmt!("_uid.{uid}"))
    }

    /// Returns the name of the user session keyring of `uid`.
    pub(crate) fn session(uid: u32) -> Self {
        Self::new(fmt!("_uid_ses.{uid}"))
    }

    fn new(args: fmt::Arguments<'_>) -> Self {
        let mut name = [0; Self::SIZE];

        // The buffer is never empty, and the longest name fits.
        if let Some(mut f) = NullTerminatedFormatter::new(&mut name) {
            let _ = f.write_fmt(args);
        }
        Self(name)
    }

    /// Returns the name as C code takes it.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

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

        let keyrings = cred.user_ns().lock_keyrings();
        let uid = keyrings.ns().uid(cred.user().uid());

        match uid {
            Some(uid) => self.resolve_mapped(cred, uid, &keyrings),
            None => self.resolve_unmapped(cred, &keyrings),
        }
        .inspect_err(|_| Event::Error.count())
    }

    fn resolve_mapped(
        &self,
        cred: &Credential,
        uid: u32,
        keyrings: &KeyringsGuard<'_>,
    ) -> Result<Pair> {
        let (user, ns) = (cred.user(), keyrings.ns());
        let on_record = self.records.pair(user, ns, &rcu::read_lock()).cloned();

        if let Some(pair) = on_record {
            // Another task may have put them on record while this one waited for the semaphore.
            if both_answer(&pair, cred) {
                return Ok(pair);
            }
            // The dead give their quota back only when nobody has them.
            if !pair.is_live_without_expiry() {
                self.records.remove_pair(user, ns);
            }
        }

        let (pair, created) = find_or_create(register(keyrings)?, cred, uid, None)?;
        let known = self
            .records
            .pair(user, ns, &rcu::read_lock())
            .is_some_and(|known| known.is_same(&pair));

        // If there is no memory for a record, the register has them: the next look-up finds them
        // there, as the kernel would.
        if !known
            && pair.is_live_without_expiry()
            && self
                .records
                .publish_pair(user, keyrings, pair.clone())
                .is_ok()
            && !created
        {
            Event::Adoption.count();
        }
        Ok(pair)
    }

    fn resolve_unmapped(&self, cred: &Credential, keyrings: &KeyringsGuard<'_>) -> Result<Pair> {
        let user = cred.user();
        let own = self
            .records
            .register(user, keyrings.ns(), &rcu::read_lock())
            .cloned();
        if let Some(own) = own {
            return Ok(find_or_create(&own, cred, UNMAPPED, None)?.0);
        }

        match find_or_create(register(keyrings)?, cred, UNMAPPED, Some(user)) {
            Ok((pair, _)) => return Ok(pair),
            Err(Failure::Foreign) => {}
            Err(Failure::Errno(e)) => return Err(e),
        }

        let own = alloc_register(user.uid())?;
        self.records.publish_register(user, keyrings, own.clone())?;
        Ok(find_or_create(&own, cred, UNMAPPED, None)?.0)
    }

    /// Returns the user session keyring of `cred`'s real UID in its user namespace, if there is one
    /// that may be searched as `cred`.
    ///
    /// `cred` may be any credentials that are kept alive. Does not sleep, and creates nothing.
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

        let uid = ns.uid(user.uid());
        let own = match uid {
            Some(_) => None,
            None => self.records.register(user, ns, rcu),
        };
        let name = Name::session(uid.unwrap_or(UNMAPPED));
        let register = own.map_or(shared, |own| own);
        let session = cred.impersonate(|| register.search(name.as_c_str())).ok()?;
        let is_own = uid.is_some() || own.is_some() || session.uid() == user.uid();

        is_own.then_some(session)
    }

    /// Returns the number of UIDs whose keyrings the kernel's own code does not find.
    pub(crate) fn unregistered(&self) -> usize {
        self.records.registers()
    }
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
    keyring.permission(true, cred, Need::Search).is_ok()
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
fn register<'a>(keyrings: &'a KeyringsGuard<'_>) -> Result<&'a Keyring> {
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
/// If `owner` is given, keyrings of another are not taken. Otherwise the name is enough: it is that
/// of one UID alone, even if root has given the keyring to another.
///
/// Mirrors `look_up_user_keyrings()`: things are done in the same order, so that what exists after
/// a failure is the same.
fn find_or_create(
    register: &Keyring,
    cred: &Credential,
    uid: u32,
    owner: Option<&User>,
) -> Result<(Pair, bool), Failure> {
    let (user_name, session_name) = (Name::user(uid), Name::session(uid));

    // Nothing is to be created beside the other keyring of another.
    if owner.is_some() {
        if let Err(Failure::Foreign) = find(register, &session_name, owner) {
            return Err(Failure::Foreign);
        }
    }

    let (user, user_created) = match find(register, &user_name, owner)? {
        Some(user) => (user, false),
        None => (alloc(&user_name, cred, Some(register))?, true),
    };
    let (session, session_created) = match find(register, &session_name, owner)? {
        Some(session) => (session, false),
        None => {
            let session = alloc(&session_name, cred, None)?;

            session.link(&user)?;
            register.link(&session)?;
            (session, true)
        }
    };

    let created = user_created || session_created;
    if created {
        Event::Creation.count();
    }
    Ok((Pair { user, session }, created))
}

/// Searches a register as the current task.
fn find(
    register: &Keyring,
    name: &Name,
    owner: Option<&User>,
) -> Result<Option<ARef<Keyring>>, Failure> {
    match register.search(name.as_c_str()) {
        Ok(keyring) if owner.is_some_and(|owner| keyring.uid() != owner.uid()) => {
            Err(Failure::Foreign)
        }
        Ok(keyring) => Ok(Some(keyring)),
        Err(e) if e == EAGAIN => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Allocates a user or user session keyring, and links it to `dest`.
fn alloc(name: &Name, cred: &Credential, dest: Option<&Keyring>) -> Result<ARef<Keyring>> {
    Keyring::alloc(
        name.as_c_str(),
        cred.user().uid(),
        cred,
        KEYRING_PERMISSIONS,
        AllocFlags::UidKeyring,
        dest,
    )
}
