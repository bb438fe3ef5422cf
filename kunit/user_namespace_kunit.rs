// SPDX-License-Identifier: GPL-2.0

//! Tests of user namespaces.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

use crate::abstractions::user_namespace::{Namespaces, OnFree, Watch};

/// Counts how often it is told that its namespace is freed.
#[derive(Clone)]
struct Told(Arc<Atomic<i32>>);

impl OnFree for Told {
    fn on_free(&self) {
        self.0.add(1, Relaxed);
    }
}

impl Told {
    fn new() -> Result<Self> {
        Ok(Self(Arc::new(Atomic::new(0), GFP_KERNEL)?))
    }

    fn times(&self) -> i32 {
        self.0.load(Relaxed)
    }
}

static WATCHED: Atomic<i32> = Atomic::new(1);

fn namespaces() -> Result<Pin<KBox<Namespaces<Told>>>> {
    WATCHED.store(1, Relaxed);
    // SAFETY: Namespaces of tests are never freed.
    let watch = unsafe { Watch::new(|| WATCHED.load(Relaxed) != 0) };

    KBox::pin_init(Namespaces::new(watch), GFP_KERNEL)
}

#[kunit_tests(usk_user_namespace)]
mod tests {
    use kernel::{
        prelude::*,
        sync::{aref::ARef, rcu},
    };

    use super::*;
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

    #[test]
    fn a_uid_of_a_namespace_is_one_to_the_kernel() -> Result {
        let ns = TestNamespace::new(1000, 0, 100_000, 10)?;
        let kuid = |uid| ns.kuid(uid).map(|kuid| kuid.into_raw().val);

        assert_eq!(kuid(0), Some(100_000));
        assert_eq!(kuid(9), Some(100_009));
        assert_eq!(kuid(10), None);
        assert_eq!(kuid(u32::MAX), None);
        Ok(())
    }

    #[test]
    fn a_namespace_is_found_and_takes_no_reference() -> Result {
        let (one, two) = (
            TestNamespace::new(1000, 0, 0, 1)?,
            TestNamespace::new(1001, 0, 0, 1)?,
        );
        let (namespaces, told) = (namespaces()?, Told::new()?);

        assert!(namespaces.get(one.id()).is_none());
        namespaces.store(&one.lock_keyrings(), told.clone())?;
        assert!(namespaces
            .get(one.id())
            .is_some_and(|found| Arc::ptr_eq(&found.0, &told.0)));
        assert!(namespaces.get(two.id()).is_none());
        assert!(namespaces.upgrade(two.id()).is_none());
        assert_eq!(one.refs(), 0);

        let found = namespaces.upgrade(one.id()).ok_or(ENOENT)?;
        assert_eq!(found.as_ptr(), one.as_ptr());
        assert_eq!(one.refs(), 1);
        drop(found);
        assert_eq!(one.refs(), 0);
        assert_eq!(told.times(), 0);
        Ok(())
    }

    #[test]
    fn a_namespace_without_references_is_not_had() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, 1)?;
        let (namespaces, told) = (namespaces()?, Told::new()?);

        namespaces.store(&ns.lock_keyrings(), told)?;
        ns.set_dead(true);
        let found = namespaces.upgrade(ns.id()).is_some();
        ns.set_dead(false);
        assert!(!found);
        assert!(namespaces.get(ns.id()).is_some());
        Ok(())
    }

    #[test]
    fn a_namespace_that_nobody_watches_is_not_had() -> Result {
        let ns = TestNamespace::new(1000, 0, 0, 1)?;
        let (namespaces, told) = (namespaces()?, Told::new()?);

        namespaces.store(&ns.lock_keyrings(), told)?;
        assert!(namespaces.upgrade(ns.id()).is_some());
        WATCHED.store(0, Relaxed);
        assert!(namespaces.upgrade(ns.id()).is_none());
        assert_eq!(ns.refs(), 0);
        Ok(())
    }

    #[test]
    fn a_namespace_that_is_freed_is_told_of_once() -> Result {
        let (freed, stays) = (
            TestNamespace::new(1000, 0, 0, 1)?,
            TestNamespace::new(1001, 0, 0, 1)?,
        );
        let (namespaces, told, other) = (namespaces()?, Told::new()?, Told::new()?);

        namespaces.store(&freed.lock_keyrings(), told.clone())?;
        namespaces.store(&stays.lock_keyrings(), other.clone())?;
        for _ in 0..2 {
            namespaces.free(freed.id());
            assert_eq!(told.times(), 1);
            assert!(namespaces.get(freed.id()).is_none());
            assert!(namespaces.upgrade(freed.id()).is_none());
        }
        assert_eq!(other.times(), 0);
        assert!(namespaces.upgrade(stays.id()).is_some());
        Ok(())
    }

    #[test]
    fn clearing_drops_all_and_tells_nobody() -> Result {
        let (one, two) = (
            TestNamespace::new(1000, 0, 0, 1)?,
            TestNamespace::new(1001, 0, 0, 1)?,
        );
        let (namespaces, told) = (namespaces()?, Told::new()?);

        namespaces.store(&one.lock_keyrings(), told.clone())?;
        namespaces.store(&two.lock_keyrings(), told.clone())?;
        namespaces.clear();
        assert!(namespaces.get(one.id()).is_none());
        assert!(namespaces.get(two.id()).is_none());
        rcu::rcu_barrier();
        assert_eq!(told.times(), 0);
        assert!(Arc::into_unique_or_drop(told.0).is_some());
        Ok(())
    }
}
