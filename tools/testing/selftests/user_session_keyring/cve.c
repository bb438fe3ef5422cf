// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: what has gone wrong in this part of the kernel before, replayed on the keyrings of a
 * UID.  Each is named by its CVE, or by the commit that mended it.  What is a race is run so many
 * times, within a bound; the transcript says no more of it than that it went as it should.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe.h"
#include "scenarios.h"

#define NR_THREADS	8
#define NR_ROUNDS	100
#define NR_UIDS		50	/* a scenario has a hundred at most */

static pthread_barrier_t barrier;

/* The same in threads that begin at once. */
static void run_threads(void *(*fn)(void *), int nr)
{
	pthread_t threads[NR_THREADS];

	pthread_barrier_init(&barrier, NULL, nr);
	for (long i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, fn, (void *)i))
			die("pthread_create");
	for (int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

static bool links(int ring, int key)
{
	int keys[256];
	long ret = keyctl(KEYCTL_READ, ring, (long)keys, sizeof(keys), 0);

	for (long i = 0; i < ret / (long)sizeof(int) && i < (long)ARRAY_SIZE(keys); i++)
		if (keys[i] == key)
			return true;
	return false;
}

/* How many references /proc/keys counts. */
static unsigned int usage_of(int key)
{
	FILE *file = fopen("/proc/keys", "re");
	unsigned int serial, usage, found = 0;
	char line[512];

	if (!file)
		die("/proc/keys");
	while (!found && fgets(line, sizeof(line), file))
		if (sscanf(line, "%x %*s %u", &serial, &usage) == 2 && (int)serial == key)
			found = usage;
	fclose(file);
	return found;
}

static struct {
	int key;
	unsigned int usage;
} counted;

static void count_usage(int key)
{
	counted.key = key;
	counted.usage = usage_of(key);
	expect(counted.usage > 0, "a keyring in use should have references");
}

static bool usage_is_as_before(void)
{
	return usage_of(counted.key) == counted.usage;
}

/* References that are dropped after a grace period are waited for. */
static void expect_usage_as_before(const char *what)
{
	expect(poll_until(usage_is_as_before), "%s should leave %u references, not %u", what,
	       counted.usage, usage_of(counted.key));
}

/*
 * Threads whose first look-ups meet: one that asked for @us was given nothing, as only @u was
 * there; or was given what was not yet filled in.
 */
static int raced_us[NR_THREADS], raced_u[NR_THREADS];

static void *look_up_first(void *arg)
{
	int number = (long)arg;
	char desc[64], want[64];

	pthread_barrier_wait(&barrier);
	if (number % 2)
		raced_u[number] = get_keyring_id(USER, 0);
	raced_us[number] = get_keyring_id(USER_SESSION, 0);
	describe(raced_us[number], desc, sizeof(desc));
	if (!(number % 2))
		raced_u[number] = get_keyring_id(USER, 0);
	snprintf(want, sizeof(want), ";_uid_ses.%u", getuid());
	expect(strstr(desc, want) && links(raced_us[number], raced_u[number]),
	       "who is given @us should see all of it, the link to @u included");
	return NULL;
}

static void race_first(void)
{
	run_threads(look_up_first, NR_THREADS);
	for (int i = 0; i < NR_THREADS; i++)
		expect(raced_us[i] > 0 && raced_us[i] == raced_us[0] && raced_u[i] > 0 &&
		       raced_u[i] == raced_u[0], "all should be given the same pair");
}

static void half_a_pair(void)
{
	uid_t uid;

	for (int i = 0; i < NR_UIDS; i++) {
		uid = fresh_unpinned_uid();
		as_uid(uid, race_first);
	}
	say("%d UIDs", NR_UIDS);
}

/* Open to its owner, as it is at first to its possessor: then its name is enough to join it. */
static long join_openly(const char *name)
{
	long id = join_session(name);

	set_perm(id, POS_ALL | USR_ALL);
	return id;
}

/* Taken over just when the last reference goes: by name, by a UID that comes back. */
static void join_and_leave(void)
{
	long id = join_openly("shared by its name");

	expect(id > 0 && get_keyring_id(SESSION, 0) == id && add_user_key("alive", SESSION) > 0 &&
	       search(SESSION, "alive", 0) > 0, "what is joined should be alive");
	shared->number[0] += id == shared->key[0];
	shared->key[0] = id;
}

static void come_and_go(void)
{
	long us = get_keyring_id(USER_SESSION, 0);

	expect(us > 0 && get_keyring_id(USER, 0) > 0 && links(us, get_keyring_id(USER, 0)) &&
	       add_user_key("alive", USER_SESSION) > 0 && search(us, "alive", 0) > 0,
	       "what a UID that comes back is given should be alive");
}

/* Two at a time, and then none. */
static void in_turn(void (*fn)(void))
{
	uid_t uid = fresh_unpinned_uid();
	pid_t first, second;

	for (int i = 0; i < NR_ROUNDS; i += 2) {
		first = start_child(uid, fn);
		second = start_child(uid, fn);
		finish_child(first);
		finish_child(second);
	}
	say("%d times", NR_ROUNDS);
}

static void joined_while_freed(void)
{
	in_turn(join_and_leave);
	expect(shared->number[0] > 0 && shared->number[0] < NR_ROUNDS,
	       "of %d, some should be joined and some made anew, not %ld", NR_ROUNDS,
	       shared->number[0]);
}

static void adopted_while_freed(void)
{
	in_turn(come_and_go);
}

/* All keys are looked at while they are freed, and the records that they are charged to. */
static void read_proc(const char *path)
{
	char text[4096];
	FILE *file = fopen(path, "re");

	if (!file)
		die(path);
	while (fread(text, 1, sizeof(text), file))
		;
	fclose(file);
}

static void look_on(void)
{
	int rounds = 0;

	while (shared->number[0] == 0) {
		read_proc("/proc/keys");
		read_proc("/proc/key-users");
		shared->number[1] = ++rounds;
	}
}

static void seen_while_freed(void)
{
	pid_t pid;

	shared->number[0] = 0;
	shared->number[1] = 0;
	pid = start_child(0, look_on);
	for (int i = 0; i < NR_UIDS; i++)
		as_uid(fresh_unpinned_uid(), come_and_go);
	shared->number[0] = 1;
	finish_child(pid);
	expect(shared->number[1] > 0, "somebody should have looked");
	say("%d UIDs", NR_UIDS);
}

/* A reference was leaked each time, until there were none left to count. */
static void look_up_again_and_again(void)
{
	count_usage(get_keyring_id(USER_SESSION, 0));
	for (int i = 0; i < NR_ROUNDS; i++)
		expect(get_keyring_id(USER_SESSION, 0) == counted.key &&
		       get_keyring_id(USER, 0) > 0 &&
		       request_key("user", "none", NULL, 0) == -ENOKEY, "@us should be the same");
	expect_usage_as_before("to look up @us");
}

static void join_again_and_again(const char *name)
{
	count_usage(join_openly(name));
	for (int i = 0; i < NR_ROUNDS; i++)
		expect(!join_session(name) && get_keyring_id(SESSION, 0) == counted.key,
		       "the session should be the same");
	expect_usage_as_before("to join one's own session");
}

static void leak_references(void)
{
	char name[64];

	look_up_again_and_again();
	join_again_and_again("my own");
	/* @us has a name as well. */
	snprintf(name, sizeof(name), "_uid_ses.%u", getuid());
	join_again_and_again(name);
	expect(get_keyring_id(SESSION, 0) == get_keyring_id(USER_SESSION, 0),
	       "by its name, @us should be joined");
	say("%d times", NR_ROUNDS);
}

static void leaked_by_joining(void)
{
	as_uid(fresh_uid(), leak_references);
}

/* Keyrings of the kernel's own were joined, and written to: the register is one of them. */
static void use_register(void)
{
	int us = answer_key(get_keyring_id(USER_SESSION, 0), "@us"), id;

	answer_key(join_session(".user_reg"), "join .user_reg");
	answer_key(join_session(".builtin_trusted_keys"), "join .builtin_trusted_keys");
	answer_key(add_keyring(".user_reg", USER_SESSION), "add .user_reg");
	expect(join_session(".user_reg") == -EPERM, "the register should not be joined");
	id = register_with(us);
	if (!id) {
		say("the register is not to be seen");
		return;
	}
	say("the register is to be seen");
	answer(keyctl(KEYCTL_LINK, id, PROCESS, 0, 0), "link it");
	answer(keyctl(KEYCTL_LINK, us, id, 0, 0), "link to it");
	answer(keyctl(KEYCTL_UNLINK, us, id, 0, 0), "unlink from it");
	answer(keyctl(KEYCTL_CLEAR, id, 0, 0, 0), "clear it");
	answer(keyctl(KEYCTL_REVOKE, id, 0, 0, 0), "revoke it");
	answer(keyctl(KEYCTL_INVALIDATE, id, 0, 0, 0), "invalidate it");
	answer(keyctl(KEYCTL_SET_TIMEOUT, id, 1, 0, 0), "set a timeout");
	answer(set_perm(id, 0x3f3f3f3f), "setperm");
	answer(keyctl(KEYCTL_CHOWN, id, getuid(), -1, 0), "chown");
	answer(keyctl(KEYCTL_RESTRICT_KEYRING, id, 0, 0, 0), "restrict it");
	answer_key(search(id, "none", 0), "search it");
	answer_key(add_user_key("mine", id), "add to it");
	expect(get_keyring_id(USER_SESSION, 0) == us, "@us should be the same");
}

static void register_joined(void)
{
	uid_t uid = fresh_uid();

	say("a user");
	as_uid(uid, use_register);
	say("root");
	in_child(use_register);
	say("who owns the namespace");
	finish_child(start_in_namespace(uid, map_to(0, uid), use_register));
}

/* To have set what is set already leaked a keyring each time. */
static void set_default_again_and_again(void)
{
	static const int defaults[] = {
		KEY_REQKEY_DEFL_THREAD_KEYRING, KEY_REQKEY_DEFL_PROCESS_KEYRING,
		KEY_REQKEY_DEFL_USER_KEYRING, KEY_REQKEY_DEFL_USER_SESSION_KEYRING,
	};

	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		for (int j = 0; j < NR_ROUNDS; j++)
			expect(keyctl(KEYCTL_SET_REQKEY_KEYRING, defaults[i], 0, 0, 0) >= 0,
			       "a default should be set");
		answer(keys_charged(getuid()), "keys after default %d", defaults[i]);
	}
	/* The pair, and the two that were asked for. */
	expect(keys_charged(getuid()) == 4, "four keys should be charged");
}

