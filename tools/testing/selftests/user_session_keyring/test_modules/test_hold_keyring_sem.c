// SPDX-License-Identifier: GPL-2.0
/*
 * Holds the keyring semaphore of the initial user namespace for as long as it
 * is loaded: whoever looks up a pair that is not on record sleeps in the
 * function that the livepatch replaces, or in the one that replaces it.
 */
#include <linux/module.h>
#include <linux/user_namespace.h>

static int __init test_hold_keyring_sem_init(void)
{
	down_write(&init_user_ns.keyring_sem);
	return 0;
}

static void __exit test_hold_keyring_sem_exit(void)
{
	up_write(&init_user_ns.keyring_sem);
}

module_init(test_hold_keyring_sem_init);
module_exit(test_hold_keyring_sem_exit);
MODULE_DESCRIPTION("Livepatch test: a process asleep in the patched function");
MODULE_LICENSE("GPL");
