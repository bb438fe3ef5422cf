// SPDX-License-Identifier: GPL-2.0

//! Tests of UID records.

use kernel::prelude::*;

#[kunit_tests(usk_user)]
mod tests {
    use kernel::{prelude::*, sync::aref::ARef};

    use crate::{
        abstractions::user::User,
        fixture::{TestUser, REFS},
    };

    #[test]
    fn references_are_counted() -> Result {
        let user = TestUser::new(1000)?;
        let first: ARef<User> = (&*user).into();
        let second = first.clone();

        assert_eq!(user.refs(), 2);
        drop(first);
        assert_eq!(user.refs(), 1);
        drop(second);
        assert_eq!(user.refs(), 0);
        Ok(())
    }

    #[test]
    fn the_uid_is_that_of_the_record() -> Result {
        for uid in [0, 1, 1000, 4_294_967_294] {
            assert_eq!(TestUser::new(uid)?.uid().into_raw().val, uid);
        }
        Ok(())
    }

    #[test]
    fn the_reference_count_is_that_of_the_kernel() -> Result {
        let user = TestUser::new(1000)?;

        assert_eq!(user.refcount(), REFS);
        let reference: ARef<User> = (&*user).into();
        assert_eq!(user.refcount(), REFS + 1);
        drop(reference);
        assert_eq!(user.refcount(), REFS);
        Ok(())
    }
}
