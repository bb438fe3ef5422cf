// SPDX-License-Identifier: GPL-2.0

//! Tests of work queues.

use kernel::{
    impl_has_work, new_work,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
    time::{delay::fsleep, Delta},
    workqueue::{Work, WorkItem},
};

#[pin_data]
struct Item {
    done: Atomic<i32>,
    #[pin]
    work: Work<Item>,
}

impl_has_work! {
    impl HasWork<Self> for Item { self.work }
}

impl WorkItem for Item {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.done.add(1, Relaxed);
    }
}

#[kunit_tests(usk_workqueue)]
mod tests {
    use super::*;
    use crate::{abstractions::workqueue::OwnedQueue, fixture};

    #[test]
    fn dropping_a_queue_finishes_its_work() -> Result {
        let queue = OwnedQueue::new(c"usk_kunit")?;
        let item = Arc::pin_init(
            pin_init!(Item {
                done: Atomic::new(0),
                work <- new_work!("Item::work"),
            }),
            GFP_KERNEL,
        )?;

        assert!(queue.enqueue(item.clone()).is_ok());
        drop(queue);
        assert_eq!(item.done.load(Relaxed), 1);
        assert!(Arc::into_unique_or_drop(item).is_some());
        Ok(())
    }

    #[test]
    fn flushing_a_queue_waits_for_its_work() -> Result {
        let queue = OwnedQueue::new(c"usk_kunit")?;
        let done = Arc::new(Atomic::new(0), GFP_KERNEL)?;

        queue.flush();
        for expected in 1..4 {
            let result = done.clone();
            let slow = fixture::Task::new(move || {
                fsleep(Delta::from_millis(50));
                result.add(1, Relaxed);
            })?;

            assert!(queue.enqueue(slow).is_ok());
            queue.flush();
            assert_eq!(done.load(Relaxed), expected);
        }
        Ok(())
    }
}
