/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a scenario is written with: processes of fresh UIDs, and a transcript
 * of the kernel's answers in which whatever differs from run to run is named
 * rather than numbered: serials K1, K2, ... and UIDs U1, U2, ... in the order
 * of their first appearance.
 */
#ifndef TRANSCRIPT_H
#define TRANSCRIPT_H

#include <stdbool.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "keys.h"

struct scenario {
	const char *name;
	void (*run)(void);
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define __printf(a, b) \
	__attribute__(( \
		__format__(printf, a, b)))

void transcript_init(void);
int transcript_failures(void);

/*
 * UIDs are taken once and never again, whatever ran before.  The keyrings of a
 * UID may go with its last process, and do when the module is present; so
 * there is one that does nothing, a child of the caller's that dies with it.
 */
uid_t fresh_uid(void);
uid_t fresh_unpinned_uid(void);
pid_t pin_uid(uid_t uid);
void unpin_uid(pid_t pid);

/* A line of the transcript; numbers that have a name are shown by it. */
void say(const char *fmt, ...) __printf(1, 2);

/*
 * The answers to @what, a serial or an errno, given back for further use.
 * answer() is for calls whose success is 0 or a count.
 */
long answer_key(long ret, const char *what, ...)
	__printf(2, 3);
long answer(long ret, const char *what, ...)
	__printf(2, 3);
void describe_key(const char *what, int id);
void list_keyring(const char *what, int id);
void payload_of(const char *what, int id);

/*
 * The lines about @uid that the current process sees in /proc.  @keys is what
 * there must be in the end: until the keyrings of processes that have exited
 * are freed, there are more.
 */
void proc_keys(uid_t uid, int keys);
void proc_key_users(uid_t uid, int keys);

/*
 * What is documented, and so known beforehand: it must hold in every run, or
 * two wrong answers would compare as equal.
 */
#define expect(cond, fmt, ...) \
	do { \
		if (!(cond)) \
			expectation_failed(__FILE__, __LINE__, fmt, \
					   ##__VA_ARGS__); \
	} while (0)
void expectation_failed(const char *file, int line, const char *fmt, ...)
	__printf(3, 4);
void expect_keyring(int id, const char *name, uid_t uid);

/*
 * Run @fn in a process of its own: with every UID and GID changed to @uid, or
 * as the caller.  A process dies with its test: none is left running.
 */
void as_uid(uid_t uid, void (*fn)(void));
void in_child(void (*fn)(void));
pid_t start_child(uid_t uid, void (*fn)(void));
void finish_child(pid_t pid);
void become(uid_t uid);

/* Steps between processes: each side names the step it has come to. */
void step_done(int step);
void step_wait(int step);

/* Memory that all the processes of a scenario share. */
extern struct shared {
	uid_t uid[8];
	int key[16];
	long number[16];
} *shared;

/* What main() puts back when the scenario has ended, however it ended. */
#define GC_DELAY	"/proc/sys/kernel/keys/gc_delay"
#define MAXKEYS		"/proc/sys/kernel/keys/maxkeys"
#define MAXBYTES	"/proc/sys/kernel/keys/maxbytes"
unsigned long read_setting(const char *path);
void write_setting(const char *path, unsigned long value);

/* Have the collector unlink what is dead now, not in five minutes. */
void collect_dead_keys(void);

/* The test itself has failed, not the kernel. */
noreturn void die(const char *what);

/* How many times as long as usual something may take: see functions.sh. */
unsigned int patience(void);

/* Poll @done for ten seconds at most, times patience(). */
bool poll_until(bool (*done)(void));

#endif
