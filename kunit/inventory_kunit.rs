// SPDX-License-Identifier: GPL-2.0

//! Tests of the list of keyrings, and of the means to end them.

use kernel::{
    cred::Credential,
    debugfs::{Reader as _, Writer},
    fmt,
    prelude::*,
    str::CString,
    sync::{aref::ARef, Arc},
};

use crate::{
    abstractions::{key::Serial, user_namespace},
    fixture::{self, serials, Setup, TestResolver, TestUser},
    inventory::{Inventory, Reaper},
    record::Records,
};

struct Shown(Inventory);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f)
    }
}

fn show(records: &Arc<Records>) -> Result<CString> {
    CString::try_from_fmt(fmt!("{}", Shown(Inventory(records.clone()))))
}

/// What a line says, but for the UID.
struct Line {
    ns: u64,
    keyrings: (Serial, Serial),
    state: CString,
    pins: Option<i32>,
    tasks: u32,
    age: Option<i64>,
    left: Option<i64>,
}

/// Returns the lines about a UID.
fn lines(records: &Arc<Records>, uid: u32) -> Result<KVec<Line>> {
    let shown = show(records)?;
    let mut lines = KVec::new();

    for line in shown.to_str().map_err(|_| EINVAL)?.lines().skip(1) {
        let mut fields = [""; 9];
        let mut rest = line.split(' ');

        for field in &mut fields {
            *field = rest.next().ok_or(EINVAL)?;
        }
        if rest.next().is_some() {
            return Err(EINVAL);
        }
        let [found, ns, user, session, state, pins, tasks, age, left] = fields;
        let optional = |field: &str| match field {
            "-" => Ok(None),
            number => number.parse::<i64>().map(Some).map_err(|_| EINVAL),
        };

        if found.parse() == Ok(uid) {
            lines.push(
                Line {
                    ns: ns.parse().map_err(|_| EINVAL)?,
                    keyrings: (
                        user.parse().map_err(|_| EINVAL)?,
                        session.parse().map_err(|_| EINVAL)?,
                    ),
                    state: CString::try_from_fmt(fmt!("{state}"))?,
                    pins: optional(pins)?.map(|pins| pins as i32),
                    tasks: tasks.parse().map_err(|_| EINVAL)?,
                    age: optional(age)?,
                    left: optional(left)?,
                },
                GFP_KERNEL,
            )?;
        }
    }
    Ok(lines)
}

/// Returns the only line about a UID.
fn line(records: &Arc<Records>, uid: u32) -> Result<Line> {
    let mut lines = lines(records, uid)?;

    match lines.len() {
        1 => lines.pop().ok_or(ENOENT),
        _ => Err(ENOENT),
    }
}

/// Writes to `reap`.
fn reap(records: &Arc<Records>, text: &[u8]) -> Result {
    Reaper(records.clone()).read_from_slice(&mut fixture::user_text(text)?)
}

/// A UID that has keyrings in the initial user namespace, since before the records were made.
struct Before {
    resolver: TestResolver,
    cred: ARef<Credential>,
    user: TestUser,
    keyrings: (Serial, Serial),
}

impl Before {
    fn new(uid: u32) -> Result<Self> {
        let user = TestUser::new(uid)?;
        let cred = fixture::cred(&user, user_namespace::init())?;
        let keyrings = serials(&TestResolver::new()?.resolve(&cred)?);

        Ok(Self {
            resolver: TestResolver::new()?,
            cred,
            user,
            keyrings,
        })
    }

    fn records(&self) -> &Arc<Records> {
        &self.resolver.records
    }
}

#[kunit_tests(usk_inventory)]
mod tests {
    use super::*;
    use crate::{
        abstractions::{
            cred::{self, CredentialExt as _},
            key::Permissions,
            keyring::{AllocFlags, Keyring},
        },
        bindings,
        stats::Event,
    };

    #[test]
    fn the_first_line_names_the_fields() -> Result {
        let shown = show(&fixture::records()?)?;
        let first = shown.to_str().map_err(|_| EINVAL)?.lines().next();

        assert_eq!(first, Some("uid ns user session state pins tasks age left"));
        Ok(())
    }

    #[test]
    fn a_uid_that_is_alive_is_listed() -> Result {
        let setup = Setup::new(1000)?;
        let records = &setup.resolver.records;

        assert_eq!(lines(records, 1000)?.len(), 0);
        let keyrings = serials(&setup.resolve()?);
        let line = line(records, 1000)?;
        assert_eq!(line.ns, 1000);
        assert_eq!(line.keyrings, keyrings);
        assert!(*line.state == *c"alive");
        // Those of the fixture, and that of the credentials.
        assert_eq!(line.pins, Some(fixture::REFS + 1));
        assert_eq!(line.tasks, 0);
        assert!(line.age.is_some_and(|age| (0..10).contains(&age)));
        assert_eq!(line.left, None);
        Ok(())
    }

