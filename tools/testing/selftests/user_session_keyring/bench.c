// SPDX-License-Identifier: GPL-2.0
/*
 * What look-ups cost, in instructions. The machine is to count them instead of time, one for each
 * tick of its clock, and to have one processor: -icount shift=0,sleep=off.
 *
 * Usage: bench measure BLOCKS		each cost, by its name, in a line
 *        bench cost NAME BLOCKS	one of them
 *        bench hold UIDS FIRST		keep so many UIDs with keyrings, until killed
 *        bench hold-namespaces COUNT	keep so many namespaces of one UID, with its keyrings
 *        bench once @s|@u|@us		look it up, from one address to another
 *        bench where			which addresses these are
 *
 * A cost is the least of BLOCKS: of 1,000 calls, or of single ones if only the first of its kind
 * is of interest. Others have interrupts in them, and what the kernel does now and then. Where
 * its memory lies makes a process dear or cheap for all its life: there are several.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <x86intrin.h>

#include "keys.h"
#include "users.h"

#define CALLS	1000
/* A life takes a thousand times as long as a look-up. */
#define LIVES	50

#define PROCESSES	5

/* Nobody else is one of these. */
#define CALLER	1000
#define FRESH	2000000
#define NOBODY	3000000

static uid_t fresh;

static void check(long ret, const char *what)
{
	if (ret < 0) {
		errno = -ret;
		die(what);
	}
}

static void call_getuid(void)
{
	syscall(__NR_getuid);
}

static void look_up_process(void)
{
	check(get_keyring_id(PROCESS, 1), "@p");
}

static void look_up_session(void)
{
	check(get_keyring_id(SESSION, 0), "@s");
}

static void look_up_user(void)
{
	check(get_keyring_id(USER, 0), "@u");
}

static void look_up_user_session(void)
{
	check(get_keyring_id(USER_SESSION, 0), "@us");
}

static void request(void)
{
	check(request_key("user", "bench", NULL, 0), "request_key");
}

static void live(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		die("fork");
}

/* As root: a file with credentials of another UID, whose record it pins. */
static int open_file(uid_t uid, void (*before)(void))
{
	int fd;

	if (setresuid(uid, 0, 0))
		die("setresuid");
	if (before)
		before();
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("/dev/null");
	if (setresuid(0, 0, 0))
		die("setresuid");
	return fd;
}

static void file_of_nobody(void)
{
	close(open_file(NOBODY, NULL));
}

static void file_of_caller(void)
{
	close(open_file(CALLER, NULL));
}

static void prepare_caller(void)
{
	become(CALLER);
	look_up_user_session();
}

static void prepare_session(void)
{
	prepare_caller();
	check(join_session(NULL), "join_session_keyring");
}

static void prepare_process(void)
{
	prepare_caller();
	look_up_process();
}

/* Without a session keyring, the user session keyring is searched. */
static void prepare_request(void)
{
	prepare_caller();
	check(add_user_key("bench", USER_SESSION), "add_key");
}

static void prepare_nobody(void)
{
	become(NOBODY);
}

static void prepare_fresh(void)
{
	become(fresh);
}

static void prepare_file(void)
{
	open_file(NOBODY, NULL);
}

static void prepare_file_with(void)
{
	open_file(CALLER, look_up_user_session);
}

static const struct cost {
	const char *name;
	void (*prepare)(void);
	void (*call)(void);
	/* How many are taken at once; 1 if it is the first of its kind. */
	int calls;
} costs[] = {
	{ "getuid", prepare_caller, call_getuid, CALLS },
	{ "@p", prepare_process, look_up_process, CALLS },
	{ "@s", prepare_session, look_up_session, CALLS },
	{ "@u", prepare_session, look_up_user, CALLS },
	{ "@us", prepare_session, look_up_user_session, CALLS },
	/* It has the user session keyring from then on. */
	{ "@s-without", prepare_caller, look_up_session, 1 },
	{ "request_key", prepare_request, request, CALLS },
	{ "@us-first", prepare_fresh, look_up_user_session, 1 },
	{ "life", prepare_nobody, live, LIVES },
	{ "life-with", prepare_caller, live, LIVES },
	{ "file", prepare_file, file_of_nobody, CALLS },
	{ "file-with", prepare_file_with, file_of_caller, CALLS },
};

#define COUNT	(sizeof(costs) / sizeof(*costs))

static unsigned long block(const struct cost *cost)
{
	unsigned long begin = __rdtsc();

	for (int i = 0; i < cost->calls; i++)
		cost->call();
	return __rdtsc() - begin;
}

