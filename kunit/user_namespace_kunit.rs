// SPDX-License-Identifier: GPL-2.0

//! Tests of user namespaces.

use kernel::prelude::*;

#[kunit_tests(usk_user_namespace)]
mod tests {
    use kernel::{prelude::*, sync::aref::ARef};

    use crate::{
        abstractions::user_namespace::{self, UserNamespace},
        fixture::{self, TestNamespace, TestUser},
    };

    #[test]
    fn references_are_counted() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, u32::MAX)?;
        let reference: ARef<UserNamespace> = (&*ns).into();

        assert_eq!(ns.refs(), 1);
        drop(reference);
        assert_eq!(ns.refs(), 0);
        Ok(())
    }

    #[test]
    fn the_initial_one_has_a_number_of_its_own_and_a_register() {
        // USER_NS_INIT_ID of <uapi/linux/nsfs.h>.
        assert_eq!(user_namespace::init().id().as_u64(), 3);
        // root's keyrings are made while the kernel boots.
        assert!(user_namespace::init().user_keyring_register().is_some());
    }

    #[test]
    fn identifiers_differ() -> Result {
        let (one, two) = (
            TestNamespace::new(1000, 0, 0, 1)?,
            TestNamespace::new(1001, 0, 0, 1)?,
        );

        assert_eq!(one.id().as_u64(), 1000);
        assert!(one.id() != two.id());
        Ok(())
    }

    #[test]
    fn a_uid_without_a_mapping_has_no_number() -> Result {
        let ns = TestNamespace::new(1000, 0, 100_000, 10)?;

        assert_eq!(ns.uid(TestUser::new(100_000)?.uid()), Some(0));
        assert_eq!(ns.uid(TestUser::new(100_009)?.uid()), Some(9));
        assert_eq!(ns.uid(TestUser::new(100_010)?.uid()), None);
        assert_eq!(ns.uid(TestUser::new(0)?.uid()), None);
        Ok(())
    }

    #[test]
    fn the_register_is_set_once() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, u32::MAX)?;
        let (first, second) = (fixture::keyring(c"first")?, fixture::keyring(c"second")?);

        assert!(ns.user_keyring_register().is_none());
        {
            let keyrings = ns.lock_keyrings();

            keyrings.set_user_keyring_register(first.clone());
            let register = keyrings.set_user_keyring_register(second.clone());
            assert_eq!(register.serial(), first.serial());
        }
        assert_eq!(
            ns.user_keyring_register().map(|register| register.serial()),
            Some(first.serial())
        );
        assert_eq!((first.refcount(), second.refcount()), (2, 1));
        drop(ns);
        assert_eq!(first.refcount(), 1);
        Ok(())
    }
}
