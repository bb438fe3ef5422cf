// SPDX-License-Identifier: GPL-2.0

#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/sched.h>

/*
 * The parameters of Rust modules do not appear in sysfs, hence these are here.
 */

#define LINGER_MAX	(24 * 60 * 60)

static unsigned int linger;

static int linger_set(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, LINGER_MAX);
}

static const struct kernel_param_ops linger_ops = {
	.set = linger_set,
	.get = param_get_uint,
};

module_param_cb(linger, &linger_ops, &linger, 0644);
MODULE_PARM_DESC(linger,
		 "Seconds that keyrings outlive the last pin of their UID (0 to 86400)");

unsigned int rust_helper_param_linger(void)
{
	return READ_ONCE(linger);
}

bool rust_helper_notice_root_enabled;

module_param_named(notice_root, rust_helper_notice_root_enabled, bool, 0644);
MODULE_PARM_DESC(notice_root,
		 "Say in the log when a process of root has no session keyring of its own");

void rust_helper_notice_root(void)
{
	pr_notice_ratelimited("user_session_keyring: %s[%d] of root uses the keyrings of its UID\n",
			      current->comm, task_pid_nr(current));
}
