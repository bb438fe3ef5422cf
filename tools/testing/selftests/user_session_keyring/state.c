// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: what is answered when a keyring of the pair is revoked, expired,
 * invalidated, emptied, closed to its possessor or given away; to the process
 * that did it, to another one, and after the collector has been round.
 */
#include <stdio.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "scenarios.h"

#define NOT_YET		12600	/* seconds: "3h" in /proc/keys throughout */

static void ask_everything(void)
{
	in_child(ask_user_keyrings);
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	answer_key(request_key("user", "in u", NULL, 0), "request in u");
	answer_key(search(USER_SESSION, "in us", 0), "search @us");
	answer_key(search(USER, "in u", 0), "search @u");
	describe_key("the first @u", shared->key[0]);
	describe_key("the first @us", shared->key[1]);
}

static void fill(void)
{
	shared->key[0] = answer_key(get_keyring_id(USER, 0), "@u");
	shared->key[1] = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(add_user_key("in us", USER_SESSION), "add to @us");
	answer_key(add_user_key("in u", USER), "add to @u");
	in_child(ask_user_keyrings);
}

static void ask_create(void)
{
	answer_key(get_keyring_id(SESSION, 1), "@s, create");
	answer_key(add_user_key("new", USER_SESSION), "add to @us");
	answer_key(request_key("user", "made", "make", 0), "construct");
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
}

static int target;
static bool alive;
static bool dead_us, dead_u;

static void ask_alive(void)
{
	shared->number[1] = get_keyring_id(USER_SESSION, 0) > 0;
}

static bool is_alive(void)
{
	as_uid(shared->uid[0], ask_alive);
	return shared->number[1];
}

static bool dead_are_gone(void)
{
	return (!dead_us || may_describe(shared->key[1]) == -ENOKEY) &&
	       (!dead_u || may_describe(shared->key[0]) == -ENOKEY);
}

/* A dead keyring that anything holds on to would never go. */
static bool is_alive_again(void)
{
	collect_dead_keys();
	return is_alive() && dead_are_gone();
}

static void try_to_create(void)
{
	answer_key(get_keyring_id(SESSION, 1), "@s, create");
	answer_key(add_user_key("new", USER_SESSION), "add to @us");
	answer_key(request_key("user", "made", "make", 0), "construct");
	if (!alive)
		expect(get_keyring_id(USER_SESSION, 0) == -ENOKEY,
		       "a dead pair should be answered by ENOKEY");
}

/* What dies by the hand of a process of the UID, and what is left at last. */
static const struct damage {
	void (*inflict)(void);
	bool us_dies, u_dies;
	int keys_left;
} *damage;

static void damage_pair(void)
{
	bool lives = !damage->us_dies && !damage->u_dies;

	shared->uid[0] = fresh_uid();
	alive = lives;
	dead_us = damage->us_dies;
	dead_u = damage->u_dies;
	as_uid(shared->uid[0], damage->inflict);
	as_uid(shared->uid[0], ask_everything);
	as_uid(shared->uid[0], try_to_create);
	expect(is_alive() == lives, "the pair should be %s",
	       lives ? "alive" : "dead");
	expect(poll_until(is_alive_again),
	       "there should be a live pair once the collector was here");
	say("collected");
	as_uid(shared->uid[0], ask_everything);
	as_uid(shared->uid[0], ask_create);
	proc_key_users(shared->uid[0], damage->keys_left);
}

static void revoke_target(void)
{
	fill();
	answer(keyctl(KEYCTL_REVOKE, target, 0, 0, 0), "revoke");
	ask_everything();
}

static void revoke_us(void)
{
	damage = &(const struct damage){ revoke_target, true, false, 4 };
	target = USER_SESSION;
	damage_pair();
}

static void revoke_u(void)
{
	damage = &(const struct damage){ revoke_target, false, true, 4 };
	target = USER;
	damage_pair();
}

static bool has_expired(void)
{
	return may_read(shared->key[2]) == -EKEYEXPIRED;
}

static void expire_target(void)
{
	fill();
	shared->key[2] = get_keyring_id(target, 0);
	answer(keyctl(KEYCTL_SET_TIMEOUT, target, 1, 0, 0), "timeout 1 s");
	expect(poll_until(has_expired), "the keyring should expire");
	ask_everything();
}

static void expire_us(void)
{
	damage = &(const struct damage){ expire_target, true, false, 4 };
	target = USER_SESSION;
	damage_pair();
}

static void expire_u(void)
{
	damage = &(const struct damage){ expire_target, false, true, 4 };
	target = USER;
	damage_pair();
}

