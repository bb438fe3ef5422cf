// SPDX-License-Identifier: GPL-2.0

//! Tests of keyrings that outlive their UID.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::aref::ARef,
    task::Kuid,
    time::{delay::fsleep, Delta},
};

use crate::{
    abstractions::{
        cred::CredentialExt as _,
        key::{Key, Serial},
        keyring::Keyring,
        user_namespace::Id,
        workqueue::OwnedQueue,
    },
    bindings,
    fixture::{self, serials, Setup, TestNamespace, TestUser},
    name::Name,
    record::Pair,
    resolver::Resolver,
    survivor::{Reservation, Survivor, Survivors},
};

/// Which of the keyrings something else links.
#[derive(Clone, Copy)]
enum Linked {
    User,
    Session,
    Both,
}

/// Has a UID die, and its keyrings live on because another keyring links them.
///
/// Returns their serial numbers, and the keyring that links them.
fn survive(setup: &Setup, linked: Linked) -> Result<((Serial, Serial), ARef<Keyring>)> {
    let pair = setup.resolve()?;
    let serials = serials(&pair);
    let elsewhere = fixture::keyring(c"elsewhere")?;

    if !matches!(linked, Linked::Session) {
        elsewhere.link(&pair.user)?;
    }
    if !matches!(linked, Linked::User) {
        elsewhere.link(&pair.session)?;
    }
    drop(pair);
    setup.die().then_some((serials, elsewhere)).ok_or(EBUSY)
}

/// Calls `f` with a spinlock held.
fn with_spinlock<R>(f: impl FnOnce() -> R) -> Result<R> {
    let lock = KBox::pin_init(new_spinlock!((), "with_spinlock"), GFP_KERNEL)?;
    let _guard = lock.lock();

    Ok(f())
}

fn find(serial: Serial) -> Result<ARef<Keyring>> {
    Key::lookup(serial).and_then(Keyring::try_from_key)
}

/// Has the keyrings of a UID live on, and handed back, but for the user session keyring: it has a
/// link to the register, which cannot have one to it as well then.
fn half_survive(setup: &Setup) -> Result<((Serial, Serial), ARef<Keyring>)> {
    let (old, elsewhere) = survive(setup, Linked::Both)?;

    find(old.1)?.link(setup.register()?)?;
    fixture::set_in_charge(false);
    setup.records().hand_back();
    Ok((old, elsewhere))
}

fn survivor(uid: u32, user: Option<Serial>) -> Survivor {
    Survivor {
        uid: Kuid::from_raw(bindings::kuid_t { val: uid }),
        user,
        session: None,
        died: Delta::ZERO,
        is_registered: false,
    }
}

fn insert(survivors: &mut Survivors, ns: Id, survivor: Survivor) -> Result {
    if survivors.insert(ns, survivor, Reservation::new(GFP_KERNEL)?) {
        survivors.prune();
    }
    Ok(())
}

