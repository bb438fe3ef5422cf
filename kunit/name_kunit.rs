// SPDX-License-Identifier: GPL-2.0

//! Tests of names.

use kernel::prelude::*;

#[kunit_tests(usk_name)]
mod tests {
    use crate::name::Name;

    #[test]
    fn names_are_those_of_the_kernel() {
        assert!(Name::user(0).as_c_str() == c"_uid.0");
        assert!(Name::user(1).as_c_str() == c"_uid.1");
        assert!(Name::user(1000).as_c_str() == c"_uid.1000");
        assert!(Name::user(4_294_967_294).as_c_str() == c"_uid.4294967294");
        assert!(Name::session(0).as_c_str() == c"_uid_ses.0");
        assert!(Name::session(1).as_c_str() == c"_uid_ses.1");
        assert!(Name::session(1000).as_c_str() == c"_uid_ses.1000");
        assert!(Name::session(4_294_967_294).as_c_str() == c"_uid_ses.4294967294");
        assert!(Name::session(u32::MAX).as_c_str() == c"_uid_ses.4294967295");
    }

    #[test]
    fn the_uid_is_read_back() {
        for uid in [0, 1, 1000, 4_294_967_294, u32::MAX] {
            let (user, session) = (Name::user(uid), Name::session(uid));

            assert_eq!(Name::number(user.as_c_str()), Some(uid));
            assert_eq!(Name::number(session.as_c_str()), Some(uid));
            assert!(!Name::is_session(user.as_c_str()));
            assert!(Name::is_session(session.as_c_str()));
        }
    }

    #[test]
    fn other_names_have_no_uid() {
        let others = [
            c"",
            c"_uid",
            c"_uid.",
            c"_uid.x",
            c"_uid.1x",
            c"_uid.-1",
            c"_uid. 1",
            c"_uid.4294967296",
            c"_uid_ses",
            c"_uid_ses.",
            c"_uid_sess.1",
            c"uid.1",
            c"_tid.1",
            c"x_uid.1",
        ];

        for name in others {
            assert_eq!(Name::number(name), None);
        }
    }
}
