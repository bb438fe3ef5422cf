// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: a UID that has no name in its user namespace, and the namespace for itself. What it
 * does to its pair has the same consequences as anywhere else, and the pair stays in the register
 * of the namespace, which a look at /proc/keys from outside shows.
 */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "scenarios.h"

#define UNMAPPED	((uid_t)-1)

static int target;
static void (*inflict)(void);
static bool it_dies;
static int keys_seen;

/* Where a serial is kept. */
static int *first(void)
{
	return &shared->key[target == USER ? 0 : 1];
}

static void ask(void)
{
	in_child(ask_user_keyrings);
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	answer_key(request_key("user", "in u", NULL, 0), "request in u");
	answer_key(search(USER_SESSION, "in us", 0), "search @us");
	answer_key(search(USER, "in u", 0), "search @u");
	describe_key("the first @u", shared->key[0]);
	describe_key("the first @us", shared->key[1]);
}

static void ask_in_vain(void)
{
	ask();
	answer_key(get_keyring_id(SESSION, 1), "@s, create");
	answer_key(add_user_key("in vain", USER_SESSION), "add to @us");
	expect(get_keyring_id(USER_SESSION, 0) == -ENOKEY && get_keyring_id(USER, 0) == -ENOKEY,
	       "a pair that cannot be used should be answered by ENOKEY");
}

static void close_to_all(void)
{
	answer(set_perm(target, 0), "setperm 0");
	in_child(ask_in_vain);
}

/* Which of the two it is depends on when the collector comes, so it is not written down. */
static void invalidate(void)
{
	long id;

	answer(keyctl(KEYCTL_INVALIDATE, target, 0, 0, 0), "invalidate");
	id = get_keyring_id(target, 0);
	expect(id == -ENOKEY || (id > 0 && id != *first()),
	       "at once, there should be ENOKEY or another keyring");
}

static bool has_expired(void)
{
	return may_read(*first()) == -EKEYEXPIRED;
}

static void let_expire(void)
{
	answer(keyctl(KEYCTL_SET_TIMEOUT, target, 1, 0, 0), "timeout 1 s");
	expect(poll_until(has_expired), "the keyring should expire");
	in_child(ask_in_vain);
}

static void let_a_key_die(void)
{
	keyctl(KEYCTL_INVALIDATE, add_user_key("dying", PROCESS), 0, 0, 0);
}

static bool is_gone(void)
{
	in_child(let_a_key_die);
	return get_keyring_id(target, 0) > 0 && may_describe(*first()) == -ENOKEY;
}

static void ask_afterwards(void)
{
	if (!it_dies) {
		in_child(ask_in_vain);
		return;
	}
	expect(poll_until(is_gone), "the keyring should go, and another come");
	in_child(ask);
	expect_keyring(get_keyring_id(USER, 0), "_uid", UNMAPPED);
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", UNMAPPED);
	answer_key(add_user_key("new in us", USER_SESSION), "add to @us");
	answer_key(add_user_key("new in u", USER), "add to @u");
	in_child(ask);
}

static void be_alone(void)
{
	if (unshare(CLONE_NEWUSER))
		die("unshare");
	shared->key[0] = answer_key(get_keyring_id(USER, 0), "@u");
	shared->key[1] = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(add_user_key("in us", USER_SESSION), "add to @us");
	answer_key(add_user_key("in u", USER), "add to @u");
	ask();
	inflict();
	step_done(1);
	step_wait(2);
	say("collected");
	ask_afterwards();
	step_done(3);
	/* The namespace and its keyrings stay as long as somebody lives there. */
	step_wait(4);
}

static void look_from_outside(void)
{
	proc_keys(getuid(), keys_seen);
}

static void alone(int id, void (*fn)(void), bool dies, int keys)
{
	uid_t uid = fresh_uid();
	pid_t pid;

	target = id;
	inflict = fn;
	it_dies = dies;
	keys_seen = keys;
	pid = start_child(uid, be_alone);
	step_wait(1);
	collect_dead_keys();
	step_done(2);
	step_wait(3);
	as_uid(uid, look_from_outside);
	step_done(4);
	finish_child(pid);
}

/* What is seen: the register, and what of the pair and the two keys may be viewed. */
static void perm_us(void)
{
	alone(USER_SESSION, close_to_all, false, 4);
}

static void perm_u(void)
{
	alone(USER, close_to_all, false, 4);
}

/* The register, the pair, two new keys, and the old one in what did not die. */
static void invalidate_us(void)
{
	alone(USER_SESSION, invalidate, true, 6);
}

static void invalidate_u(void)
{
	alone(USER, invalidate, true, 6);
}

static void expire_us(void)
{
	alone(USER_SESSION, let_expire, true, 6);
}

static void expire_u(void)
{
	alone(USER, let_expire, true, 6);
}

const struct scenario unmapped_scenarios[] = {
	{ "without a mapping, the user session keyring closed", perm_us },
	{ "without a mapping, the user keyring closed", perm_u },
	{ "without a mapping, the user session keyring invalidated", invalidate_us },
	{ "without a mapping, the user keyring invalidated", invalidate_u },
	{ "without a mapping, the user session keyring expired", expire_us },
	{ "without a mapping, the user keyring expired", expire_u },
	{ }
};
