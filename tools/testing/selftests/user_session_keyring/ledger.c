// SPDX-License-Identifier: GPL-2.0
/*
 * What the programs that keep a ledger have in common.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ledger.h"

struct ledger *ledger;

void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	return memory;
}

void open_ledger(void)
{
	ledger = share(sizeof(*ledger));
}

void print_ledger(void)
{
	printf("lives %lu\nadded %lu\nread %lu\nlost %lu\nleft %lu\n",
	       ledger->lives, ledger->added, ledger->read, ledger->lost,
	       ledger->left);
}

void count(unsigned long *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

void wrong(const char *format, ...)
{
	va_list args;

	count(&ledger->wrong);
	va_start(args, format);
	printf("# UID %u: ", getuid());
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	va_end(args);
}

void die(const char *what)
{
	printf("# %s: %s\n", what, strerror(errno));
	fflush(stdout);
	exit(2);
}

long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

void sleep_us(long us)
{
	struct timespec time = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&time, NULL);
}

pid_t spawn(void (*f)(long), long arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		f(arg);
		fflush(stdout);
		_exit(0);
	}
	return pid;
}

void reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		die("waitpid");
	if (status)
		wrong("a process ended with status %#x", status);
}

void become(uid_t uid)
{
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("setresuid");
}

void enter_namespace(uid_t outside)
{
	char map[64];
	int len, fd;

	/* Or else /proc/self belongs to root, who may write the map. */
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER))
		die("unshare");
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	len = snprintf(map, sizeof(map), "0 %u 1", outside);
	if (fd < 0 || write(fd, map, len) != len)
		die("uid_map");
	close(fd);
}

bool are_charged(uid_t first, unsigned int uids)
{
	FILE *file = fopen("/proc/key-users", "re");
	bool charged = false;
	unsigned int found;
	char line[128];

	if (!file)
		die("/proc/key-users");
	while (!charged && fgets(line, sizeof(line), file))
		charged = sscanf(line, "%u:", &found) == 1 && found >= first &&
			  found - first < uids;
	fclose(file);
	return charged;
}

void wait_until_gone(uid_t first, unsigned int uids)
{
	long until = now_us() + GONE_MS * 1000L;

	while (are_charged(first, uids)) {
		if (now_us() > until) {
			count(&ledger->left);
			wrong("UID %u, or one of the %u from it on, is still charged for keys",
			      first, uids);
			return;
		}
		sleep_us(2000);
	}
}
