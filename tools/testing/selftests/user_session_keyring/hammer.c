// SPDX-License-Identifier: GPL-2.0
/*
 * Works on the keyrings of its UID without a break, and checks every answer:
 * the pair must stay the same, and so must the keys, whoever answers.  Ends
 * with status 0 on SIGTERM, with 1 and a line that says why on the first
 * wrong answer.
 *
 * Usage: hammer FILE
 *
 * FILE is kept at the number of rounds done, so that a script can tell that
 * there was progress.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "keys.h"

#define NR_KEYS	8	/* as many names as are in use in turn */

static int us, u, kept;
static unsigned long round_nr;

static int check(int good, const char *what, long ret)
{
	if (!good)
		printf("# hammer of UID %u, round %lu: %s answered %ld%s%s\n",
		       getuid(), round_nr, what, ret, ret < 0 ? ", " : "",
		       ret < 0 ? strerrorname_np(-ret) : "");
	return good;
}

static int holds(int key, const char *text)
{
	char payload[64];
	long ret = read_key(key, payload, sizeof(payload));

	return check(ret == (long)strlen(text) && !strcmp(payload, text),
		     "read", ret);
}

/* To ask for @s installs it, so each time a new process does. */
static int ask_session(void)
{
	int status;
	pid_t pid;
	long ret;

	/* A failed line is printed by the child: no copy of the buffer. */
	fflush(stdout);
	pid = fork();
	if (!pid) {
		ret = get_keyring_id(SESSION, 0);
		check(ret == us, "@s", ret);
		fflush(stdout);
		_exit(ret != us);
	}
	if (pid < 0)
		return check(0, "fork", -errno);
	if (waitpid(pid, &status, 0) < 0)
		return check(0, "waitpid", -errno);
	return !status;
}

static int do_round(void)
{
	char name[32];
	long key, ret;

	ret = get_keyring_id(USER_SESSION, 0);
	if (!check(ret == us, "@us", ret))
		return 0;
	ret = get_keyring_id(USER, 0);
	if (!check(ret == u, "@u", ret))
		return 0;
	if (!ask_session())
		return 0;

	snprintf(name, sizeof(name), "hammer %lu", round_nr % NR_KEYS);
	key = add_user_key(name, USER_SESSION);
	if (!check(key > 0, "add_key", key) || !holds(key, name))
		return 0;
	ret = search(USER_SESSION, name, 0);
	if (!check(ret == key, "search", ret))
		return 0;
	ret = request_key("user", name, NULL, 0);
	if (!check(ret == key, "request_key", ret))
		return 0;
	ret = keyctl(KEYCTL_UNLINK, key, USER_SESSION, 0, 0);
	if (!check(!ret, "unlink", ret))
		return 0;
	ret = search(USER_SESSION, "kept", 0);
	return check(ret == kept, "search for kept", ret) &&
	       holds(kept, "kept");
}

int main(int argc, char **argv)
{
	sigset_t term, pending;
	char line[32];
	int fd, len;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	/* Looked for between rounds, so that none is cut short. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	us = get_keyring_id(USER_SESSION, 0);
	u = get_keyring_id(USER, 0);
	kept = add_user_key("kept", USER);

	while (!sigpending(&pending) && !sigismember(&pending, SIGTERM)) {
		if (!do_round())
			return 1;
		round_nr++;
		len = snprintf(line, sizeof(line), "%lu\n", round_nr);
		if (pwrite(fd, line, len, 0) != len)
			return 2;
	}
	return 0;
}
