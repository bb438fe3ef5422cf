// SPDX-License-Identifier: GPL-2.0

//! Tests of keys.

use kernel::prelude::*;

#[kunit_tests(usk_key)]
mod tests {
    use kernel::{
        prelude::*,
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
                Need,
                Permissions, //
            },
        },
        bindings,
        keyring_kunit::tests::{
            new_keyring,
            set_permissions, //
        },
    };

    #[test]
    fn references_are_counted() -> Result {
        let keyring = new_keyring(c"usk_key")?;
        let before = keyring.refcount();

        let clones = [keyring.clone(), keyring.clone()];
        assert_eq!(keyring.refcount(), before + 2);
        drop(clones);
        assert_eq!(keyring.refcount(), before);
        Ok(())
    }

    #[test]
    fn a_key_is_found_by_its_serial() -> Result {
        let keyring = new_keyring(c"usk_key")?;
        let before = keyring.refcount();

        let found = Key::lookup(keyring.serial())?;
        assert_eq!(found.as_ptr(), keyring.as_ptr());
        assert_eq!(keyring.refcount(), before + 1);
        drop(found);
        assert_eq!(keyring.refcount(), before);
        assert_eq!(Key::lookup(-1).err(), Some(ENOKEY));
        Ok(())
    }

    #[test]
    fn attributes_are_those_given() -> Result {
        let keyring = new_keyring(c"usk_key")?;

        assert!(keyring.description() == c"usk_key");
        assert_eq!(keyring.uid().into_raw().val, 0);
        assert!(keyring.serial() > 0);
        assert!(!keyring.is_uid_keyring());
        assert_eq!(
            keyring.permissions().as_raw(),
            bindings::KEY_POS_ALL | bindings::KEY_USR_ALL
        );
        Ok(())
    }

    #[test]
    fn a_new_key_is_live() -> Result {
        let keyring = new_keyring(c"usk_key")?;

        assert!(keyring.is_live_without_expiry());
        assert_eq!(keyring.validate(), Ok(()));
        Ok(())
    }

    #[test]
    fn a_revoked_key_is_not_live() -> Result {
        let keyring = new_keyring(c"usk_key")?;

        keyring.revoke();
        assert!(!keyring.is_live_without_expiry());
        assert_eq!(keyring.validate(), Err(EKEYREVOKED));
        Ok(())
    }

    #[test]
    fn an_invalidated_key_is_not_live() -> Result {
        let keyring = new_keyring(c"usk_key")?;

        keyring.invalidate();
        assert!(!keyring.is_live_without_expiry());
        assert_eq!(keyring.validate(), Err(ENOKEY));
        Ok(())
    }

    #[test]
    fn a_key_with_an_expiry_time_is_not_live_for_good() -> Result {
        let keyring = new_keyring(c"usk_key")?;

        keyring.set_timeout(1000);
        assert!(!keyring.is_live_without_expiry());
        assert_eq!(keyring.validate(), Ok(()));
        keyring.set_timeout(1);
        for _ in 0..300 {
            if keyring.validate().is_err() {
                break;
            }
            fsleep(Delta::from_millis(10));
        }
        assert_eq!(keyring.validate(), Err(EKEYEXPIRED));
        assert!(!keyring.is_live_without_expiry());
        keyring.set_timeout(0);
        assert!(keyring.is_live_without_expiry());
        Ok(())
    }

    #[test]
    fn possessor_and_owner_have_the_permissions_of_the_mask() -> Result {
        let keyring = new_keyring(c"usk_key")?;
        let may =
            |possessed, need| cred::with_current(|cred| keyring.permits(possessed, cred, need));
        let masks = [
            (bindings::KEY_POS_SEARCH, [true, false, false, false]),
            (bindings::KEY_USR_SEARCH, [true, true, false, false]),
            (bindings::KEY_POS_WRITE, [false, false, true, false]),
            (0, [false; 4]),
        ];

        for (mask, expected) in masks {
            set_permissions(&keyring, mask);
            assert_eq!(
                [
                    may(true, Need::Search),
                    may(false, Need::Search),
                    may(true, Need::Write),
                    may(false, Need::Write),
                ],
                expected
            );
        }
        Ok(())
    }

    #[test]
    fn possession_is_the_lowest_bit_of_a_reference() -> Result {
        let keyring = new_keyring(c"usk_key")?;
        let before = keyring.refcount();

        for possessed in [false, true] {
            let raw = KeyRef::encode(&keyring, possessed);
            assert_eq!(raw.addr(), keyring.as_ptr().addr() | usize::from(possessed));

            let _owned = ARef::into_raw(keyring.clone());
            // SAFETY: The reference that was just leaked is taken over.
            let key_ref = unsafe { KeyRef::from_raw(raw) }?;
            assert_eq!(key_ref.is_possessed(), possessed);
            assert_eq!(key_ref.into_key().as_ptr(), keyring.as_ptr());
            assert_eq!(keyring.refcount(), before);
        }
        Ok(())
    }

    #[test]
    fn an_errno_in_the_place_of_a_reference_is_returned() {
        // SAFETY: It is an error.
        let result = unsafe { KeyRef::from_raw(EACCES.to_ptr()) };

        assert_eq!(result.err(), Some(EACCES));
    }

    #[test]
    fn permissions_are_sets() {
        let all = Permissions::POSSESSOR_ALL;
        let less = all.without(Permissions::POSSESSOR_SETATTR);

        assert!(all.contains(Permissions::POSSESSOR_SETATTR));
        assert!(!less.contains(Permissions::POSSESSOR_SETATTR));
        assert!(less.contains(Permissions::POSSESSOR_SEARCH));
        assert!((less | Permissions::POSSESSOR_SETATTR) == all);
        assert!(!all.contains(Permissions::OWNER_VIEW));
    }
}
