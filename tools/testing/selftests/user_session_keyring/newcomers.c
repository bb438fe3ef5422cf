// SPDX-License-Identifier: GPL-2.0
/*
 * UIDs that have no pair yet, one after the other: two processes of each race
 * for the first access, and must be given the same pair, whoever makes it; a
 * third one that comes later must get it too, as the UID lives all the while.
 * Ends as hammer does.
 *
 * Usage: newcomers FIRST-UID FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "keys.h"

#define NR_RACERS	2

static struct racer {
	long user;
	long user_session;
} *racers;

static int *go;

static void become(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		_exit(2);
}

/* Between one process and the next, something has to pin the UID. */
static pid_t start_keeper(uid_t uid)
{
	int ready[2];
	char byte;
	pid_t pid;

	fflush(stdout);
	pid = pipe(ready) ? -1 : fork();
	if (pid < 0) {
		perror("a keeper");
		_exit(2);
	}
	if (!pid) {
		become(uid);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "", 1) != 1)
			_exit(2);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		_exit(2);
	close(ready[0]);
	return pid;
}

static void race(struct racer *me, uid_t uid)
{
	become(uid);
	while (!__atomic_load_n(go, __ATOMIC_ACQUIRE))
		;
	/* Not both begin with the same one. */
	if (me == racers)
		get_keyring_id(USER, 0);
	me->user_session = get_keyring_id(USER_SESSION, 0);
	me->user = get_keyring_id(USER, 0);
	_exit(0);
}

/* Start the racers from @from up to, but not including, @to. */
static int run(int from, int to, uid_t uid)
{
	int good = 1, status;

	__atomic_store_n(go, 0, __ATOMIC_RELEASE);
	fflush(stdout);
	for (int i = from; i < to; i++) {
		racers[i] = (struct racer){ 0 };
		switch (fork()) {
		case -1:
			perror("fork");
			_exit(2);
		case 0:
			race(&racers[i], uid);
		}
	}
	__atomic_store_n(go, 1, __ATOMIC_RELEASE);
	for (int i = from; i < to; i++)
		good &= wait(&status) > 0 && !status;
	return good;
}

static int welcome(uid_t uid)
{
	pid_t keeper = start_keeper(uid);
	int good = run(0, NR_RACERS, uid) && run(NR_RACERS, NR_RACERS + 1, uid);

	kill(keeper, SIGKILL);
	waitpid(keeper, NULL, 0);
	if (!good) {
		printf("# newcomers: a process of UID %u died\n", uid);
		return 0;
	}
	for (int i = 0; i <= NR_RACERS; i++) {
		if (racers[i].user > 0 && racers[i].user_session > 0 &&
		    racers[i].user == racers[0].user &&
		    racers[i].user_session == racers[0].user_session)
			continue;
		printf("# newcomers: UID %u got %ld and %ld, then %ld and %ld\n",
		       uid, racers[0].user, racers[0].user_session,
		       racers[i].user, racers[i].user_session);
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	unsigned long nr = 0;
	sigset_t term, pending;
	char line[32];
	uid_t uid;
	void *mem;
	int fd, len;

	if (argc != 3)
		return 2;
	uid = strtoul(argv[1], NULL, 10);
	fd = open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	mem = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || mem == MAP_FAILED) {
		perror(argv[0]);
		return 2;
	}
	racers = mem;
	go = (int *)(racers + NR_RACERS + 1);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);

	while (!sigpending(&pending) && !sigismember(&pending, SIGTERM)) {
		if (!welcome(uid++))
			return 1;
		len = snprintf(line, sizeof(line), "%lu\n", ++nr);
		if (pwrite(fd, line, len, 0) != len)
			return 2;
	}
	return 0;
}
