// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: request_key(), what it searches, where it puts what it had
 * constructed, and what it tells the program that constructs it.  That is
 * request-key.c, installed as /sbin/request-key.
 */
#include <stdio.h>
#include <unistd.h>

#include "scenarios.h"

static void fill(void)
{
	answer_key(add_user_key("in us", USER_SESSION), "add to @us");
	answer_key(add_user_key("in u", USER), "add to @u");
}

static void search_all(void)
{
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	answer_key(request_key("user", "in u", NULL, 0), "request in u");
	answer_key(request_key("user", "nowhere", NULL, 0), "request nowhere");
	answer_key(request_key("keyring", "in us", NULL, 0),
		   "request a keyring");
	answer_key(request_key("user", "in us", NULL, PROCESS),
		   "request in us, to @p");
	list_keyring("@p", PROCESS);
}

static void search_without_session(void)
{
	search_all();
	expect(request_key("user", "in us", NULL, 0) > 0,
	       "without a session, @us should be searched");
	expect(request_key("user", "in u", NULL, 0) > 0,
	       "without a session, @u should be reached through @us");
}

static void search_with_session(void)
{
	join_session(NULL);
	expect(request_key("user", "in us", NULL, 0) == -ENOKEY,
	       "with a session, @us should be ignored");
	search_all();
	answer(keyctl(KEYCTL_LINK, USER, SESSION, 0, 0), "link @u to @s");
	search_all();
}

static void search_with_us_as_session(void)
{
	answer_key(get_keyring_id(SESSION, 0), "@s");
	search_all();
}

/* No process of the UID has asked for its pair: there is nothing to find. */
static void search_before_first_access(void)
{
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	expect(request_key("user", "in us", NULL, 0) == -ENOKEY,
	       "a search should find nothing before there is a pair");
	proc_keys(getuid(), 0);
}

static void request_search(void)
{
	uid_t uid = fresh_uid(), other = fresh_uid();

	as_uid(uid, fill);
	as_uid(uid, search_without_session);
	as_uid(uid, search_with_session);
	as_uid(uid, search_with_us_as_session);
	as_uid(other, search_before_first_access);
	/* A search makes no keyrings; then a pair of no content. */
	as_uid(other, ask_user_keyrings);
	as_uid(other, search_all);
}

/*
 * A key that only its possessor may touch, named by serial: possession comes
 * from @us if, and only if, there is no session.
 */
static void make_private(void)
{
	shared->key[0] = answer_key(add_user_key("private", USER_SESSION),
				    "add to @us");
	answer(set_perm(shared->key[0], POS_ALL), "setperm");
}

static void touch_private(void)
{
	payload_of("private", shared->key[0]);
	describe_key("private", shared->key[0]);
	answer(keyctl(KEYCTL_LINK, shared->key[0], PROCESS, 0, 0),
	       "link private");
}

static void touch_without_session(void)
{
	touch_private();
	expect(may_read(shared->key[0]) == 7,
	       "@us should give possession");
}

static void touch_with_session(void)
{
	join_session(NULL);
	touch_private();
	expect(may_read(shared->key[0]) == -EACCES,
	       "with a session, @us should not give possession");
}

static void possession(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, make_private);
	as_uid(uid, touch_without_session);
	as_uid(uid, touch_with_session);
	as_uid(fresh_uid(), touch_private);
}

/*
 * What the upcall was told of the requester, out of the payload that it gave
 * to the key.  It is the requester's session, and @us if there is none.
 */
static void say_told(int key, bool session)
{
	int told[3] = { 0 };
	char payload[256];
	unsigned int uid, gid;
	long found;

	if (read_key(key, payload, sizeof(payload)) < 0) {
		payload_of("what was told", key);
		return;
	}
	expect(sscanf(payload, "uid %u, gid %u, @t %d, @p %d, @s %d, found %ld",
		      &uid, &gid, &told[0], &told[1], &told[2], &found) == 6,
	       "the upcall should have made the payload, not \"%s\"", payload);
	say(" told uid %u, gid %u", uid, gid);
	answer_key(told[0], " told @t");
	answer_key(told[1], " told @p");
	answer_key(told[2], " told @s");
	answer_key(found, " found");
	expect(told[2] == get_keyring_id(session ? SESSION : USER_SESSION, 0),
	       "the upcall should have been told %s",
	       session ? "@s" : "@us, in the place of @s");
}

static const struct destination {
	int number;
	int expected;		/* 0 for the first that there is */
} destinations[] = {
	{ KEY_REQKEY_DEFL_DEFAULT, 0 },
	{ KEY_REQKEY_DEFL_THREAD_KEYRING, 0 },
	{ KEY_REQKEY_DEFL_PROCESS_KEYRING, 0 },
	{ KEY_REQKEY_DEFL_SESSION_KEYRING, 0 },
	{ KEY_REQKEY_DEFL_USER_KEYRING, USER },
	{ KEY_REQKEY_DEFL_USER_SESSION_KEYRING, USER_SESSION },
	{ KEY_REQKEY_DEFL_GROUP_KEYRING, 0 },
	{ KEY_REQKEY_DEFL_REQUESTOR_KEYRING, 0 },
};

static const struct destination *destination;

static bool is_linked(int ring, int key)
{
	int keys[64];
	long ret = keyctl(KEYCTL_READ, ring, (long)keys, sizeof(keys), 0);

	for (long i = 0; i < ret / (long)sizeof(*keys); i++)
		if (keys[i] == key)
			return true;
	return false;
}