static void leaked_by_default(void)
{
	as_uid(fresh_uid(), set_default_again_and_again);
}

/* The default destination was written to by who may not. */
static void construct_unwritable(void)
{
	static const struct {
		int number, id;
	} rings[] = {
		{ KEY_REQKEY_DEFL_USER_KEYRING, USER },
		{ KEY_REQKEY_DEFL_USER_SESSION_KEYRING, USER_SESSION },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		answer(set_perm(rings[i].id,
				UID_KEYRING_PERM & ~(POS_WRITE | POS_WRITE >> 8)), "setperm");
		answer(keyctl(KEYCTL_SET_REQKEY_KEYRING, rings[i].number, 0, 0, 0), "default");
		answer_key(request_key("user", "made", "make", 0), "request made");
		expect(request_key("user", "made", "make", 0) == -EACCES,
		       "a keyring that must not be written to should not be");
		list_keyring("the default", rings[i].id);
	}
}

static void default_unwritable(void)
{
	as_uid(fresh_uid(), construct_unwritable);
}

/*
 * Sixteen are as many as a node of a keyring has room for. Counts around that, keyrings and then
 * another key, some of them dead, and the collector: nodes were taken for what they are not.
 */
static const int counts[] = { 15, 16, 17, 18, 32, 33, 90 };

