// SPDX-License-Identifier: GPL-2.0

#include <linux/user_namespace.h>

struct user_namespace *rust_helper_get_user_ns(struct user_namespace *ns)
{
	return get_user_ns(ns);
}

bool rust_helper_get_user_ns_not_zero(struct user_namespace *ns)
{
	return ns_ref_get(ns);
}

void rust_helper_put_user_ns(struct user_namespace *ns)
{
	put_user_ns(ns);
}
