// SPDX-License-Identifier: GPL-2.0

//! Preemption.
//!
//! C header: [`include/linux/preempt.h`](srctree/include/linux/preempt.h)

use crate::bindings;

/// Returns whether the current task may be in possession of a spinlock.
#[doc(alias = "preemptible")]
pub(crate) fn may_hold_spinlock() -> bool {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::may_hold_spinlock() }
}
