// SPDX-License-Identifier: GPL-2.0
/*
 * How many look-ups of @us are made in a second, on two processors.
 *
 * Usage: rate CALLERS same|different|getuid NEIGHBOUR MILLISECONDS
 *
 * There are one or two callers, on a processor each, of the same UID or of different ones, or they
 * make a system call that touches nothing. The neighbour, on the second processor, is "none",
 * "idle", which makes such calls, or "creator", who has one UID after the other log in, get its
 * keyrings, and log out.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "keys.h"
#include "users.h"

#define CALLER		1000
#define VISITORS	100000
#define MANY		100

static struct shared {
	atomic_int ready, go, stop;
	atomic_ulong calls;
} *shared;

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void look_up(void)
{
	long ret = get_keyring_id(USER_SESSION, 0);

	if (ret < 0) {
		errno = -ret;
		die("@us");
	}
}

static void wait_for_go(void)
{
	shared->ready++;
	while (!shared->go)
		sched_yield();
}

static void call_getuid(void)
{
	syscall(__NR_getuid);
}

static void caller(uid_t uid, void (*call)(void))
{
	unsigned long calls = 0;

	become(uid);
	look_up();
	wait_for_go();
	for (; !shared->stop; calls += MANY)
		for (int i = 0; i < MANY; i++)
			call();
	shared->calls += calls;
}

static void idle(void)
{
	wait_for_go();
	while (!shared->stop)
		for (int i = 0; i < MANY; i++)
			call_getuid();
}

static void create(void)
{
	uid_t uid = VISITORS;
	pid_t pid;

	wait_for_go();
	while (!shared->stop) {
		pid = fork();
		if (!pid) {
			become(uid);
			look_up();
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			die("fork");
		uid++;
	}
}

static void in_child(int cpu, uid_t uid, const char *what)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return;
	stay_on(cpu);
	if (!strcmp(what, "creator"))
		create();
	else if (!strcmp(what, "idle"))
		idle();
	else
		caller(uid, strcmp(what, "getuid") ? look_up : call_getuid);
	_exit(0);
}

static long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(int argc, char **argv)
{
	int callers, others, status;
	struct timespec pause;
	long begin, end;

	if (argc != 5) {
		fprintf(stderr,
			"usage: rate CALLERS same|different|getuid NEIGHBOUR MILLISECONDS\n");
		return 2;
	}
	callers = atoi(argv[1]);
	others = strcmp(argv[3], "none") != 0;
	pause.tv_sec = atoi(argv[4]) / 1000;
	pause.tv_nsec = atoi(argv[4]) % 1000 * 1000000L;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");

	for (int i = 0; i < callers; i++)
		in_child(i, CALLER + (strcmp(argv[2], "same") ? i : 0), argv[2]);
	if (others)
		in_child(1, 0, argv[3]);
	while (shared->ready < callers + others)
		usleep(1000);
	begin = now_ns();
	shared->go = 1;
	nanosleep(&pause, NULL);
	shared->stop = 1;
	end = now_ns();
	while (wait(&status) > 0)
		if (status)
			return 1;
	printf("%lu\n", shared->calls * 1000000000UL / (end - begin));
	return 0;
}
