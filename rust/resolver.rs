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
//! what a search of the register would find. A keyring that is live is still linked to the register:
//! nobody but the kernel may unlink it, and the kernel does so only when it is dead. Otherwise the
//! slow path does what the kernel does: it searches the register, and creates what is missing.
//!
//! A UID that has no mapping in the namespace always takes the slow path, because it may get one.
//! All of them have the same name, so the register may hold the keyrings of another. They are not
//! adopted, and those that such a UID is given instead are on record only.
//!
//! Lock order: `keyring_sem` of the namespace, then the semaphores of keyrings and the locks in
//! [`record`](crate::record), each on its own.
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
    task::Kuid,
};

use crate::{
    abstractions::{
        counters::Event as _,
        cred::{
            self,
            CredentialExt as _, //
        },
        key::Permissions,
        keyring::{
            AllocFlags,
            Keyring, //
        },
        user_namespace::{
            KeyringsGuard,
            UserNamespace, //
        },
    },
    record::{
        Mapping,
        Pair,
        Records, //
    },
    stats::Event,
};

/// What the owner and the possessor of a user or user session keyring may do at first.
const KEYRING_PERMISSIONS: Permissions = Permissions::POSSESSOR_ALL
    .without(Permissions::POSSESSOR_SETATTR)
    .with(Permissions::OWNER_ALL);

/// What may be done to a register: nobody possesses it but the kernel.
const REGISTER_PERMISSIONS: Permissions = Permissions::POSSESSOR_WRITE
    .with(Permissions::POSSESSOR_SEARCH)
    .with(Permissions::OWNER_VIEW)
    .with(Permissions::OWNER_READ);

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

/// What the register has under a name.
enum Slot {
    /// The keyring of the UID that was asked for.
    Own(ARef<Keyring>),
    /// The keyring of another UID, which goes by the same name because neither has a mapping.
    Foreign,
    /// Nothing.
    Vacant,
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

    /// Returns the keyrings of `cred`'s real UID in its user namespace, and creates them if they do
    /// not exist.
    ///
    /// `cred` must be the current task's subjective credentials. May sleep.
    ///
    /// Returns `EKEYREVOKED` if one of the keyrings is revoked or invalidated, `EKEYEXPIRED` if one
    /// has expired, `EACCES` if the UID may not search one, `EDQUOT` if its quota is used up, and
    /// `ENOMEM` if memory runs out.
    #[doc(alias = "look_up_user_keyrings")]
    #[inline]
    pub(crate) fn resolve<R>(&self, cred: &Credential, take: impl Fn(&Pair) -> R) -> Result<R> {
        let rcu = rcu::read_lock();

        if let Some(record) = self
            .records
            .get(cred.user(), cred.user_ns(), Mapping::Mapped, &rcu)
        {
            if is_found_by(record.pair(), cred) {
                Event::Hit.count();
                return Ok(take(record.pair()));
            }
        }
        drop(rcu);

        self.resolve_slow(cred).map(|pair| take(&pair))
    }

    #[cold]
    #[inline(never)]
    fn resolve_slow(&self, cred: &Credential) -> Result<Pair> {
        Event::Miss.count();

        let ns = cred.user_ns();
        let keyrings = ns.lock_keyrings();

        self.resolve_locked(cred, ns, &keyrings)
            .inspect_err(|_| Event::Error.count())
    }

