// SPDX-License-Identifier: GPL-2.0

//! Tests of keyrings.

use kernel::prelude::*;

#[kunit_tests(usk_keyring)]
mod tests {
    use kernel::{prelude::*, str::CString};

    use crate::{
        abstractions::{
            cred::{self, CredentialExt as _},
            key::Permissions,
            keyring::{AllocFlags, Keyring},
        },
        fixture,
    };

    #[test]
    fn alloc_sets_owner_permissions_and_flags() -> Result {
        let keyring = cred::with_current(|cred| {
            Keyring::alloc(
                c"usk_keyring",
                cred.user().uid(),
                cred,
                Permissions::OWNER_VIEW,
                AllocFlags::UidKeyring,
                None,
            )
        })?;

        assert!(keyring.is_uid_keyring());
        assert_eq!(keyring.uid().into_raw().val, 0);
        assert!(keyring.permissions() == Permissions::OWNER_VIEW);
        assert_eq!(keyring.refcount(), 1);
        Ok(())
    }

    #[test]
    fn alloc_links_to_the_destination() -> Result {
        let dest = fixture::keyring(c"usk_keyring")?;
        let keyring = cred::with_current(|cred| {
            Keyring::alloc(
                c"inner",
                cred.user().uid(),
                cred,
                Permissions::POSSESSOR_ALL,
                AllocFlags::InQuota,
                Some(&dest),
            )
        })?;

        assert_eq!(keyring.refcount(), 2);
        assert_eq!(dest.search(c"inner")?.serial(), keyring.serial());
        Ok(())
    }

    #[test]
    fn alloc_fails_if_the_destination_is_revoked() -> Result {
        let dest = fixture::keyring(c"usk_keyring")?;
        dest.revoke();
        let result = cred::with_current(|cred| {
            Keyring::alloc(
                c"inner",
                cred.user().uid(),
                cred,
                Permissions::POSSESSOR_ALL,
                AllocFlags::InQuota,
                Some(&dest),
            )
        });

        assert_eq!(result.err(), Some(EKEYREVOKED));
        Ok(())
    }

    #[test]
    fn search_takes_a_reference() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;
        let inner = fixture::keyring(c"inner")?;

        assert_eq!(outer.search(c"inner").err(), Some(EAGAIN));
        outer.link(&inner)?;
        let before = inner.refcount();
        let found = outer.search(c"inner")?;
        assert_eq!(found.as_ptr(), inner.as_ptr());
        assert_eq!(inner.refcount(), before + 1);
        Ok(())
    }

    #[test]
    fn search_does_not_descend() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;
        let middle = fixture::keyring(c"middle")?;
        let inner = fixture::keyring(c"inner")?;

        outer.link(&middle)?;
        middle.link(&inner)?;
        assert_eq!(outer.search(c"inner").err(), Some(EAGAIN));
        Ok(())
    }

    #[test]
    fn search_tells_why_a_keyring_is_not_found() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;
        let revoked = fixture::keyring(c"revoked")?;
        let hidden = fixture::keyring(c"hidden")?;

        outer.link(&revoked)?;
        outer.link(&hidden)?;
        revoked.revoke();
        // SAFETY: The pointer is valid, and the keyring is the test's own.
        unsafe { (*hidden.as_ptr()).perm = 0 };
        assert_eq!(outer.search(c"revoked").err(), Some(EKEYREVOKED));
        assert_eq!(outer.search(c"hidden").err(), Some(EACCES));
        Ok(())
    }

    #[test]
    fn link_displaces_a_key_of_the_same_name() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;
        let first = fixture::keyring(c"inner")?;
        let second = fixture::keyring(c"inner")?;

        outer.link(&first)?;
        outer.link(&second)?;
        assert_eq!(outer.search(c"inner")?.serial(), second.serial());
        Ok(())
    }

    #[test]
    fn unlink_removes_what_was_linked() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;
        let inner = fixture::keyring(c"inner")?;

        assert_eq!(outer.unlink(&inner), Err(ENOENT));
        outer.link(&inner)?;
        outer.unlink(&inner)?;
        assert_eq!(outer.search(c"inner").err(), Some(EAGAIN));
        Ok(())
    }

    #[test]
    fn clear_removes_all_links() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;

        outer.link(&*fixture::keyring(c"one")?)?;
        outer.link(&*fixture::keyring(c"two")?)?;
        outer.clear()?;
        assert_eq!(outer.search(c"one").err(), Some(EAGAIN));
        assert_eq!(outer.search(c"two").err(), Some(EAGAIN));
        Ok(())
    }

    #[test]
    fn a_cycle_of_links_is_refused() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;
        let inner = fixture::keyring(c"inner")?;

        outer.link(&inner)?;
        assert_eq!(inner.link(&outer), Err(EDEADLK));
        Ok(())
    }

    #[test]
    fn only_a_keyring_is_one() -> Result {
        let keyring = fixture::keyring(c"usk_keyring")?;
        let key = fixture::user_key(&keyring, c"key")?;
        let before = key.refcount();

        assert_eq!(Keyring::try_from_key(key.clone()).err(), Some(ENOTDIR));
        assert_eq!(key.refcount(), before);
        assert!(Keyring::try_from_key((&**keyring).into()).is_ok());
        Ok(())
    }

    #[test]
    fn all_keyrings_that_are_linked_are_visited() -> Result {
        // None, one, some, and more than one node of the kernel's array.
        for count in [0, 1, 15, 500] {
            let outer = fixture::keyring(c"usk_keyring")?;
            let mut expected = KVec::new();
            let mut found = KVec::new();

            for number in 0..count {
                let name = CString::try_from_fmt(fmt!("{number}"))?;
                let inner = fixture::keyring(&name)?;

                outer.link(&inner)?;
                expected.push(inner.serial(), GFP_KERNEL)?;
                // What is no keyring is passed over.
                fixture::user_key(&outer, &name)?;
            }
            outer.for_each_keyring(|keyring| {
                let _ = found.push(keyring.serial(), GFP_KERNEL);
            })?;
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found.len(), count);
            assert!(found[..] == expected[..]);
        }
        Ok(())
    }

    #[test]
    fn what_is_linked_is_found_whatever_its_state() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;
        let names = [c"live", c"hidden", c"revoked", c"invalidated"];
        let [live, hidden, revoked, invalidated] = names.map(fixture::keyring);
        let keyrings = [live?, hidden?, revoked?, invalidated?];

        for keyring in &keyrings {
            outer.link(keyring)?;
        }
        fixture::set_permissions(&keyrings[1], 0);
        keyrings[2].revoke();
        for (name, keyring) in names[..3].iter().zip(&keyrings) {
            let found = outer.find_linked(name)?.map(|found| found.serial());
            assert_eq!(found, Some(keyring.serial()));
        }
        // The kernel collects this one, sooner or later.
        keyrings[3].invalidate();
        assert!(fixture::wait_until(|| {
            matches!(outer.find_linked(c"invalidated"), Ok(None))
        }));
        assert!(outer.find_linked(c"another")?.is_none());
        Ok(())
    }

    #[test]
    fn a_keyring_that_is_found_has_a_reference() -> Result {
        let outer = fixture::keyring(c"usk_keyring")?;
        let inner = fixture::keyring(c"inner")?;

        outer.link(&inner)?;
        let found = outer.find_linked(c"inner")?.ok_or(ENOKEY)?;
        assert_eq!(inner.refcount(), 3);
        drop(found);
        outer.for_each_keyring(drop)?;
        assert_eq!(inner.refcount(), 2);
        Ok(())
    }
}