static void fill_nodes(int ring, int nr)
{
	char desc[32];

	for (int i = 0; i < nr; i++) {
		snprintf(desc, sizeof(desc), "keyring %d", i);
		expect(add_keyring(desc, ring) > 0, "keyring %d of %d should be added", i, nr);
	}
	expect(add_user_key("no keyring", ring) > 0, "a key after %d keyrings should be added", nr);
	expect(search(ring, "no keyring", 0) > 0, "it should be found");
	expect(search(ring, "none", 0) == -ENOKEY, "what is not there should not be found");
}

static long linked(int ring)
{
	return keyctl(KEYCTL_READ, ring, 0, 0, 0) / (long)sizeof(int);
}

static long others;

static bool others_are_collected(void)
{
	return linked(USER_SESSION) == others;
}

static void let_every_second_die(int nr)
{
	char desc[32];
	long id;

	for (int i = 0; i < nr; i += 2) {
		snprintf(desc, sizeof(desc), "keyring %d", i);
		id = keyctl(KEYCTL_SEARCH, USER_SESSION, (long)"keyring", (long)desc, 0);
		expect(id > 0 && !keyctl(KEYCTL_INVALIDATE, id, 0, 0, 0),
		       "keyring %d should be let die", i);
		others--;
	}
}

static void fill_and_collect(void)
{
	get_keyring_id(USER_SESSION, 0);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		fill_nodes(USER_SESSION, counts[i]);
		others = linked(USER_SESSION);
		let_every_second_die(counts[i]);
		expect(poll_until(others_are_collected), "of %d, those alive should be left",
		       counts[i]);
		expect(search(USER_SESSION, "no keyring", 0) > 0, "the key should be found");
		expect(!keyctl(KEYCTL_CLEAR, USER_SESSION, 0, 0, 0), "@us should be cleared");
		expect_charged(getuid(), 2);
		say("%d keyrings and a key", counts[i]);
	}
}

