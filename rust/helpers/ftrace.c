// SPDX-License-Identifier: GPL-2.0

#include <linux/ftrace.h>

/* Where the number is constant, this is a single load. */
__rust_helper unsigned long
rust_helper_ftrace_regs_first_argument(struct ftrace_regs *regs)
{
	return ftrace_regs_get_argument(regs, 0);
}
