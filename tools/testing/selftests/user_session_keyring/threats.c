// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: what somebody can do to the keyrings of another UID, with whatever right short of
 * being root.  Each is an attack, and the transcript is what it was answered.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "observe.h"
#include "scenarios.h"

#define INNER	(shared->key[3])	/* what is in @u, as the secret is in @us */

/* The keys that the victim has in the pair, which only the possessor may touch. */
static void be_a_victim(void)
{
	leave_secret();
	INNER = add_user_key("secret", USER);
	expect(INNER > 0, "there should be a key in @u");
	expect(!set_perm(SECRET, POS_ALL) && !set_perm(INNER, POS_ALL),
	       "the keys should be private");
}

#define RING	0x1
#define KEY	0x2

#define ADD_KEY	-1	/* not an operation of keyctl() */

/* Arguments that depend on who attacks what, of values that nothing else has. */
enum {
	TARGET = -1000,
	INSIDE,		/* what the victim has in the target */
	MINE,		/* a key in the attacker's process keyring */
	GROUP,		/* the attacker's */
};

/* Each does something if it is allowed: see on_ones_own(). */
static const struct attack {
	const char *what;
	int on;		/* what kind of target it can succeed on */
	int op;
	long arg[4];
	int refusal;	/* EACCES if it is 0 */
} attacks[] = {
	{ "describe", RING | KEY, KEYCTL_DESCRIBE, { TARGET } },
	{ "read", RING | KEY, KEYCTL_READ, { TARGET } },
	/* After EACCES it is tried as one who instantiates the key, for which there is no token. */
	{ "security", RING | KEY, KEYCTL_GET_SECURITY, { TARGET }, ENOKEY },
	{ "search", RING, KEYCTL_SEARCH, { TARGET, (long)"user", (long)"secret" } },
	{ "link", RING | KEY, KEYCTL_LINK, { TARGET, PROCESS } },
	{ "link to", RING, KEYCTL_LINK, { MINE, TARGET } },
	{ "move to", RING, KEYCTL_MOVE, { MINE, PROCESS, TARGET } },
	{ "add to", RING, ADD_KEY, { TARGET } },
	{ "move from", RING, KEYCTL_MOVE, { INSIDE, TARGET, PROCESS } },
	{ "unlink from", RING, KEYCTL_UNLINK, { INSIDE, TARGET } },
	{ "update", KEY, KEYCTL_UPDATE, { TARGET, (long)"mine", 4 } },
	{ "clear", RING, KEYCTL_CLEAR, { TARGET } },
	{ "revoke", RING | KEY, KEYCTL_REVOKE, { TARGET } },
	{ "invalidate", RING | KEY, KEYCTL_INVALIDATE, { TARGET } },
	{ "set a timeout", RING | KEY, KEYCTL_SET_TIMEOUT, { TARGET, 1000 } },
	{ "setperm", RING | KEY, KEYCTL_SETPERM, { TARGET, 0x3f3f3f3f } },
	{ "chown", RING | KEY, KEYCTL_CHOWN, { TARGET, -1, GROUP } },
	{ "restrict", RING, KEYCTL_RESTRICT_KEYRING, { TARGET } },
};

static long resolve(long arg, int target)
{
	switch (arg) {
	case TARGET:
		return target;
	case INSIDE:
		return target == U ? INNER : SECRET;
	case MINE:
		return add_user_key("mine", PROCESS);
	case GROUP:
		return getgid();
	}
	return arg;
}

/* 0 stands for serials and lengths. */
static long perform(const struct attack *it, int target)
{
	long arg[4], ret;

	for (size_t i = 0; i < ARRAY_SIZE(arg); i++)
		arg[i] = resolve(it->arg[i], target);
	ret = it->op == ADD_KEY ? add_user_key("mine", arg[0]) :
				  keyctl(it->op, arg[0], arg[1], arg[2], arg[3]);
	return ret < 0 ? ret : 0;
}

/* The key first: it is possessed by the keyrings. */
static void perform_all(const struct attack *it, bool is_refused)
{
	const long expected = !is_refused ? 0 : it->refusal ? -it->refusal : -EACCES;
	const struct {
		const char *name;
		int id, kind;
	} targets[] = {
		{ "the key", SECRET, KEY }, { "@u", U, RING }, { "@us", US, RING },
	};
	long ret;

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		if (!(it->on & targets[i].kind))
			continue;
		ret = answer(perform(it, targets[i].id), "%s %s", it->what, targets[i].name);
		expect(ret == expected, "%s %s should be %s", it->what, targets[i].name,
		       is_refused ? "refused" : "done");
	}
}

static const struct attack *tried;

static void try_own(void)
{
	be_a_victim();
	perform_all(tried, false);
}

