/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads. The kernel's own bindings cover everything else: list
 * here only what they lack, sorted alphabetically.
 */

#include <keys/user-type.h>
#include <linux/cred.h>
#include <linux/fprobe.h>
#include <linux/ftrace.h>
#include <linux/key-type.h>
#include <linux/key.h>
#include <linux/keyctl.h>
#include <linux/livepatch.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/sched/user.h>
#include <linux/stddef.h>
#include <linux/user_namespace.h>

#include "helpers.h"

/* Exported, but declared in security/keys/internal.h only. */
int key_task_permission(const key_ref_t key_ref, const struct cred *cred,
			enum key_need_perm need_perm);

/*
 * The identifier sits in an unnamed member of a named struct type, which
 * bindgen leaves out. Before Linux 7.3 that is in a union, of which it forgets
 * the size as well, so that it has wrong offsets for all that follows.
 */
const size_t RUST_CONST_HELPER_USER_NS_ID_OFFSET =
	offsetof(struct user_namespace, ns.ns_id);
const size_t RUST_CONST_HELPER_USER_NS_REGISTER_OFFSET =
	offsetof(struct user_namespace, user_keyring_register);
const size_t RUST_CONST_HELPER_USER_NS_SEM_OFFSET =
	offsetof(struct user_namespace, keyring_sem);

/* All else that is used of structures is compared with what C says of them. */
#define OFFSET_OF(type, member) \
	const size_t RUST_CONST_HELPER_OFFSET_OF_##type##_##member = \
		offsetof(struct type, member)
#define SIZE_OF(type) \
	const size_t RUST_CONST_HELPER_SIZE_OF_##type = sizeof(struct type)

OFFSET_OF(cred, user);
OFFSET_OF(cred, user_ns);
OFFSET_OF(fprobe, entry_handler);
OFFSET_OF(fprobe, nmissed);
SIZE_OF(fprobe);
OFFSET_OF(ftrace_ops, flags);
OFFSET_OF(ftrace_ops, func);
SIZE_OF(ftrace_ops);
OFFSET_OF(key, description);
OFFSET_OF(key, expiry);
OFFSET_OF(key, flags);
OFFSET_OF(key, keys);
OFFSET_OF(key, perm);
OFFSET_OF(key, sem);
OFFSET_OF(key, serial);
OFFSET_OF(key, type);
OFFSET_OF(key, uid);
OFFSET_OF(key, usage);
OFFSET_OF(klp_func, new_func);
OFFSET_OF(klp_func, old_name);
OFFSET_OF(klp_func, stack_node);
SIZE_OF(klp_func);
OFFSET_OF(klp_object, callbacks);
OFFSET_OF(klp_object, funcs);
SIZE_OF(klp_object);
OFFSET_OF(klp_patch, enabled);
OFFSET_OF(klp_patch, mod);
OFFSET_OF(klp_patch, objs);
SIZE_OF(klp_patch);
OFFSET_OF(rhashtable, nelems);
SIZE_OF(rhashtable);
SIZE_OF(rhashtable_iter);
OFFSET_OF(task_struct, cred);
OFFSET_OF(task_struct, patch_state);
OFFSET_OF(user_namespace, owner);
OFFSET_OF(user_struct, __count);
OFFSET_OF(user_struct, uid);