static void full_nodes(void)
{
	as_uid(fresh_uid(), fill_and_collect);
}

/* The register is a keyring of keyrings, two for each UID. */
#define NR_REGISTERED	40

static uid_t registered_uid;
static bool dying;

static void be_registered(void)
{
	become(registered_uid);
	if (dying) {
		expect(!keyctl(KEYCTL_INVALIDATE, USER_SESSION, 0, 0, 0), "@us should be let die");
		return;
	}
	if (get_keyring_id(USER_SESSION, 0) < 0)
		return;
	expect_keyring(get_keyring_id(USER, 0), "_uid", getuid());
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
	shared->number[0] += get_keyring_id(USER, 0);
}

static long visit_all(int step)
{
	shared->number[0] = 0;
	for (int i = 0; i < NR_REGISTERED; i += step) {
		registered_uid = 1000 + i;
		in_child(be_registered);
	}
	return shared->number[0];
}

static long sum_of_all;

static bool all_are_answered(void)
{
	collect_dead_keys();
	return visit_all(1) == sum_of_all;
}

static void fill_register(void)
{
	for (int i = 0; i < NR_REGISTERED; i++)
		pin_uid(1000 + i);
	sum_of_all = visit_all(1);
	dying = true;
	visit_all(2);
	dying = false;
	expect(poll_until(all_are_answered), "each should have its @u still, and an @us");
	say("%d UIDs", NR_REGISTERED);
}

static void full_register(void)
{
	finish_child(start_in_namespace(0, "0 0 4294967295\n", fill_register));
}

