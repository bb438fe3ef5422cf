// SPDX-License-Identifier: GPL-2.0

//! The module's tracepoints.
//!
//! They are defined in `helpers/usk_events.h`. [`kernel::tracepoint`] serves only those that the
//! `bindings` crate has, so these are called through helpers. One that nobody has enabled costs a
//! call.

use kernel::task::Kuid;

use super::{
    key::Serial,
    user_namespace::Id, //
};
use crate::bindings;

/// The keyrings of a UID in a user namespace, as tracepoints have them.
#[derive(Clone, Copy)]
pub(crate) struct Keyrings {
    pub(crate) uid: Kuid,
    pub(crate) ns: Id,
    pub(crate) user: Option<Serial>,
    pub(crate) session: Option<Serial>,
}

/// Why keyrings are not the UID's any more.
///
/// `helpers/usk_events.h` has names for its values.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Cause {
    /// Nothing pins the record of the UID.
    Death,
    /// Root has asked for it.
    Reap,
    /// The namespace is freed.
    Namespace,
}

/// The arguments that all tracepoints have in common.
macro_rules! call {
    ($helper:ident, $keyrings:expr $(, $more:expr)*) => {{
        let Keyrings { uid, ns, user, session } = $keyrings;

        // SAFETY: An FFI call with no additional requirements.
        unsafe {
            bindings::$helper(
                uid.into_raw(),
                ns.as_u64(),
                user.unwrap_or(0),
                session.unwrap_or(0)
                $(, $more)*
            )
        };
    }};
}

impl Keyrings {
    /// Returns those of `uid` in `ns`, the user keyring first.
    pub(crate) fn new(uid: Kuid, ns: Id, [user, session]: [Option<Serial>; 2]) -> Self {
        Self {
            uid,
            ns,
            user,
            session,
        }
    }

    /// At least one of them has been created. As all of these, it may be called wherever RCU is
    /// watching.
    pub(crate) fn trace_create(self) {
        call!(trace_create, self);
    }

    /// They were there, and are on record now.
    pub(crate) fn trace_adopt(self) {
        call!(trace_adopt, self);
    }

    /// They were about to be destroyed, and the UID has come back.
    pub(crate) fn trace_revive(self) {
        call!(trace_revive, self);
    }

    /// They have lived on without their UID, and are where the kernel's own code looks.
    pub(crate) fn trace_hand_back(self) {
        call!(trace_hand_back, self);
    }

    /// They are not the UID's any more.
    pub(crate) fn trace_destroy(self, cause: Cause) {
        call!(trace_destroy, self, cause as u32);
    }
}
