// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: the session keyring, with the user session keyring in its place
 * where there is none, and names that only look like a UID's keyrings.
 */
#include <stdio.h>
#include <unistd.h>

#include "scenarios.h"

static void use_without_session(void)
{
	long s, us;

	us = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	s = answer_key(get_keyring_id(SESSION, 0), "@s");
	expect(s == us, "@s should have become @us");
	describe_key("@s", SESSION);
	/* To add is to create: a UID's keyring is no session to write to. */
	answer_key(add_user_key("one", SESSION), "add to @s");
	s = answer_key(get_keyring_id(SESSION, 0), "@s");
	expect(s != us, "@s should have been replaced by a new one");
	describe_key("@s", SESSION);
	list_keyring("@s", SESSION);
	list_keyring("@us", USER_SESSION);
}

static void session_not_created(void)
{
	as_uid(fresh_uid(), use_without_session);
	in_child(use_without_session);
}

static void create_session(void)
{
	long s, us;

	s = answer_key(get_keyring_id(SESSION, 1), "@s, create");
	us = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	expect(s != us, "a created @s should not be @us");
	describe_key("@s", SESSION);
	answer_key(get_keyring_id(SESSION, 1), "@s, create, again");
	answer_key(add_user_key("one", SESSION), "add to @s");
	answer_key(get_keyring_id(SESSION, 0), "@s");
	list_keyring("@s", SESSION);
	list_keyring("@us", USER_SESSION);
}

static void create_over_us(void)
{
	answer_key(get_keyring_id(SESSION, 0), "@s");
	answer_key(get_keyring_id(SESSION, 1), "@s, create");
	describe_key("@s", SESSION);
	list_keyring("@s", SESSION);
}

static void session_created(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, create_session);
	as_uid(uid, create_over_us);
	in_child(create_session);
}

static void join_sessions(void)
{
	long named, s;

	answer_key(join_session(NULL), "join a new session");
	describe_key("@s", SESSION);
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	named = answer_key(join_session("some session"), "join by name");
	describe_key("@s", SESSION);
	s = answer_key(get_keyring_id(SESSION, 1), "@s, create");
	expect(s == named, "the joined session should stay");
	answer_key(join_session("some session"), "join by name again");
	answer_key(get_keyring_id(SESSION, 0), "@s");
	answer(keyctl(KEYCTL_LINK, USER_SESSION, SESSION, 0, 0),
	       "link @us to @s");
	answer_key(add_user_key("one", USER_SESSION), "add to @us");
	answer_key(search(SESSION, "one", 0), "search @s for one");
	list_keyring("@s", SESSION);
}

static void sessions_joined(void)
{
	as_uid(fresh_uid(), join_sessions);
}

/* Names are no keys to the register: to join one must not move a pair. */
static char name[64];

static void join_own_names(void)
{
	long us = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	long u = answer_key(get_keyring_id(USER, 0), "@u");

	snprintf(name, sizeof(name), "_uid_ses.%u", getuid());
	answer_key(join_session(name), "join %s", name);
	answer_key(get_keyring_id(SESSION, 0), "@s");
	snprintf(name, sizeof(name), "_uid.%u", getuid());
	answer_key(join_session(name), "join %s", name);
	answer_key(get_keyring_id(SESSION, 0), "@s");
	describe_key("@s", SESSION);
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(get_keyring_id(USER, 0), "@u");
	expect(get_keyring_id(USER_SESSION, 0) == us &&
	       get_keyring_id(USER, 0) == u, "the pair should stay");
	shared->key[0] = us;
	shared->key[1] = u;
}

static void join_others_names(void)
{
	snprintf(name, sizeof(name), "_uid_ses.%u", shared->uid[0]);
	answer_key(join_session(name), "join %s", name);
	describe_key("@s", SESSION);
	expect(get_keyring_id(SESSION, 0) != shared->key[0],
	       "another's @us must not be had by its name");
	list_keyring("@s", SESSION);
	snprintf(name, sizeof(name), "_uid.%u", shared->uid[0]);
	answer_key(join_session(name), "join %s", name);
	describe_key("@s", SESSION);
	expect(get_keyring_id(SESSION, 0) != shared->key[1],
	       "another's @u must not be had by its name");
}

