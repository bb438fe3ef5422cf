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

use core::mem::offset_of;

use kernel::ffi;

// What is generated refers to the kernel's types, and the wrappers to its functions.
pub use kernel::bindings::*;

/// Only ever handled through a pointer.
pub type fprobe_hlist = ffi::c_void;

include!(env!("USK_BINDINGS"));

/// Makes sure that Rust takes structures for what C takes them for.
macro_rules! assert_layout {
    ($($constant:ident == $value:expr;)*) => {
        $(
            const _: () = assert!(
                $constant == $value,
                concat!("bindgen gets it wrong: ", stringify!($constant)),
            );
        )*
    };
}

assert_layout! {
    OFFSET_OF_cred_user == offset_of!(cred, user);
    OFFSET_OF_cred_user_ns == offset_of!(cred, user_ns);
    OFFSET_OF_fprobe_entry_handler == offset_of!(fprobe, entry_handler);
    OFFSET_OF_fprobe_nmissed == offset_of!(fprobe, nmissed);
    SIZE_OF_fprobe == size_of::<fprobe>();
    OFFSET_OF_ftrace_ops_flags == offset_of!(ftrace_ops, flags);
    OFFSET_OF_ftrace_ops_func == offset_of!(ftrace_ops, func);
    SIZE_OF_ftrace_ops == size_of::<ftrace_ops>();
    OFFSET_OF_key_description ==
        offset_of!(key, __bindgen_anon_3.__bindgen_anon_1.description);
    OFFSET_OF_key_expiry == offset_of!(key, __bindgen_anon_2.expiry);
    OFFSET_OF_key_flags == offset_of!(key, flags);
    OFFSET_OF_key_keys == offset_of!(key, __bindgen_anon_4.__bindgen_anon_1.keys);
    OFFSET_OF_key_perm == offset_of!(key, perm);
    OFFSET_OF_key_sem == offset_of!(key, sem);
    OFFSET_OF_key_serial == offset_of!(key, serial);
    OFFSET_OF_key_type == offset_of!(key, __bindgen_anon_3.__bindgen_anon_1.type_);
    OFFSET_OF_key_uid == offset_of!(key, uid);
    OFFSET_OF_key_usage == offset_of!(key, usage);
    OFFSET_OF_klp_func_new_func == offset_of!(klp_func, new_func);
    OFFSET_OF_klp_func_old_name == offset_of!(klp_func, old_name);
    OFFSET_OF_klp_func_stack_node == offset_of!(klp_func, stack_node);
    SIZE_OF_klp_func == size_of::<klp_func>();
    OFFSET_OF_klp_object_callbacks == offset_of!(klp_object, callbacks);
    OFFSET_OF_klp_object_funcs == offset_of!(klp_object, funcs);
    SIZE_OF_klp_object == size_of::<klp_object>();
    OFFSET_OF_klp_patch_enabled == offset_of!(klp_patch, enabled);
    OFFSET_OF_klp_patch_mod == offset_of!(klp_patch, mod_);
    OFFSET_OF_klp_patch_objs == offset_of!(klp_patch, objs);
    SIZE_OF_klp_patch == size_of::<klp_patch>();
    OFFSET_OF_rhashtable_nelems == offset_of!(rhashtable, nelems);
    SIZE_OF_rhashtable == size_of::<rhashtable>();
    SIZE_OF_rhashtable_iter == size_of::<rhashtable_iter>();
    OFFSET_OF_task_struct_cred == offset_of!(task_struct, cred);
    OFFSET_OF_task_struct_patch_state == offset_of!(task_struct, patch_state);
    OFFSET_OF_user_namespace_owner == offset_of!(user_namespace, owner);
    OFFSET_OF_user_struct___count == offset_of!(user_struct, __count);
    OFFSET_OF_user_struct_uid == offset_of!(user_struct, uid);
}
