// SPDX-License-Identifier: GPL-2.0

//! What keyrings are called.

#![forbid(unsafe_code)]

use kernel::{
    fmt::{
        self,
        Write, //
    },
    prelude::*,
    str::NullTerminatedFormatter, //
};

/// What `from_kuid()` returns for a UID that has no mapping, and its keyrings are named by.
pub(crate) const UNMAPPED: u32 = u32::MAX;

/// The description of a keyring.
pub(crate) struct Name([u8; Self::SIZE]);

impl Name {
    const SIZE: usize = "_uid_ses.4294967295\0".len();

    /// Returns the name of the user keyring of `uid`.
    pub(crate) fn user(uid: u32) -> Self {
        Self::new(fmt!("_uid.{uid}"))
    }

    /// Returns the name of the user session keyring of `uid`.
    pub(crate) fn session(uid: u32) -> Self {
        Self::new(fmt!("_uid_ses.{uid}"))
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

    fn new(args: fmt::Arguments<'_>) -> Self {
        let mut name = [0; Self::SIZE];

        // The buffer is never empty, and the longest name fits.
        if let Some(mut f) = NullTerminatedFormatter::new(&mut name) {
            let _ = f.write_fmt(args);
        }
        Self(name)
    }

    /// Returns the name as C code takes it.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}
