// SPDX-License-Identifier: GPL-2.0

//! Tests of records.

use kernel::{prelude::*, sync::rcu};

use crate::{
    abstractions::{
        cred::{self, CredentialExt as _},
        key::Permissions,
        keyring::{AllocFlags, Keyring},
    },
    fixture::{self, TestNamespace, TestUser},
    record::{Pair, Records},
};

fn pair() -> Result<Pair> {
    Ok(Pair {
        user: fixture::keyring(c"_uid.test")?,
        session: fixture::keyring(c"_uid_ses.test")?,
    })
}

/// Keyrings of the kind that records are about.
fn uid_keyrings() -> Result<Pair> {
    let keyring = |name| {
        cred::with_current(|cred| {
            Keyring::alloc(
                name,
                cred.user().uid(),
                cred,
                Permissions::POSSESSOR_ALL,
                AllocFlags::UidKeyring,
                None,
            )
        })
    };

    Ok(Pair {
        user: keyring(c"_uid.test")?,
        session: keyring(c"_uid_ses.test")?,
    })
}

fn publish(records: &Records, user: &TestUser, ns: &TestNamespace, pair: &Pair) -> Result {
    records.with(user, ns, |entry| {
        entry.keep(true);
        entry.set_pair(pair.clone())
    })
}

/// Returns the serial numbers that are on record.
fn serials(records: &Records, user: &TestUser, ns: &TestNamespace) -> Option<(i32, i32)> {
    let rcu = rcu::read_lock();
    let pair = records.pair(user, ns, &rcu)?;

    Some((pair.user.serial(), pair.session.serial()))
}

fn own_serials(pair: &Pair) -> Option<(i32, i32)> {
    Some((pair.user.serial(), pair.session.serial()))
}

/// Waits for the work that has begun, and for what it drops. The pairs are not the last that go.
fn finish(records: &Records) -> Result {
    fixture::finish(records);
    rcu::rcu_barrier();
    Ok(())
}

#[kunit_tests(usk_record)]
mod tests {
    use super::*;

    #[test]
    fn a_record_holds_the_uid_record_and_both_keyrings() -> Result {
        let (user, ns) = (TestUser::new(1000)?, TestNamespace::new(1000, 0, 0, 2000)?);
        let (records, pair) = (fixture::records()?, pair()?);

        assert_eq!(serials(&records, &user, &ns), None);
        publish(&records, &user, &ns, &pair)?;
        assert_eq!(serials(&records, &user, &ns), own_serials(&pair));
        assert_eq!(user.refs(), 1);
        assert_eq!((pair.user.refcount(), pair.session.refcount()), (2, 2));
        // Or else no namespace would ever go away.
        assert_eq!(ns.refs(), 0);

        drop(records);
        assert_eq!(user.refs(), 0);
        assert_eq!((pair.user.refcount(), pair.session.refcount()), (1, 1));
        Ok(())
    }

