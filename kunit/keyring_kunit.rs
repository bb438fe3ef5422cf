// SPDX-License-Identifier: GPL-2.0

//! Tests of keyrings.

use kernel::prelude::*;

#[kunit_tests(usk_keyring)]
pub(crate) mod tests {
    use kernel::{
        prelude::*,
        str::CString,
        sync::aref::ARef,
        time::{
            delay::fsleep,
            Delta, //
        },
    };

    use crate::{
        abstractions::{
            cred,
            key::{
                Key,
                KeyRef,
                Permissions, //
            },
            keyring::{
                AllocFlags,
                Keyring, //
            },
        },
        bindings,
    };

    /// Returns an empty keyring that belongs to root.
    pub(crate) fn new_keyring(description: &CStr) -> Result<ARef<Keyring>> {
        cred::with_current(|cred| {
            Keyring::alloc(
                description,
                cred.euid(),
                cred,
                Permissions::POSSESSOR_ALL.with(Permissions::OWNER_ALL),
                AllocFlags::InQuota,
                None,
            )
        })
    }

    /// Returns a key of the type `user`, linked to `keyring`.
    pub(crate) fn new_key(keyring: &Keyring, description: &CStr) -> Result<ARef<Key>> {
        let payload = b"payload";

        // SAFETY: All pointers are valid. What is returned is an error or a reference of our own.
        let key = unsafe {
            KeyRef::from_raw(bindings::key_create_or_update(
                KeyRef::encode(keyring, true),
                c"user".as_char_ptr(),
                description.as_char_ptr(),
                payload.as_ptr().cast(),
                payload.len(),
                bindings::KEY_POS_ALL | bindings::KEY_USR_ALL,
                bindings::KEY_ALLOC_IN_QUOTA as usize,
            ))
        }?;

        Ok(key.into_key())
    }

    /// Sets the permissions of a keyring of the test's own.
    pub(crate) fn set_permissions(keyring: &Keyring, permissions: u32) {
        // SAFETY: The pointer is valid, and nobody else writes the field.
        unsafe { (*keyring.as_ptr()).perm = permissions };
    }

    /// Waits for something, for some seconds at most.
    pub(crate) fn wait_for(seconds: i32, f: impl Fn() -> bool) -> bool {
        for _ in 0..seconds * 100 {
            if f() {
                return true;
            }
            fsleep(Delta::from_millis(10));
        }
        false
    }