static void sessions_named_after_pairs(void)
{
	shared->uid[0] = fresh_uid();
	as_uid(shared->uid[0], join_own_names);
	as_uid(fresh_uid(), join_others_names);
	as_uid(shared->uid[0], ask_user_keyrings);
}

/*
 * A forger makes what looks like the victim's pair before the victim has one,
 * and keeps it alive while the victim asks.
 */
static void forge(void)
{
	uid_t victim = shared->uid[0];
	int n = 2;

	snprintf(name, sizeof(name), "_uid_ses.%u", victim);
	shared->key[n++] = answer_key(join_session(name), "join %s", name);
	shared->key[n++] = answer_key(add_keyring(name, USER_SESSION),
				      "add %s", name);
	shared->key[n++] = answer_key(add_user_key(name, USER_SESSION),
				      "add %s", name);
	set_perm(shared->key[2], 0x3f3f3f3f);
	set_perm(shared->key[3], 0x3f3f3f3f);
	snprintf(name, sizeof(name), "_uid.%u", victim);
	shared->key[n++] = answer_key(add_keyring(name, USER_SESSION),
				      "add %s", name);
	set_perm(shared->key[5], 0x3f3f3f3f);
	answer_key(add_keyring(".user_reg", USER_SESSION), "add .user_reg");
	answer_key(join_session(".user_reg"), "join .user_reg");
	step_done(1);
	step_wait(2);
}

static void be_forged(void)
{
	long us = get_keyring_id(USER_SESSION, 0);
	long u = get_keyring_id(USER, 0);

	for (int n = 2; n < 6; n++)
		expect(us != shared->key[n] && u != shared->key[n],
		       "a forgery must not be taken for a UID's keyring");
	expect_keyring(u, "_uid", getuid());
	expect_keyring(us, "_uid_ses", getuid());
	ask_user_keyrings();
}

static void forged_names(void)
{
	uid_t forger = fresh_uid();
	pid_t pid;

	shared->uid[0] = fresh_uid();
	pid = start_child(forger, forge);
	step_wait(1);
	as_uid(shared->uid[0], be_forged);
	as_uid(shared->uid[0], be_forged);
	step_done(2);
	finish_child(pid);
}

/* The owner itself makes keyrings of those names, before its pair exists. */
static void forge_own(void)
{
	snprintf(name, sizeof(name), "_uid_ses.%u", getuid());
	shared->key[2] = answer_key(join_session(name), "join %s", name);
	shared->key[3] = answer_key(add_keyring(name, PROCESS), "add %s",
				    name);
	snprintf(name, sizeof(name), "_uid.%u", getuid());
	shared->key[4] = answer_key(add_keyring(name, PROCESS), "add %s",
				    name);
	shared->key[5] = answer_key(add_user_key(name, PROCESS), "add %s",
				    name);
	in_child(be_forged);
}

static void forged_by_oneself(void)
{
	as_uid(fresh_uid(), forge_own);
}

static void give_session(void)
{
	/* @us as a session, with the parent's own one in the way of @s. */
	snprintf(name, sizeof(name), "_uid_ses.%u", getuid());
	answer_key(join_session(name), "join %s", name);
	answer(keyctl(KEYCTL_SESSION_TO_PARENT, 0, 0, 0, 0),
	       "session to parent");
}

static void take_session(void)
{
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(join_session(NULL), "join a new session");
	in_child(give_session);
	answer_key(get_keyring_id(SESSION, 0), "@s of the parent");
	expect(get_keyring_id(SESSION, 0) == get_keyring_id(USER_SESSION, 0),
	       "the parent should have its child's session, @us");
	answer_key(get_keyring_id(SESSION, 1), "@s of the parent, create");
}

static void session_to_parent(void)
{
	as_uid(fresh_uid(), take_session);
}

const struct scenario session_scenarios[] = {
	{ "@s without a session, not to create", session_not_created },
	{ "@s without a session, to create", session_created },
	{ "sessions joined", sessions_joined },
	{ "sessions named after a pair", sessions_named_after_pairs },
	{ "CVE-2017-18270: a pair forged by another UID", forged_names },
	{ "a pair forged by its own UID", forged_by_oneself },
	{ "a session given to the parent", session_to_parent },
	{ }
};
