// SPDX-License-Identifier: GPL-2.0

//! Tests of how the keyrings of a UID live and die.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        rcu, Arc,
    },
    time::{
        delay::{fsleep, udelay},
        Delta, Instant, Monotonic,
    },
};

use crate::{
    abstractions::workqueue::OwnedQueue,
    fixture::{self, serials, Setup, Task, TestNamespace, TestResolver, TestUser},
    name::{Name, UNMAPPED},
    owner::{Owner, Phase},
    record::Records,
    stats::Event,
};

/// What a [`Phase`] can be told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Begin,
    Commit,
    Force,
    Cancel,
    Keep,
}

const CALLS: [Call; 5] = [
    Call::Begin,
    Call::Commit,
    Call::Force,
    Call::Cancel,
    Call::Keep,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Life {
    Alive,
    Dying,
    Dead,
}

impl Call {
    /// Returns what follows a state, and what the call returns if it returns something.
    fn expected(self, before: Life) -> (Life, Option<bool>) {
        match (self, before) {
            (Self::Begin, _) => (Life::Dying, None),
            (Self::Force, _) => (Life::Dead, None),
            (Self::Cancel, _) => (Life::Alive, None),
            (Self::Commit, Life::Dying) => (Life::Dead, Some(true)),
            (Self::Commit, other) => (other, Some(false)),
            (Self::Keep, Life::Dead) => (Life::Dead, Some(false)),
            (Self::Keep, _) => (Life::Alive, Some(true)),
        }
    }

    fn apply(self, phase: &Phase) -> Option<bool> {
        match self {
            Self::Begin => phase.begin(),
            Self::Force => phase.force(),
            Self::Cancel => phase.cancel(),
            Self::Commit => return Some(phase.commit()),
            Self::Keep => return Some(phase.keep()),
        }
        None
    }
}

/// Returns the state that a phase is left in.
fn state(phase: &Phase) -> Life {
    match (phase.commit(), phase.keep()) {
        (true, _) => Life::Dying,
        (_, true) => Life::Alive,
        _ => Life::Dead,
    }
}

/// Returns the first calls, if there are such, after which a phase is not what it should be.
fn first_surprise<const N: usize>() -> Option<[Call; N]> {
    for number in 0..CALLS.len().pow(N as u32) {
        let mut rest = number;
        let calls = [(); N].map(|()| {
            let call = CALLS[rest % CALLS.len()];

            rest /= CALLS.len();
            call
        });
        let (phase, mut life) = (Phase::new(), Life::Alive);

        for call in calls {
            let (after, returned) = call.expected(life);

            if call.apply(&phase) != returned {
                return Some(calls);
            }
            life = after;
        }
        if state(&phase) != life {
            return Some(calls);
        }
    }
    None
}

/// Returns the owner, of which there is one.
fn owner(records: &Records) -> Result<Arc<Owner>> {
    let mut found = None;

    records.for_each_owner(|owner| found = Some(owner.clone()));
    found.ok_or(ENOENT)
}

const EVENTS: [Event; 4] = [Event::Death, Event::Revival, Event::Missed, Event::Reaped];

fn counting<R>(f: impl FnOnce() -> R) -> (R, [u64; 4]) {
    fixture::counting(EVENTS, f)
}

/// Returns how many owners are ended.
fn reap(records: &Records, user: &TestUser) -> usize {
    records
        .reap(|owner| owner.user.uid() == user.uid())
        .unwrap_or_default()
}

#[kunit_tests(usk_owner)]
mod tests {
    use super::*;
    use crate::abstractions::{params, user_namespace};

    #[test]
    fn a_phase_goes_from_each_state_where_it_should() {
        assert_eq!(first_surprise::<1>(), None);
        assert_eq!(first_surprise::<2>(), None);
        assert_eq!(first_surprise::<3>(), None);
        assert_eq!(first_surprise::<5>(), None);
    }

    #[test]
    fn another_thread_keeps_a_dying_phase_alive() -> Result {
        let phase = Arc::new(Phase::new(), GFP_KERNEL)?;
        let queue = OwnedQueue::new(c"usk_kunit")?;
        let other = phase.clone();
        let keep = Task::new(move || {
            other.keep();
        })?;

        phase.begin();
        assert!(queue.enqueue(keep.clone()).is_ok());
        queue.flush();
        assert!(!phase.commit());
        assert!(phase.keep());

        // When it is decided, it is too late.
        phase.begin();
        assert!(phase.commit());
        assert!(queue.enqueue(keep).is_ok());
        queue.flush();
        assert!(!phase.keep());
        Ok(())
    }

    #[test]
    fn either_it_is_kept_or_it_is_dead() -> Result {
        let phase = Arc::new(Phase::new(), GFP_KERNEL)?;
        let queue = OwnedQueue::new(c"usk_kunit")?;

        for _ in 0..500 {
            let kept = Arc::new(Atomic::new(0), GFP_KERNEL)?;
            let (other, result) = (phase.clone(), kept.clone());

            phase.begin();
            let keep = Task::new(move || {
                result.store(other.keep().into(), Relaxed);
            })?;
            assert!(queue.enqueue(keep).is_ok());
            let dead = phase.commit();
            queue.flush();
            assert_eq!(dead, kept.load(Relaxed) == 0);
        }
        Ok(())
    }

    #[test]
    fn the_last_pin_takes_the_keyrings_with_it() -> Result {
        let setup = Setup::new(1000)?;
        let (user, session) = serials(&setup.resolve()?);

        assert_eq!(setup.registered(), (true, true));
        let (dead, counted) = counting(|| setup.die());
        assert!(dead);
        assert_eq!(counted, [1, 0, 0, 0]);
        assert_eq!(setup.registered(), (false, false));
        assert!(fixture::is_gone(user));
        assert!(fixture::is_gone(session));
        assert_eq!(setup.records().survivors(), 0);
        assert_eq!(setup.session_keyring(), None);

        // The owner goes as well: what is left is of the credentials.
        assert_eq!(setup.user.refs(), 1);
        assert!(owner(setup.records()).is_err());
        Ok(())
    }

    #[test]
    fn two_last_pins_at_once_take_the_keyrings_with_them() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        let ((), counted) = counting(|| {
            setup.user.leave_two_at_once();
            setup.finish();
        });
        assert_eq!(counted, [1, 0, 0, 0]);
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn a_pin_that_is_not_the_last_takes_nothing() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let ((), counted) = counting(|| {
            for _ in 0..10 {
                drop(fixture::cred(&setup.user, &setup.ns));
                assert_eq!(setup.user.refs(), 2);
            }
            setup.finish();
        });

        assert_eq!(counted, [0; 4]);
        assert_eq!(serials(&setup.resolve()?), serials(&pair));
        assert_eq!(setup.registered(), (true, true));
        Ok(())
    }

    #[test]
    fn the_quota_is_given_back() -> Result {
        let setup = Setup::new(4242)?;
        let before = fixture::quota(4242)?;
        let pair = setup.resolve()?;
        let charged = fixture::quota(4242)?.ok_or(ENOENT)?;

        assert_eq!(before, None);
        assert_eq!(charged.0, 2);
        assert!(charged.1 > 0);
        drop(pair);
        assert!(setup.die());
        assert!(fixture::wait_until(|| fixture::quota(4242) == Ok(None)));
        Ok(())
    }

    #[test]
    fn uid_keyrings_that_no_search_finds_go_as_well() -> Result {
        // Hidden, revoked, expired, and given to another.
        for case in 0..4 {
            let setup = Setup::new(1000)?;
            let pair = setup.resolve()?;
            let (user, session) = serials(&pair);

            for keyring in [&pair.user, &pair.session] {
                match case {
                    0 => fixture::set_permissions(keyring, 0),
                    1 => keyring.revoke(),
                    2 => keyring.set_timeout(1),
                    _ => fixture::set_uid(keyring, 1001),
                }
            }
            if case == 2 {
                assert!(fixture::wait_until(|| pair.session.validate().is_err()));
            }
            drop(pair);
            setup.die();
            assert_eq!(setup.registered(), (false, false));
            assert!(fixture::is_gone(user));
            assert!(fixture::is_gone(session));
        }
        Ok(())
    }

    #[test]
    fn uid_keyrings_that_were_never_found_go_as_well() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let (user, session) = serials(&pair);

        // They are put on record by records that were made when they refused to be found already.
        fixture::set_permissions(&pair.user, 0);
        fixture::set_permissions(&pair.session, 0);
        drop(pair);
        let Setup {
            resolver,
            cred,
            ns,
            user: uid,
        } = setup;
        drop(resolver);
        let setup = Setup {
            resolver: TestResolver::new()?,
            cred,
            ns,
            user: uid,
        };
        setup.resolver.resolver.adopt(&setup.cred)?;
        assert!(owner(setup.records()).is_ok());
        setup.die();
        assert_eq!(setup.registered(), (false, false));
        assert!(fixture::is_gone(user));
        assert!(fixture::is_gone(session));
        Ok(())
    }

    #[test]
    fn half_a_pair_goes_as_well() -> Result {
        for without_session in [false, true] {
            let setup = Setup::new(1000)?;
            let pair = setup.resolve()?;
            let (user, session) = serials(&pair);

            setup.register()?.unlink(match without_session {
                true => &pair.session,
                false => &pair.user,
            })?;
            drop(pair);
            assert!(setup.die());
            assert_eq!(setup.registered(), (false, false));
            assert!(fixture::is_gone(session));
            assert!(fixture::is_gone(user));
        }
        Ok(())
    }

    #[test]
    fn after_its_death_the_uid_is_as_new() -> Result {
        let setup = Setup::new(1000)?;
        let mut last = serials(&setup.resolve()?);

        for _ in 0..3 {
            assert!(setup.die());
            setup.user.come_back();
            let next = serials(&setup.resolve()?);
            assert!(next.0 != last.0);
            assert!(next.1 != last.1);
            assert_eq!(setup.session_keyring(), Some(next.1));
            assert_eq!(serials(&setup.resolve()?), next);
            assert_eq!(setup.records().pairs(), 1);
            // That of the credentials, and that of the owner.
            assert_eq!(setup.user.refs(), 2);
            last = next;
        }
        Ok(())
    }

    #[test]
    fn another_uid_stays() -> Result {
        let setup = Setup::new(1000)?;
        let other = TestUser::new(1001)?;
        let cred = fixture::cred(&other, &setup.ns)?;
        let pair = setup.resolver.resolve(&cred)?;

        setup.resolve()?;
        setup.user.leave();
        setup.finish();
        assert_eq!(setup.records().pairs(), 1);
        assert_eq!(serials(&setup.resolver.resolve(&cred)?), serials(&pair));
        assert!(setup.has(&Name::user(1001)));
        assert!(setup.has(&Name::session(1001)));
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn who_comes_back_before_it_is_looked_at_keeps_all() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let owner = owner(setup.records())?;
        let places = owner.places.lock();

        setup.user.leave();
        setup.user.come_back();
        let ((), counted) = counting(|| {
            drop(places);
            setup.finish();
        });
        assert_eq!(counted, [0; 4]);
        assert_eq!(setup.records().pairs(), 1);
        assert_eq!(serials(&setup.resolve()?), serials(&pair));
        Ok(())
    }

    #[test]
    fn who_comes_back_before_it_is_decided_keeps_all() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let ((), counted) = counting(|| {
            fixture::stop_at(1);
            setup.user.leave();
            assert!(fixture::wait_for_stop());
            setup.user.come_back();
            fixture::go_on();
            setup.finish();
        });

        assert_eq!(counted, [0, 1, 0, 0]);
        // The pair was taken off the record, and the register has it.
        assert_eq!(setup.records().pairs(), 0);
        assert_eq!(setup.registered(), (true, true));
        assert_eq!(setup.session_keyring(), Some(pair.session.serial()));
        assert_eq!(serials(&setup.resolve()?), serials(&pair));
        assert_eq!(setup.records().pairs(), 1);

        // And it dies in the end.
        drop(pair);
        assert!(setup.die());
        Ok(())
    }

    #[test]
    fn who_comes_back_while_dying_keeps_all() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let (result, counted) = counting(|| {
            let result = setup.while_dying(|_| setup.user.come_back());

            setup.finish();
            result
        });

        assert_eq!(result, Ok(()));
        assert_eq!(counted, [0, 1, 0, 0]);
        assert_eq!(serials(&setup.resolve()?), serials(&pair));
        Ok(())
    }

    #[test]
    fn who_is_given_the_keyring_while_dying_keeps_all() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        // The one who asks is gone when the pins are counted, but may have passed it on.
        let (found, counted) = counting(|| {
            let found = setup.while_dying(|rcu| {
                let found = setup.resolver.resolver.session_keyring(&setup.cred, rcu);

                found.map(|keyring| keyring.serial())
            });

            setup.finish();
            found
        });

        assert_eq!(found, Ok(Some(pair.session.serial())));
        assert_eq!(counted, [0, 1, 0, 0]);
        assert_eq!(setup.registered(), (true, true));
        setup.user.come_back();
        assert_eq!(serials(&setup.resolve()?), serials(&pair));
        Ok(())
    }

    #[test]
    fn who_is_not_kept_while_dying_dies() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        let (result, counted) = counting(|| {
            let result = setup.while_dying(|_| ());

            setup.finish();
            result
        });
        assert_eq!(result, Ok(()));
        assert_eq!(counted, [1, 0, 0, 0]);
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn a_look_up_that_comes_while_dying_waits_and_gets_the_old_pair() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let queue = OwnedQueue::new(c"usk_kunit")?;
        let hold = Task::new(|| {
            let rcu = rcu::read_lock();

            fixture::go_on();
            for _ in 0..2000 {
                udelay(Delta::from_micros(100));
            }
            drop(rcu);
        })?;

        fixture::stop_at(1);
        setup.user.leave();
        assert!(fixture::wait_for_stop());
        let (result, counted) = counting(|| {
            assert!(queue.enqueue(hold).is_ok());
            assert!(fixture::wait_until(|| setup.records().pairs() == 0));
            setup.user.come_back();
            setup.resolve()
        });
        assert_eq!(serials(&result?), serials(&pair));
        assert_eq!(counted, [0, 1, 0, 0]);
        Ok(())
    }

    #[test]
    fn a_look_up_that_comes_too_late_waits_and_gets_a_new_pair() -> Result {
        let setup = Setup::new(1000)?;
        let old = serials(&setup.resolve()?);
        let queue = OwnedQueue::new(c"usk_kunit")?;
        let go_on = Task::new(|| {
            fsleep(Delta::from_millis(100));
            fixture::go_on();
        })?;

        fixture::stop_at(2);
        setup.user.leave();
        assert!(fixture::wait_for_stop());
        setup.user.come_back();
        // It is still linked.
        assert_eq!(setup.registered(), (true, true));
        assert_eq!(setup.session_keyring(), None);

        assert!(queue.enqueue(go_on).is_ok());
        let new = serials(&setup.resolve()?);
        assert!(!fixture::has_stopped());
        assert!(new.0 != old.0);
        assert!(new.1 != old.1);
        assert_eq!(setup.registered(), (true, true));
        assert_eq!(setup.session_keyring(), Some(new.1));
        assert!(fixture::is_gone(old.0));
        assert!(fixture::is_gone(old.1));
        Ok(())
    }

    #[test]
    fn nothing_dies_while_not_in_charge() -> Result {
        let setup = Setup::new(1000)?;
        let (user, session) = serials(&setup.resolve()?);

        fixture::set_in_charge(false);
        let (dead, counted) = counting(|| setup.die());
        assert!(!dead);
        assert_eq!(counted, [0; 4]);
        setup.records().take_charge();
        setup.finish();
        assert_eq!(setup.records().pairs(), 1);
        assert_eq!(setup.registered(), (true, true));

        fixture::set_in_charge(true);
        let ((), counted) = counting(|| {
            setup.records().take_charge();
            setup.finish();
        });
        assert_eq!(counted, [1, 0, 0, 0]);
        assert_eq!(setup.registered(), (false, false));
        assert!(fixture::is_gone(user));
        assert!(fixture::is_gone(session));
        Ok(())
    }

    #[test]
    fn who_is_no_longer_in_charge_unlinks_nothing() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        fixture::stop_at(2);
        setup.user.leave();
        assert!(fixture::wait_for_stop());
        fixture::set_in_charge(false);
        let ((), counted) = counting(|| {
            fixture::go_on();
            setup.finish();
        });
        assert_eq!(counted, [0; 4]);
        assert_eq!(setup.registered(), (true, true));
        // It is as alive as it is for the kernel's own code.
        assert_eq!(setup.session_keyring(), Some(pair.session.serial()));
        drop(pair);

        fixture::set_in_charge(true);
        let ((), counted) = counting(|| {
            setup.records().take_charge();
            setup.finish();
        });
        assert_eq!(counted, [1, 0, 0, 0]);
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn a_uid_dies_in_all_namespaces_at_once() -> Result {
        let setup = Setup::new(1000)?;
        let others = [
            TestNamespace::new(1001, 0, 1000, 1)?,
            TestNamespace::new(1002, 5, 1000, 1)?,
        ];
        let mut keyrings = KVec::new();

        let pair = setup.resolve()?;
        keyrings.push(serials(&pair), GFP_KERNEL)?;
        drop(pair);
        for ns in &others {
            let cred = fixture::cred(&setup.user, ns)?;

            keyrings.push(serials(&setup.resolver.resolve(&cred)?), GFP_KERNEL)?;
        }
        assert_eq!(setup.records().pairs(), 3);
        let (dead, counted) = counting(|| setup.die());
        assert!(dead);
        assert_eq!(counted, [3, 0, 0, 0]);
        for &(user, session) in &keyrings {
            assert!(fixture::is_gone(user));
            assert!(fixture::is_gone(session));
        }
        assert!(owner(setup.records()).is_err());
        Ok(())
    }

    #[test]
    fn a_namespace_may_be_freed_while_dying() -> Result {
        let setup = Setup::new(1000)?;
        let freed = TestNamespace::new(1001, 0, 1000, 1)?;
        let cred = fixture::cred(&setup.user, &freed)?;

        setup.resolve()?;
        setup.resolver.resolve(&cred)?;
        fixture::stop_at(2);
        setup.user.leave();
        assert!(fixture::wait_for_stop());
        setup.records().state().namespaces.free(freed.id());
        let ((), counted) = counting(|| {
            fixture::go_on();
            setup.finish();
        });
        assert_eq!(counted, [1, 0, 0, 0]);
        assert_eq!(setup.registered(), (false, false));
        assert_eq!(setup.records().pairs(), 0);
        assert!(owner(setup.records()).is_err());
        // Those of the credentials are left.
        assert_eq!(setup.user.refs(), 2);
        Ok(())
    }

    #[test]
    fn a_namespace_that_has_no_references_any_more_is_left_alone() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        setup.ns.set_dead(true);
        let (dead, counted) = counting(|| setup.die());
        setup.ns.set_dead(false);
        assert!(dead);
        assert_eq!(counted, [0; 4]);
        assert_eq!(setup.registered(), (true, true));
        // The owner waits for the namespace.
        assert!(owner(setup.records()).is_ok());
        setup.records().state().namespaces.free(setup.ns.id());
        setup.finish();
        assert!(owner(setup.records()).is_err());
        Ok(())
    }

    #[test]
    fn an_owner_with_nothing_left_holds_nothing() -> Result {
        let setup = Setup::new(1000)?;

        setup.session_keyring();
        setup.resolver.resolver.adopt(&setup.cred)?;
        assert!(owner(setup.records()).is_err());
        assert_eq!(setup.user.refs(), 1);

        // A look-up that leaves nothing behind, because the register must not be searched.
        setup.resolve()?;
        assert!(setup.die());
        setup.user.come_back();
        fixture::set_permissions(setup.register()?, 0);
        assert_eq!(setup.resolve().err(), Some(EACCES));
        fixture::set_permissions(setup.register()?, crate::bindings::KEY_POS_ALL);
        setup.register()?.clear()?;
        assert_eq!(setup.user.refs(), 2);
        assert!(setup.die());
        assert_eq!(setup.user.refs(), 1);
        Ok(())
    }

    #[test]
    fn an_owner_outlives_its_namespaces_by_nothing() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        assert_eq!(setup.user.refs(), 2);
        setup.records().state().namespaces.free(setup.ns.id());
        setup.finish();
        assert_eq!(setup.user.refs(), 1);
        assert!(owner(setup.records()).is_err());
        Ok(())
    }

    #[test]
    fn records_may_go_while_a_uid_dies() -> Result {
        for _ in 0..10 {
            let Setup {
                user,
                ns,
                cred,
                resolver,
            } = Setup::new(1000)?;

            resolver.resolve(&cred)?;
            user.leave();
            drop(resolver);
            drop(cred);
            assert_eq!(user.refs(), 0);
            drop(ns);
        }
        Ok(())
    }

    #[test]
    fn a_uid_without_a_mapping_dies_alone() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, 0)?;
        let (one, two) = (TestUser::new(1000)?, TestUser::new(1001)?);
        let resolver = TestResolver::new()?;
        let creds = [fixture::cred(&one, &ns)?, fixture::cred(&two, &ns)?];
        let first = serials(&resolver.resolve(&creds[0])?);
        let second = serials(&resolver.resolve(&creds[1])?);
        let finish = || fixture::finish(&resolver.records);

        // The first has its keyrings in the register of the namespace, the second in its own.
        assert_eq!(resolver.records.registers(), 1);
        two.leave();
        finish();
        assert_eq!(resolver.records.registers(), 0);
        assert!(fixture::is_gone(second.0));
        assert!(fixture::is_gone(second.1));
        assert_eq!(serials(&resolver.resolve(&creds[0])?), first);

        two.come_back();
        let second = serials(&resolver.resolve(&creds[1])?);
        one.leave();
        finish();
        assert!(fixture::is_gone(first.0));
        assert!(fixture::is_gone(first.1));
        assert_eq!(serials(&resolver.resolve(&creds[1])?), second);
        Ok(())
    }

    #[test]
    fn what_was_there_before_the_mapping_goes_as_well() -> Result {
        let setup = Setup::new_unmapped(1000)?;
        let before = serials(&setup.resolve()?);

        setup.ns.map(0, 1000, 1);
        let after = serials(&setup.resolve()?);
        assert!(setup.has(&Name::session(UNMAPPED)));
        assert!(setup.has(&Name::session(0)));
        assert!(setup.die());
        for serial in [before.0, before.1, after.0, after.1] {
            assert!(fixture::is_gone(serial));
        }
        Ok(())
    }

    #[test]
    fn what_root_ends_has_an_end_while_it_is_in_use() -> Result {
        let setup = Setup::new(1000)?;
        let other = TestUser::new(1001)?;
        let cred = fixture::cred(&other, &setup.ns)?;
        let old = serials(&setup.resolve()?);
        let others = serials(&setup.resolver.resolve(&cred)?);

        let (ended, counted) = counting(|| reap(setup.records(), &setup.user));
        assert_eq!(ended, 1);
        assert_eq!(counted, [0, 0, 0, 1]);
        assert_eq!(setup.registered(), (false, false));
        assert!(fixture::is_gone(old.0));
        assert!(fixture::is_gone(old.1));
        assert_eq!(setup.session_keyring(), None);
        assert_eq!(serials(&setup.resolver.resolve(&cred)?), others);
        // There is nothing left to end.
        assert_eq!(reap(setup.records(), &setup.user), 0);

        let new = serials(&setup.resolve()?);
        assert!(new.0 != old.0);
        assert!(new.1 != old.1);
        Ok(())
    }

    #[test]
    fn what_root_ends_does_not_come_back() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;
        let elsewhere = fixture::keyring(c"elsewhere")?;

        elsewhere.link(&pair.session)?;
        assert_eq!(reap(setup.records(), &setup.user), 1);
        assert_eq!(setup.records().survivors(), 0);
        assert_eq!(
            elsewhere.search(c"_uid_ses.1000")?.serial(),
            pair.session.serial()
        );
        assert!(setup.resolve()?.session.serial() != pair.session.serial());
        Ok(())
    }

    #[test]
    fn root_ends_what_lingers() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        fixture::set_linger(c"1000")?;
        assert!(!setup.die());
        let (ended, counted) = counting(|| reap(setup.records(), &setup.user));
        fixture::set_linger(c"0")?;
        assert_eq!(ended, 1);
        assert_eq!(counted, [0, 0, 0, 1]);
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn keyrings_linger_for_as_long_as_they_should() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        fixture::set_linger(c"1")?;
        let start = Instant::<Monotonic>::now();
        assert!(!setup.die());
        let (dead, counted) = counting(|| fixture::wait_for(4, || setup.records().pairs() == 0));
        let elapsed = start.elapsed();
        setup.finish();
        fixture::set_linger(c"0")?;
        assert!(dead);
        assert_eq!(counted[1..], [0; 3]);
        assert!(elapsed.as_millis() >= 1000);
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn who_comes_back_while_its_keyrings_linger_keeps_all() -> Result {
        let setup = Setup::new(1000)?;
        let pair = setup.resolve()?;

        fixture::set_linger(c"1")?;
        assert!(!setup.die());
        assert_eq!(setup.session_keyring(), Some(pair.session.serial()));
        setup.user.come_back();
        let (dead, counted) = counting(|| fixture::wait_for(2, || setup.records().pairs() == 0));
        assert!(!dead);
        assert_eq!(counted, [0; 4]);
        assert_eq!(serials(&setup.resolve()?), serials(&pair));

        // The time begins anew.
        assert!(!setup.die());
        fixture::set_linger(c"0")?;
        Ok(())
    }

    #[test]
    fn a_shorter_time_applies_to_those_that_linger_already() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        fixture::set_linger(c"86400")?;
        assert!(!setup.die());
        setup.records().take_charge();
        setup.finish();
        assert_eq!(setup.records().pairs(), 1);
        fixture::set_linger(c"0")?;
        setup.records().take_charge();
        setup.finish();
        assert_eq!(setup.records().pairs(), 0);
        Ok(())
    }

    #[test]
    fn only_seconds_up_to_a_day_are_taken() -> Result {
        for refused in [c"86401", c"-1", c"", c"x", c"1 2"] {
            assert_eq!(fixture::set_linger(refused), Err(EINVAL));
        }
        assert!(params::linger().is_zero());
        for (text, seconds) in [(c"86400", 86_400), (c"7", 7), (c"0", 0)] {
            fixture::set_linger(text)?;
            assert!(params::linger() == Delta::from_secs(seconds));
        }
        Ok(())
    }

    #[test]
    fn a_death_that_nobody_saw_is_found_at_the_second_look() -> Result {
        let setup = Setup::new(1000)?;
        let look = || {
            setup.records().take_charge();
            setup.finish();
        };

        setup.resolve()?;
        setup.user.leave_unnoticed();
        let ((), counted) = counting(look);
        assert_eq!(counted, [0; 4]);
        assert_eq!(setup.records().pairs(), 1);
        let ((), counted) = counting(look);
        assert_eq!(counted, [1, 0, 1, 0]);
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn a_death_that_nobody_saw_is_counted_once() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        fixture::set_in_charge(false);
        setup.user.leave_unnoticed();
        let ((), counted) = counting(|| {
            for _ in 0..5 {
                setup.records().take_charge();
                setup.finish();
            }
        });
        assert_eq!(counted, [0, 0, 1, 0]);
        Ok(())
    }

    #[test]
    fn a_death_that_is_seen_late_was_not_missed() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        setup.user.leave_unnoticed();
        setup.records().take_charge();
        // Now `free_uid()` comes to its end.
        let (dead, counted) = counting(|| {
            setup.user.come_back();
            setup.die()
        });
        assert!(dead);
        assert_eq!(counted, [1, 0, 0, 0]);
        Ok(())
    }

    #[test]
    fn the_sweep_finds_a_death_that_nobody_saw() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        setup.user.leave_unnoticed();
        let (dead, counted) = counting(|| fixture::wait_for(13, || setup.records().pairs() == 0));
        assert!(dead);
        assert_eq!(counted[2], 1);
        setup.finish();
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn who_is_not_in_charge_cannot_reap() -> Result {
        let setup = Setup::new(1000)?;

        setup.resolve()?;
        fixture::set_in_charge(false);
        assert_eq!(setup.records().reap(|_| true).err(), Some(EBUSY));
        // It is not made up for later.
        fixture::set_in_charge(true);
        setup.finish();
        assert_eq!(setup.registered(), (true, true));
        assert_eq!(reap(setup.records(), &setup.user), 1);
        assert_eq!(setup.registered(), (false, false));
        Ok(())
    }

    #[test]
    fn of_keyrings_that_are_freed_nothing_is_kept() -> Result {
        let setup = Setup::new(1000)?;
        let ns = TestNamespace::new(1001, 0, 1000, 1)?;
        let cred = fixture::cred(&setup.user, &ns)?;
        let kept = serials(&setup.resolver.resolve(&cred)?);
        let pair = setup.resolve()?;

        pair.user.invalidate();
        pair.session.invalidate();
        let places =
            || owner(setup.records()).map(|it| it.places.lock().by_namespace.keys().count());
        // It has died, and somebody has it.
        assert!(fixture::wait_until(|| setup.records().pairs() == 1));
        assert!(!fixture::wait_for(5, || places() != Ok(2)));
        drop(pair);
        assert!(fixture::wait_for(9, || places() == Ok(1)));
        assert_eq!(serials(&setup.resolver.resolve(&cred)?), kept);
        Ok(())
    }

    #[test]
    fn what_has_been_made_since_is_not_forgotten() -> Result {
        for name in [c"_uid.1000", c"_uid_ses.1000"] {
            let setup = Setup::new(1000)?;
            let pair = setup.resolve()?;
            let (user, session) = serials(&pair);

            pair.user.invalidate();
            pair.session.invalidate();
            drop(pair);
            assert!(fixture::wait_until(
                || fixture::is_gone(user) && fixture::is_gone(session)
            ));
            // There was no memory for the other.
            let half = setup.register_another(name)?.serial();
            assert!(!fixture::wait_for(9, || owner(setup.records()).is_err()));
            setup.user.leave();
            setup.finish();
            assert_eq!(setup.registered(), (false, false));
            assert!(fixture::wait_until(|| fixture::is_gone(half)));
        }
        Ok(())
    }

    #[test]
    fn the_initial_namespace_is_as_the_others() -> Result {
        let user = TestUser::new(7701)?;
        let resolver = TestResolver::new()?;
        let cred = fixture::cred(&user, user_namespace::init())?;
        let (first, second) = serials(&resolver.resolve(&cred)?);

        user.leave();
        fixture::finish(&resolver.records);
        assert_eq!(resolver.records.pairs(), 0);
        assert!(fixture::is_gone(first));
        assert!(fixture::is_gone(second));
        Ok(())
    }
}