/* A search that goes on through a keyring of many levels read beyond a node. */
#define NR_MANY	150

static void fill_and_search(void)
{
	char desc[64];

	for (int i = 0; i < NR_MANY; i++) {
		snprintf(desc, sizeof(desc), "%0*d", 1 + i % 40, i);
		expect(add_user_key(desc, USER_SESSION) > 0, "key %d should be added", i);
	}
	for (int i = 0; i < NR_MANY; i++) {
		snprintf(desc, sizeof(desc), "%0*d", 1 + i % 40, i);
		expect(request_key("user", desc, NULL, 0) > 0, "key %d should be found", i);
	}
	answer_key(request_key("user", "none", NULL, 0), "request none");
	answer(keyctl(KEYCTL_READ, USER_SESSION, 0, 0, 0), "size of @us");
	expect(!keyctl(KEYCTL_CLEAR, USER_SESSION, 0, 0, 0), "@us should be cleared");
}

static void many_levels(void)
{
	as_uid(fresh_uid(), fill_and_search);
}

/* Links of the same name, made at once. */
static void *add_the_same(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < NR_ROUNDS; i++)
		expect(add_user_key("the same", USER_SESSION) > 0, "it should be added");
	return arg;
}

static void add_at_once(void)
{
	get_keyring_id(USER_SESSION, 0);
	run_threads(add_the_same, NR_THREADS);
	/* It, and @u. */
	expect(linked(USER_SESSION) == 2,
	       "it should be there once");
	list_keyring("@us", USER_SESSION);
}

static void duplicates_at_once(void)
{
	as_uid(fresh_uid(), add_at_once);
}

/* The last reference is put while the collector runs, which frees what has none. */
static void *add_and_drop(void *arg)
{
	char desc[32];
	long id;

	snprintf(desc, sizeof(desc), "of thread %ld", (long)arg);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < NR_ROUNDS / 2; i++) {
		id = add_user_key(desc, USER_SESSION);
		expect(id > 0, "a key should be added");
		if (i % 2)
			keyctl(KEYCTL_UNLINK, id, USER_SESSION, 0, 0);
		else
			keyctl(KEYCTL_INVALIDATE, id, 0, 0, 0);
	}
	return arg;
}

static void drop_at_once(void)
{
	get_keyring_id(USER_SESSION, 0);
	/* Dead keys are charged until they are collected. */
	run_threads(add_and_drop, 2);
	expect_charged(getuid(), 2);
}

static void put_while_collected(void)
{
	as_uid(fresh_uid(), drop_at_once);
	say("2 threads, %d keys each", NR_ROUNDS / 2);
}

/* A keyring whose construction failed was collected as if it had links. */
static void construct_keyring_in_vain(void)
{
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(request_key("keyring", "in vain", "negate", USER_SESSION), "request a keyring");
	answer(keyctl(KEYCTL_CLEAR, USER_SESSION, 0, 0, 0), "clear @us");
	expect_charged(getuid(), 2);
	ask_user_keyrings();
}

static void uninstantiated_keyring(void)
{
	as_uid(fresh_uid(), construct_keyring_in_vain);
}

static int linked_key(int ring, const char *name)
{
	char desc[512];
	int keys[16];
	long ret = keyctl(KEYCTL_READ, ring, (long)keys, sizeof(keys), 0);

	for (long i = 0; i < ret / (long)sizeof(int) && i < (long)ARRAY_SIZE(keys); i++)
		if (describe(keys[i], desc, sizeof(desc)) > 0 &&
		    !strcmp(strrchr(desc, ';') + 1, name))
			return keys[i];
	return 0;
}

