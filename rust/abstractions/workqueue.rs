// SPDX-License-Identifier: GPL-2.0

//! Work queues of one's own: what [`kernel::workqueue`] leaves out.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::ptr::NonNull;

use kernel::{
    prelude::*,
    time::{
        msecs_to_jiffies,
        Delta,
        Msecs, //
    },
    workqueue::{
        Queue,
        RawWorkItem, //
    },
};

use crate::bindings;

/// An unbound work queue that is destroyed when it is dropped.
///
/// Unlike with the queues that the kernel shares among all, dropping it makes sure that no work
/// item of it is executed any longer, so that the code of the items may go away. Delayed work,
/// which is not in the queue as long as it is delayed, cannot be enqueued for that reason.
///
/// # Invariants
///
/// The pointer is that of a work queue that this instance owns.
pub(crate) struct OwnedQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: Work queues can be used and destroyed from any thread.
unsafe impl Send for OwnedQueue {}
// SAFETY: Accesses to work queues are thread-safe.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Allocates a work queue.
    ///
    /// Sleeps. Returns `ENOMEM` if memory runs out.
    #[doc(alias = "alloc_workqueue")]
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: The name is a valid C string.
        let queue = unsafe { bindings::alloc_workqueue(name.as_char_ptr()) };

        // INVARIANT: We just allocated it.
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }

    /// Enqueues a work item.
    ///
    /// May be called from any context. Fails if the item is enqueued already.
    #[doc(alias = "queue_work")]
    #[inline]
    pub(crate) fn enqueue<W, const ID: u64>(&self, work: W) -> W::EnqueueOutput
    where
        W: RawWorkItem<ID> + Send + 'static,
    {
        // SAFETY: By the type invariant the pointer is valid for as long as `self` is.
        unsafe { Queue::from_raw(self.0.as_ptr()) }.enqueue(work)
    }

    /// Waits until all work items that are enqueued by now have been executed.
    ///
    /// Sleeps. Must not be called by a work item of this queue.
    #[doc(alias = "flush_workqueue")]
    pub(crate) fn flush(&self) {
        // SAFETY: By the type invariant the pointer is valid.
        unsafe { bindings::__flush_workqueue(self.0.as_ptr()) };
    }

    /// Waits until all work items have been executed, those included that they enqueue.
    ///
    /// Sleeps. Must not be called by a work item of this queue, and nobody else may enqueue
    /// anything meanwhile.
    #[doc(alias = "drain_workqueue")]
    pub(crate) fn drain(&self) {
        // SAFETY: By the type invariant the pointer is valid.
        unsafe { bindings::drain_workqueue(self.0.as_ptr()) };
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we own the queue. It is drained first.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// Sleeps, as work items should that do so all the time: it is not taken for load.
///
/// May take some milliseconds longer than `time`.
#[doc(alias = "schedule_timeout_idle")]
pub(crate) fn rest(time: Delta) {
    let jiffies = msecs_to_jiffies(time.as_millis() as Msecs);

    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::schedule_timeout_idle(jiffies as isize) };
}
