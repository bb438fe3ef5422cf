// SPDX-License-Identifier: GPL-2.0

//! RCU: [`kernel::sync::rcu`], and what that lacks before Linux 7.3.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use kernel::bindings;

pub(crate) use kernel::sync::rcu::*;

/// Waits for one RCU grace period.
///
/// Sleeps.
#[inline]
pub(crate) fn synchronize_rcu() {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::synchronize_rcu() };
}

/// Waits until all callbacks that are queued by `call_rcu()` have been called.
///
/// Sleeps. It need not wait for a grace period if there are none.
#[inline]
pub(crate) fn rcu_barrier() {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::rcu_barrier() };
}