    /// Finds or creates the keyrings in the order in which the kernel does, so that what exists
    /// after a failure is the same.
    fn resolve_locked(
        &self,
        cred: &Credential,
        ns: &UserNamespace,
        keyrings: &KeyringsGuard<'_>,
    ) -> Result<Pair> {
        let user = cred.user();
        let uid = ns.uid(user.uid());
        let mapping = match uid {
            Some(_) => Mapping::Mapped,
            None => Mapping::Unmapped,
        };
        let own = self.records.pair(user, ns, mapping);

        // Another task may have put them on record while this one waited for the semaphore.
        if let Some(pair) = own.as_ref().filter(|pair| is_found_by(pair, cred)) {
            return Ok(pair.clone());
        }

        // Where names are shared, a keyring that is not in the register may be on record.
        let own = own.filter(|_| mapping == Mapping::Unmapped);
        let register = register(ns, keyrings)?;
        let find = |name: &Name, own: Option<&ARef<Keyring>>| match own {
            Some(keyring) => own_slot(keyring),
            None => slot(register, name, uid.is_none().then(|| user.uid())),
        };

        let name = Name::user(uid.unwrap_or(u32::MAX));
        let user_slot = find(&name, own.as_ref().map(|pair| &pair.user))?;
        let user_keyring = match &user_slot {
            Slot::Own(keyring) => keyring.clone(),
            _ => alloc(&name, cred, user_slot.dest(register))?,
        };

        let name = Name::session(uid.unwrap_or(u32::MAX));
        let session_slot = find(&name, own.as_ref().map(|pair| &pair.session))?;
        let session_keyring = match &session_slot {
            Slot::Own(keyring) => keyring.clone(),
            _ => {
                let keyring = alloc(&name, cred, None)?;

                keyring.link(&user_keyring)?;
                if let Some(register) = session_slot.dest(register) {
                    register.link(&keyring)?;
                }
                keyring
            }
        };

        let pair = Pair {
            user: user_keyring,
            session: session_keyring,
        };
        let published = self
            .records
            .publish(user, ns, mapping, pair.clone(), keyrings);

        // The register has them, so that the next look-up finds them without a record as well, just
        // as the kernel does. What is on record only must not get lost.
        if matches!(user_slot, Slot::Foreign) || matches!(session_slot, Slot::Foreign) {
            published?;
        }

        match (user_slot, session_slot) {
            (Slot::Own(_), Slot::Own(_)) => Event::Adoption.count(),
            _ => Event::Creation.count(),
        }
        Ok(pair)
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
        let on_record = |mapping| {
            let session = &self.records.get(user, ns, mapping, rcu)?.pair().session;
            let register = ns.user_keyring_register()?;

            (session.is_live()
                && session.possessor_may_search(cred)
                && register.possessor_may_search(cred))
            .then(|| session.clone())
        };

        let found = on_record(Mapping::Mapped);
        if found.is_some() {
            Event::RcuHit.count();
            return found;
        }

        Event::RcuMiss.count();
        let register = ns.user_keyring_register()?;
        let uid = ns.uid(user.uid());
        if uid.is_none() {
            if let Some(session) = on_record(Mapping::Unmapped) {
                return Some(session);
            }
        }

        let name = Name::session(uid.unwrap_or(u32::MAX));
        let owner = uid.is_none().then(|| user.uid());
        match cred.impersonate(|| slot(register, &name, owner)) {
            Ok(Slot::Own(session)) => Some(session),
            _ => None,
        }
    }
}

impl Slot {
    /// Returns where a keyring that takes the place is to be linked.
    fn dest<'a>(&self, register: &'a Keyring) -> Option<&'a Keyring> {
        match self {
            Self::Vacant => Some(register),
            Self::Own(_) | Self::Foreign => None,
        }
    }
}

/// Returns whether a search of the register as `cred` would find both keyrings.
#[inline]
fn is_found_by(pair: &Pair, cred: &Credential) -> bool {
    pair.is_found_by(cred)
        && cred
            .user_ns()
            .user_keyring_register()
            .is_some_and(|register| register.possessor_may_search(cred))
}

/// Returns the register of the namespace, and creates it if there is none yet.
///
/// Mirrors `get_user_register()`.
fn register<'a>(ns: &'a UserNamespace, keyrings: &'a KeyringsGuard<'_>) -> Result<&'a Keyring> {
    if let Some(register) = ns.user_keyring_register() {
        return Ok(register);
    }

    let register = Keyring::alloc(
        c".user_reg",
        ns.owner(),
        cred::kernel(),
        REGISTER_PERMISSIONS,
        AllocFlags::InQuota,
        None,
    )?;
    Ok(keyrings.set_user_keyring_register(register))
}

/// Searches the register as the current task.
///
/// What it has is foreign if it does not belong to `owner`. No owner is asked for where the name is
/// that of a single UID: that keyring is the UID's own, even if root has given it to another.
fn slot(register: &Keyring, name: &Name, owner: Option<Kuid>) -> Result<Slot> {
    match register.search(name.as_c_str()) {
        Ok(keyring) if owner.is_some_and(|owner| keyring.uid() != owner) => Ok(Slot::Foreign),
        Ok(keyring) => Ok(Slot::Own(keyring)),
        Err(e) if e == EAGAIN => Ok(Slot::Vacant),
        Err(e) => Err(e),
    }
}

/// Judges a keyring on record as [`slot`] does one in the register.
fn own_slot(keyring: &ARef<Keyring>) -> Result<Slot> {
    match keyring.validate() {
        Ok(()) => Ok(Slot::Own(keyring.clone())),
        // The kernel would have unlinked it by and by.
        Err(e) if e == ENOKEY => Ok(Slot::Foreign),
        Err(e) => Err(e),
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
