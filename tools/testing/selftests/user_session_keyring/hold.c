// SPDX-License-Identifier: GPL-2.0
/*
 * Has the kernel, and the module, hold as much as can be had of one kind: all that a script then
 * has to do is to weigh it.
 *
 * Usage: hold uids COUNT FIRST		UIDs with a pair, each pinned by a file
 *        hold dead COUNT FIRST		the same, and the pair has been invalidated
 *        hold namespaces COUNT UID	namespaces in which that UID has a pair
 *        hold survivors COUNT FIRST	pairs of UIDs that are gone, linked from elsewhere
 *        hold returning COUNT FIRST	UIDs that are gone and back all the time, each with a
 *					keyring that is linked from elsewhere; after SIGUSR1 the
 *					module is disabled while half of them are in a look-up,
 *					and it prints how many of these slept, and how many
 *					milliseconds that took
 *        hold looking COUNT UID	processes of another UID that look at the priority of
 *					that one all the time, which has its record looked up
 *
 * Prints how many there are, which is fewer than COUNT if a quota ends it, and goes on until it is
 * killed.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "keys.h"
#include "users.h"

#define ENABLED	"/sys/kernel/livepatch/user_session_keyring/enabled"
#define OTHER	5900	/* whose session keyring links what survives */

/* The file is left open. */
static void pin(uid_t uid)
{
	if (setresuid(uid, -1, -1) || open("/proc/self/exe", O_RDONLY) < 0 ||
	    setresuid(0, -1, -1))
		die("a file of a UID");
}

static void live_as(uid_t uid)
{
	become(uid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int hold_uid(uid_t uid, int dead)
{
	long us, u;

	if (setresuid(uid, -1, -1))
		die("setresuid");
	us = get_keyring_id(USER_SESSION, 0);
	u = get_keyring_id(USER, 0);
	/* It is by @us that both are possessed. */
	if (dead && (keyctl(KEYCTL_INVALIDATE, u, 0, 0, 0) ||
		     keyctl(KEYCTL_INVALIDATE, us, 0, 0, 0)))
		die("invalidate");
	if (setresuid(0, -1, -1))
		die("setresuid");
	pin(uid);
	return us > 0 && u > 0;
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("a process");
	return status;
}

static void live_in_namespace(uid_t uid, int ready, int go)
{
	char byte;

	live_as(uid);
	if (unshare(CLONE_NEWUSER))
		die("unshare");
	map_to_root(uid);
	if (get_keyring_id(USER_SESSION, 0) < 0)
		_exit(1);
	if (write(ready, "", 1) != 1 || read(go, &byte, 1) != 1)
		die("pipe");
	_exit(0);
}

/* The namespace is left open. */
static int hold_namespace(uid_t uid)
{
	int ready[2], go[2], got;
	char path[64], byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (!pid) {
		close(ready[0]);
		live_in_namespace(uid, ready[1], go[0]);
	}
	close(ready[1]);
	close(go[0]);
	got = read(ready[0], &byte, 1) == 1;
	if (got) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		if (open(path, O_RDONLY) < 0)
			die(path);
		if (write(go[1], "", 1) != 1)
			die("pipe");
	}
	close(ready[0]);
	close(go[1]);
	wait_for(pid);
	return got;
}

/* Of another UID, so that it is not charged to those that survive. */
static void have_session(void)
{
	if (setresuid(OTHER, OTHER, 0) || join_session(NULL) < 0 || setresuid(-1, 0, -1) ||
	    setresuid(0, 0, 0))
		die("a session keyring");
}

/* The look-ups of those that come back. */
static struct {
	int inside;		/* how many there are now */
	int is_disabled;
	int caught;		/* how many slept from before that until after it */
} *look_ups;

/* Who is preempted does not give way by itself, as who sleeps does. */
static long look_up(void)
{
	int was_disabled = __atomic_load_n(&look_ups->is_disabled, __ATOMIC_SEQ_CST);
	struct rusage before, after;
	long us;

	getrusage(RUSAGE_SELF, &before);
	__atomic_add_fetch(&look_ups->inside, 1, __ATOMIC_SEQ_CST);
	us = get_keyring_id(USER_SESSION, 0);
	__atomic_sub_fetch(&look_ups->inside, 1, __ATOMIC_SEQ_CST);
	getrusage(RUSAGE_SELF, &after);
	if (!was_disabled && __atomic_load_n(&look_ups->is_disabled, __ATOMIC_SEQ_CST) &&
	    after.ru_nvcsw > before.ru_nvcsw + 1)
		__atomic_add_fetch(&look_ups->caught, 1, __ATOMIC_SEQ_CST);
	return us;
}

static int live_and_link(uid_t uid)
{
	pid_t pid = fork();

	if (!pid) {
		live_as(uid);
		_exit(look_up() < 0 ||
		      keyctl(KEYCTL_LINK, USER_SESSION, SESSION, 0, 0));
	}
	return !wait_for(pid);
}

static int return_for_ever(uid_t uid)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (live_and_link(uid))
			;
		die("a UID that comes back");
	}
	return 1;
}

static void disable_when_told(int count)
{
	sigset_t signals;
	int fd, number;
	long begun;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigwait(&signals, &number);
	while (__atomic_load_n(&look_ups->inside, __ATOMIC_SEQ_CST) < count / 2)
		usleep(1000);
	fd = open(ENABLED, O_WRONLY);
	begun = now_ms();
	__atomic_store_n(&look_ups->is_disabled, 1, __ATOMIC_SEQ_CST);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(ENABLED);
	close(fd);
	/* All are out of the module when the transition has ended. */
	while (!access(ENABLED, F_OK))
		usleep(1000);
	printf("%d %ld\n", look_ups->caught, now_ms() - begun);
	fflush(stdout);
}

static int look_for_ever(uid_t uid)
{
	pid_t pid = fork();

	if (!pid) {
		live_as(OTHER);
		for (;;)
			getpriority(PRIO_USER, uid);
	}
	return 1;
}

int main(int argc, char **argv)
{
	const struct rlimit files = { 4096, 4096 };
	int count, held = 0, more = 1;
	const char *what;
	sigset_t signals;
	uid_t first;

	if (argc != 4) {
		fprintf(stderr, "usage: %s WHAT COUNT UID\n", argv[0]);
		return 2;
	}
	what = argv[1];
	count = atoi(argv[2]);
	first = strtoul(argv[3], NULL, 10);
	setrlimit(RLIMIT_NOFILE, &files);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	look_ups = mmap(NULL, sizeof(*look_ups), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (look_ups == MAP_FAILED)
		die("mmap");
	if (!strcmp(what, "namespaces"))
		pin(first);
	if (!strcmp(what, "survivors") || !strcmp(what, "returning"))
		have_session();
	for (; more && held < count; held += more) {
		if (!strcmp(what, "uids"))
			more = hold_uid(first + held, 0);
		else if (!strcmp(what, "dead"))
			more = hold_uid(first + held, 1);
		else if (!strcmp(what, "namespaces"))
			more = hold_namespace(first);
		else if (!strcmp(what, "survivors"))
			more = live_and_link(first + held);
		else if (!strcmp(what, "returning"))
			more = return_for_ever(first + held);
		else if (!strcmp(what, "looking"))
			more = look_for_ever(first);
		else
			die(what);
	}
	printf("%d\n", held);
	fflush(stdout);
	if (!strcmp(what, "returning"))
		disable_when_told(count);
	for (;;)
		pause();
}
