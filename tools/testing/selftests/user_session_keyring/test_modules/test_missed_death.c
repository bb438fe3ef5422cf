// SPDX-License-Identifier: GPL-2.0
/*
 * Pins the kernel's record of the real UID of a process for as long as it is
 * loaded. The reference is not dropped by free_uid(), so that nobody who
 * probes that function can know.
 */
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/user.h>

static int pid;
module_param(pid, int, 0444);

static struct user_struct *pinned;

static int __init test_missed_death_init(void)
{
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(find_vpid(pid), PIDTYPE_PID);
	if (task)
		pinned = get_uid(__task_cred(task)->user);
	rcu_read_unlock();
	return pinned ? 0 : -ESRCH;
}

static void __exit test_missed_death_exit(void)
{
	/* Complains if it is the last one, as it is if nobody else has one. */
	refcount_dec(&pinned->__count);
}

module_init(test_missed_death_init);
module_exit(test_missed_death_exit);
MODULE_DESCRIPTION("Livepatch test: a UID goes, and free_uid() is not called");
MODULE_LICENSE("GPL");
