// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "users.h"

void die(const char *what)
{
	perror(what);
	exit(125);
}

void become(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("setresuid");
	/* Or what changed its UID may not write below its own /proc/PID. */
	prctl(PR_SET_DUMPABLE, 1);
}

/* In a new namespace. */
void map_to_root(uid_t uid)
{
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "0 %u 1\n", uid) < 0)
		die("uid_map");
	close(fd);
}
