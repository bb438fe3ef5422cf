// SPDX-License-Identifier: GPL-2.0

//! Tests of hash tables.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        rcu, Arc,
    },
    time::{delay::udelay, Delta},
};

use crate::{
    abstractions::{
        rhashtable::{RhashTable, TableKey},
        workqueue::OwnedQueue,
    },
    fixture::{wait_until, Task},
};

/// Counts how many of its kind exist.
struct Counted(u64, Arc<Atomic<i32>>);

impl Counted {
    fn new(value: u64, count: &Arc<Atomic<i32>>) -> Self {
        count.add(1, Relaxed);
        Self(value, count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.add(-1, Relaxed);
    }
}

type Table = Pin<KBox<RhashTable<Counted>>>;

fn table() -> Result<(Table, Arc<Atomic<i32>>)> {
    Ok((
        KBox::pin_init(RhashTable::new(), GFP_KERNEL)?,
        Arc::new(Atomic::new(0), GFP_KERNEL)?,
    ))
}

fn value(table: &Table, key: TableKey) -> Option<u64> {
    table.get(&key, &rcu::read_lock()).map(|value| value.0)
}

#[kunit_tests(usk_rhashtable)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_both_words_of_its_key() -> Result {
        let (table, count) = table()?;

        table.store([1, 2], Counted::new(12, &count))?;
        table.store([2, 1], Counted::new(21, &count))?;
        assert_eq!(value(&table, [1, 2]), Some(12));
        assert_eq!(value(&table, [2, 1]), Some(21));
        assert_eq!(value(&table, [1, 1]), None);
        assert_eq!(value(&table, [2, 2]), None);
        assert_eq!(table.len(), 2);
        Ok(())
    }

    #[test]
    fn a_second_value_of_a_key_replaces_the_first() -> Result {
        let (table, count) = table()?;

        table.store([1, 2], Counted::new(1, &count))?;
        table.store([1, 2], Counted::new(2, &count))?;
        assert_eq!(value(&table, [1, 2]), Some(2));
        assert_eq!(table.len(), 1);
        rcu::rcu_barrier();
        assert_eq!(count.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn a_removed_value_is_dropped_after_a_grace_period() -> Result {
        let (table, count) = table()?;

        table.store([1, 2], Counted::new(1, &count))?;
        let guard = rcu::read_lock();
        assert!(table.remove(&[1, 2]));
        assert!(!table.remove(&[1, 2]));
        assert_eq!(count.load(Relaxed), 1);
        drop(guard);
        assert_eq!(value(&table, [1, 2]), None);
        rcu::rcu_barrier();
        assert_eq!(count.load(Relaxed), 0);
        assert_eq!(table.len(), 0);
        Ok(())
    }

    #[test]
    fn retain_removes_what_is_not_kept() -> Result {
        const N: u64 = 1000;
        let (table, count) = table()?;

        for n in 0..N {
            table.store([n, n], Counted::new(n, &count))?;
        }
        // Until then the table may be growing, and a walk meets some values twice.
        assert!(wait_until(|| table.buckets() >= N as usize));
        table.retain(|value| value.0 % 10 == 3);
        assert_eq!(table.len(), 100);
        for n in 0..N {
            assert_eq!(value(&table, [n, n]).is_some(), n % 10 == 3);
        }
        rcu::rcu_barrier();
        assert_eq!(count.load(Relaxed), 100);
        Ok(())
    }

    #[test]
    fn dropping_the_table_drops_all() -> Result {
        let (table, count) = table()?;

        for n in 0..100 {
            table.store([n, n], Counted::new(n, &count))?;
        }
        for n in 0..10 {
            table.remove(&[n, n]);
        }
        drop(table);
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn it_grows_and_shrinks() -> Result {
        const N: u64 = 10_000;
        let (table, count) = table()?;
        let small = table.buckets();

        for n in 0..N {
            table.store([n << 6, 3], Counted::new(n, &count))?;
        }
        assert_eq!(table.len(), N as usize);
        assert!(wait_until(|| table.buckets() > small * 16));
        for n in 0..N {
            assert_eq!(value(&table, [n << 6, 3]), Some(n));
        }
        for n in 0..N {
            assert!(table.remove(&[n << 6, 3]));
        }
        assert!(wait_until(|| table.buckets() < small * 16));
        rcu::rcu_barrier();
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn some_values_are_removed_and_dropped_at_once() -> Result {
        let (table, count) = table()?;

        for n in 0..10 {
            table.store([n, n], Counted::new(n, &count))?;
        }
        // One that is not there is no harm.
        table.remove_and_wait([3, 5, 99, 7].into_iter().map(|n| [n, n]));
        assert_eq!(count.load(Relaxed), 7);
        for n in 0..10 {
            assert_eq!(value(&table, [n, n]).is_some(), ![3, 5, 7].contains(&n));
        }
        table.remove_and_wait(core::iter::empty());
        assert_eq!(table.len(), 7);
        Ok(())
    }

    #[test]
    fn who_has_found_a_value_is_waited_for() -> Result {
        let (table, count) = table()?;
        let (table, found) = (
            Arc::new(table, GFP_KERNEL)?,
            Arc::new(Atomic::new(0), GFP_KERNEL)?,
        );
        let queue = OwnedQueue::new(c"usk_kunit")?;

        table.store([1, 1], Counted::new(1, &count))?;
        let (other, result) = (table.clone(), found.clone());
        let reader = Task::new(move || {
            let rcu = rcu::read_lock();
            let value = other.get(&[1, 1], &rcu);

            result.store(1, Relaxed);
            for _ in 0..1000 {
                udelay(Delta::from_micros(100));
            }
            // It has not been dropped.
            if value.is_some_and(|value| value.1.load(Relaxed) == 1) {
                result.store(2, Relaxed);
            }
            drop(rcu);
        })?;
        assert!(queue.enqueue(reader).is_ok());
        assert!(wait_until(|| found.load(Relaxed) != 0));
        table.remove_and_wait([[1, 1]].into_iter());
        assert_eq!(found.load(Relaxed), 2);
        assert_eq!(count.load(Relaxed), 0);
        Ok(())
    }
}
