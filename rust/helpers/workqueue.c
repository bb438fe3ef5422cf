// SPDX-License-Identifier: GPL-2.0

#include <linux/workqueue.h>

/* Items may wait for grace periods: enough to share one, not a thread each. */
#define MAX_ACTIVE	64

struct workqueue_struct *rust_helper_alloc_workqueue(const char *name)
{
	return alloc_workqueue("%s", WQ_UNBOUND, MAX_ACTIVE, name);
}
