// SPDX-License-Identifier: GPL-2.0

//! Abstractions that the `kernel` crate lacks.
//!
//! Each file is written as if it were a patch to `rust/kernel/`: it knows its C header and nothing
//! of what this module does with it, but for `tracepoints.rs`, which tells that. Together with the
//! replacement functions in `patch.rs` they hold all `unsafe` code of the module.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "an abstraction is whole, whether or not this module needs all of it"
)]

pub(crate) mod counters;
pub(crate) mod cred;
pub(crate) mod fprobe;
pub(crate) mod ftrace;
pub(crate) mod key;
pub(crate) mod keyring;
pub(crate) mod keyring_gc;
pub(crate) mod livepatch;
pub(crate) mod params;
pub(crate) mod preempt;
pub(crate) mod rcu;
pub(crate) mod rhashtable;
pub(crate) mod siphash;
pub(crate) mod tracepoints;
pub(crate) mod user;
pub(crate) mod user_key;
pub(crate) mod user_namespace;
pub(crate) mod workqueue;
