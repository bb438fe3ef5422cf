// SPDX-License-Identifier: GPL-2.0

#include <linux/cred.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>

/* for_each_thread() has lockdep look at tasklist_lock, which is not exported. */
#define for_each_thread_of(group, task) \
	list_for_each_entry_rcu(task, &(group)->signal->thread_head, thread_node)

/*
 * Stores a reference on the credentials of each task, but not twice in a row
 * those of the same UID in the same namespace. Returns how many there are, of
 * which the first @max are stored.
 */
size_t rust_helper_task_creds(const struct cred **creds, size_t max)
{
	const struct cred *cred, *last = NULL;
	struct task_struct *group, *task;
	size_t count = 0;

	rcu_read_lock();
	for_each_process(group) {
		for_each_thread_of(group, task) {
			cred = rcu_dereference(task->real_cred);
			if (last && cred->user == last->user &&
			    cred->user_ns == last->user_ns)
				continue;
			last = cred;
			if (count < max)
				creds[count] = get_task_cred(task);
			count++;
		}
	}
	rcu_read_unlock();
	return count;
}

unsigned int rust_helper_uid_tasks(kuid_t uid)
{
	struct task_struct *task;
	unsigned int count = 0;

	rcu_read_lock();
	for_each_process(task)
		count += uid_eq(task_uid(task), uid);
	rcu_read_unlock();
	return count;
}

/*
 * With PREEMPT_RT spinlocks leave a task preemptible, but not free to migrate.
 * Without CONFIG_PREEMPT_COUNT nobody knows.
 */
bool rust_helper_may_hold_spinlock(void)
{
	return !preemptible() || current->migration_disabled;
}
