// SPDX-License-Identifier: GPL-2.0
/*
 * Where the module is meant to differ: keyrings that something else pins when their UID ends.  They
 * are the UID's again, under the same serial number, when it comes back.  To the kernel's own code
 * nothing of it is special, as all keyrings of UIDs live on.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "observe.h"
#include "scenarios.h"

/* In a process with a session keyring of another UID's, which its children share. */
static void in_session(void (*fn)(void))
{
	uid_t other = fresh_uid();

	if (setresuid(other, other, 0))
		die("setresuid");
	if (join_session(NULL) < 0)
		die("a session keyring");
	if (setresuid(-1, 0, -1) || setresuid(0, 0, 0))
		die("setresuid");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fn();
}

static int linked;	/* USER or USER_SESSION */

static void leave_and_link(void)
{
	leave_secret();
	expect(!keyctl(KEYCTL_LINK, linked, SESSION, 0, 0), "the link should be made");
}

static void unlink_survivor(int id)
{
	expect(!keyctl(KEYCTL_UNLINK, id, SESSION, 0, 0), "the link should be removed");
}

/* @us links @u, so both survive, and so does what is in them. */
static void us_linked(void)
{
	uid_t uid = fresh_unpinned_uid();

	linked = USER_SESSION;
	as_uid(uid, leave_and_link);
	for (int life = 0; life < 2; life++) {
		expect_pinned(US, "what is linked");
		expect(key_exists(U) && key_exists(SECRET), "what is linked there should be there");
		expect_charged(uid, 3);
		as_uid(uid, expect_secret);
	}
	unlink_survivor(US);
	expect_documented_end_of(uid);
}

static void linked_from_session(void)
{
	in_session(us_linked);
}

static void find_one_of_two(void)
{
	expect(get_keyring_id(USER, 0) == U, "the user keyring should be the same");
	expect((get_keyring_id(USER_SESSION, 0) == US) == !module_present(),
	       "only the kernel's own code should find the user session keyring again");
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
	/* A new one links the old one, as any. */
	expect(add_user_key("in u", USER) == search(USER_SESSION, "in u", 0),
	       "the two keyrings should be a pair");
	shared->key[3] = get_keyring_id(USER_SESSION, 0);
}

static void u_linked(void)
{
	uid_t uid = fresh_unpinned_uid();

	linked = USER;
	as_uid(uid, leave_and_link);
	expect_documented_end(US, "what is not linked");
	expect_documented_end(SECRET, "what is in it");
	expect_pinned(U, "what is linked");
	expect_charged(uid, module_present() ? 1 : 3);
	as_uid(uid, find_one_of_two);
	expect_documented_end(shared->key[3], "what is not linked either");
	expect_pinned(U, "what is linked");
	unlink_survivor(U);
	expect_documented_end(U, "what is not linked any more");
	/* There is one more key, in @u. */
	expect_charged(uid, module_present() ? 0 : 4);
}

static void only_u_linked(void)
{
	in_session(u_linked);
}

static void find_nothing(void)
{
	expect((get_keyring_id(USER_SESSION, 0) == US) == !module_present(),
	       "only the kernel's own code should find the user session keyring again");
	expect((search(USER_SESSION, "secret", 0) == SECRET) == !module_present(),
	       "only the kernel's own code should find the key again");
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
}

/* The pin goes while the UID is not there. */
static void unlinked_meanwhile(void)
{
	uid_t uid = fresh_unpinned_uid();

	linked = USER_SESSION;
	as_uid(uid, leave_and_link);
	expect_pinned(US, "what is linked");
	unlink_survivor(US);
	expect_documented_end_of(uid);
	as_uid(uid, find_nothing);
}

static void link_removed(void)
{
	in_session(unlinked_meanwhile);
}

/* The session keyring of a process that has become another UID's. */
static void have_as_session(void)
{
	if (setresuid(shared->uid[0], shared->uid[0], 0))
		die("setresuid");
	leave_secret();
	expect(get_keyring_id(SESSION, 0) == US, "@s should be @us");
	if (seteuid(0) || setresuid(shared->uid[1], shared->uid[1], 0))
		die("setresuid");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	step_done(1);
	step_wait(2);
	expect(get_keyring_id(SESSION, 0) == US && search(SESSION, "secret", 0) == SECRET,
	       "the session keyring should be the same, with the key in it");
}

