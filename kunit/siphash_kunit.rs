// SPDX-License-Identifier: GPL-2.0

//! Tests of hashes.

use kernel::prelude::*;

#[kunit_tests(usk_siphash)]
mod tests {
    use crate::abstractions::siphash::SipHasher;

    #[test]
    fn both_words_count() {
        let hasher = SipHasher::new();
        let hashes = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| hasher.hash(a, b));

        for (n, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..n].contains(hash));
        }
        assert_eq!(hasher.hash(1, 0), hashes[2]);
    }

    #[test]
    fn each_secret_is_another() {
        assert!(SipHasher::new().hash(1, 2) != SipHasher::new().hash(1, 2));
    }
}
