// SPDX-License-Identifier: GPL-2.0

//! What there is, and the means to end it, for root.

#![forbid(unsafe_code)]

use kernel::{
    debugfs,
    fmt,
    prelude::*,
    sync::Arc,
    task::Kuid,
    time::Delta,
    uaccess::UserSliceReader, //
};

use crate::{
    abstractions::{
        cred::{
            self,
            CredentialExt as _, //
        },
        key::Serial,
        keyring::Keyring,
        tracepoints::Keyrings,
        user_namespace, //
    },
    name::Name,
    owner::Owner,
    record::Records, //
};

/// Returns a UID as the initial user namespace sees it, which has all.
fn number(uid: Kuid) -> u32 {
    user_namespace::init().uid(uid).unwrap_or(u32::MAX)
}

/// The contents of `records` in debugfs: keyrings and what becomes of them, a UID in each line.
pub(crate) struct Inventory(pub(crate) Arc<Records>);

/// A line.
struct Line {
    uid: Kuid,
    ns: u64,
    user: Option<Serial>,
    session: Option<Serial>,
    state: &'static str,
    pins: Option<i32>,
    age: Option<Delta>,
    left: Option<Delta>,
}

impl Line {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {}",
            number(self.uid),
            self.ns,
            self.user.unwrap_or(0),
            self.session.unwrap_or(0),
            self.state
        )?;
        match self.pins {
            Some(pins) => write!(f, " {pins}")?,
            None => write!(f, " -")?,
        }
        write!(f, " {}", cred::processes(self.uid))?;
        for time in [self.age, self.left] {
            match time {
                Some(time) => write!(f, " {}", time.as_millis() / 1000)?,
                None => write!(f, " -")?,
            }
        }
        writeln!(f)
    }
}

impl debugfs::Writer for Inventory {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = writeln!(f, "uid ns user session state pins tasks age left");
        let mut write = |line: Line| {
            if result.is_ok() {
                result = line.write(f);
            }
        };

        self.owners(&mut write);
        self.survivors(&mut write);
        let leftovers = self.0.for_each_leftover(|ns, leftover| {
            let Keyrings {
                uid,
                ns,
                user,
                session,
            } = leftover.keyrings(ns.id());

            write(Line {
                uid,
                ns: ns.as_u64(),
                user,
                session,
                state: "before",
                pins: None,
                age: None,
                left: None,
            })
        });
        if leftovers.is_err() {
            pr_warn!("no memory to list all keyrings\n");
        }
        result
    }
}

impl Inventory {
    fn owners(&self, write: &mut impl FnMut(Line)) {
        let state = self.0.state();

        self.0.for_each_owner(|owner| {
            let now = state.now();
            let pins = owner.pins();
            let unpinned = (pins == 0).then(|| owner.unpinned_for(now)).flatten();

            for (id, place) in owner.places.lock().by_namespace.iter() {
                let Some(ns) = state.namespaces.upgrade(*id) else {
                    continue;
                };
                let registered = place.registered(&owner.user, &ns);

                write(Line {
                    uid: owner.user.uid(),
                    ns: id.as_u64(),
                    user: registered
                        .and_then(|(register, number, _)| serial(register, Name::user(number))),
                    session: registered
                        .and_then(|(register, number, _)| serial(register, Name::session(number))),
                    state: match pins {
                        0 => "lingering",
                        _ => "alive",
                    },
                    pins: Some(pins),
                    age: match pins {
                        0 => unpinned,
                        _ => Some(now - place.since),
                    },
                    left: unpinned.map(|_| owner.due_in(now)),
                });
            }
        });
    }

    fn survivors(&self, write: &mut impl FnMut(Line)) {
        let state = self.0.state();
        let now = state.now();
        let mut lines = KVVec::new();
        let mut survivors = state.survivors.lock();

        state.prune_survivors(&mut survivors);
        survivors.for_each(|ns, survivor| {
            // What is left out for lack of memory is there the next time.
            let _ = lines.push(
                Line {
                    uid: survivor.uid,
                    ns: ns.as_u64(),
                    user: survivor.user,
                    session: survivor.session,
                    state: "survivor",
                    pins: None,
                    age: Some(now - survivor.died),
                    left: None,
                },
                GFP_KERNEL,
            );
        });
        // Tasks are counted for each line, and look-ups wait for the lock.
        drop(survivors);
        lines.into_iter().for_each(write);
    }
}

fn serial(register: &Keyring, name: Name) -> Option<Serial> {
    let found = cred::kernel().impersonate(|| register.search(name.as_c_str()));

    found.ok().map(|keyring| keyring.serial())
}

/// `reap` in debugfs: a UID that is written there loses its keyrings.
pub(crate) struct Reaper(pub(crate) Arc<Records>);

impl debugfs::Reader for Reaper {
    /// Returns `EINVAL` for what is not a UID, `EPERM` for that of root, whose keyrings stay for
    /// good, `EBUSY` while the module is not in charge, `ENOENT` if there are none, and `ENOMEM` if
    /// memory runs out.
    fn read_from_slice(&self, reader: &mut UserSliceReader) -> Result {
        let uid = parse(reader)?;

        if uid == 0 {
            return Err(EPERM);
        }
        if !self.0.is_in_charge() {
            return Err(EBUSY);
        }

        let is_meant = |found: Kuid| number(found) == uid;
        let ended = self.0.reap(|owner: &Owner| is_meant(owner.user.uid()))?
            + self.0.reap_survivors(is_meant)
            + self.0.reap_leftovers(is_meant)?;
        if ended == 0 {
            return Err(ENOENT);
        }
        pr_notice!("keyrings of UID {uid} ended on request\n");
        Ok(())
    }
}

fn parse(reader: &mut UserSliceReader) -> Result<u32> {
    let mut text = [0; 16];
    let len = reader.len();

    reader.read_slice(text.get_mut(..len).ok_or(EINVAL)?)?;
    core::str::from_utf8(&text[..len])
        .ok()
        .map(str::trim)
        .filter(|text| text.bytes().all(|c| c.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|&uid| uid != u32::MAX)
        .ok_or(EINVAL)
}
