/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The key system calls, raw: the tests must see what the kernel answered, and
 * libkeyutils would stand between.  Each wrapper returns the kernel's value,
 * or a negative errno.
 */
#ifndef KEYS_H
#define KEYS_H

#include <errno.h>
#include <linux/keyctl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREAD		KEY_SPEC_THREAD_KEYRING
#define PROCESS		KEY_SPEC_PROCESS_KEYRING
#define SESSION		KEY_SPEC_SESSION_KEYRING
#define USER		KEY_SPEC_USER_KEYRING
#define USER_SESSION	KEY_SPEC_USER_SESSION_KEYRING

/* Permission masks, which <linux/keyctl.h> keeps to the kernel. */
#define POS_VIEW	0x01000000
#define POS_READ	0x02000000
#define POS_WRITE	0x04000000
#define POS_SEARCH	0x08000000
#define POS_LINK	0x10000000
#define POS_SETATTR	0x20000000
#define POS_ALL		0x3f000000
#define USR_VIEW	0x00010000
#define USR_SEARCH	0x00080000
#define USR_ALL		0x003f0000

/* From a death until it is certain what lives on, as SETTLING in rust/survivor.rs. */
#define SETTLES_MS	1000

/* What the kernel gives to _uid.N and _uid_ses.N. */
#define UID_KEYRING_PERM	((POS_ALL & ~POS_SETATTR) | USR_ALL)

static inline long keyctl(int op, long a, long b, long c, long d)
{
	long ret = syscall(__NR_keyctl, op, a, b, c, d);

	return ret < 0 ? -errno : ret;
}

static inline long get_keyring_id(int id, int create)
{
	return keyctl(KEYCTL_GET_KEYRING_ID, id, create, 0, 0);
}

static inline long add_key(const char *type, const char *desc,
			   const void *payload, size_t len, int ring)
{
	long ret = syscall(__NR_add_key, type, desc, payload, len, ring);

	return ret < 0 ? -errno : ret;
}

static inline long request_key(const char *type, const char *desc,
			       const char *callout, int ring)
{
	long ret = syscall(__NR_request_key, type, desc, callout, ring);

	return ret < 0 ? -errno : ret;
}

/* Whether one may, without the text: its length, or an errno. */
static inline long may_describe(int id)
{
	return keyctl(KEYCTL_DESCRIBE, id, 0, 0, 0);
}

static inline long may_read(int id)
{
	return keyctl(KEYCTL_READ, id, 0, 0, 0);
}

/* A key of type user with its own name as the payload. */
long add_user_key(const char *desc, int ring);
long add_keyring(const char *desc, int ring);
long search(int ring, const char *desc, int dest);
long read_key(int id, char *buf, size_t size);
long describe(int id, char *buf, size_t size);
long set_perm(int id, unsigned int perm);
long join_session(const char *name);

/* By the clock that is never set. */
long now_ms(void);

#endif