/* That another is refused shows something if who owns and possesses it is not. */
static void on_ones_own(void)
{
	for (tried = attacks; tried < attacks + ARRAY_SIZE(attacks); tried++)
		as_uid(fresh_uid(), try_own);
}

static void attack_all(void)
{
	char name[64];

	for (const struct attack *it = attacks; it < attacks + ARRAY_SIZE(attacks); it++)
		perform_all(it, true);
	answer_key(request_key("user", "secret", NULL, 0), "request the key");
	expect(request_key("user", "secret", NULL, 0) == -ENOKEY, "it should not be found");
	snprintf(name, sizeof(name), "_uid_ses.%u", shared->uid[0]);
	expect(join_session(name) != US, "another's @us should not be had by its name");
	snprintf(name, sizeof(name), "_uid.%u", shared->uid[0]);
	expect(join_session(name) != U, "another's @u should not be had by its name");
	expect(get_keyring_id(USER_SESSION, 0) != US && get_keyring_id(USER, 0) != U,
	       "another's pair should not be looked up");
}

static void check_victim(void)
{
	expect_secret();
	list_keyring("@us of the victim", USER_SESSION);
	list_keyring("@u of the victim", USER);
}

static void by_another_uid(void)
{
	shared->uid[0] = fresh_uid();
	as_uid(shared->uid[0], be_a_victim);
	as_uid(fresh_uid(), attack_all);
	as_uid(shared->uid[0], check_victim);
}

/* Root of a namespace of its own, with every capability in it. */
static void by_root_of_a_namespace(void)
{
	uid_t uid = fresh_uid();

	shared->uid[0] = fresh_uid();
	as_uid(shared->uid[0], be_a_victim);
	finish_child(start_in_namespace(uid, map_to(0, uid), attack_all));
	as_uid(shared->uid[0], check_victim);
}

/* The victim is in the namespace of which the attacker is root. */
static void live_inside(void)
{
	if (setresuid(1, 1, 1))
		die("setresuid");
	be_a_victim();
	step_done(1);
	step_wait(2);
	check_victim();
}

static void attack_inside(void)
{
	pid_t pid;

	pid = start_child(0, live_inside);
	step_wait(1);
	/* Its UID is 1 here, and has a name of its own. */
	shared->uid[0] = 1;
	attack_all();
	step_done(2);
	finish_child(pid);
}

/* With the attacker as root, and the victim as UID 1. */
static void in_namespace_of_both(uid_t uid, uid_t victim, void (*fn)(void))
{
	char map[64];

	snprintf(map, sizeof(map), "0 %u 1\n1 %u 1\n", uid, victim);
	finish_child(start_in_namespace(uid, map, fn));
}

static void by_root_of_its_namespace(void)
{
	uid_t uid = fresh_uid();

	in_namespace_of_both(uid, fresh_uid(), attack_inside);
}

/* Who does not possess the pair asks for what is in it. */
static void ask_in_vain(void)
{
	answer_key(request_key("user", "secret", NULL, 0), "request the key");
	expect(request_key("user", "secret", NULL, 0) == -ENOKEY, "it should not be found");
	answer(may_read(SECRET), "read the key");
	expect(may_read(SECRET) == -EACCES, "what only a possessor may read should not be");
}

/*
 * The same UID in a namespace, whoever is root there and can become it: another pair. The pair
 * outside is to it what it is to any process of the UID that has not looked it up: its owner's,
 * but not possessed.
 */
static void look_out(void)
{
	if (setresuid(1, 1, 1))
		die("setresuid");
	expect(get_keyring_id(USER_SESSION, 0) != US && get_keyring_id(USER, 0) != U,
	       "the pair outside should not be looked up inside");
	ask_in_vain();
	describe_key("@us outside", US);
	answer(keyctl(KEYCTL_LINK, SECRET, PROCESS, 0, 0), "link the key");
}

static void from_inside(void)
{
	in_child(look_out);
}

static void by_root_who_becomes_it(void)
{
	uid_t uid = fresh_uid();

	shared->uid[0] = fresh_uid();
	as_uid(shared->uid[0], be_a_victim);
	in_namespace_of_both(uid, shared->uid[0], from_inside);
	as_uid(shared->uid[0], check_victim);
}

/* A program that runs with the effective UID, or only the filesystem UID, of the victim. */
static void borrow_effective(void)
{
	uid_t me = shared->uid[1];

	if (setresuid(me, shared->uid[0], me))
		die("setresuid");
	expect(get_keyring_id(USER_SESSION, 0) != US && get_keyring_id(USER, 0) != U,
	       "a setuid program should look up the pair of who started it");
	ask_in_vain();
}

