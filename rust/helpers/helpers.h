/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The C helpers, as bindgen reads them. Only for inline functions, macros and
 * what Rust cannot declare yet (per-CPU variables).
 */

#ifndef USK_HELPERS_H
#define USK_HELPERS_H

#include <linux/cred.h>
#include <linux/ftrace.h>
#include <linux/key.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>

/*
 * The kernel marks its helpers by this, to inline them. So are those here that would be among them
 * if the abstractions were in the kernel; modules have no such build.
 */
#define __rust_helper

/* What each node of a table begins with. */
struct rust_helper_node {
	struct rhash_head head;
	u64 key[2];
};

void rust_helper_counter_add(unsigned int counter, unsigned long count);
void rust_helper_counter_inc(unsigned int counter);
u64 rust_helper_counter_sum(unsigned int counter);

const struct cred *rust_helper_kernel_cred(void);
const struct cred *rust_helper_override_creds(const struct cred *cred);
const struct cred *rust_helper_revert_creds(const struct cred *cred);

unsigned long rust_helper_ftrace_regs_first_argument(struct ftrace_regs *regs);

long rust_helper_keyring_read(struct key *keyring, key_serial_t *serials,
			      size_t size);

unsigned int rust_helper_param_linger(void);
/* A variable: it is read by each look-up. */
extern bool rust_helper_notice_root_enabled;
void rust_helper_notice_root(void);

unsigned int rust_helper_table_buckets(struct rhashtable *ht);
int rust_helper_table_init(struct rhashtable *ht);
struct rhash_head *rust_helper_table_insert(struct rhashtable *ht, struct rhash_head *head);
struct rhash_head *rust_helper_table_lookup(struct rhashtable *ht,
					    const u64 *key);
int rust_helper_table_remove(struct rhashtable *ht, struct rhash_head *head);
int rust_helper_table_replace(struct rhashtable *ht, struct rhash_head *old,
			      struct rhash_head *head);
void rust_helper_table_walk_start(struct rhashtable_iter *iter);

size_t rust_helper_task_creds(const struct cred **creds, size_t max);
unsigned int rust_helper_uid_tasks(kuid_t uid);
bool rust_helper_may_hold_spinlock(void);

void rust_helper_trace_adopt(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session);
void rust_helper_trace_create(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session);
void rust_helper_trace_destroy(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session,
			       unsigned int cause);
void rust_helper_trace_hand_back(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session);
void rust_helper_trace_revive(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session);

bool rust_helper_get_user_ns_not_zero(struct user_namespace *ns);
struct user_namespace *rust_helper_get_user_ns(struct user_namespace *ns);
void rust_helper_put_user_ns(struct user_namespace *ns);

struct workqueue_struct *rust_helper_alloc_workqueue(const char *name);

#endif /* USK_HELPERS_H */
