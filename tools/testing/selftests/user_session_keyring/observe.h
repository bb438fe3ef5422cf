/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What becomes of keyrings, seen by somebody who has no part in it: by a serial number one can tell
 * whether a key exists, without being let near it.
 */
#ifndef OBSERVE_H
#define OBSERVE_H

#include "transcript.h"

/* Whether keyrings are meant to end with the record of their UID. */
bool module_present(void);

bool key_exists(int id);

/* What a UID leaves: @us, @u, and a secret in @us. */
#define US	(shared->key[0])
#define U	(shared->key[1])
#define SECRET	(shared->key[2])

void leave_secret(void);
bool finds_secret(void);
void expect_secret(void);

/* The serial of what the caller sees in /proc/keys under that name, or 0. */
int visible_key(const char *desc);

/* How many keys are charged to @uid, 0 if there is no record of it. */
int keys_charged(uid_t uid);

/* Expect that in the end there are so many. */
void expect_charged(uid_t uid, int keys);

/*
 * Wait until two other UIDs, one after the other, have lost all that nothing pins: whatever else
 * was to go by now has had more time.
 */
void let_others_die(void);

/* Whether @id is freed, given the time that it takes. */
bool is_freed(int id);

/*
 * Expect that a key goes with its UID: that it is freed if the module is present, and that it is
 * there when others have died if not.
 */
void expect_documented_end(int id, const char *what);

/* The same of all that leave_secret() left, and of the quota. */
void expect_documented_end_of(uid_t uid);

/* Expect that a key is there when others have died. */
void expect_pinned(int id, const char *what);

void send_fd(int sock, int fd);
int receive_fd(int sock);

/* A file opened by the current process. */
int open_a_file(void);

/* Have memory for more of the stack than anybody here needs. */
void touch_stack(void);

#endif