static void set_timeouts(void)
{
	fill();
	answer(keyctl(KEYCTL_SET_TIMEOUT, USER_SESSION, NOT_YET, 0, 0),
	       "timeout of @us");
	answer(keyctl(KEYCTL_SET_TIMEOUT, USER, NOT_YET, 0, 0),
	       "timeout of @u");
	ask_everything();
	proc_keys(getuid(), 4);
	expect(get_keyring_id(USER_SESSION, 0) == shared->key[1],
	       "@us should stay until its time has come");
}

static void clear_timeouts(void)
{
	answer(keyctl(KEYCTL_SET_TIMEOUT, USER_SESSION, 0, 0, 0),
	       "no timeout of @us");
	answer(keyctl(KEYCTL_SET_TIMEOUT, USER, 0, 0, 0),
	       "no timeout of @u");
	ask_everything();
	proc_keys(getuid(), 5);
}

static void timeouts(void)
{
	damage = &(const struct damage){ set_timeouts, false, false, 5 };
	damage_pair();
	as_uid(shared->uid[0], clear_timeouts);
}

/*
 * The collector is called by the invalidation itself: what is answered before
 * it has come depends on when it comes, so only the end is compared.
 */
static void invalidate(void)
{
	fill();
	answer(keyctl(KEYCTL_INVALIDATE, target, 0, 0, 0), "invalidate");
}

static bool first_is_gone(void)
{
	return is_alive() &&
	       may_describe(shared->key[target == USER ? 0 : 1]) == -ENOKEY;
}

static void invalidate_one(int id)
{
	target = id;
	shared->uid[0] = fresh_uid();
	as_uid(shared->uid[0], invalidate);
	expect(poll_until(first_is_gone),
	       "the keyring should go, and another come");
	as_uid(shared->uid[0], ask_everything);
	as_uid(shared->uid[0], ask_create);
}

static void invalidate_us(void)
{
	invalidate_one(USER_SESSION);
}

static void invalidate_u(void)
{
	invalidate_one(USER);
}

static void clear_target(void)
{
	fill();
	answer(keyctl(KEYCTL_CLEAR, target, 0, 0, 0), "clear");
	ask_everything();
	expect(get_keyring_id(target, 0) ==
	       shared->key[target == USER ? 0 : 1], "a clear should keep it");
}

static void clear_us(void)
{
	damage = &(const struct damage){ clear_target, false, false, 4 };
	target = USER_SESSION;
	damage_pair();
}

static void clear_u(void)
{
	damage = &(const struct damage){ clear_target, false, false, 4 };
	target = USER;
	damage_pair();
}

/* A name that leads nowhere any more: nothing to share, nothing to link. */
static void revoke_both(void)
{
	fill();
	answer(keyctl(KEYCTL_REVOKE, USER_SESSION, 0, 0, 0), "revoke @us");
	answer(keyctl(KEYCTL_REVOKE, shared->key[0], 0, 0, 0), "revoke @u");
	ask_everything();
}

static void revoke_pair(void)
{
	damage = &(const struct damage){ revoke_both, true, true, 3 };
	damage_pair();
}

/* Who had @us as a session before it died keeps it, dead. */
static void keep_session(void)
{
	answer_key(get_keyring_id(SESSION, 0), "@s");
	answer_key(add_user_key("in us", USER_SESSION), "add to @us");
	step_done(1);
	step_wait(2);
	answer_key(get_keyring_id(SESSION, 0), "@s after the revocation");
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	step_done(3);
	step_wait(4);
	answer_key(get_keyring_id(SESSION, 0), "@s after the collector");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us after the collector");
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	answer_key(get_keyring_id(SESSION, 1), "@s, create");
}

static void revoke_now(void)
{
	answer(keyctl(KEYCTL_REVOKE, USER_SESSION, 0, 0, 0), "revoke @us");
}

static void session_dies(void)
{
	pid_t pid;

	shared->uid[0] = fresh_uid();
	pid = start_child(shared->uid[0], keep_session);
	step_wait(1);
	as_uid(shared->uid[0], revoke_now);
	step_done(2);
	step_wait(3);
	expect(poll_until(is_alive_again), "there should be a new pair");
	as_uid(shared->uid[0], ask_user_keyrings);
	step_done(4);
	finish_child(pid);
}

/* The register is searched with possession: what if that is not enough? */
static void close_to_search(void)
{
	fill();
	answer(set_perm(target, UID_KEYRING_PERM & ~(POS_SEARCH | USR_SEARCH)),
	       "setperm without search");
	ask_everything();
	in_child(try_to_create);
	proc_keys(getuid(), 4);
}

static void close_to_possessor(void)
{
	fill();
	answer(set_perm(target, USR_ALL), "setperm without possessor");
	ask_everything();
	in_child(try_to_create);
}

