// SPDX-License-Identifier: GPL-2.0

//! Tests of what tracepoints tell, and when.

use kernel::prelude::*;

use crate::{
    abstractions::key::Serial,
    fixture::{self, serials, Setup, TestUser, Told},
};

const CREATE: [u64; 5] = [1, 0, 0, 0, 0];
const ADOPT: [u64; 5] = [0, 1, 0, 0, 0];
const DESTROY: [u64; 5] = [0, 0, 1, 0, 0];
const REVIVE: [u64; 5] = [0, 0, 0, 1, 0];
const HAND_BACK: [u64; 5] = [0, 0, 0, 0, 1];

const DEATH: u32 = 0;
const REAP: u32 = 1;

impl Told {
    /// Returns whether it is about the UID and the namespace of [`Setup`], and these keyrings.
    fn is_of(&self, uid: u32, keyrings: (Serial, Serial)) -> bool {
        (self.uid, self.ns, self.user, self.session) == (uid, 1000, keyrings.0, keyrings.1)
    }
}

#[kunit_tests(usk_tracepoints)]
mod tests {
    use super::*;
    use crate::{fixture::TestResolver, inventory::Reaper};
    use kernel::debugfs::Reader as _;

    #[test]
    fn create_is_told_once() -> Result {
        let setup = Setup::new(1000)?;
        let mut keyrings = None;
        let told = fixture::following(|| {
            for _ in 0..10 {
                keyrings = Some(serials(&setup.resolve()?));
            }
            Ok(())
        })?;

        assert_eq!(told.count, CREATE);
        assert!(told.is_of(1000, keyrings.ok_or(ENOENT)?));
        Ok(())
    }

    #[test]
    fn half_a_pair_is_created() -> Result {
        let setup = Setup::new(1000)?;
        let first = setup.resolve()?;

        first.session.revoke();
        setup.register()?.unlink(&first.session)?;
        let mut keyrings = None;
        let told = fixture::following(|| {
            keyrings = Some(serials(&setup.resolve()?));
            Ok(())
        })?;
        assert_eq!(told.count, CREATE);
        assert!(told.is_of(1000, keyrings.ok_or(ENOENT)?));
        assert_eq!(told.user, first.user.serial());
        Ok(())
    }

    #[test]
    fn adopt_is_told_by_look_ups_and_without() -> Result {
        for by_look_up in [true, false] {
            let setup = Setup::new(1000)?;
            let keyrings = serials(&setup.resolve()?);
            let newly_loaded = TestResolver::new()?;
            let told = fixture::following(|| match by_look_up {
                true => newly_loaded.resolve(&setup.cred).map(|_| ()),
                false => newly_loaded.resolver.adopt(&setup.cred),
            })?;

            assert_eq!(told.count, ADOPT);
            assert!(told.is_of(1000, keyrings));
        }
        Ok(())
    }

    #[test]
    fn destroy_is_told_of_a_death() -> Result {
        let setup = Setup::new(1000)?;
        let keyrings = serials(&setup.resolve()?);
        let told = fixture::following(|| {
            setup.die();
            Ok(())
        })?;

        assert_eq!(told.count, DESTROY);
        assert!(told.is_of(1000, keyrings));
        assert_eq!(told.cause, DEATH);
        Ok(())
    }

    #[test]
    fn destroy_is_told_of_what_was_there_before_the_mapping() -> Result {
        let setup = Setup::new_unmapped(1000)?;
        let before = serials(&setup.resolve()?);

        setup.ns.map(0, 1000, 1);
        let keyrings = serials(&setup.resolve()?);
        let told = fixture::following(|| {
            setup.die();
            Ok(())
        })?;
        assert_eq!(told.count, DESTROY.map(|count| 2 * count));
        assert!(told.is_of(1000, keyrings));
        assert_eq!(told.users, before.0 ^ keyrings.0);
        assert_eq!(told.cause, DEATH);
        Ok(())
    }

    #[test]
    fn destroy_is_told_of_what_was_in_a_register_of_its_own() -> Result {
        let setup = Setup::new_unmapped(1000)?;
        let other = TestUser::new(1001)?;
        let cred = fixture::cred(&other, &setup.ns)?;

        // It takes the shared register, so that the other has one for itself.
        setup.resolve()?;
        let keyrings = serials(&setup.resolver.resolve(&cred)?);
        setup.ns.map(0, 1000, 2);
        let told = fixture::following(|| {
            other.leave();
            setup.finish();
            Ok(())
        })?;
        assert_eq!(told.count, DESTROY);
        assert!(told.is_of(1001, keyrings));
        assert_eq!(told.cause, DEATH);
        assert!(fixture::is_gone(keyrings.1));
        Ok(())
    }

    #[test]
    fn destroy_is_told_of_a_request() -> Result {
        let setup = Setup::new(1000)?;
        let keyrings = serials(&setup.resolve()?);
        let told = fixture::following(|| {
            Reaper(setup.resolver.records.clone())
                .read_from_slice(&mut fixture::user_text(b"1000")?)
        })?;

        assert_eq!(told.count, DESTROY);
        assert!(told.is_of(1000, keyrings));
        assert_eq!(told.cause, REAP);
        Ok(())
    }

    #[test]
    fn revive_is_told_of_who_comes_back_at_the_last_moment() -> Result {
        let setup = Setup::new(1000)?;
        let keyrings = serials(&setup.resolve()?);
        let told = fixture::following(|| {
            setup.while_dying(|_| setup.user.come_back())?;
            setup.finish();
            Ok(())
        })?;

        assert_eq!(told.count, REVIVE);
        assert!(told.is_of(1000, keyrings));
        assert_eq!(serials(&setup.resolve()?), keyrings);
        Ok(())
    }

    #[test]
    fn hand_back_is_told_of_survivors_alone() -> Result {
        let setup = Setup::new(1000)?;
        let (dead, alive) = (Setup::new(1001)?, setup.resolve()?);

        dead.resolve()?;
        assert!(setup.die());
        assert!(dead.die());
        fixture::set_in_charge(false);
        let told = fixture::following(|| {
            dead.resolver.resolver.hand_back();
            setup.resolver.resolver.hand_back();
            Ok(())
        })?;
        assert_eq!(told.count, HAND_BACK);
        assert!(told.is_of(1000, serials(&alive)));
        Ok(())
    }
}