static void borrow_filesystem(void)
{
	uid_t me = shared->uid[1];

	if (setresuid(me, me, 0))
		die("setresuid");
	/* Whoever has been root may. */
	if (seteuid(0))
		die("seteuid");
	setfsuid(shared->uid[0]);
	expect(get_keyring_id(USER_SESSION, 0) != US && get_keyring_id(USER, 0) != U,
	       "the filesystem UID should not decide whose pair it is");
	answer(may_read(SECRET), "read the key");
	expect(may_read(SECRET) == -EACCES, "what only a possessor may read should not be");
}

static void by_other_uids_of_a_process(void)
{
	shared->uid[0] = fresh_uid();
	shared->uid[1] = fresh_uid();
	as_uid(shared->uid[0], be_a_victim);
	say("the effective UID");
	in_child(borrow_effective);
	say("the filesystem UID");
	in_child(borrow_filesystem);
	as_uid(shared->uid[0], check_victim);
}

/* What runs short for a process does not end its pair. */
static const int limits[] = {
	RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_MEMLOCK, RLIMIT_FSIZE, RLIMIT_SIGPENDING,
	RLIMIT_MSGQUEUE, RLIMIT_STACK, RLIMIT_DATA, RLIMIT_AS, RLIMIT_CORE,
};

static void run_short(void)
{
	const struct rlimit none = { 0, 0 };
	char desc[32];

	be_a_victim();
	for (int i = 0; i < 300; i++) {
		snprintf(desc, sizeof(desc), "key %d", i);
		if (add_user_key(desc, USER) < 0)
			break;
	}
	expect(add_user_key("one more", USER_SESSION) == -EDQUOT, "the quota should be full");
	expect_secret();
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		setrlimit(limits[i], &none);
	expect_secret();
}

static void by_exhaustion(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, run_short);
	as_uid(uid, expect_secret);
	say("quota and limits");
}

const struct scenario threat_scenarios[] = {
	{ "threat: what is tried on a pair is done if it is one's own", on_ones_own },
	{ "threat: another UID reaches nothing of a pair", by_another_uid },
	{ "threat: root of a namespace reaches nothing outside", by_root_of_a_namespace },
	{ "threat: root of its namespace reaches nothing of a UID in it",
	  by_root_of_its_namespace },
	{ "threat: who becomes the UID in a namespace gets another pair", by_root_who_becomes_it },
	{ "threat: effective and filesystem UIDs lead to no other pair",
	  by_other_uids_of_a_process },
	{ "threat: what a UID runs short of does not end its pair", by_exhaustion },
	{ }
};

/*
 * A file that a setuid program opens pins who started the program, and not whom it runs as: one can
 * have another's file, but not make another pin a record.
 */
static void open_as_setuid(void)
{
	uid_t me = shared->uid[1];
	int fd;

	if (setresuid(me, shared->uid[0], 0))
		die("setresuid");
	fd = open_a_file();
	if (setresuid(0, 0, 0))
		die("setresuid");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	step_done(1);
	step_wait(2);
	close(fd);
}

static void pinned_by_setuid(void)
{
	uid_t victim = fresh_unpinned_uid(), me = fresh_unpinned_uid();
	pid_t pid;

	shared->uid[0] = victim;
	shared->uid[1] = me;
	pid = start_child(0, open_as_setuid);
	step_wait(1);
	as_uid(victim, leave_secret);
	expect_documented_end_of(victim);
	as_uid(me, leave_secret);
	expect_pinned(US, "what the file pins");
	step_done(2);
	finish_child(pid);
	expect_documented_end_of(me);
}

/*
 * Anybody may have the record of another UID looked up, which pins it for a moment, and again. One
 * process that does nothing else does not keep its keyrings; of many, see threats.sh.
 */
static void look_at_priority(void)
{
	for (;; shared->number[0]++)
		getpriority(PRIO_USER, shared->uid[0]);
}

/* Whoever looks is still at it. */
static bool looks_on(void)
{
	static long before;
	long looks = __atomic_load_n(&shared->number[0], __ATOMIC_RELAXED);
	bool more = before && looks > before;

	before = looks;
	return more;
}

static void kept_by_priority(void)
{
	pid_t pid;

	shared->uid[0] = fresh_unpinned_uid();
	pid = start_child(fresh_uid(), look_at_priority);
	as_uid(shared->uid[0], leave_secret);
	expect(poll_until(looks_on), "nobody looks");
	expect_documented_end_of(shared->uid[0]);
	expect(poll_until(looks_on), "nobody has looked on");
	unpin_uid(pid);
}

const struct scenario threat_lives[] = {
	{ "threat: a setuid program pins who started it, and not whom it runs as",
	  pinned_by_setuid },
	{ "threat: a process that looks at another's priority does not keep its keyrings",
	  kept_by_priority },
	{ }
};
