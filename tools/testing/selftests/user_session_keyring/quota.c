// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: the first access of a UID whose quota does not suffice, and the
 * next one, when it does.  Nothing half-made may stay in the way.
 */
#include <stdio.h>
#include <unistd.h>

#include "scenarios.h"

static void ask_in_vain(void)
{
	ask_user_keyrings();
	answer_key(get_keyring_id(SESSION, 1), "@s, create");
	answer_key(add_user_key("one", USER_SESSION), "add to @us");
	answer_key(request_key("user", "one", "make", 0), "construct one");
	answer_key(request_key("user", "one", NULL, 0), "request one");
	expect(get_keyring_id(USER_SESSION, 0) == -ENOKEY,
	       "the full quota should be answered by ENOKEY");
}

static int keys_in_the_end;

static void ask_again(void)
{
	ask_user_keyrings();
	expect_keyring(get_keyring_id(USER, 0), "_uid", getuid());
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
	answer_key(add_user_key("one", USER_SESSION), "add to @us");
	answer_key(request_key("user", "one", NULL, 0), "request one");
	proc_keys(getuid(), keys_in_the_end);
}

static void run_short(uid_t uid, const char *path, unsigned long value, int keys)
{
	unsigned long before = read_setting(path);

	say("limit %lu", value);
	write_setting(path, value);
	as_uid(uid, ask_in_vain);
	as_uid(uid, ask_in_vain);
	write_setting(path, before);
	keys_in_the_end = keys;
	as_uid(uid, ask_again);
}

/* The limit cannot be set to nothing, so something is held meanwhile. */
static void hold_a_key(void)
{
	answer_key(get_keyring_id(PROCESS, 1), "@p held");
	step_done(1);
	step_wait(2);
}

static void no_key_free(void)
{
	uid_t uid = fresh_uid();
	pid_t pid = start_child(uid, hold_a_key);

	step_wait(1);
	/* One, the pair, and what is held. */
	run_short(uid, MAXKEYS, 1, 4);
	step_done(2);
	finish_child(pid);
	proc_key_users(uid, 3);
}

static void one_key_free(void)
{
	uid_t uid = fresh_uid();

	/* One, and the pair. */
	run_short(uid, MAXKEYS, 1, 3);
	proc_key_users(uid, 3);
}

static void ask_pair(void)
{
	ask_user_keyrings();
}

static void two_keys_free(void)
{
	unsigned long before = read_setting(MAXKEYS);
	uid_t uid = fresh_uid();

	write_setting(MAXKEYS, 2);
	as_uid(uid, ask_pair);
	write_setting(MAXKEYS, before);
	proc_key_users(uid, 2);
}

/* What a pair takes of the quota, every byte of it. */
static unsigned long pair_bytes(void)
{
	unsigned int owner, bytes = 0;
	uid_t uid = fresh_uid();
	bool found = false;
	char line[128];
	FILE *file;

	as_uid(uid, ask_pair);
	file = fopen("/proc/key-users", "re");
	if (!file)
		die("/proc/key-users");
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%u: %*d %*d/%*d %*d/%*d %u/", &owner,
			       &bytes) == 2 && owner == uid;
	fclose(file);
	expect(found && bytes, "the pair should be charged to its UID");
	return bytes;
}

static void bytes_full(void)
{
	unsigned long bytes = pair_bytes();
	/* Nothing; @u, and @us but for its links; all but the last byte. */
	const unsigned long limits[] = { 1, bytes / 2, bytes - 1 };
	uid_t uid;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uid = fresh_uid();
		run_short(uid, MAXBYTES, limits[i], 3);
		proc_key_users(uid, 3);
	}
}

static void bytes_suffice(void)
{
	unsigned long bytes = pair_bytes(), before = read_setting(MAXBYTES);
	uid_t uid = fresh_uid();

	write_setting(MAXBYTES, bytes);
	as_uid(uid, ask_pair);
	write_setting(MAXBYTES, before);
	proc_key_users(uid, 2);
}

/* A pair that is there costs nothing more. */
static void full_afterwards(void)
{
	unsigned long before = read_setting(MAXKEYS);
	uid_t uid = fresh_uid();

	as_uid(uid, ask_pair);
	write_setting(MAXKEYS, 1);
	as_uid(uid, ask_pair);
	in_child(ask_pair);
	write_setting(MAXKEYS, before);
	proc_key_users(uid, 2);
}

const struct scenario quota_scenarios[] = {
	{ "quota for no key", no_key_free },
	{ "quota for one key", one_key_free },
	{ "quota for two keys", two_keys_free },
	{ "quota in bytes short", bytes_full },
	{ "quota in bytes just enough", bytes_suffice },
	{ "quota full after the first access", full_afterwards },
	{ }
};
