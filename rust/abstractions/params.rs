// SPDX-License-Identifier: GPL-2.0

//! Module parameters.
//!
//! `module!` gives a Rust module parameters, but they do not appear in sysfs. These are defined in
//! `helpers/params.c`.

use kernel::time::Delta;

use crate::bindings;

/// Returns for how long keyrings outlive the last pin of their UID.
pub(crate) fn linger() -> Delta {
    // SAFETY: An FFI call with no additional requirements.
    Delta::from_secs(unsafe { bindings::param_linger() }.into())
}

/// Returns whether root is to be told that it relies on the keyrings of its UID.
#[inline]
pub(crate) fn notice_root() -> bool {
    // SAFETY: A byte that the kernel writes by single stores, and which is 0 or 1.
    unsafe { (&raw const bindings::notice_root_enabled).read_volatile() }
}

/// Says in the log, but not too often, that the current task relies on the keyrings of root.
///
/// May be called from any context.
#[cold]
pub(crate) fn print_notice_root() {
    // SAFETY: An FFI call with no additional requirements.
    unsafe { bindings::notice_root() };
}