/* A negative key has an errno in the place of its payload. */
static void use_negative(void)
{
	long id;

	answer_key(request_key("user", "negative", "negate", USER_SESSION), "request negative");
	id = keyctl(KEYCTL_SEARCH, USER_SESSION, (long)"user", (long)"negative", 0);
	answer(id, "search it");
	expect(id == -ENOKEY, "a negative key should be answered by ENOKEY");
	id = linked_key(USER_SESSION, "negative");
	answer(may_read(id), "read it");
	expect(may_read(id) == -ENOKEY, "it should not be read");
	answer(keyctl(KEYCTL_UPDATE, id, (long)"text", 4, 0), "update it");
	answer_key(add_user_key("negative", USER_SESSION), "add it");
	payload_of("it", search(USER_SESSION, "negative", 0));
}

static void negative_key(void)
{
	as_uid(fresh_uid(), use_negative);
}

static void *make_and_read(void *arg)
{
	char text[64];
	long id;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < NR_ROUNDS; i++) {
		id = add_user_key("raced", USER_SESSION);
		if ((long)arg % 2)
			keyctl(KEYCTL_REVOKE, id, 0, 0, 0);
		else
			read_key(id, text, sizeof(text));
	}
	return arg;
}

static void read_and_revoke(void)
{
	get_keyring_id(USER_SESSION, 0);
	run_threads(make_and_read, 4);
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	say("4 threads, %d keys each", NR_ROUNDS);
}

static void read_while_revoked(void)
{
	as_uid(fresh_uid(), read_and_revoke);
}

/* A line of /proc/keys was longer than the buffer on the stack. */
static void set_long_timeouts(void)
{
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer(keyctl(KEYCTL_SET_TIMEOUT, USER_SESSION, UINT32_MAX, 0, 0), "the longest timeout");
	read_proc("/proc/keys");
	ask_user_keyrings();
	answer(keyctl(KEYCTL_SET_TIMEOUT, USER_SESSION, 0, 0, 0), "no timeout");
	ask_user_keyrings();
}

static void long_timeouts(void)
{
	as_uid(fresh_uid(), set_long_timeouts);
}

/* A link that could not be prepared was ended all the same. */
static void request_to_revoked(void)
{
	int ring = answer_key(add_keyring("revoked", USER_SESSION), "add a keyring");

	answer(keyctl(KEYCTL_REVOKE, ring, 0, 0, 0), "revoke it");
	answer_key(request_key("user", "made", "make", ring), "request to it");
	answer(keyctl(KEYCTL_REVOKE, USER_SESSION, 0, 0, 0), "revoke @us");
	answer_key(request_key("user", "made", "make", USER_SESSION), "request to @us");
	answer_key(request_key("user", "made", "make", 0), "request");
}

static void request_in_vain(void)
{
	as_uid(fresh_uid(), request_to_revoked);
}

/* Types of the kernel's own were asked for by name. */
static void ask_for_types(void)
{
	answer_key(request_key(".dead", "any", NULL, 0), "request .dead");
	answer_key(request_key(".request_key_auth", "any", NULL, 0), "request .request_key_auth");
	answer_key(add_key(".dead", "any", "x", 1, USER_SESSION), "add .dead");
	answer_key(keyctl(KEYCTL_SEARCH, USER_SESSION, (long)".dead", (long)"any", 0),
		   "search .dead");
	expect(request_key(".dead", "any", NULL, 0) == -EPERM, "it should be refused");
}

static void types_of_the_kernel(void)
{
	as_uid(fresh_uid(), ask_for_types);
}

/* A length without a payload, and descriptions beyond what fits a byte. */
static void add_oddly(void)
{
	static const size_t lengths[] = { 254, 255, 256, 257, 300 };
	char desc[512];
	long id;

	answer_key(add_key("user", "no payload", NULL, 8, USER_SESSION), "add no payload");
	answer_key(add_key("keyring", "no payload", NULL, 8, USER_SESSION), "add a keyring so");
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		memset(desc, 'x', lengths[i]);
		desc[lengths[i]] = '\0';
		id = add_user_key(desc, USER_SESSION);
		expect(id > 0 && request_key("user", desc, NULL, 0) == id,
		       "a description of %zu should be found", lengths[i]);
		desc[lengths[i] - 1] = 'y';
		expect(request_key("user", desc, NULL, 0) == -ENOKEY,
		       "and another of that length should not");
	}
	answer(keys_charged(getuid()), "keys");
}

