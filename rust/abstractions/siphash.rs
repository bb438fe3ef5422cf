// SPDX-License-Identifier: GPL-2.0

//! A hash of what others may choose.
//!
//! C header: [`include/linux/siphash.h`](srctree/include/linux/siphash.h)

use kernel::ffi::c_void;

use crate::bindings;

/// A secret, without which nobody can tell which words have the same hash.
pub(crate) struct SipHasher(bindings::siphash_key_t);

impl SipHasher {
    /// Makes a secret.
    ///
    /// Does not sleep.
    #[doc(alias = "get_random_bytes")]
    pub(crate) fn new() -> Self {
        let mut secret = bindings::siphash_key_t::default();
        let (start, size) = ((&raw mut secret).cast::<c_void>(), size_of_val(&secret));

        // SAFETY: `secret` is valid for writes of its size, and may have any value.
        unsafe { bindings::get_random_bytes(start, size) };
        Self(secret)
    }

    /// Returns the hash of two words.
    ///
    /// May be called from any context.
    #[doc(alias = "siphash_2u64")]
    pub(crate) fn hash(&self, first: u64, second: u64) -> u64 {
        // SAFETY: The secret is valid for reads.
        unsafe { bindings::siphash_2u64(first, second, &self.0) }
    }
}