    #[test]
    fn records_of_two_uids_are_two() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, 2000)?;
        let (one, two) = (TestUser::new(1000)?, TestUser::new(1001)?);
        let (records, first, second) = (fixture::records()?, pair()?, pair()?);

        publish(&records, &one, &ns, &first)?;
        assert_eq!(serials(&records, &two, &ns), None);
        publish(&records, &two, &ns, &second)?;
        assert_eq!(serials(&records, &one, &ns), own_serials(&first));
        assert_eq!(serials(&records, &two, &ns), own_serials(&second));
        Ok(())
    }

    #[test]
    fn records_in_two_namespaces_are_two() -> Result {
        let user = TestUser::new(1000)?;
        let (one, two) = (
            TestNamespace::new(1000, 0, 0, 2000)?,
            TestNamespace::new(1001, 0, 0, 2000)?,
        );
        let (records, first, second) = (fixture::records()?, pair()?, pair()?);

        publish(&records, &user, &one, &first)?;
        assert_eq!(serials(&records, &user, &two), None);
        publish(&records, &user, &two, &second)?;
        assert_eq!(serials(&records, &user, &one), own_serials(&first));
        assert_eq!(serials(&records, &user, &two), own_serials(&second));
        Ok(())
    }

    #[test]
    fn a_register_is_on_record_beside_a_pair() -> Result {
        let (user, ns) = (TestUser::new(1000)?, TestNamespace::new(1000, 0, 0, 2000)?);
        let (records, register) = (fixture::records()?, fixture::keyring(c"register")?);
        let on_record = || {
            let rcu = rcu::read_lock();
            records
                .register(&user, &ns, &rcu)
                .map(|register| register.serial())
        };

        assert_eq!(on_record(), None);
        records.with(&user, &ns, |entry| entry.set_register(register.clone()))?;
        assert_eq!(on_record(), Some(register.serial()));
        assert_eq!(serials(&records, &user, &ns), None);
        assert_eq!((records.pairs(), records.registers()), (0, 1));

        records.state().namespaces.free(ns.id());
        assert!(fixture::wait_until(|| records.registers() == 0));
        assert_eq!(on_record(), None);
        Ok(())
    }

    #[test]
    fn a_record_takes_the_place_of_the_one_before() -> Result {
        let (user, ns) = (TestUser::new(1000)?, TestNamespace::new(1000, 0, 0, 2000)?);
        let (records, first, second) = (fixture::records()?, pair()?, pair()?);

        publish(&records, &user, &ns, &first)?;
        publish(&records, &user, &ns, &second)?;
        assert_eq!(serials(&records, &user, &ns), own_serials(&second));
        assert_eq!(records.pairs(), 1);
        assert_eq!(user.refs(), 1);
        assert_eq!((first.user.refcount(), first.session.refcount()), (1, 1));
        Ok(())
    }

    #[test]
    fn a_pair_goes_when_the_kernel_collects_one_of_it() -> Result {
        let (user, ns) = (TestUser::new(1000)?, TestNamespace::new(1000, 0, 0, 2000)?);
        let other = TestUser::new(1001)?;
        let records = fixture::records()?;

        for session in [false, true] {
            let (dead, live) = (uid_keyrings()?, uid_keyrings()?);

            publish(&records, &user, &ns, &dead)?;
            publish(&records, &other, &ns, &live)?;
            if session {
                dead.session.invalidate();
            } else {
                dead.user.invalidate();
            }
            assert!(fixture::wait_until(|| records.pairs() == 1));
            assert_eq!(serials(&records, &user, &ns), None);
            assert_eq!(serials(&records, &other, &ns), own_serials(&live));
            finish(&records)?;
            assert_eq!((dead.user.refcount(), dead.session.refcount()), (1, 1));
        }
        Ok(())
    }

    #[test]
    fn a_namespace_takes_its_records_with_it() -> Result {
        let (one, two) = (TestUser::new(1000)?, TestUser::new(1001)?);
        let (gone, stays) = (
            TestNamespace::new(1000, 0, 0, 2000)?,
            TestNamespace::new(1001, 0, 0, 2000)?,
        );
        let (records, pair) = (fixture::records()?, pair()?);

        publish(&records, &one, &gone, &pair)?;
        publish(&records, &two, &gone, &pair)?;
        publish(&records, &one, &stays, &pair)?;
        records.state().namespaces.free(gone.id());
        assert!(fixture::wait_until(|| records.pairs() == 1));
        assert_eq!(serials(&records, &one, &gone), None);
        assert_eq!(serials(&records, &one, &stays), own_serials(&pair));
        finish(&records)?;
        assert_eq!((one.refs(), two.refs()), (1, 0));
        assert_eq!(pair.user.refcount(), 2);
        Ok(())
    }

    #[test]
    fn a_namespace_without_records_is_nothing_to_do() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, 2000)?;
        let records = fixture::records()?;

        records.state().namespaces.free(ns.id());
        records.state().namespaces.free(ns.id());
        assert_eq!(records.pairs(), 0);
        Ok(())
    }

    #[test]
    fn records_may_go_while_a_namespace_is_being_freed() -> Result {
        let (user, ns) = (TestUser::new(1000)?, TestNamespace::new(1000, 0, 0, 2000)?);

        for _ in 0..20 {
            let (records, pair) = (fixture::records()?, pair()?);

            publish(&records, &user, &ns, &pair)?;
            records.state().namespaces.free(ns.id());
            drop(records);
            assert_eq!((pair.user.refcount(), pair.session.refcount()), (1, 1));
        }
        assert_eq!(user.refs(), 0);
        Ok(())
    }
}
