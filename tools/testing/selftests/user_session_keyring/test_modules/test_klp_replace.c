// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch that replaces all others, which are not told.  What it patches does not matter: it is
 * pause(), which answers as ever.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

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
	.replace = true,
};

static int __init test_klp_replace_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit test_klp_replace_exit(void)
{
}

module_init(test_klp_replace_init);
module_exit(test_klp_replace_exit);
MODULE_DESCRIPTION("Livepatch test: replaces all livepatches");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