    #[test]
    fn keyrings_that_linger_are_listed() -> Result {
        let setup = Setup::new(1000)?;
        let keyrings = serials(&setup.resolve()?);

        fixture::set_linger(c"1000")?;
        assert!(!setup.die());
        let line = line(&setup.resolver.records, 1000)?;
        fixture::set_linger(c"0")?;
        assert_eq!(line.keyrings, keyrings);
        assert!(*line.state == *c"lingering");
        assert_eq!(line.pins, Some(0));
        assert!(line.age.is_some_and(|age| (0..10).contains(&age)));
        assert!(line.left.is_some_and(|left| (990..1000).contains(&left)));
        Ok(())
    }

    #[test]
    fn since_when_keyrings_linger_is_told_when_it_is_known() -> Result {
        let setup = Setup::new(1000)?;
        let records = &setup.resolver.records;

        fixture::set_linger(c"1000")?;
        setup.resolve()?;
        setup.user.leave_unnoticed();
        let unnoticed = line(records, 1000)?;
        for _ in 0..2 {
            records.take_charge();
        }
        let noticed = line(records, 1000)?;

        // Of another life nothing is remembered.
        setup.user.come_back();
        records.take_charge();
        setup.finish();
        setup.user.leave_unnoticed();
        let again = line(records, 1000)?;
        fixture::set_linger(c"0")?;
        assert!(*again.state == *c"lingering");
        assert_eq!((again.age, again.left), (None, None));
        assert!(*unnoticed.state == *c"lingering");
        assert_eq!((unnoticed.age, unnoticed.left), (None, None));
        assert!(*noticed.state == *c"lingering");
        assert!(noticed.age.is_some_and(|age| (0..10).contains(&age)));
        assert!(noticed
            .left
            .is_some_and(|left| (990..=1000).contains(&left)));
        Ok(())
    }

