// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: user namespaces.  A pair belongs to a UID in a namespace, and is
 * named after what the UID is called there.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe.h"
#include "scenarios.h"

#define UNMAPPED	((uid_t)-1)

/* A process that has left for a namespace of its own, and waits in it. */
static struct {
	void (*fn)(void);
	int ready[2];
	int go[2];
} leaving;

static void leave(void)
{
	char byte;

	if (unshare(CLONE_NEWUSER))
		die("unshare");
	if (write(leaving.ready[1], "", 1) != 1 ||
	    read(leaving.go[0], &byte, 1) != 1)
		die("pipe");
	leaving.fn();
}

static void write_map(const char *file, const char *map)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(map);

	if (fd < 0 || write(fd, map, len) != len)
		die(file);
	close(fd);
}

pid_t start_in_namespace(uid_t uid, const char *map, void (*fn)(void))
{
	char file[64], byte;
	pid_t pid;

	leaving.fn = fn;
	if (pipe2(leaving.ready, O_CLOEXEC) || pipe2(leaving.go, O_CLOEXEC))
		die("pipe");
	pid = start_child(uid, leave);
	if (read(leaving.ready[0], &byte, 1) != 1)
		die("namespace");
	if (map) {
		snprintf(file, sizeof(file), "/proc/%d/uid_map", pid);
		write_map(file, map);
		snprintf(file, sizeof(file), "/proc/%d/gid_map", pid);
		write_map(file, map);
	}
	if (write(leaving.go[1], "", 1) != 1)
		die("namespace");
	for (int i = 0; i < 2; i++) {
		close(leaving.ready[i]);
		close(leaving.go[i]);
	}
	return pid;
}

static void in_namespace(uid_t uid, const char *map, void (*fn)(void))
{
	finish_child(start_in_namespace(uid, map, fn));
}

const char *map_to(uid_t inside, uid_t outside)
{
	static char map[64];

	snprintf(map, sizeof(map), "%u %u 1\n", inside, outside);
	return map;
}

int joined_fd;

void open_namespace(pid_t pid)
{
	char file[64];

	snprintf(file, sizeof(file), "/proc/%d/ns/user", pid);
	joined_fd = open(file, O_RDONLY | O_CLOEXEC);
	if (joined_fd < 0)
		die(file);
}

void join_namespace(void)
{
	if (setns(joined_fd, CLONE_NEWUSER))
		die("setns");
}

static void fill_outside(void)
{
	shared->key[0] = answer_key(get_keyring_id(USER, 0), "@u");
	shared->key[1] = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(add_user_key("outside", USER), "add to @u");
}

/* Inside, or outside too, which is the same kuid's: what /proc/keys shows. */
#define ONLY_INSIDE	4	/* its register, the pair, and a key in it */
#define AND_OUTSIDE	7	/* and the other pair, and a key in that */

static int seen_inside;

static void fill_inside(void)
{
	shared->key[2] = answer_key(get_keyring_id(USER, 0), "@u inside");
	shared->key[3] = answer_key(get_keyring_id(USER_SESSION, 0),
				    "@us inside");
	answer_key(add_user_key("inside", USER), "add to @u");
	in_child(ask_user_keyrings);
	answer_key(request_key("user", "outside", NULL, 0), "request outside");
	answer_key(request_key("user", "inside", NULL, 0), "request inside");
	expect(request_key("user", "outside", NULL, 0) == -ENOKEY,
	       "what is in @u outside should not be found inside");
	expect(shared->key[2] != shared->key[0] &&
	       shared->key[3] != shared->key[1],
	       "a namespace should have its own pair");
	/* By its serial, though it is the same kuid's. */
	describe_key("@us outside", shared->key[1]);
	list_keyring("@us outside", shared->key[1]);
	proc_keys(getuid(), seen_inside);
}

static void be_root_inside(void)
{
	fill_inside();
	expect_keyring(shared->key[2], "_uid", 0);
	expect_keyring(shared->key[3], "_uid_ses", 0);
}

static void look_from_outside(void)
{
	answer_key(request_key("user", "inside", NULL, 0), "request inside");
	expect(request_key("user", "inside", NULL, 0) == -ENOKEY,
	       "what is in @u inside should not be found outside");
	describe_key("@us inside", shared->key[3]);
	ask_user_keyrings();
	proc_keys(getuid(), 3);
}

static void mapped_to_root(void)
{
	uid_t uid = fresh_uid();

	seen_inside = AND_OUTSIDE;
	as_uid(uid, fill_outside);
	in_namespace(uid, map_to(0, uid), be_root_inside);
	as_uid(uid, look_from_outside);
}

/* The namespace comes first, so that its pair is the UID's first. */
static void mapped_before_outside(void)
{
	uid_t uid = fresh_uid();

	seen_inside = ONLY_INSIDE;
	in_namespace(uid, map_to(0, uid), be_root_inside);
	as_uid(uid, fill_outside);
	as_uid(uid, look_from_outside);
}

