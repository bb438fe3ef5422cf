// SPDX-License-Identifier: GPL-2.0

//! The collection of keyrings.
//!
//! C header: [`security/keys/internal.h`](srctree/security/keys/internal.h)

use core::ptr;

use kernel::prelude::*;

use super::{
    ftrace,
    keyring::Keyring, //
};

/// `keyring_gc()`, by which the kernel removes links to dead keys from each keyring in turn.
pub(crate) struct KeyringGc;

/// What [`KeyringGc`] is called for: not the keyring itself, which may have no references any more.
pub(crate) struct Collected {
    /// As [`Key::is_uid_keyring`](super::key::Key::is_uid_keyring).
    pub(crate) is_uid_keyring: bool,
    /// As [`Key::is_live_without_expiry`](super::key::Key::is_live_without_expiry).
    pub(crate) is_live_without_expiry: bool,
}

// SAFETY: The function takes a valid pointer to a keyring as its first argument.
unsafe impl ftrace::Function for KeyringGc {
    const SYMBOL: &'static CStr = c"keyring_gc";

    type Argument = Collected;

    fn argument(registers: &ftrace::Registers<'_>) -> Option<Collected> {
        let keyring = ptr::with_exposed_provenance(registers.first_argument());
        // SAFETY: The kernel frees keys by the work item that calls this function only.
        let keyring = unsafe { Keyring::from_ptr(keyring) };

        Some(Collected {
            is_uid_keyring: keyring.is_uid_keyring(),
            is_live_without_expiry: keyring.is_live_without_expiry(),
        })
    }
}
