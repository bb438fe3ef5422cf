// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command with another UID and GID, for the shell scripts, optionally
 * in a user namespace in which that UID is called 0.
 *
 * Usage: as UID COMMAND [ARG]...
 *        as -n UID COMMAND [ARG]...		in a new namespace
 *        as -u UID COMMAND [ARG]...		in one that it has no name in
 *        as -j PID UID COMMAND [ARG]...	in the namespace of PID
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "users.h"

static void new_namespace(void)
{
	if (unshare(CLONE_NEWUSER))
		die("unshare");
}

static void join_namespace(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWUSER))
		die(path);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *pid = NULL;
	int create = 0, map = 0, opt;
	uid_t uid;

	while ((opt = getopt(argc, argv, "+nuj:")) != -1) {
		if (opt == 'n')
			map = 1;
		else if (opt == 'u')
			create = 1;
		else if (opt == 'j')
			pid = optarg;
		else
			return 125;
	}
	if (argc - optind < 2) {
		fprintf(stderr, "usage: %s [-n | -u | -j PID] UID COMMAND...\n",
			argv[0]);
		return 125;
	}
	uid = strtoul(argv[optind], NULL, 10);
	become(uid);
	if (create || map)
		new_namespace();
	if (map)
		map_to_root(uid);
	if (pid)
		join_namespace(pid);
	execvp(argv[optind + 1], &argv[optind + 1]);
	die(argv[optind + 1]);
}