static void be_the_same_inside(void)
{
	fill_inside();
	expect_keyring(shared->key[2], "_uid", getuid());
	expect_keyring(shared->key[3], "_uid_ses", getuid());
}

static void mapped_to_itself(void)
{
	uid_t uid = fresh_uid();

	seen_inside = AND_OUTSIDE;
	as_uid(uid, fill_outside);
	in_namespace(uid, map_to(uid, uid), be_the_same_inside);
	as_uid(uid, look_from_outside);
}

/*
 * Without a map every UID is called 4294967295, and with one it is called
 * something else: another name, another pair.
 */
static void be_mapped_late(void)
{
	fill_inside();
	expect_keyring(shared->key[2], "_uid", UNMAPPED);
	expect_keyring(shared->key[3], "_uid_ses", UNMAPPED);
	describe_key("@us unmapped", shared->key[3]);
	write_map("/proc/self/uid_map", map_to(0, shared->uid[0]));
	say("mapped");
	answer_key(get_keyring_id(USER, 0), "@u mapped");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us mapped");
	expect(get_keyring_id(USER_SESSION, 0) != shared->key[3],
	       "with another name there should be another pair");
	expect_keyring(get_keyring_id(USER, 0), "_uid", 0);
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", 0);
	answer_key(request_key("user", "inside", NULL, 0), "request inside");
	describe_key("@us unmapped", shared->key[3]);
	in_child(ask_user_keyrings);
	/* Both pairs of the namespace now. */
	proc_keys(0, AND_OUTSIDE + 2);
}

static void mapped_late(void)
{
	shared->uid[0] = fresh_uid();
	/* There, 65534 means many, and no one in particular. */
	seen_inside = 0;
	as_uid(shared->uid[0], fill_outside);
	in_namespace(shared->uid[0], NULL, be_mapped_late);
	as_uid(shared->uid[0], look_from_outside);
}

/* Two namespaces at once, of one UID. */
static void wait_inside(void)
{
	shared->key[4] = answer_key(get_keyring_id(USER_SESSION, 0),
				    "@us in the first");
	answer_key(add_user_key("first", USER_SESSION), "add to @us");
	step_done(1);
	step_wait(2);
	answer_key(get_keyring_id(USER_SESSION, 0), "@us in the first");
	list_keyring("@us", USER_SESSION);
	answer_key(request_key("user", "second", NULL, 0), "request second");
}

static void second_inside(void)
{
	shared->key[5] = answer_key(get_keyring_id(USER_SESSION, 0),
				    "@us in the second");
	expect(shared->key[4] != shared->key[5],
	       "two namespaces should have two pairs");
	answer_key(request_key("user", "first", NULL, 0), "request first");
	expect(request_key("user", "first", NULL, 0) == -ENOKEY,
	       "one should not find what is in the other");
	answer_key(add_user_key("second", USER_SESSION), "add to @us");
	describe_key("@us of the first", shared->key[4]);
	list_keyring("@us", USER_SESSION);
	/* A register, a pair and a key, twice. */
	proc_keys(0, 2 * ONLY_INSIDE);
}

static void two_at_once(void)
{
	uid_t uid = fresh_uid();
	pid_t pid;

	pid = start_in_namespace(uid, map_to(0, uid), wait_inside);
	step_wait(1);
	in_namespace(uid, map_to(0, uid), second_inside);
	step_done(2);
	finish_child(pid);
	as_uid(uid, fill_outside);
	as_uid(uid, look_from_outside);
}

static void ask_after_joining(void)
{
	answer_key(get_keyring_id(USER_SESSION, 0), "@us before joining");
	join_namespace();
	answer_key(get_keyring_id(USER_SESSION, 0), "@us after joining");
	answer_key(request_key("user", "first", NULL, 0), "request first");
	ask_user_keyrings();
	expect(get_keyring_id(USER_SESSION, 0) == shared->key[4],
	       "there is one pair per namespace, by whatever way one came");
}

static void ask_after_joining_as_other(void)
{
	join_namespace();
	ask_user_keyrings();
	expect(get_keyring_id(USER_SESSION, 0) != shared->key[4],
	       "another UID should not get the pair");
}

static void joined(void)
{
	uid_t uid = fresh_uid();
	pid_t pid;

	pid = start_in_namespace(uid, map_to(0, uid), wait_inside);
	step_wait(1);
	open_namespace(pid);
	as_uid(uid, ask_after_joining);
	/* Root has no name in there. */
	in_child(ask_after_joining_as_other);
	close(joined_fd);
	step_done(2);
	finish_child(pid);
}