static void odd_arguments(void)
{
	as_uid(fresh_uid(), add_oddly);
}

/* What reclaim takes may be keyrings of a filesystem, and memory is reclaimed under their locks. */
static void clear_and_reclaim(void)
{
	/* To say nothing of it in the log. */
	write_setting("/proc/sys/vm/drop_caches", 4);
	for (int i = 0; i < 20; i++) {
		expect(add_user_key("cleared", USER_SESSION) > 0, "a key should be added");
		write_setting("/proc/sys/vm/drop_caches", 3);
		expect(!keyctl(KEYCTL_CLEAR, USER_SESSION, 0, 0, 0), "@us should be cleared");
	}
}

static void clear_as_other(void)
{
	/* By its real UID alone, to be allowed to reclaim. */
	if (setresuid(shared->uid[0], -1, -1))
		die("setresuid");
	clear_and_reclaim();
}

static void cleared_under_reclaim(void)
{
	shared->uid[0] = fresh_uid();
	in_child(clear_as_other);
	say("20 times");
}

const struct scenario cve_scenarios[] = {
	{ "CVE-2013-1792, 0b9dc6c9f01c: nobody is given half a pair", half_a_pair },
	{ "CVE-2010-1437: a session that is being freed is not joined", joined_while_freed },
	{ "CVE-2010-1437: a pair that is being freed is not adopted", adopted_while_freed },
	{ "CVE-2014-9529: keys are looked at while they are freed", seen_while_freed },
	{ "CVE-2016-0728: joining and looking up leak no reference", leaked_by_joining },
	{ "CVE-2016-9604: the register is neither joined nor changed", register_joined },
	{ "CVE-2017-7472: setting a default again makes no keyring", leaked_by_default },
	{ "CVE-2017-17807: a default that must not be written to is not", default_unwritable },
	{ "CVE-2014-3631, CVE-2017-12193, 23fd78d76415: nodes that are full", full_nodes },
	{ "CVE-2014-0102: the register of forty UIDs", full_register },
	{ "CVE-2024-50301: a keyring of many levels is searched to its end", many_levels },
	{ "duplicates: links of one name made at once", duplicates_at_once },
	{ "CVE-2025-21893: the last reference goes while keys are collected", put_while_collected },
	{ "CVE-2015-7872: a keyring whose construction failed is collected",
	  uninstantiated_keyring },
	{ "CVE-2017-12192, CVE-2017-15299: a negative key is not read", negative_key },
	{ "CVE-2015-7550: keys are read while they are revoked", read_while_revoked },
	{ "CVE-2016-7042: the longest timeout in proc files", long_timeouts },
	{ "CVE-2016-4470: a key is requested to what is revoked", request_in_vain },
	{ "CVE-2017-2647, CVE-2017-6951: types of the kernel's own", types_of_the_kernel },
	{ "CVE-2017-15274: odd payloads and long descriptions", odd_arguments },
	{ "reclaim: keyrings are cleared while memory is reclaimed", cleared_under_reclaim },
	{ }
};

/*
 * Credentials are freed by an RCU callback, in a softirq, and the record of the UID with them: what
 * is told there that a UID is gone must take no lock that others take with interrupts on. It is
 * lockdep's to say, in a kernel that has it.
 */
static void die_in_softirq(void)
{
	uid_t uid;

	for (int i = 0; i < 5; i++) {
		uid = fresh_unpinned_uid();
		as_uid(uid, leave_secret);
		expect_documented_end_of(uid);
	}
}

const struct scenario cve_lives[] = {
	{ "softirq: keyrings end when an RCU callback frees credentials", die_in_softirq },
	{ }
};
