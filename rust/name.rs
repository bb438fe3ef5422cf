// SPDX-License-Identifier: GPL-2.0

//! What keyrings are called.

#![forbid(unsafe_code)]

use kernel::prelude::*;

/// What `from_kuid()` returns for a UID that has no mapping, and its keyrings are named by.
pub(crate) const UNMAPPED: u32 = u32::MAX;

/// The description of a keyring.
pub(crate) struct Name {
    bytes: [u8; Self::SIZE],
    start: usize,
}

impl Name {
    const SIZE: usize = "_uid_ses.4294967295\0".len();

    /// Returns the name of the user keyring of `uid`.
    pub(crate) fn user(uid: u32) -> Self {
        Self::new(b"_uid.", uid)
    }

    /// Returns the name of the user session keyring of `uid`.
    pub(crate) fn session(uid: u32) -> Self {
        Self::new(b"_uid_ses.", uid)
    }

    /// Returns whether the keyring of a UID that has this name is a user session keyring.
    pub(crate) fn is_session(name: &CStr) -> bool {
        name.to_bytes().starts_with(b"_uid_ses.")
    }

    /// Returns the UID in the name of a keyring.
    pub(crate) fn number(name: &CStr) -> Option<u32> {
        let name = name.to_bytes();
        let number = name
            .strip_prefix(b"_uid_ses.")
            .or_else(|| name.strip_prefix(b"_uid."))?;

        core::str::from_utf8(number).ok()?.parse().ok()
    }

    // `core::fmt` would take three times as long, and all look-ups by name need one.
    fn new(prefix: &[u8], mut uid: u32) -> Self {
        let mut bytes = [0; Self::SIZE];
        // The last one stays zero.
        let mut start = Self::SIZE - 1;

        // PANIC: There is room for the longest prefix, ten digits and the zero at the end, and a
        // `u32` has ten digits at most.
        loop {
            start -= 1;
            bytes[start] = b'0' + (uid % 10) as u8;
            uid /= 10;
            if uid == 0 {
                break;
            }
        }
        start -= prefix.len();
        bytes[start..][..prefix.len()].copy_from_slice(prefix);
        Self { bytes, start }
    }

    /// Returns the name as C code takes it.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(&self.bytes[self.start..]).unwrap_or_default()
    }
}
