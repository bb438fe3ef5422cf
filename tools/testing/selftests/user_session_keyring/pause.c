// SPDX-License-Identifier: GPL-2.0
/*
 * Sleeps in pause(), the system call itself, which test_klp_pause patches.
 */
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	syscall(SYS_pause);
	return 0;
}