    #[test]
    fn alloc_sets_owner_permissions_and_flags() -> Result {
        let keyring = cred::with_current(|cred| {
            Keyring::alloc(
                c"usk_keyring",
                cred.euid(),
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
        let dest = new_keyring(c"usk_keyring")?;
        let keyring = cred::with_current(|cred| {
            Keyring::alloc(
                c"inner",
                cred.euid(),
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
        let dest = new_keyring(c"usk_keyring")?;
        dest.revoke();
        let result = cred::with_current(|cred| {
            Keyring::alloc(
                c"inner",
                cred.euid(),
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
        let outer = new_keyring(c"usk_keyring")?;
        let inner = new_keyring(c"inner")?;

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
        let outer = new_keyring(c"usk_keyring")?;
        let middle = new_keyring(c"middle")?;
        let inner = new_keyring(c"inner")?;

        outer.link(&middle)?;
        middle.link(&inner)?;
        assert_eq!(outer.search(c"inner").err(), Some(EAGAIN));
        Ok(())
    }

    #[test]
    fn search_tells_why_a_keyring_is_not_found() -> Result {
        let outer = new_keyring(c"usk_keyring")?;
        let revoked = new_keyring(c"revoked")?;
        let hidden = new_keyring(c"hidden")?;

        outer.link(&revoked)?;
        outer.link(&hidden)?;
        revoked.revoke();
        set_permissions(&hidden, 0);
        assert_eq!(outer.search(c"revoked").err(), Some(EKEYREVOKED));
        assert_eq!(outer.search(c"hidden").err(), Some(EACCES));
        Ok(())
    }

    #[test]
    fn link_displaces_a_key_of_the_same_name() -> Result {
        let outer = new_keyring(c"usk_keyring")?;
        let first = new_keyring(c"inner")?;
        let second = new_keyring(c"inner")?;

        outer.link(&first)?;
        outer.link(&second)?;
        assert_eq!(outer.search(c"inner")?.serial(), second.serial());
        Ok(())
    }

    #[test]
    fn unlink_removes_what_was_linked() -> Result {
        let outer = new_keyring(c"usk_keyring")?;
        let inner = new_keyring(c"inner")?;

        assert_eq!(outer.unlink(&inner), Err(ENOENT));
        outer.link(&inner)?;
        outer.unlink(&inner)?;
        assert_eq!(outer.search(c"inner").err(), Some(EAGAIN));
        Ok(())
    }

    #[test]
    fn clear_removes_all_links() -> Result {
        let outer = new_keyring(c"usk_keyring")?;

        outer.link(&*new_keyring(c"one")?)?;
        outer.link(&*new_keyring(c"two")?)?;
        outer.clear()?;
        assert_eq!(outer.search(c"one").err(), Some(EAGAIN));
        assert_eq!(outer.search(c"two").err(), Some(EAGAIN));
        Ok(())
    }

    #[test]
    fn a_cycle_of_links_is_refused() -> Result {
        let outer = new_keyring(c"usk_keyring")?;
        let inner = new_keyring(c"inner")?;

        outer.link(&inner)?;
        assert_eq!(inner.link(&outer), Err(EDEADLK));
        Ok(())
    }

    #[test]
    fn only_a_keyring_is_one() -> Result {
        let keyring = new_keyring(c"usk_keyring")?;
        let key = new_key(&keyring, c"key")?;
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
            let outer = new_keyring(c"usk_keyring")?;
            let mut expected = KVec::new();
            let mut found = KVec::new();

            for number in 0..count {
                let name = CString::try_from_fmt(fmt!("{number}"))?;
                let inner = new_keyring(&name)?;

                outer.link(&inner)?;
                expected.push(inner.serial(), GFP_KERNEL)?;
                // What is no keyring is passed over.
                new_key(&outer, &name)?;
            }
            outer.for_each_keyring(|keyring| {
                let _ = found.push(keyring.serial(), GFP_KERNEL);
            })?;
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found.len(), count);
            assert!(found[..] == expected[..]);
            assert_eq!(outer.len(), 2 * count);
            assert_eq!(outer.is_empty(), count == 0);
        }
        Ok(())
    }

    #[test]
    fn what_is_linked_is_found_whatever_its_state() -> Result {
        let outer = new_keyring(c"usk_keyring")?;
        let names = [c"live", c"hidden", c"revoked", c"invalidated"];
        let [live, hidden, revoked, invalidated] = names.map(new_keyring);
        let keyrings = [live?, hidden?, revoked?, invalidated?];

        for keyring in &keyrings {
            outer.link(keyring)?;
        }
        set_permissions(&keyrings[1], 0);
        keyrings[2].revoke();
        for (name, keyring) in names[..3].iter().zip(&keyrings) {
            let found = outer.find_linked(name)?.map(|found| found.serial());
            assert_eq!(found, Some(keyring.serial()));
        }
        // The kernel collects this one, sooner or later.
        keyrings[3].invalidate();
        assert!(wait_for(2, || {
            matches!(outer.find_linked(c"invalidated"), Ok(None))
        }));
        assert!(outer.find_linked(c"another")?.is_none());
        Ok(())
    }

    #[test]
    fn a_keyring_that_is_found_has_a_reference() -> Result {
        let outer = new_keyring(c"usk_keyring")?;
        let inner = new_keyring(c"inner")?;

        outer.link(&inner)?;
        let found = outer.find_linked(c"inner")?.ok_or(ENOKEY)?;
        assert_eq!(inner.refcount(), 3);
        drop(found);
        outer.for_each_keyring(drop)?;
        assert_eq!(inner.refcount(), 2);
        Ok(())
    }
}
