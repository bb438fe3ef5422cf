// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: a keyring of the pair dies, and nobody asks for the pair afterwards. What was linked
 * there has to be freed all the same, and the quota given back, even where the UID has none left.
 */
#include <unistd.h>

#include "scenarios.h"

#define FULL	12	/* keys */

static int which;	/* USER or USER_SESSION */

static void let_it_die(int id, int op)
{
	/* A timeout takes a while, and ends nowhere near the beginning of a second. */
	long arg = op == KEYCTL_SET_TIMEOUT ? 1 : 0;

	answer(keyctl(op, id, arg, 0, 0), "let it die");
}

static int how;		/* a keyctl operation */

static void use_and_let_die(void)
{
	shared->key[0] = answer_key(get_keyring_id(which, 0), "the keyring");
	answer_key(add_user_key("within", which), "add to it");
	/* On record, if there are records. */
	in_child(ask_user_keyrings);
	let_it_die(shared->key[0], how);
}

static bool is_collected(void)
{
	collect_dead_keys();
	return !register_with(shared->key[0]);
}

/* Its sibling is left, and both of the record of the UID, less what died with it. */
static void dies(int ring, int op)
{
	uid_t uid = fresh_uid();

	which = ring;
	how = op;
	as_uid(uid, use_and_let_die);
	expect(poll_until(is_collected), "what is dead should be collected");
	proc_key_users(uid, 1);
	as_uid(uid, ask_user_keyrings);
	proc_key_users(uid, 2);
}

static void us_invalidated(void)
{
	dies(USER_SESSION, KEYCTL_INVALIDATE);
}

static void us_revoked(void)
{
	dies(USER_SESSION, KEYCTL_REVOKE);
}

static void us_expired(void)
{
	dies(USER_SESSION, KEYCTL_SET_TIMEOUT);
}

static void u_invalidated(void)
{
	dies(USER, KEYCTL_INVALIDATE);
}

static void u_revoked(void)
{
	dies(USER, KEYCTL_REVOKE);
}

static void u_expired(void)
{
	dies(USER, KEYCTL_SET_TIMEOUT);
}

static void fill_and_let_die(void)
{
	char name[] = "key ?";
	int id, i;

	id = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	for (i = 0; i < FULL; i++) {
		name[4] = 'a' + i;
		answer_key(add_user_key(name, USER_SESSION), "add %s", name);
	}
	in_child(ask_user_keyrings);
	let_it_die(id, how);
}

static void try_again(void)
{
	shared->number[0] = get_keyring_id(USER_SESSION, 0);
}

static uid_t locked_out;

static bool is_answered(void)
{
	collect_dead_keys();
	as_uid(locked_out, try_again);
	return shared->number[0] > 0;
}

static void add_again(void)
{
	answer_key(add_user_key("new", USER_SESSION), "add to @us");
	ask_user_keyrings();
}

static void full_and_dead(int op)
{
	unsigned long before = read_setting(MAXKEYS);

	locked_out = fresh_uid();
	how = op;
	write_setting(MAXKEYS, FULL);
	as_uid(locked_out, fill_and_let_die);
	expect(poll_until(is_answered), "a UID should not be locked out by its dead keyring");
	/* Not all of it is given back at once. */
	proc_key_users(locked_out, 2);
	as_uid(locked_out, add_again);
	write_setting(MAXKEYS, before);
	proc_key_users(locked_out, 3);
}

static void full_invalidated(void)
{
	full_and_dead(KEYCTL_INVALIDATE);
}

static void full_revoked(void)
{
	full_and_dead(KEYCTL_REVOKE);
}

const struct scenario dead_scenarios[] = {
	{ "the user session keyring invalidated and left", us_invalidated },
	{ "the user session keyring revoked and left", us_revoked },
	{ "the user session keyring expired and left", us_expired },
	{ "the user keyring invalidated and left", u_invalidated },
	{ "the user keyring revoked and left", u_revoked },
	{ "the user keyring expired and left", u_expired },
	{ "a full quota and an invalidated user session keyring", full_invalidated },
	{ "a full quota and a revoked user session keyring", full_revoked },
	{ }
};
