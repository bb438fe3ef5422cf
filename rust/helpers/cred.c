// SPDX-License-Identifier: GPL-2.0

#include <linux/cred.h>

const struct cred *rust_helper_kernel_cred(void)
{
	return kernel_cred();
}

const struct cred *rust_helper_override_creds(const struct cred *cred)
{
	return override_creds(cred);
}

const struct cred *rust_helper_revert_creds(const struct cred *cred)
{
	return revert_creds(cred);
}