static void construct(void)
{
	char desc[32];
	long key;

	snprintf(desc, sizeof(desc), "to %d", destination->number);
	answer(keyctl(KEYCTL_SET_REQKEY_KEYRING, destination->number, 0, 0, 0),
	       "set_reqkey_keyring %d", destination->number);
	key = answer_key(request_key("user", desc, "make", 0), "request %s",
			 desc);
	say_told(key, !shared->number[0]);
	if (destination->expected)
		expect(is_linked(destination->expected, key),
		       "%d should be the destination", destination->expected);
	else if (get_keyring_id(THREAD, 0) == -ENOKEY &&
		 get_keyring_id(PROCESS, 0) == -ENOKEY &&
		 key > 0 && shared->number[0])
		expect(is_linked(USER_SESSION, key),
		       "the destination should be @us for want of others");
	list_keyring("@t", THREAD);
	list_keyring("@p", PROCESS);
	list_keyring("@us", USER_SESSION);
	list_keyring("@u", USER);
	if (!shared->number[0])
		list_keyring("@s", SESSION);
}

static void with_nothing(void)
{
	shared->number[0] = 1;
	construct();
}

static void with_session(void)
{
	shared->number[0] = 0;
	answer_key(join_session(NULL), "join a new session");
	construct();
}

static void with_process(void)
{
	answer_key(get_keyring_id(PROCESS, 1), "@p");
	with_session();
}

static void with_all(void)
{
	answer_key(get_keyring_id(THREAD, 1), "@t");
	with_process();
}

static void all_destinations(void (*requester)(void))
{
	for (size_t i = 0; i < ARRAY_SIZE(destinations); i++) {
		destination = &destinations[i];
		as_uid(fresh_uid(), requester);
	}
}

static void destinations_without_session(void)
{
	all_destinations(with_nothing);
}

static void destinations_with_session(void)
{
	all_destinations(with_session);
}

static void destinations_with_process(void)
{
	all_destinations(with_process);
}

static void destinations_with_all(void)
{
	all_destinations(with_all);
}

/* The destination named outright. */
static void name_destinations(void)
{
	static const struct {
		const char *name;
		int id;
	} rings[] = {
		{ "@us", USER_SESSION }, { "@u", USER }, { "@s", SESSION },
		{ "@p", PROCESS }, { "@t", THREAD },
	};
	bool session = false;
	char desc[32];
	long key;

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		/* Named as a destination, @s is created, and stays. */
		session |= rings[i].id == SESSION;
		snprintf(desc, sizeof(desc), "for %s", rings[i].name);
		key = answer_key(request_key("user", desc, "make",
					     rings[i].id), "request %s", desc);
		say_told(key, session);
		list_keyring(rings[i].name, rings[i].id);
		expect(is_linked(rings[i].id, key), "%s should be linked",
		       desc);
	}
}

static void destinations_named(void)
{
	as_uid(fresh_uid(), name_destinations);
}

static void call_without_session(void)
{
	long key;

	key = answer_key(request_key("user", "one", "make", 0), "request one");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	describe_key("one", key);
	say_told(key, false);
}

static void call_with_session(void)
{
	long key;

	answer_key(join_session(NULL), "join a new session");
	key = answer_key(request_key("user", "two", "make", 0), "request two");
	say_told(key, true);
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	list_keyring("@us", USER_SESSION);
}

static void upcall(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, call_without_session);
	as_uid(uid, call_with_session);
	as_uid(fresh_uid(), call_with_session);
	in_child(call_with_session);
	as_uid(uid, ask_user_keyrings);
}

static long found_by(int key)
{
	char payload[256];
	long found = 0;

	read_key(key, payload, sizeof(payload));
	expect(sscanf(payload, "%*[^f]found %ld", &found) == 1,
	       "the upcall should have said what it found");
	return found;
}

/*
 * Under its authority the constructing program searches the requester's
 * keyrings: another task's credentials, and another UID's @us.
 */
static void call_to_search(void)
{
	long key;

	answer_key(add_user_key("wanted", USER), "add to @u");
	key = answer_key(request_key("user", "three", "search wanted",
				     PROCESS), "request three");
	say_told(key, false);
	expect(found_by(key) > 0,
	       "the upcall should have found the key in @u");
	answer_key(join_session(NULL), "join a new session");
	key = answer_key(request_key("user", "four", "search wanted",
				     PROCESS), "request four");
	say_told(key, true);
	expect(found_by(key) < 0, "with a session, @us should be ignored");
}

static void upcall_searches(void)
{
	as_uid(fresh_uid(), call_to_search);
}

static void call_in_vain(void)
{
	static const char *const callouts[] = { "negate", "reject", "ignore" };
	static const long documented[] = { -ENOKEY, -EKEYREJECTED, -ENOKEY };
	long ret;

	for (size_t i = 0; i < ARRAY_SIZE(callouts); i++) {
		ret = request_key("user", callouts[i], callouts[i], 0);
		answer_key(ret, "request %s", callouts[i]);
		expect(ret == documented[i], "%s should be refused",
		       callouts[i]);
		answer_key(request_key("user", callouts[i], "make", 0),
			   "request %s again", callouts[i]);
		answer_key(search(USER_SESSION, callouts[i], 0),
			   "search @us for %s", callouts[i]);
	}
	list_keyring("@us", USER_SESSION);
}

static void upcall_refuses(void)
{
	as_uid(fresh_uid(), call_in_vain);
}

const struct scenario request_scenarios[] = {
	{ "request_key() searches", request_search },
	{ "possession through the user session keyring", possession },
	{ "default destinations without a session",
	  destinations_without_session },
	{ "default destinations with a session", destinations_with_session },
	{ "default destinations with a process keyring",
	  destinations_with_process },
	{ "default destinations with a thread keyring",
	  destinations_with_all },
	{ "destinations named", destinations_named },
	{ "the upcall is told the session", upcall },
	{ "the upcall searches the requester's keyrings", upcall_searches },
	{ "the upcall refuses", upcall_refuses },
	{ }
};
