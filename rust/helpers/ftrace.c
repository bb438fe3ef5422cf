// SPDX-License-Identifier: GPL-2.0

#include <linux/ftrace.h>

unsigned long rust_helper_ftrace_regs_get_argument(struct ftrace_regs *regs,
						   unsigned int n)
{
	return ftrace_regs_get_argument(regs, n);
}
