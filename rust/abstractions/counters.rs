// SPDX-License-Identifier: GPL-2.0

//! Per-CPU event counters.
//!
//! C header: [`include/linux/percpu-defs.h`](srctree/include/linux/percpu-defs.h)

use crate::bindings;

/// An event that can be counted.
///
/// Its value is an index into the per-CPU array in `helpers/counters.c`, which takes it modulo the
/// array's length.
pub(crate) trait Event: Copy + Into<u32> {
    /// Counts one occurrence on the CPU that executes the call.
    ///
    /// Writes to no memory that another CPU writes to. May be called from any context.
    #[inline]
    fn count(self) {
        // SAFETY: An FFI call with no additional requirements.
        unsafe { bindings::counter_inc(self.into()) };
    }

    /// Counts as many occurrences at once.
    ///
    /// May be called from any context.
    fn count_many(self, count: usize) {
        // SAFETY: An FFI call with no additional requirements.
        unsafe { bindings::counter_add(self.into(), count) };
    }

    /// Returns the number of occurrences on all CPUs since the module was loaded.
    ///
    /// Occurrences during the call may or may not be included.
    fn total(self) -> u64 {
        // SAFETY: An FFI call with no additional requirements.
        unsafe { bindings::counter_sum(self.into()) }
    }
}
