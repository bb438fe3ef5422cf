// SPDX-License-Identifier: GPL-2.0

//! Tests of keys of the type `user`.

use kernel::prelude::*;

#[kunit_tests(usk_user_key)]
mod tests {
    use kernel::{prelude::*, str::CString};

    use crate::{
        abstractions::{
            key::Need,
            keyring::Keyring,
            user_key::{Payload, UserKey},
        },
        bindings, fixture,
    };

    #[test]
    fn a_payload_is_stored_and_read() -> Result {
        let keyring = fixture::keyring(c"usk_user_key")?;
        let key = UserKey::store(&keyring, c"secret", b"hunter2")?;

        assert!(key.description() == c"secret");
        assert!(&*key.read()? == b"hunter2");

        let found = UserKey::find(&keyring, c"secret", Need::Read)?;
        assert_eq!(found.serial(), key.serial());
        assert_eq!(found.refcount(), 3);
        Ok(())
    }

    #[test]
    fn the_key_stays_when_another_payload_is_stored() -> Result {
        let keyring = fixture::keyring(c"usk_user_key")?;
        let key = UserKey::store(&keyring, c"secret", b"hunter2")?;

        let longer = Payload::zeroed(1000)?;
        let same = UserKey::store(&keyring, c"secret", &longer)?;
        assert_eq!(same.serial(), key.serial());
        assert!(*key.read()? == *longer);

        UserKey::store(&keyring, c"secret", b"h")?;
        assert!(&*key.read()? == b"h");
        Ok(())
    }

    #[test]
    fn sizes_have_limits() -> Result {
        let keyring = fixture::keyring(c"usk_user_key")?;
        let largest = Payload::zeroed(UserKey::MAX_PAYLOAD)?;
        let larger = Payload::zeroed(UserKey::MAX_PAYLOAD + 1)?;

        let key = UserKey::store(&keyring, c"secret", &largest)?;
        assert_eq!(key.read()?.len(), UserKey::MAX_PAYLOAD);
        for refused in [&b""[..], &larger[..]] {
            assert_eq!(
                UserKey::store(&keyring, c"secret", refused).err(),
                Some(EINVAL)
            );
        }
        // By the first of these the kernel itself would be stopped.
        let long = CString::try_from_fmt(fmt!("{:4096}", 0))?;
        for refused in [c"", &*long] {
            assert_eq!(UserKey::store(&keyring, refused, b"x").err(), Some(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_not_found() -> Result {
        let keyring = fixture::keyring(c"usk_user_key")?;
        let inner = fixture::keyring(c"inner")?;

        keyring.link(&inner)?;
        UserKey::store(&inner, c"secret", b"hunter2")?;
        for name in [c"secret", c"inner"] {
            assert_eq!(
                UserKey::find(&keyring, name, Need::View).err(),
                Some(ENOKEY)
            );
        }
        Ok(())
    }

    #[test]
    fn a_key_has_to_grant_what_is_needed() -> Result {
        let keyring = fixture::keyring(c"usk_user_key")?;
        let key = UserKey::store(&keyring, c"secret", b"hunter2")?;

        // SAFETY: The key is valid, and nobody else knows it.
        unsafe { (*key.as_ptr()).perm = bindings::KEY_POS_SEARCH };
        assert!(UserKey::find(&keyring, c"secret", Need::Search).is_ok());
        assert_eq!(
            UserKey::find(&keyring, c"secret", Need::Read).err(),
            Some(EACCES)
        );
        Ok(())
    }

    #[test]
    fn a_revoked_key_is_of_no_use() -> Result {
        let keyring = fixture::keyring(c"usk_user_key")?;
        let key = UserKey::store(&keyring, c"secret", b"hunter2")?;

        key.revoke();
        assert_eq!(key.read().err(), Some(EKEYREVOKED));
        assert_eq!(
            UserKey::find(&keyring, c"secret", Need::Read).err(),
            Some(EKEYREVOKED)
        );
        Ok(())
    }

    #[test]
    fn the_user_session_keyring_is_always_the_same() -> Result {
        let keyring = Keyring::user_session(Need::Search)?;

        assert!(keyring.is_uid_keyring());
        assert!(keyring.description() == c"_uid_ses.0");
        assert_eq!(
            Keyring::user_session(Need::Write)?.serial(),
            keyring.serial()
        );
        Ok(())
    }
}