static unsigned long least(unsigned long a, unsigned long b)
{
	return a < b ? a : b;
}

/* In a process of its own. */
static unsigned long in_child(const struct cost *cost, int blocks)
{
	unsigned long *best = mmap(NULL, sizeof(*best), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long result;
	int status;
	pid_t pid;

	if (best == MAP_FAILED)
		die("mmap");
	*best = ~0UL;
	pid = fork();
	if (!pid) {
		cost->prepare();
		for (int i = 0; i < blocks; i++)
			*best = least(*best, block(cost));
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		die(cost->name);
	result = *best;
	munmap(best, sizeof(*best));
	return result;
}

static void measure(const struct cost *cost, int blocks)
{
	int processes = cost->calls > 1 && blocks > PROCESSES ? PROCESSES : blocks;
	unsigned long best = ~0UL;

	for (int i = 0; i < processes; i++, fresh++)
		best = least(best, in_child(cost, blocks / processes));
	printf("%s %lu\n", cost->name, (best + cost->calls / 2) / cost->calls);
	fflush(stdout);
}

/* Files pin UIDs at the least expense. */
static void hold(int uids, uid_t first)
{
	for (int i = 0; i < uids; i++)
		open_file(first + i, look_up_user_session);
}

/* Namespaces live as long as a file of them is open. */
static void hold_namespaces(int count)
{
	int sockets[2];
	char path[64];
	pid_t pid;
	char byte;

	open_file(CALLER, look_up_user_session);
	for (int i = 0; i < count; i++) {
		if (pipe2(sockets, O_CLOEXEC))
			die("pipe");
		pid = fork();
		if (!pid) {
			become(CALLER);
			if (unshare(CLONE_NEWUSER))
				die("unshare");
			map_to_root(CALLER);
			look_up_user_session();
			if (write(sockets[1], "", 1) != 1)
				die("pipe");
			pause();
		}
		if (pid < 0 || read(sockets[0], &byte, 1) != 1)
			die("a namespace");
		close(sockets[0]);
		close(sockets[1]);
		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		if (open(path, O_RDONLY | O_CLOEXEC) < 0)
			die(path);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

/* Whoever follows each instruction begins and ends there. */
extern const char once_begin[], once_end[];

static void once(const struct cost *cost, int keyring)
{
	long ret = __NR_keyctl;

	cost->prepare();
	block(cost);
	asm volatile("xor %%r10d, %%r10d\n"
		     ".globl once_begin, once_end\n"
		     "once_begin:\n"
		     "syscall\n"
		     "once_end:\n"
		     : "+a" (ret)
		     : "D" (KEYCTL_GET_KEYRING_ID), "S" (keyring), "d" (0)
		     : "rcx", "r10", "r11", "memory");
	check(ret, cost->name);
}

static void show_usage(void)
{
	fprintf(stderr, "usage: bench measure BLOCKS | cost NAME BLOCKS | hold UIDS FIRST |\n"
			"       hold-namespaces COUNT | once @s|@u|@us | where\n");
	exit(2);
}

static const struct cost *find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (!strcmp(costs[i].name, name))
			return &costs[i];
	show_usage();
	return NULL;
}

static int keyring(const char *name)
{
	if (!strcmp(name, "@s"))
		return SESSION;
	if (!strcmp(name, "@u"))
		return USER;
	if (strcmp(name, "@us"))
		show_usage();
	return USER_SESSION;
}

static int number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 1 || value > 1000000)
		show_usage();
	return value;
}

/* Until killed; whoever waits reads a line. */
static void stay(void)
{
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	/* Of those that were there before the kernel forgets none. */
	fresh = FRESH + getpid() * 1000;
	if (argc == 3 && !strcmp(argv[1], "measure")) {
		for (size_t i = 0; i < COUNT; i++)
			measure(&costs[i], number(argv[2]));
	} else if (argc == 4 && !strcmp(argv[1], "cost")) {
		measure(find(argv[2]), number(argv[3]));
	} else if (argc == 4 && !strcmp(argv[1], "hold")) {
		hold(number(argv[2]), number(argv[3]));
		stay();
	} else if (argc == 3 && !strcmp(argv[1], "hold-namespaces")) {
		hold_namespaces(number(argv[2]));
		stay();
	} else if (argc == 3 && !strcmp(argv[1], "once")) {
		once(find(argv[2]), keyring(argv[2]));
	} else if (argc == 2 && !strcmp(argv[1], "where")) {
		printf("%lx %lx\n", (unsigned long)once_begin, (unsigned long)once_end);
	} else {
		show_usage();
	}
	return 0;
}