static void session_of_another(void)
{
	pid_t pid;

	shared->uid[0] = fresh_unpinned_uid();
	shared->uid[1] = fresh_unpinned_uid();
	pid = start_child(0, have_as_session);
	step_wait(1);
	expect_pinned(US, "what is a session keyring");
	as_uid(shared->uid[0], expect_secret);
	expect_pinned(US, "what is a session keyring");
	step_done(2);
	finish_child(pid);
	expect_documented_end_of(shared->uid[0]);
}

/* A session keyring of the UID's own processes, which links @us, ends with them. */
static void link_to_own_session(void)
{
	if (join_session(NULL) < 0)
		die("a session keyring");
	linked = USER_SESSION;
	leave_and_link();
}

static void own_session(void)
{
	uid_t uid = fresh_unpinned_uid();

	as_uid(uid, link_to_own_session);
	expect_documented_end_of(uid);
	as_uid(uid, find_nothing);
}

/*
 * With the module, a survivor that is revoked is not taken back.  The kernel's own code refuses it
 * until it is collected.
 */
static void find_revoked(void)
{
	long us = get_keyring_id(USER_SESSION, 0);

	if (!module_present()) {
		expect(us == -ENOKEY, "a revoked @us should be answered by ENOKEY");
		return;
	}
	expect(us > 0 && us != US, "a revoked @us should be replaced");
	expect_keyring(us, "_uid_ses", getuid());
	expect_keyring(get_keyring_id(USER, 0), "_uid", getuid());
}

static void revoked_meanwhile(void)
{
	uid_t uid = fresh_unpinned_uid();

	linked = USER_SESSION;
	as_uid(uid, leave_and_link);
	expect_pinned(US, "what is linked");
	expect(!keyctl(KEYCTL_REVOKE, US, 0, 0, 0), "it should be revoked");
	as_uid(uid, find_revoked);
}

static void revoked(void)
{
	in_session(revoked_meanwhile);
}

/* In a namespace, while its UID is gone there and everywhere. */
static uid_t visitor;

static void visit_and_link(void)
{
	become(visitor);
	leave_and_link();
}

static void visit_again(void)
{
	become(visitor);
	expect_secret();
}

static void ask_in_namespace(void)
{
	if (join_session(NULL) < 0)
		die("a session keyring");
	linked = USER_SESSION;
	in_child(visit_and_link);
	step_done(1);
	step_wait(2);
	in_child(visit_again);
	step_done(3);
	step_wait(4);
	unlink_survivor(US);
	step_done(5);
	step_wait(6);
}

static void leave_outside(void)
{
	shared->key[4] = get_keyring_id(USER_SESSION, 0);
	expect(shared->key[4] > 0 && shared->key[4] != US, "outside, there should be another pair");
}

static void in_namespace_alone(void)
{
	pid_t pid;

	visitor = fresh_unpinned_uid();
	pid = start_in_namespace(0, "0 0 4294967295\n", ask_in_namespace);
	step_wait(1);
	as_uid(visitor, leave_outside);
	expect_documented_end(shared->key[4], "what is outside");
	expect_pinned(US, "what is linked");
	step_done(2);
	step_wait(3);
	expect_pinned(US, "what is linked");
	step_done(4);
	step_wait(5);
	expect_documented_end(US, "what is not linked any more");
	step_done(6);
	finish_child(pid);
	expect(is_freed(US), "all should end with the namespace");
	expect_charged(visitor, module_present() ? 0 : 2);
}

const struct scenario survivor_scenarios[] = {
	{ "the user session keyring linked from a session keyring", linked_from_session },
	{ "the user keyring alone linked from a session keyring", only_u_linked },
	{ "a link removed while the UID is gone", link_removed },
	{ "the session keyring of another UID's process", session_of_another },
	{ "linked from a session keyring that ends as well", own_session },
	{ "revoked while the UID is gone", revoked },
	{ "linked from a session keyring in a namespace", in_namespace_alone },
	{ }
};
