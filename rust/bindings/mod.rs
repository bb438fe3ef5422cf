// SPDX-License-Identifier: GPL-2.0

//! Bindings to what the kernel's `bindings` crate leaves out.
//!
//! This module may not be used outside of `abstractions` and `patch`, which wrap it.

#![allow(
    clippy::all,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports
)]

use kernel::ffi;

// What is generated refers to the kernel's types, and the wrappers to its functions.
pub use kernel::bindings::*;

/// Only ever handled through a pointer.
pub type fprobe_hlist = ffi::c_void;

include!(env!("USK_BINDINGS"));