static void close_to_owner(void)
{
	fill();
	answer(set_perm(target, POS_ALL), "setperm without owner");
	ask_everything();
	in_child(try_to_create);
}

/*
 * The permissions are those of the filesystem UID, and the pair that of the
 * real one: what the owner may search is closed to others.
 */
static void ask_as_other(void)
{
	if (setresuid(shared->uid[0], shared->uid[1], 0))
		die("setresuid");
	ask_user_keyrings();
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	if (!alive)
		expect(get_keyring_id(USER_SESSION, 0) == -ENOKEY,
		       "what only the owner may search should be closed");
}

static void ask_as_owner(void)
{
	if (setresuid(shared->uid[1], shared->uid[0], 0))
		die("setresuid");
	ask_user_keyrings();
	expect(get_keyring_id(USER_SESSION, 0) != shared->key[1],
	       "the pair should be that of the real UID");
}

static void open_again(void)
{
	answer(set_perm(shared->key[0], UID_KEYRING_PERM), "setperm @u");
	answer(set_perm(shared->key[1], UID_KEYRING_PERM), "setperm @us");
	ask_everything();
	expect(get_keyring_id(USER_SESSION, 0) == shared->key[1],
	       "@us should be back");
}

static void close_pair(void (*how)(void), int id, bool still_alive)
{
	target = id;
	alive = still_alive;
	shared->uid[0] = fresh_uid();
	as_uid(shared->uid[0], how);
	as_uid(shared->uid[0], ask_everything);
	expect(is_alive() == still_alive, "the pair should be %s",
	       still_alive ? "open" : "closed");
	as_uid(shared->uid[0], open_again);
}

static void perm_us(void)
{
	close_pair(close_to_search, USER_SESSION, false);
	close_pair(close_to_possessor, USER_SESSION, true);
	close_pair(close_to_owner, USER_SESSION, true);
}

static void perm_u(void)
{
	close_pair(close_to_search, USER, false);
	close_pair(close_to_possessor, USER, true);
	close_pair(close_to_owner, USER, true);
}

/*
 * Real UID of the victim, so that @us is its, its filesystem UID, so that the
 * owner's permissions are had, and root's capabilities, so that chown may be.
 */
static void give_away(void)
{
	if (setresuid(shared->uid[0], 0, 0))
		die("setresuid");
	setfsuid(shared->uid[0]);
	answer(keyctl(KEYCTL_CHOWN, target, shared->uid[1], -1, 0), "chown");
	ask_everything();
}

static void give_away_one(int id)
{
	target = id;
	alive = true;
	shared->uid[0] = fresh_uid();
	shared->uid[1] = fresh_uid();
	as_uid(shared->uid[0], fill);
	in_child(give_away);
	as_uid(shared->uid[0], ask_everything);
	as_uid(shared->uid[0], try_to_create);
	as_uid(shared->uid[1], ask_everything);
	/* In us, in u, new, and one of the pair. */
	proc_key_users(shared->uid[0], 4);
	/* The pair of its own, and the other one of the other pair. */
	proc_key_users(shared->uid[1], 3);
}

static void chown_us(void)
{
	give_away_one(USER_SESSION);
}

static void chown_u(void)
{
	give_away_one(USER);
}

static void other_filesystem_uid(void)
{
	static void (*const hows[])(void) = {
		fill, close_to_owner, close_to_possessor,
	};

	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		target = USER_SESSION;
		shared->uid[0] = fresh_uid();
		shared->uid[1] = fresh_uid();
		alive = true;
		as_uid(shared->uid[0], hows[i]);
		/* On record, if there are records, as whoever may. */
		as_uid(shared->uid[0], ask_user_keyrings);
		alive = hows[i] != close_to_possessor;
		in_child(ask_as_other);
		in_child(ask_as_owner);
		as_uid(shared->uid[0], ask_user_keyrings);
	}
}

const struct scenario state_scenarios[] = {
	{ "the user session keyring revoked", revoke_us },
	{ "the user keyring revoked", revoke_u },
	{ "both revoked", revoke_pair },
	{ "the user session keyring expired", expire_us },
	{ "the user keyring expired", expire_u },
	{ "timeouts that have not run out", timeouts },
	{ "the user session keyring invalidated", invalidate_us },
	{ "the user keyring invalidated", invalidate_u },
	{ "the user session keyring cleared", clear_us },
	{ "the user keyring cleared", clear_u },
	{ "the user session keyring revoked as a session", session_dies },
	{ "permissions of the user session keyring", perm_us },
	{ "permissions of the user keyring", perm_u },
	{ "permissions for another filesystem UID", other_filesystem_uid },
	{ "the user session keyring given away", chown_us },
	{ "the user keyring given away", chown_u },
	{ }
};