/* A namespace in a namespace: as many pairs as levels. */
static void go_deeper(void)
{
	fill_inside();
	if (unshare(CLONE_NEWUSER))
		die("unshare");
	write_map("/proc/self/uid_map", map_to(7, 0));
	answer_key(get_keyring_id(USER_SESSION, 0), "@us deeper");
	expect_keyring(get_keyring_id(USER, 0), "_uid", 7);
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", 7);
	answer_key(request_key("user", "inside", NULL, 0), "request inside");
	ask_user_keyrings();
	/* One more register, and a pair in it. */
	proc_keys(7, AND_OUTSIDE + 3);
}

static void nested(void)
{
	uid_t uid = fresh_uid();

	seen_inside = AND_OUTSIDE;
	as_uid(uid, fill_outside);
	in_namespace(uid, map_to(0, uid), go_deeper);
	as_uid(uid, look_from_outside);
}

static const uid_t known_uids[] = { 0, 1, 1000, 65534, 4294967294 };
static uid_t known_uid;

static void be_known_uid(void)
{
	become(known_uid);
	ask_user_keyrings();
	expect_keyring(get_keyring_id(USER, 0), "_uid", known_uid);
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", known_uid);
}

/* These UIDs have had their pairs before; in a new namespace they have not. */
static void be_known_uids(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_uids); i++) {
		known_uid = known_uids[i];
		pin_uid(known_uid);
		in_child(be_known_uid);
		in_child(be_known_uid);
	}
}

static void mapped_as_a_whole(void)
{
	in_namespace(0, "0 0 4294967295\n", be_known_uids);
}

static void request_inside(void)
{
	long key = answer_key(request_key("user", "one", "make", 0),
			      "request one");

	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	payload_of("one", key);
	list_keyring("@us", USER_SESSION);
	answer(keyctl(KEYCTL_SET_REQKEY_KEYRING,
		      KEY_REQKEY_DEFL_USER_KEYRING, 0, 0, 0), "default @u");
	answer_key(request_key("user", "two", "make", 0), "request two");
	list_keyring("@u", USER);
	answer(keyctl(KEYCTL_REVOKE, USER_SESSION, 0, 0, 0), "revoke @us");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	expect(get_keyring_id(USER_SESSION, 0) == -ENOKEY,
	       "a revoked @us should be answered by ENOKEY");
}

static void requests_inside(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, fill_outside);
	in_namespace(uid, map_to(0, uid), request_inside);
	as_uid(uid, ask_user_keyrings);
}

/* Charged to the kuid, in whatever namespace; gone when it goes. */
static void quota_of_all(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, fill_outside);
	proc_key_users(uid, 3);
	in_namespace(uid, map_to(0, uid), ask_user_keyrings);
	/* The pair and its register go with the namespace. */
	proc_key_users(uid, 3);
}

const struct scenario namespace_scenarios[] = {
	{ "a namespace mapped to root", mapped_to_root },
	{ "a namespace before the outside", mapped_before_outside },
	{ "a namespace mapped to itself", mapped_to_itself },
	{ "a namespace mapped late", mapped_late },
	{ "two namespaces of a UID", two_at_once },
	{ "a namespace joined", joined },
	{ "a namespace in a namespace", nested },
	{ "a namespace mapped as a whole", mapped_as_a_whole },
	{ "request_key() in a namespace", requests_inside },
	{ "quota after a namespace", quota_of_all },
	{ }
};

/*
 * Where the module is meant to differ: the kernel's own code knows a pair by
 * its printed name, so two UIDs without one share theirs.
 */
static void ask_unmapped_other(void)
{
	long us, u;

	join_namespace();
	u = answer_key(get_keyring_id(USER, 0), "@u of the second");
	us = answer_key(get_keyring_id(USER_SESSION, 0), "@us of the second");
	answer_key(request_key("user", "first", NULL, 0), "request first");
	ask_user_keyrings();
	expect(u > 0 && us > 0, "the second should have a pair");
	if (module_present()) {
		expect(us != shared->key[4],
		       "the module should not share @us between two UIDs");
		expect(request_key("user", "first", NULL, 0) == -ENOKEY,
		       "one UID should not find the other's key");
	} else {
		expect(us == shared->key[4],
		       "the kernel shares @us between unmapped UIDs");
	}
	expect(get_keyring_id(USER_SESSION, 0) == us &&
	       get_keyring_id(USER, 0) == u, "a pair should stay");
}

static void first_unmapped(void)
{
	wait_inside();
	expect(get_keyring_id(USER_SESSION, 0) == shared->key[4],
	       "the pair of the first should stay");
}

static void two_unmapped(void)
{
	pid_t pid = start_in_namespace(fresh_uid(), NULL, first_unmapped);

	step_wait(1);
	open_namespace(pid);
	in_child(ask_unmapped_other);
	in_child(ask_unmapped_other);
	step_done(2);
	finish_child(pid);
}

const struct scenario deviations[] = {
	{ "two unmapped UIDs in a namespace", two_unmapped },
	{ }
};
