// SPDX-License-Identifier: GPL-2.0

//! Tests of the per-CPU counters.

use kernel::prelude::*;

#[kunit_tests(usk_counters)]
mod tests {
    use crate::{abstractions::counters::Event as _, stats::Event};

    #[test]
    fn counts_each_event_alone() {
        let before = (Event::RcuHit.total(), Event::Error.total());

        for _ in 0..3 {
            Event::RcuHit.count();
        }
        assert_eq!(Event::RcuHit.total(), before.0 + 3);
        assert_eq!(Event::Error.total(), before.1);
    }
}
