/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads. The kernel's own bindings cover everything else: list
 * here only what they lack, sorted alphabetically.
 */

#include <keys/user-type.h>
#include <linux/fprobe.h>
#include <linux/key-type.h>
#include <linux/key.h>
#include <linux/keyctl.h>
#include <linux/livepatch.h>
#include <linux/rhashtable.h>
#include <linux/stddef.h>
#include <linux/user_namespace.h>

#include "helpers.h"

/* Exported, but declared in security/keys/internal.h only. */
int key_task_permission(const key_ref_t key_ref, const struct cred *cred,
			enum key_need_perm need_perm);

/*
 * The identifier sits in an unnamed member of a named struct type, which
 * bindgen leaves out as padding.
 */
const size_t RUST_CONST_HELPER_USER_NS_ID_OFFSET =
	offsetof(struct user_namespace, ns.ns_id);
