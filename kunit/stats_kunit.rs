// SPDX-License-Identifier: GPL-2.0

//! Tests of the statistics.

use kernel::prelude::*;

#[kunit_tests(usk_stats)]
mod tests {
    use kernel::{debugfs::Writer, fmt, prelude::*, str::CString};

    use crate::{fixture, stats::Stats};

    struct Shown(Stats);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.write(f)
        }
    }

    #[test]
    fn each_line_is_a_name_and_a_number() -> Result {
        let shown = CString::try_from_fmt(fmt!("{}", Shown(Stats(fixture::records()?))))?;
        let names = [
            "hits",
            "misses",
            "creations",
            "adoptions",
            "errors",
            "rcu_hits",
            "rcu_misses",
            "deaths",
            "keys_gone",
            "revivals",
            "missed",
            "reaped",
            "survivors",
            "records",
            "in_charge",
            "age",
        ];
        let mut lines = shown.to_str().map_err(|_| EINVAL)?.lines();

        for name in names {
            let (first, second) = lines.next().and_then(|l| l.split_once(' ')).ok_or(EINVAL)?;
            assert_eq!(first, name);
            assert!(second.parse::<u64>().is_ok());
        }
        assert!(lines.next().is_none());
        Ok(())
    }
}
