/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ledger that processes keep together: what they were told was added to
 * keyrings, what of that was there when they looked, and what was not.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define GONE_MS		10000	/* until the keyrings of a UID must be gone */

struct ledger {
	unsigned long lives, added, read, lost, left, wrong;
};

extern struct ledger *ledger;

/* To be called first. Whoever is forked afterwards writes into the same one. */
void open_ledger(void);

/* Lines of "name number". */
void print_ledger(void);

/* Memory that processes which are forked afterwards share. */
void *share(size_t size);

void count(unsigned long *what);

/* A line that begins with "#", and is counted. */
void wrong(const char *format, ...);

/* For what has nothing to do with what is tested. */
noreturn void die(const char *what);

long now_us(void);
void sleep_us(long us);

/* A child that calls @f, and dies with its parent. */
pid_t spawn(void (*f)(long), long arg);
void reap(pid_t pid);

void become(uid_t uid);

/* In a new user namespace the caller's UID, @outside, is called 0. */
void enter_namespace(uid_t outside);

/* Whether any of so many UIDs is charged for keys. */
bool are_charged(uid_t first, unsigned int uids);

/* Those of a life that has ended have to be gone, and are waited for. */
void wait_until_gone(uid_t first, unsigned int uids);

#endif
