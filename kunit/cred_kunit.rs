// SPDX-License-Identifier: GPL-2.0

//! Tests of the accessors of credentials.

use kernel::prelude::*;

#[kunit_tests(usk_cred)]
mod tests {
    use kernel::prelude::*;

    use crate::{
        abstractions::{
            cred::{self, CredentialExt as _},
            user_namespace,
        },
        fixture::{self, TestNamespace, TestUser},
    };

    #[test]
    fn a_kernel_thread_is_root_in_the_initial_namespace() {
        let (uid, init) = cred::with_current(|cred| {
            (
                cred.user().uid().into_raw().val,
                cred.user_ns().as_ptr() == user_namespace::init().as_ptr(),
            )
        });

        assert_eq!(uid, 0);
        assert!(init);
        assert_eq!(cred::kernel().user().uid().into_raw().val, 0);
    }

    #[test]
    fn current_takes_no_reference() {
        let usage = |cred: &kernel::cred::Credential| {
            // SAFETY: The pointer is valid.
            unsafe { (&raw const (*cred.as_ptr()).usage.counter).read_volatile() }
        };
        let outside = cred::with_current(usage);
        let inside = cred::with_current(|cred| cred::with_current(|_| usage(cred)));

        assert_eq!(outside, inside);
    }

    #[test]
    fn impersonation_lasts_as_long_as_the_call() -> Result {
        let user = TestUser::new(1000)?;
        let ns = TestNamespace::new(1000, 0, 0, u32::MAX)?;
        let other = fixture::cred(&user, &ns)?;
        let uid = || cred::with_current(|cred| cred.user().uid().into_raw().val);

        assert_eq!(uid(), 0);
        assert_eq!(other.impersonate(uid), 1000);
        assert_eq!(uid(), 0);

        drop(other);
        assert_eq!(user.refs(), 0);
        assert_eq!(ns.refs(), 0);
        Ok(())
    }

    #[test]
    fn all_tasks_of_the_guest_are_roots() -> Result {
        let creds = cred::of_all_tasks()?;
        let init = user_namespace::init();

        // Some are left out, but not the first.
        assert!(!creds.is_empty());
        for cred in &creds {
            assert_eq!(cred.user().uid().into_raw().val, 0);
            assert_eq!(cred.user_ns().as_ptr(), init.as_ptr());
        }
        Ok(())
    }

    #[test]
    fn credentials_of_tasks_have_references() -> Result {
        // SAFETY: The pointer is valid.
        let usage = |cred: &kernel::cred::Credential| unsafe {
            (&raw const (*cred.as_ptr()).usage.counter).read_volatile()
        };
        let creds = cred::of_all_tasks()?;
        let first = creds.first().ok_or(ENOENT)?.clone();
        let before = usage(&first);

        drop(creds);
        assert_eq!(usage(&first), before - 1);
        Ok(())
    }

    #[test]
    fn processes_are_counted_by_their_real_uid() -> Result {
        let root = cred::with_current(|cred| cred.user().uid());

        // PID 1, the one that loads this module, and a kernel thread.
        assert!(cred::processes(root) >= 3);
        assert_eq!(cred::processes(TestUser::new(1000)?.uid()), 0);
        Ok(())
    }
}