    #[test]
    fn keyrings_that_live_on_are_listed() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        assert!(setup.die());
        let line = line(&setup.resolver.records, 1000)?;
        assert_eq!(line.ns, 1000);
        assert_eq!(line.keyrings, serials(&pair));
        assert!(*line.state == *c"survivor");
        assert_eq!(line.pins, None);
        assert!(line.age.is_some_and(|age| (0..10).contains(&age)));
        Ok(())
    }

    #[test]
    fn keyrings_that_live_on_no_longer_are_not_listed() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let (user, session) = serials(&pair);

        assert!(setup.die());
        assert_eq!(lines(&setup.resolver.records, 1000)?.len(), 1);
        drop(pair);
        assert!(fixture::is_gone(session));
        assert!(fixture::is_gone(user));
        assert_eq!(lines(&setup.resolver.records, 1000)?.len(), 0);
        Ok(())
    }

    #[test]
    fn keyrings_that_live_on_are_forgotten_on_request() -> Result {
        let setup = Setup::new(1000)?;
        let records = &setup.resolver.records;
        let pair = setup.resolve()?;

        assert!(setup.die());
        assert_eq!(reap(records, b"1001"), Err(ENOENT));
        assert_eq!(records.survivors(), 1);
        assert_eq!(reap(records, b"1000"), Ok(()));
        assert_eq!(records.survivors(), 0);
        assert_eq!(reap(records, b"1000"), Err(ENOENT));

        setup.user.come_back();
        let new = serials(&setup.resolve()?);
        assert!(new.0 != pair.user.serial());
        assert!(new.1 != pair.session.serial());
        Ok(())
    }

    #[test]
    fn a_uid_is_listed_for_each_namespace() -> Result {
        let setup = Setup::new(1000)?;
        let ns = fixture::TestNamespace::new(1001, 0, 1000, 1)?;
        let one = serials(&setup.resolve()?);
        let cred = fixture::cred(&setup.user, &ns)?;
        let two = setup.resolver.resolve(&cred)?;
        let lines = lines(&setup.resolver.records, 1000)?;

        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].ns, lines[0].keyrings), (1000, one));
        assert_eq!((lines[1].ns, lines[1].keyrings), (1001, serials(&two)));
        Ok(())
    }

    #[test]
    fn a_uid_without_a_keyring_is_listed() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        setup.register()?.unlink(&pair.session)?;
        let line = line(&setup.resolver.records, 1000)?;
        assert_eq!(line.keyrings, (pair.user.serial(), 0));
        Ok(())
    }

    #[test]
    fn what_was_there_before_is_listed_until_it_is_adopted() -> Result {
        let before = Before::new(7710)?;
        let listed = line(before.records(), 7710)?;

        assert_eq!(listed.ns, user_namespace::init().id().as_u64());
        assert_eq!(listed.keyrings, before.keyrings);
        assert!(*listed.state == *c"before");
        assert_eq!((listed.pins, listed.age, listed.left), (None, None, None));

        assert_eq!(
            serials(&before.resolver.resolve(&before.cred)?),
            before.keyrings
        );
        assert!(*line(before.records(), 7710)?.state == *c"alive");
        before.user.leave();
        fixture::finish(before.records());
        assert!(fixture::wait_until(
            || lines(before.records(), 7710).is_ok_and(|lines| lines.is_empty())
        ));
        assert!(fixture::is_gone(before.keyrings.0));
        assert!(fixture::is_gone(before.keyrings.1));
        Ok(())
    }

    #[test]
    fn what_was_there_before_is_adopted_if_a_task_has_it() -> Result {
        let before = Before::new(7711)?;
        let root = cred::with_current(|cred| before.resolver.resolve(cred))?;
        let newly_loaded = TestResolver::new()?;

        assert!(*line(&newly_loaded.records, 0)?.state == *c"before");
        let ((), counted) = fixture::counting([Event::Adoption], || {
            newly_loaded.resolver.take_charge();
        });
        // All tasks are root's. The UID that has none stays as it is.
        assert_eq!(counted, [1]);
        let line_of_root = line(&newly_loaded.records, 0)?;
        assert!(*line_of_root.state == *c"alive");
        assert_eq!(line_of_root.keyrings, serials(&root));
        assert!(line_of_root.tasks > 0);
        assert!(*line(&newly_loaded.records, 7711)?.state == *c"before");
        reap(&newly_loaded.records, b"7711")
    }

    #[test]
    fn what_was_there_before_is_ended_on_request() -> Result {
        let (before, other) = (Before::new(7712)?, Before::new(7713)?);

        assert_eq!(reap(before.records(), b"7712\n"), Ok(()));
        assert_eq!(lines(before.records(), 7712)?.len(), 0);
        assert!(fixture::is_gone(before.keyrings.0));
        assert!(fixture::is_gone(before.keyrings.1));
        assert_eq!(reap(before.records(), b"7712"), Err(ENOENT));
        // The other is as it was.
        assert_eq!(line(before.records(), 7713)?.keyrings, other.keyrings);
        reap(before.records(), b"7713")
    }

    #[test]
    fn what_has_the_name_of_all_unmapped_is_ended_as_well() -> Result {
        let before = Before::new(7714)?;
        let register = user_namespace::init()
            .user_keyring_register()
            .ok_or(ENOENT)?;
        let from_before_the_mapping = cred::kernel().impersonate(|| {
            Keyring::alloc(
                c"_uid_ses.4294967295",
                before.user.uid(),
                &before.cred,
                Permissions::POSSESSOR_ALL,
                AllocFlags::UidKeyring,
                Some(register),
            )
        })?;

        assert_eq!(lines(before.records(), 7714)?.len(), 2);
        assert_eq!(reap(before.records(), b"7714"), Ok(()));
        assert_eq!(lines(before.records(), 7714)?.len(), 0);
        assert!(fixture::is_gone(before.keyrings.1));
        assert_eq!(from_before_the_mapping.refcount(), 1);
        Ok(())
    }

    #[test]
    fn what_is_in_use_is_ended_on_request() -> Result {
        let setup = Setup::new(1000)?;
        let records = &setup.resolver.records;
        let (user, session) = serials(&setup.resolve()?);

        assert_eq!(reap(records, b"1001"), Err(ENOENT));
        assert_eq!(setup.registered(), (true, true));
        assert_eq!(reap(records, b" 1000 \n"), Ok(()));
        assert!(fixture::is_gone(user));
        assert!(fixture::is_gone(session));
        assert_eq!(lines(records, 1000)?.len(), 0);
        assert_eq!(reap(records, b"1000"), Err(ENOENT));
        Ok(())
    }

    #[test]
    fn nothing_is_ended_while_not_in_charge() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        fixture::set_in_charge(false);
        assert_eq!(reap(&setup.resolver.records, b"1000"), Err(EBUSY));
        assert_eq!(setup.registered(), (true, true));
        Ok(())
    }

    #[test]
    fn what_is_no_uid_is_refused() -> Result {
        let records = fixture::records()?;
        let refused: [&[u8]; 12] = [
            b"",
            b"\n",
            b"x",
            b"-1",
            b"+1",
            b"0x10",
            b"1 2",
            b"1\n2",
            b"4294967295",
            b"4294967296",
            b"1\0",
            b"0000000000000000001",
        ];

        for text in refused {
            assert_eq!(reap(&records, text), Err(EINVAL));
        }
        assert_eq!(reap(&records, b"4294967294"), Err(ENOENT));
        Ok(())
    }

    #[test]
    fn root_is_refused() -> Result {
        let records = fixture::records()?;
        let register = user_namespace::init()
            .user_keyring_register()
            .ok_or(ENOKEY)?;

        assert_eq!(reap(&records, b"0"), Err(EPERM));
        assert_eq!(reap(&records, b"00"), Err(EPERM));
        assert!(register.search(c"_uid_ses.0").is_ok());
        Ok(())
    }

    #[test]
    fn what_others_pin_is_unlinked_on_request_as_well() -> Result {
        let before = Before::new(7714)?;
        let register = user_namespace::init()
            .user_keyring_register()
            .ok_or(ENOKEY)?;
        let session = register.search(c"_uid_ses.7714")?;

        fixture::set_permissions(&session, bindings::KEY_POS_ALL);
        assert_eq!(reap(before.records(), b"7714"), Ok(()));
        assert_eq!(register.search(c"_uid_ses.7714").err(), Some(EAGAIN));
        assert_eq!(before.records().survivors(), 0);
        assert_eq!(session.serial(), before.keyrings.1);
        Ok(())
    }
}
