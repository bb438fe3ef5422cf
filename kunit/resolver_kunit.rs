// SPDX-License-Identifier: GPL-2.0

//! Tests of the resolver.

use kernel::{
    prelude::*,
    sync::rcu,
    time::{delay::fsleep, Delta}, //
};

use crate::{
    bindings,
    fixture::{self, serials, set_permissions, Setup, TestNamespace, TestResolver, TestUser},
    record::Pair,
    stats::Event,
};

/// Resolves until the kernel has unlinked what is invalidated, which fails the look-up so far.
fn resolve_after_collection(setup: &Setup) -> Result<Pair> {
    for _ in 0..500 {
        match setup.resolve() {
            Err(e) if e == EKEYREVOKED => fsleep(Delta::from_millis(10)),
            result => return result,
        }
    }
    Err(ETIMEDOUT)
}

fn counting<R>(f: impl FnOnce() -> R) -> (R, [u64; 5]) {
    let events = [
        Event::Hit,
        Event::Miss,
        Event::Creation,
        Event::Adoption,
        Event::Error,
    ];

    fixture::counting(events, f)
}

#[kunit_tests(usk_resolver)]
mod tests {
    use super::*;
    use crate::{
        abstractions::{cred::CredentialExt as _, user_namespace},
        name::Name,
    };

    #[test]
    fn what_is_created_is_as_the_kernel_makes_it() -> Result {
        for uid in [1, 1000, 4_294_967_294] {
            let setup = Setup::new(uid)?;
            let pair = setup.resolve()?;

            for (keyring, name) in [
                (&pair.user, Name::user(uid)),
                (&pair.session, Name::session(uid)),
            ] {
                assert!(keyring.description() == name.as_c_str());
                assert_eq!(keyring.uid().into_raw().val, uid);
                assert_eq!(
                    keyring.permissions().as_raw(),
                    (bindings::KEY_POS_ALL & !bindings::KEY_POS_SETATTR) | bindings::KEY_USR_ALL
                );
                assert!(keyring.is_uid_keyring());
                // SAFETY: The pointer is valid.
                let flags = unsafe { (*keyring.as_ptr()).flags };
                assert!(flags & (1 << bindings::KEY_FLAG_IN_QUOTA) != 0);
            }
        }
        Ok(())
    }

    #[test]
    fn the_session_keyring_links_to_the_user_keyring() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let linked = setup
            .cred
            .impersonate(|| pair.session.search(Name::user(1000).as_c_str()))?;