#[kunit_tests(usk_survivor)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_that_is_linked_elsewhere_is_that_of_its_uid_again() -> Result {
        // A user session keyring links its user keyring, which lives on with it.
        for (linked, kept) in [
            (Linked::User, (true, false)),
            (Linked::Session, (true, true)),
            (Linked::Both, (true, true)),
        ] {
            let setup = Setup::new(1000)?;
            let (old, elsewhere) = survive(&setup, linked)?;

            assert_eq!(setup.records().pairs(), 0);
            assert_eq!(setup.records().survivors(), 1);
            // Nobody finds it but by the link.
            assert_eq!(setup.registered(), (false, false));
            assert_eq!(setup.session_keyring(), None);
            // The owner does not stay for it.
            assert_eq!(setup.user.refs(), 1);

            setup.user.come_back();
            let new = setup.resolve()?;
            let is_kept = (new.user.serial() == old.0, new.session.serial() == old.1);
            assert_eq!(is_kept, kept);
            assert_eq!(setup.registered(), (true, true));
            assert_eq!(setup.session_keyring(), Some(new.session.serial()));
            assert_eq!(
                new.session.search(c"_uid.1000")?.serial(),
                new.user.serial()
            );
            assert_eq!(setup.records().survivors(), 0);
            assert_eq!(serials(&setup.resolve()?), serials(&new));
            drop(elsewhere);
        }
        Ok(())
    }

    #[test]
    fn a_session_keyring_may_live_on_without_its_user_keyring() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let (user, session) = serials(&pair);

        let elsewhere = fixture::keyring(c"elsewhere")?;
        elsewhere.link(&pair.session)?;
        pair.session.clear()?;
        drop(pair);
        assert!(setup.die());
        assert!(fixture::is_gone(user));
        assert_eq!(setup.records().survivors(), 1);
        setup.user.come_back();
        let new = setup.resolve()?;
        assert!(new.user.serial() != user);
        assert_eq!(new.session.serial(), session);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn a_reference_is_as_good_as_a_link() -> Result {
        let setup = Setup::new(1000)?;
        // As the session keyring of a process of another UID.
        let pair = setup.resolve()?;

        assert!(setup.die());
        assert_eq!(setup.records().survivors(), 1);
        assert_eq!(setup.registered(), (false, false));
        setup.user.come_back();
        assert_eq!(serials(&setup.resolve()?), serials(&pair));
        Ok(())
    }

    #[test]
    fn it_dies_again_and_lives_on_again() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        for _ in 0..2 {
            setup.user.come_back();
            assert_eq!(serials(&setup.resolve()?), old);
            assert!(setup.die());
            assert_eq!(setup.records().survivors(), 1);
        }
        elsewhere.clear()?;
        assert!(fixture::is_gone(old.0));
        assert!(fixture::is_gone(old.1));
        Ok(())
    }

    #[test]
    fn it_is_gone_when_the_link_is() -> Result {
        for linked in [Linked::User, Linked::Session, Linked::Both] {
            let setup = Setup::new(1000)?;
            let (old, elsewhere) = survive(&setup, linked)?;

            assert_eq!(setup.records().survivors(), 1);
            elsewhere.clear()?;
            assert!(fixture::is_gone(old.0));
            assert!(fixture::is_gone(old.1));
            assert_eq!(setup.records().survivors(), 0);

            setup.user.come_back();
            let new = serials(&setup.resolve()?);
            assert!(new.0 != old.0);
            assert!(new.1 != old.1);
        }
        Ok(())
    }

    #[test]
    fn the_sweep_forgets_those_that_are_gone() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;
        let remembered = || setup.records().state().survivors.lock().count();

        elsewhere.clear()?;
        assert!(fixture::is_gone(old.0));
        assert!(fixture::is_gone(old.1));
        assert_eq!(remembered(), 1);
        assert!(fixture::wait_for(8, || remembered() == 0));
        Ok(())
    }

    #[test]
    fn one_that_may_not_be_used_is_not_taken() -> Result {
        // Revoked, invalidated, expired, given to another.
        for case in 0..4 {
            let setup = Setup::new(1000)?;
            let ((user, session), elsewhere) = survive(&setup, Linked::Both)?;

            for name in [Name::user(1000), Name::session(1000)] {
                let keyring = elsewhere.search(name.as_c_str())?;

                match case {
                    0 => keyring.revoke(),
                    1 => keyring.invalidate(),
                    // SAFETY: The pointer is valid, and the keyring is the test's own.
                    2 => unsafe { (*keyring.as_ptr()).__bindgen_anon_2.expiry = 1 },
                    _ => fixture::set_uid(&keyring, 1001),
                }
            }
            setup.user.come_back();
            let new = serials(&setup.resolve()?);
            assert!(new.0 != user);
            assert!(new.1 != session);
            assert_eq!(setup.records().survivors(), 0);
        }
        Ok(())
    }

    #[test]
    fn one_that_must_not_be_searched_is_refused_at_once() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Session)?;
        let session = elsewhere.search(c"_uid_ses.1000")?;

        fixture::set_permissions(&session, 0);
        setup.user.come_back();
        // As one that is in the register, it is not replaced, and is refused to those who ask.
        assert_eq!(setup.resolve().err(), Some(EACCES));
        assert_eq!(setup.resolve().err(), Some(EACCES));
        fixture::set_permissions(&session, bindings::KEY_POS_ALL);
        assert_eq!(serials(&setup.resolve()?), old);
        Ok(())
    }

    #[test]
    fn who_may_not_sleep_finds_it_as_well() -> Result {
        let setup = Setup::new(1000)?;
        let ns = TestNamespace::new(1001, 0, 1000, 1)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;
        let session = elsewhere.search(c"_uid_ses.1000")?;
        let other = fixture::cred(&setup.user, &ns)?;
        let found = |cred| setup.resolver.session_keyring(cred).map(|it| it.serial());

        setup.user.come_back();
        // Until it is certain that it lives on.
        assert_eq!(found(&setup.cred), None);
        assert!(fixture::wait_until(|| found(&setup.cred) == Some(old.1)));
        assert_eq!(found(&other), None);
        // The kernel may have the lock of all keys.
        assert_eq!(with_spinlock(|| found(&setup.cred))?, None);
        fixture::set_permissions(&session, 0);
        assert_eq!(found(&setup.cred), None);
        fixture::set_permissions(&session, bindings::KEY_POS_ALL);
        assert_eq!(found(&setup.cred), Some(old.1));
        // It is still one that lives on, and is found where the others are from now on.
        assert_eq!(setup.registered(), (false, false));
        assert_eq!(serials(&setup.resolve()?), old);
        assert_eq!(found(&setup.cred), Some(old.1));
        Ok(())
    }

    #[test]
    fn who_may_not_sleep_finds_it_while_another_looks_it_up() -> Result {
        let setup = Setup::new(1000)?;
        let (old, _elsewhere) = survive(&setup, Linked::Both)?;

        setup.user.come_back();
        assert!(fixture::wait_until(
            || setup.session_keyring() == Some(old.1)
        ));
        let found = setup.records().with(&setup.user, &setup.ns, |_| {
            // Those that are no more are forgotten.
            assert_eq!(setup.records().survivors(), 1);
            Ok(setup.session_keyring())
        })?;
        assert_eq!(found, Some(old.1));
        assert_eq!(setup.records().survivors(), 1);
        Ok(())
    }

    #[test]
    fn who_may_not_sleep_finds_none_that_was_reaped() -> Result {
        let setup = Setup::new(1000)?;
        let (old, _elsewhere) = survive(&setup, Linked::Session)?;

        setup.user.come_back();
        assert!(fixture::wait_until(
            || setup.session_keyring() == Some(old.1)
        ));
        assert_eq!(setup.records().reap_survivors(|_| true), 1);
        assert_eq!(setup.session_keyring(), None);
        Ok(())
    }

    #[test]
    fn it_is_that_of_its_own_uid_and_namespace() -> Result {
        let setup = Setup::new(1000)?;
        let ns = TestNamespace::new(1001, 0, 0, u32::MAX)?;
        let other = TestUser::new(1001)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        setup.user.come_back();
        for cred in [
            fixture::cred(&other, &setup.ns)?,
            fixture::cred(&setup.user, &ns)?,
            fixture::cred(&other, &ns)?,
        ] {
            let new = serials(&setup.resolver.resolve(&cred)?);

            assert!(new.0 != old.0);
            assert!(new.1 != old.1);
        }
        assert_eq!(setup.records().survivors(), 1);
        assert_eq!(serials(&setup.resolve()?), old);
        assert_eq!(setup.records().survivors(), 0);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn they_live_on_in_each_namespace() -> Result {
        let setup = Setup::new(1000)?;
        let ns = TestNamespace::new(1001, 0, 1000, 1)?;
        let cred = fixture::cred(&setup.user, &ns)?;
        let one = setup.resolve()?;
        let two = setup.resolver.resolve(&cred)?;

        assert!(setup.die());
        assert_eq!(setup.records().survivors(), 2);
        setup.user.come_back();
        assert_eq!(serials(&setup.resolver.resolve(&cred)?), serials(&two));
        assert_eq!(serials(&setup.resolve()?), serials(&one));
        Ok(())
    }

    #[test]
    fn one_of_a_namespace_that_is_freed_is_forgotten() -> Result {
        let setup = Setup::new(1000)?;
        let ns = TestNamespace::new(1001, 0, 1000, 1)?;
        let cred = fixture::cred(&setup.user, &ns)?;
        let one = setup.resolve()?;
        let _two = setup.resolver.resolve(&cred)?;

        assert!(setup.die());
        setup.records().state().namespaces.free(ns.id());
        setup.finish();
        assert_eq!(setup.records().survivors(), 1);
        setup.user.come_back();
        assert_eq!(serials(&setup.resolve()?), serials(&one));
        Ok(())
    }

    #[test]
    fn it_is_remembered_when_a_look_up_fails() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        setup.user.come_back();
        fixture::set_permissions(setup.register()?, 0);
        assert_eq!(setup.resolve().err(), Some(EACCES));
        assert_eq!(setup.records().survivors(), 1);
        fixture::set_permissions(setup.register()?, bindings::KEY_POS_ALL);
        assert_eq!(serials(&setup.resolve()?), old);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn request_key_does_not_bring_it_back() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        setup.user.come_back();
        assert_eq!(setup.session_keyring(), None);
        assert_eq!(setup.records().survivors(), 1);
        assert_eq!(serials(&setup.resolve()?), old);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn it_is_handed_back_to_the_register() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        fixture::set_in_charge(false);
        setup.resolver.resolver.hand_back();
        assert_eq!(setup.records().survivors(), 0);
        let found = |name: Name| setup.register()?.search(name.as_c_str());
        assert_eq!(found(Name::user(1000))?.serial(), old.0);
        assert_eq!(found(Name::session(1000))?.serial(), old.1);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn it_is_not_handed_back_over_another() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;
        let other = setup.register_another(c"_uid_ses.1000")?;

        fixture::set_in_charge(false);
        setup.records().hand_back();
        let found = |name: Name| setup.register()?.search(name.as_c_str());
        assert_eq!(found(Name::user(1000))?.serial(), old.0);
        assert_eq!(found(Name::session(1000))?.serial(), other.serial());
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn one_that_is_another_uids_by_now_is_not_handed_back() -> Result {
        let setup = Setup::new(1000)?;
        let (_, elsewhere) = survive(&setup, Linked::Both)?;

        fixture::set_uid(&*elsewhere.search(c"_uid_ses.1000")?, 1001);
        fixture::set_in_charge(false);
        setup.records().hand_back();
        assert_eq!(setup.registered(), (true, false));
        Ok(())
    }

    #[test]
    fn one_that_a_look_up_has_failed_with_is_handed_back() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        fixture::set_in_charge(false);
        fixture::set_permissions(&*setup.register_another(c"_uid.1000")?, 0);
        setup.user.come_back();
        assert_eq!(setup.resolve().err(), Some(EACCES));
        setup.records().hand_back();
        assert_eq!(setup.records().survivors(), 0);
        let session = setup.register()?.search(c"_uid_ses.1000")?;
        assert_eq!(session.serial(), old.1);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn one_that_a_look_up_waits_for_is_handed_back() -> Result {
        let queue = OwnedQueue::new(c"usk_kunit")?;
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        setup.user.come_back();
        let resolver = Resolver::new(setup.resolver.records.clone());
        let asker = setup.cred.clone();
        let ask = fixture::Task::new(move || {
            let _ = asker.impersonate(|| resolver.resolve(&asker, Pair::clone));
        })?;
        assert!(queue.enqueue(ask).is_ok());
        // It waits for the rest of the second.
        fsleep(Delta::from_millis(50));
        fixture::set_in_charge(false);
        setup.records().hand_back();
        assert_eq!(setup.registered(), (true, true));
        drop(queue);
        assert_eq!(serials(&setup.resolve()?), old);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn one_that_was_handed_back_too_early_is_taken_back() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        // Disabling is reversed midway.
        fixture::set_in_charge(false);
        setup.records().hand_back();
        assert_eq!(setup.registered(), (true, true));
        fixture::set_in_charge(true);
        setup.records().take_charge();
        assert_eq!(setup.registered(), (false, false));
        assert_eq!(setup.records().survivors(), 1);
        drop(elsewhere);
        assert!(fixture::wait_until(|| setup.records().survivors() == 0));
        assert!(fixture::is_gone(old.0));
        assert!(fixture::is_gone(old.1));
        Ok(())
    }

    #[test]
    fn it_is_handed_back_when_another_patch_is_on_top() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        // Nobody says so, neither when it comes nor when it goes.
        fixture::set_in_charge(false);
        assert!(fixture::wait_for(9, || setup.registered() == (true, true)));
        let session = setup.register()?.search(c"_uid_ses.1000")?;
        assert_eq!(session.serial(), old.1);
        fixture::set_in_charge(true);
        setup.user.come_back();
        assert_eq!(serials(&setup.resolve()?), old);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn half_of_it_is_taken_back_as_well() -> Result {
        let setup = Setup::new(1000)?;
        let (_, elsewhere) = half_survive(&setup)?;

        assert_eq!(setup.registered(), (true, false));
        assert_eq!(setup.records().survivors(), 1);
        fixture::set_in_charge(true);
        setup.records().take_charge();
        assert_eq!(setup.registered(), (false, false));
        assert_eq!(setup.records().survivors(), 1);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn who_comes_back_to_half_of_it_gets_the_other_half_as_well() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = half_survive(&setup)?;

        setup.user.come_back();
        setup.resolver.resolver.adopt(&setup.cred)?;
        fixture::set_in_charge(true);
        setup.records().take_charge();
        find(old.1)?.unlink(setup.register()?)?;
        assert_eq!(serials(&setup.resolve()?), old);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn one_that_was_asked_for_meanwhile_is_not_taken_back() -> Result {
        let setup = Setup::new(1000)?;
        let (old, elsewhere) = survive(&setup, Linked::Both)?;

        fixture::set_in_charge(false);
        setup.records().hand_back();
        setup.user.come_back();
        assert_eq!(serials(&setup.resolve()?), old);
        fixture::set_in_charge(true);
        setup.records().take_charge();
        assert_eq!(setup.registered(), (true, true));
        assert_eq!(serials(&setup.resolve()?), old);
        drop(elsewhere);
        Ok(())
    }

    #[test]
    fn it_is_waited_for_what_may_be_about_to_be_collected() -> Result {
        let queue = OwnedQueue::new(c"usk_kunit")?;
        let (keyring, elsewhere) = (fixture::keyring(c"kept")?, fixture::keyring(c"elsewhere")?);
        let survivor = survivor(1000, Some(keyring.serial()));

        elsewhere.link(&keyring)?;
        // Not for longer than it takes.
        survivor.settle(|| Delta::from_secs(1));
        assert!(Key::lookup(keyring.serial()).is_ok());

        drop(keyring);
        let collect = fixture::Task::new(move || {
            fsleep(Delta::from_millis(100));
            let _ = elsewhere.clear();
        })?;
        assert!(queue.enqueue(collect).is_ok());
        survivor.settle(|| Delta::ZERO);
        assert!(survivor
            .user
            .is_some_and(|serial| Key::lookup(serial).is_err()));
        Ok(())
    }

    #[test]
    fn what_is_about_to_be_collected_saves_nobody() -> Result {
        for _ in 0..10 {
            let setup = Setup::new(1000)?;
            let pair = setup.resolve()?;
            let old = serials(&pair);
            // The session keyring of a process, which is its last reference.
            let session = fixture::keyring(c"_ses")?;

            session.link(&pair.user)?;
            session.link(&pair.session)?;
            drop(pair);
            fixture::stop_at(2);
            setup.user.leave();
            assert!(fixture::wait_for_stop());
            drop(session);
            fixture::go_on();
            setup.user.come_back();
            let new = serials(&setup.resolve()?);
            assert!(new.0 != old.0);
            assert!(new.1 != old.1);
        }
        Ok(())
    }

    #[test]
    fn they_are_found_by_namespace_and_uid() -> Result {
        let (one, two) = (
            TestNamespace::new(1000, 0, 0, u32::MAX)?,
            TestNamespace::new(1001, 0, 0, u32::MAX)?,
        );
        let mut survivors = Survivors::new();
        let uid = |survivor: &Survivor| survivor.uid.into_raw().val;

        for (serial, (ns, uid)) in [(&one, 1), (&one, 2), (&two, 1)].iter().enumerate() {
            insert(
                &mut survivors,
                ns.id(),
                survivor(*uid, Some(serial as Serial + 1)),
            )?;
        }
        assert_eq!(survivors.count(), 3);
        assert!(survivors.take(two.id(), survivor(2, None).uid).is_none());
        let taken = survivors
            .take(one.id(), survivor(2, None).uid)
            .ok_or(ENOENT)?;
        assert_eq!((uid(&taken), taken.user), (2, Some(2)));
        assert_eq!(survivors.count(), 2);
        insert(&mut survivors, one.id(), taken)?;
        assert_eq!(survivors.count(), 3);

        // One takes the place of another.
        insert(&mut survivors, two.id(), survivor(1, Some(7)))?;
        assert_eq!(survivors.count(), 3);
        survivors.remove_namespace(one.id());
        assert_eq!(survivors.count(), 1);
        let taken = survivors
            .take(two.id(), survivor(1, None).uid)
            .ok_or(ENOENT)?;
        assert_eq!(taken.user, Some(7));
        assert_eq!(survivors.count(), 0);
        Ok(())
    }

    #[test]
    fn those_of_a_uid_are_forgotten_in_all_namespaces() -> Result {
        let (one, two) = (
            TestNamespace::new(1000, 0, 0, u32::MAX)?,
            TestNamespace::new(1001, 0, 0, u32::MAX)?,
        );
        let mut survivors = Survivors::new();

        for ns in [&one, &two] {
            insert(&mut survivors, ns.id(), survivor(1, Some(1)))?;
            insert(&mut survivors, ns.id(), survivor(2, Some(2)))?;
        }
        assert_eq!(survivors.remove(|uid| uid == survivor(1, None).uid), 2);
        assert_eq!(survivors.count(), 2);
        assert_eq!(survivors.remove(|uid| uid == survivor(1, None).uid), 0);
        assert!(survivors.take(one.id(), survivor(2, None).uid).is_some());
        assert!(survivors.take(two.id(), survivor(2, None).uid).is_some());
        Ok(())
    }

    #[test]
    fn whoever_chooses_uids_does_not_choose_buckets() -> Result {
        let (one, two) = (Setup::new(1000)?, Setup::new(1000)?);
        let key = |setup: &Setup, uid| {
            let uid = Kuid::from_raw(bindings::kuid_t { val: uid });

            setup.records().state().survivor_key(uid, Id::FIRST)
        };
        let mut buckets = [0; 64];

        for n in 0..256 {
            let uid = n << 24;
            let [first, _] = key(&one, uid);

            assert_eq!(first as u32, uid);
            assert!(key(&two, uid) != key(&one, uid));
            buckets[(first >> 32) as usize % buckets.len()] += 1;
        }
        // Four are to be expected, and more than sixteen not in the lifetime of this test.
        assert!(buckets.iter().all(|n| *n <= 16));
        Ok(())
    }

    #[test]
    fn there_are_never_many_that_are_gone() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, u32::MAX)?;
        let mut survivors = Survivors::new();
        let mut most = 0;

        for uid in 0..1000 {
            insert(&mut survivors, ns.id(), survivor(uid, Some(-1)))?;
            most = most.max(survivors.count());
        }
        assert!(most <= 64);
        survivors.prune();
        assert_eq!(survivors.count(), 0);
        Ok(())
    }

    #[test]
    fn those_that_live_on_are_all_remembered() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, u32::MAX)?;
        let mut survivors = Survivors::new();
        let mut keyrings = KVec::new();
        let mut most = 0;

        for uid in 0..1000 {
            // One in ten lives.
            let keyring = match uid % 10 {
                0 => Some(fixture::keyring(c"alive")?),
                _ => None,
            };
            let serial = keyring.as_ref().map_or(-1, |keyring| keyring.serial());

            insert(&mut survivors, ns.id(), survivor(uid, Some(serial)))?;
            keyrings.push(keyring, GFP_KERNEL)?;
            most = most.max(survivors.count());
        }
        assert!(most < 400);
        for (uid, keyring) in keyrings.iter().enumerate() {
            if let Some(keyring) = keyring {
                let taken = survivors
                    .take(ns.id(), survivor(uid as u32, None).uid)
                    .ok_or(ENOENT)?;
                assert_eq!(taken.user, Some(keyring.serial()));
            }
        }
        survivors.prune();
        assert_eq!(survivors.count(), 0);
        Ok(())
    }
}
