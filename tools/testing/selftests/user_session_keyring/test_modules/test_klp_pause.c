// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch whose transition lasts for as long as the test wants: it patches
 * pause(), in which a process of the test sleeps. With "replace=1" it takes the
 * place of all others, which are not told.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

static bool replace;
module_param(replace, bool, 0444);

/* As kernel/signal.c has it. */
static long livepatch_pause(const struct pt_regs *regs)
{
	while (!signal_pending(current)) {
		__set_current_state(TASK_INTERRUPTIBLE);
		schedule();
	}
	return -ERESTARTNOHAND;
}

static struct klp_func funcs[] = {
	{
		.old_name = "__x64_sys_pause",
		.new_func = livepatch_pause,
	}, { }
};

static struct klp_object objs[] = {
	{
		/* name being NULL means vmlinux */
		.funcs = funcs,
	}, { }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init test_klp_pause_init(void)
{
	patch.replace = replace;
	return klp_enable_patch(&patch);
}

static void __exit test_klp_pause_exit(void)
{
}

module_init(test_klp_pause_init);
module_exit(test_klp_pause_exit);
MODULE_DESCRIPTION("Livepatch test: a transition that waits for pause()");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