        assert_eq!(linked.serial(), pair.user.serial());
        Ok(())
    }

    #[test]
    fn both_are_in_the_register() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let register = setup.register()?;
        let (user, session) = setup.cred.impersonate(|| {
            (
                register.search(Name::user(1000).as_c_str()),
                register.search(Name::session(1000).as_c_str()),
            )
        });

        assert!(register.description() == c".user_reg");
        assert_eq!((user?.serial(), session?.serial()), serials(&pair));
        Ok(())
    }

    #[test]
    fn two_look_ups_give_one_pair() -> Result {
        let setup = Setup::new(1000)?;
        let (first, counted) = counting(|| setup.resolve());
        assert_eq!(counted, [0, 1, 1, 0, 0]);
        let (second, counted) = counting(|| setup.resolve());
        assert_eq!(counted, [1, 0, 0, 0, 0]);

        assert_eq!(serials(&first?), serials(&second?));
        assert_eq!(setup.resolver.records.pairs(), 1);
        Ok(())
    }

    #[test]
    fn references_are_balanced() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let before = (pair.user.refcount(), pair.session.refcount());

        for _ in 0..10 {
            setup.resolve()?;
            assert_eq!(setup.session_keyring(), Some(pair.session.serial()));
        }
        assert_eq!((pair.user.refcount(), pair.session.refcount()), before);

        let Setup {
            user,
            ns,
            cred,
            resolver,
        } = setup;
        drop(resolver);
        // The register, and for the user keyring the session keyring as well, hold what is left.
        assert_eq!((pair.user.refcount(), pair.session.refcount()), (3, 2));
        drop(cred);
        assert_eq!((user.refs(), ns.refs()), (0, 0));
        Ok(())
    }

    #[test]
    fn two_uids_get_two_pairs() -> Result {
        let one = Setup::new(1000)?;
        let user = TestUser::new(1001)?;
        let cred = fixture::cred(&user, &one.ns)?;
        let (first, second) = (one.resolve()?, one.resolver.resolve(&cred)?);

        assert!(first.user.serial() != second.user.serial());
        assert!(first.session.serial() != second.session.serial());
        Ok(())
    }

    #[test]
    fn two_namespaces_give_two_pairs() -> Result {
        let one = Setup::new(1000)?;
        let ns = TestNamespace::new(1001, 0, 1000, 1)?;
        let cred = fixture::cred(&one.user, &ns)?;
        let (first, second) = (one.resolve()?, one.resolver.resolve(&cred)?);

        assert!(first.session.serial() != second.session.serial());
        assert!(second.session.description() == c"_uid_ses.0");
        assert_eq!(second.session.uid().into_raw().val, 1000);
        Ok(())
    }

    #[test]
    fn what_is_in_the_register_is_adopted() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let newly_loaded = TestResolver::new()?;
        let (adopted, counted) = counting(|| newly_loaded.resolve(&setup.cred));

        assert_eq!(counted, [0, 1, 0, 1, 0]);
        assert_eq!(serials(&adopted?), serials(&pair));
        Ok(())
    }

    #[test]
    fn root_keeps_the_keyrings_that_it_has_since_boot() -> Result {
        let resolver = TestResolver::new()?;
        let register = user_namespace::init()
            .user_keyring_register()
            .ok_or(ENOKEY)?;
        let expected = register.search(c"_uid_ses.0")?;
        let pair = crate::abstractions::cred::with_current(|cred| resolver.resolve(cred))?;

        assert_eq!(pair.session.serial(), expected.serial());
        Ok(())
    }

    #[test]
    fn a_revoked_keyring_fails_the_look_up_of_both() -> Result {
        for revoke_session in [false, true] {
            let setup = Setup::new(1000)?;
            let pair = setup.resolve()?;

            if revoke_session {
                pair.session.revoke();
            } else {
                pair.user.revoke();
            }
            let (result, counted) = counting(|| setup.resolve());
            assert_eq!(result.err(), Some(EKEYREVOKED));
            assert_eq!(counted, [0, 1, 0, 0, 1]);
            assert_eq!(setup.session_keyring().is_none(), revoke_session);
        }
        Ok(())
    }

    #[test]
    fn an_expired_keyring_fails_the_look_up() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        // SAFETY: The pointer is valid, and the keyring is the test's own.
        unsafe { (*pair.session.as_ptr()).__bindgen_anon_2.expiry = 1 };
        assert_eq!(setup.resolve().err(), Some(EKEYEXPIRED));
        assert_eq!(setup.session_keyring(), None);
        Ok(())
    }

    #[test]
    fn an_invalidated_keyring_is_made_anew_when_it_is_collected() -> Result {
        let setup = Setup::new(1000)?;
        let first = setup.resolve()?;

        first.session.invalidate();
        let second = resolve_after_collection(&setup)?;
        assert_eq!(first.user.serial(), second.user.serial());
        assert!(first.session.serial() != second.session.serial());
        assert_eq!(setup.session_keyring(), Some(second.session.serial()));
        Ok(())
    }

    #[test]
    fn a_keyring_that_must_not_be_searched_is_not_found() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        set_permissions(&pair.session, 0);
        assert_eq!(setup.resolve().err(), Some(EACCES));
        assert_eq!(setup.session_keyring(), None);
        // The owner's permission does as well as the possessor's.
        set_permissions(&pair.session, bindings::KEY_USR_SEARCH);
        assert_eq!(serials(&setup.resolve()?), serials(&pair));
        assert_eq!(setup.session_keyring(), Some(pair.session.serial()));
        Ok(())
    }

    #[test]
    fn a_keyring_given_to_another_stays_that_of_its_name() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        fixture::set_uid(&pair.session, 1001);
        let newly_loaded = TestResolver::new()?;
        assert_eq!(serials(&setup.resolve()?), serials(&pair));
        assert_eq!(serials(&newly_loaded.resolve(&setup.cred)?), serials(&pair));
        Ok(())
    }

    #[test]
    fn request_key_creates_nothing() -> Result {
        let setup = Setup::new(1000)?;

        assert_eq!(setup.session_keyring(), None);
        assert!(setup.ns.user_keyring_register().is_none());
        assert_eq!(setup.resolver.records.pairs(), 0);
        Ok(())
    }

    #[test]
    fn request_key_finds_what_is_not_on_record() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let newly_loaded = TestResolver::new()?;
        let found = newly_loaded.session_keyring(&setup.cred).ok_or(ENOKEY)?;

        assert_eq!(found.serial(), pair.session.serial());
        assert_eq!(newly_loaded.records.pairs(), 0);
        Ok(())
    }

    #[test]
    fn a_keyring_with_an_expiry_time_takes_the_slow_path() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        pair.session.set_timeout(1000);
        for _ in 0..3 {
            let (result, counted) = counting(|| setup.resolve());
            assert_eq!(serials(&result?), serials(&pair));
            assert_eq!(counted, [0, 1, 0, 0, 0]);
        }
        // It is not on record any more, and comes back when it will not expire after all.
        pair.session.set_timeout(0);
        assert_eq!(counting(|| setup.resolve()).1, [0, 1, 0, 1, 0]);
        assert_eq!(counting(|| setup.resolve()).1, [1, 0, 0, 0, 0]);
        Ok(())
    }

    #[test]
    fn a_clock_set_back_brings_nothing_back() -> Result {
        let setup = Setup::new(1000)?;
        let first = setup.resolve()?;

        // It expires, the kernel unlinks it, and by the clock it then has not expired after all.
        first.session.set_timeout(1000);
        setup.register()?.unlink(&first.session)?;
        let second = setup.resolve()?;
        assert!(second.session.serial() != first.session.serial());
        assert_eq!(setup.session_keyring(), Some(second.session.serial()));
        Ok(())
    }

    #[test]
    fn a_dead_pair_is_not_kept() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        pair.session.revoke();
        // References are left with the register and this test.
        assert_eq!(setup.resolve().err(), Some(EKEYREVOKED));
        rcu::rcu_barrier();
        assert_eq!(setup.resolver.records.pairs(), 0);
        assert_eq!(pair.session.refcount(), 2);
        Ok(())
    }

    #[test]
    fn a_pair_that_may_expire_is_not_put_on_record() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        pair.session.set_timeout(1000);
        let newly_loaded = TestResolver::new()?;
        assert_eq!(serials(&newly_loaded.resolve(&setup.cred)?), serials(&pair));
        assert_eq!(newly_loaded.records.pairs(), 0);
        Ok(())
    }

    #[test]
    fn the_register_must_be_searchable() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        set_permissions(setup.register()?, 0);
        assert_eq!(setup.resolve().err(), Some(EACCES));
        assert_eq!(setup.session_keyring(), None);
        Ok(())
    }

    #[test]
    fn half_a_pair_is_completed() -> Result {
        let setup = Setup::new(1000)?;
        let first = setup.resolve()?;

        // As after a creation for which quota or memory sufficed half-way.
        setup.register()?.unlink(&first.session)?;
        let newly_loaded = TestResolver::new()?;
        let (second, counted) = counting(|| newly_loaded.resolve(&setup.cred));
        let second = second?;
        assert_eq!(counted, [0, 1, 1, 0, 0]);
        assert_eq!(second.user.serial(), first.user.serial());
        assert!(second.session.serial() != first.session.serial());
        Ok(())
    }

    #[test]
    fn uids_without_a_mapping_share_nothing() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, 0)?;
        let (one, two) = (TestUser::new(1000)?, TestUser::new(1001)?);
        let resolver = TestResolver::new()?;
        let (first_cred, second_cred) = (fixture::cred(&one, &ns)?, fixture::cred(&two, &ns)?);

        let first = resolver.resolve(&first_cred)?;
        let second = resolver.resolve(&second_cred)?;
        assert!(first.user.serial() != second.user.serial());
        assert!(first.session.serial() != second.session.serial());
        assert!(first.session.description() == c"_uid_ses.4294967295");
        assert!(second.session.description() == c"_uid_ses.4294967295");
        assert_eq!(second.session.uid().into_raw().val, 1001);

        // And each gets its own again.
        assert_eq!(serials(&resolver.resolve(&first_cred)?), serials(&first));
        assert_eq!(serials(&resolver.resolve(&second_cred)?), serials(&second));
        let searched = |cred| {
            let keyring = resolver.session_keyring(cred)?;
            Some(keyring.serial())
        };
        assert_eq!(searched(&first_cred), Some(first.session.serial()));
        assert_eq!(searched(&second_cred), Some(second.session.serial()));
        assert_eq!(resolver.resolver.unregistered(), 1);
        // It counts against the quota of the UID, not of the owner of the namespace.
        let rcu = rcu::read_lock();
        let register = resolver.records.register(&two, &ns, &rcu).ok_or(ENOKEY)?;
        assert_eq!(register.uid().into_raw().val, 1001);
        drop(rcu);
        assert_eq!(resolver.records.pairs(), 0);
        Ok(())
    }

    #[test]
    fn without_a_mapping_the_register_decides_as_well() -> Result {
        // The first is in the register of the namespace, the second in one for itself.
        for tested in [0, 1] {
            let ns = TestNamespace::new(1000, 0, 0, 0)?;
            let (one, two) = (TestUser::new(1000)?, TestUser::new(1001)?);
            let resolver = TestResolver::new()?;
            let creds = [fixture::cred(&one, &ns)?, fixture::cred(&two, &ns)?];
            let (cred, other) = (&creds[tested], &creds[1 - tested]);

            resolver.resolve(&creds[0])?;
            resolver.resolve(&creds[1])?;
            let first = resolver.resolve(cred)?;

            set_permissions(&first.session, 0);
            assert_eq!(resolver.resolve(cred).err(), Some(EACCES));
            assert!(resolver.session_keyring(cred).is_none());
            set_permissions(&first.session, bindings::KEY_POS_ALL);

            first.session.revoke();
            assert_eq!(resolver.resolve(cred).err(), Some(EKEYREVOKED));
            assert!(resolver.resolve(other).is_ok());
        }
        Ok(())
    }

    #[test]
    fn a_revoked_keyring_of_another_does_not_open_the_register() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, 0)?;
        let (one, two) = (TestUser::new(1000)?, TestUser::new(1001)?);
        let resolver = TestResolver::new()?;
        let (first_cred, second_cred) = (fixture::cred(&one, &ns)?, fixture::cred(&two, &ns)?);

        let first = resolver.resolve(&first_cred)?;
        first.session.revoke();
        // Its user keyring still tells whose the register is.
        let second = resolver.resolve(&second_cred)?;
        assert!(second.user.serial() != first.user.serial());
        assert_eq!(second.session.uid().into_raw().val, 1001);
        Ok(())
    }

    #[test]
    fn a_mapping_brings_a_pair_of_its_own() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, 0)?;
        let user = TestUser::new(1000)?;
        let (resolver, cred) = (TestResolver::new()?, fixture::cred(&user, &ns)?);
        let before = resolver.resolve(&cred)?;

        ns.map(0, 1000, 1);
        let after = resolver.resolve(&cred)?;
        assert!(after.session.description() == c"_uid_ses.0");
        assert!(after.session.serial() != before.session.serial());
        assert_eq!(serials(&resolver.resolve(&cred)?), serials(&after));
        Ok(())
    }
}
