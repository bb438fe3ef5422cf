// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: the special keyrings as such, asked for by root and by others,
 * and used through their special numbers.
 */
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "scenarios.h"

static const struct special {
	const char *name;
	int id;
} specials[] = {
	{ "@t", THREAD },
	{ "@p", PROCESS },
	{ "@s", SESSION },
	{ "@u", USER },
	{ "@us", USER_SESSION },
	{ "@g", KEY_SPEC_GROUP_KEYRING },
	{ "@a", KEY_SPEC_REQKEY_AUTH_KEY },
	{ "the requestor's", KEY_SPEC_REQUESTOR_KEYRING },
};

static int create;
static int special;
static const char *special_name;

static void ask_one(void)
{
	answer_key(get_keyring_id(special, create), "%s, create=%d",
		   special_name, create);
	describe_key(special_name, special);
	/* @s may have been installed meanwhile: what is it now? */
	answer_key(get_keyring_id(special, create), "%s again", special_name);
}

static void ask_all(void)
{
	for (create = 0; create <= 1; create++) {
		for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
			special = specials[i].id;
			special_name = specials[i].name;
			in_child(ask_one);
		}
	}
	expect(get_keyring_id(KEY_SPEC_GROUP_KEYRING, 0) == -EINVAL,
	       "there are no group keyrings");
	expect(get_keyring_id(THREAD, 0) == -ENOKEY,
	       "@t should not be created unasked");
	expect_keyring(get_keyring_id(USER, 0), "_uid", getuid());
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
	list_keyring("@us", USER_SESSION);
	list_keyring("@u", USER);
}

static void all_of_root(void)
{
	in_child(ask_all);
}

static void all_of_user(void)
{
	as_uid(fresh_uid(), ask_all);
}

void ask_user_keyrings(void)
{
	static const char *const names[] = { "@u", "@us", "@s" };
	static const int ids[] = { USER, USER_SESSION, SESSION };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		answer_key(get_keyring_id(ids[i], 0), "%s", names[i]);
		describe_key(names[i], ids[i]);
		list_keyring(names[i], ids[i]);
	}
}

static void remember_pair(void)
{
	shared->key[0] = get_keyring_id(USER, 0);
	shared->key[1] = get_keyring_id(USER_SESSION, 0);
}

static void compare_pair(void)
{
	answer_key(get_keyring_id(USER, 0), "@u");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	expect(get_keyring_id(USER, 0) == shared->key[0] &&
	       get_keyring_id(USER_SESSION, 0) == shared->key[1],
	       "the pair should be the one of the process before");
}

static void see_others_pair(void)
{
	expect(get_keyring_id(USER, 0) != shared->key[0] &&
	       get_keyring_id(USER_SESSION, 0) != shared->key[1],
	       "the pair should not be another UID's");
	describe_key("another's @u", shared->key[0]);
	answer_key(get_keyring_id(shared->key[1], 0), "another's @us");
	list_keyring("another's @us", shared->key[1]);
	answer_key(add_user_key("intruder", shared->key[1]),
		   "add to another's @us");
	answer(keyctl(KEYCTL_LINK, shared->key[0], USER_SESSION, 0, 0),
	       "link another's @u");
	expect(keyctl(KEYCTL_LINK, shared->key[0], USER_SESSION, 0, 0) ==
	       -EACCES, "another's @u may not be linked");
}

static void one_pair_per_uid(void)
{
	uid_t one = fresh_uid(), other = fresh_uid();

	as_uid(one, remember_pair);
	as_uid(one, compare_pair);
	as_uid(other, see_others_pair);
	as_uid(one, compare_pair);
	in_child(see_others_pair);
}

static void ask_first_us(void)
{
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	list_keyring("@us", USER_SESSION);
}

static void ask_first_s(void)
{
	answer_key(get_keyring_id(SESSION, 0), "@s");
	expect(get_keyring_id(SESSION, 0) == get_keyring_id(USER_SESSION, 0),
	       "without a session keyring, @s should be @us");
	list_keyring("@s", SESSION);
}

/* Each way to come to the pair for the first time makes both. */
static void first_access(void)
{
	uid_t by_u = fresh_uid(), by_us = fresh_uid(), by_s = fresh_uid();

	as_uid(by_u, remember_pair);
	proc_key_users(by_u, 2);
	as_uid(by_us, ask_first_us);
	proc_key_users(by_us, 2);
	as_uid(by_s, ask_first_s);
	proc_key_users(by_s, 2);
	as_uid(by_s, ask_user_keyrings);
}

static const uid_t known_uids[] = { 0, 1, 1000, 65534, 4294967294 };

static void describe_pair(void)
{
	describe_key("@u", USER);
	describe_key("@us", USER_SESSION);
	list_keyring("@us", USER_SESSION);
	expect_keyring(get_keyring_id(USER, 0), "_uid", getuid());
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
}

static void known_uid_numbers(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_uids); i++)
		as_uid(known_uids[i], describe_pair);
}

static void use_keyrings(void)
{
	char text[64];
	long key, ring;

	key = answer_key(add_user_key("one", USER_SESSION), "add to @us");
	payload_of("one", key);
	answer_key(add_key("user", "one", "anew", 4, USER_SESSION),
		   "add again");
	payload_of("one", key);
	expect(read_key(key, text, sizeof(text)) == 4 && !strcmp(text, "anew"),
	       "adding again should update");
	answer_key(add_user_key("two", USER), "add to @u");
	ring = answer_key(add_keyring("ring", USER_SESSION),
			  "add a keyring to @us");
	answer_key(add_user_key("three", ring), "add to it");

	answer_key(search(USER_SESSION, "one", 0), "search @us for one");
	answer_key(search(USER_SESSION, "two", 0), "search @us for two");
	answer_key(search(USER_SESSION, "three", 0), "search @us for three");
	answer_key(search(USER, "one", 0), "search @u for one");
	expect(search(USER, "one", 0) == -ENOKEY,
	       "@u should not hold what is in @us");
	answer_key(search(USER_SESSION, "three", USER), "search, link to @u");

	answer(keyctl(KEYCTL_LINK, key, USER, 0, 0), "link one to @u");
	answer(keyctl(KEYCTL_UNLINK, key, USER_SESSION, 0, 0),
	       "unlink one from @us");
	answer(keyctl(KEYCTL_UNLINK, key, USER_SESSION, 0, 0),
	       "unlink one from @us again");
	answer(keyctl(KEYCTL_MOVE, key, USER, USER_SESSION, 0),
	       "move one from @u to @us");
	answer(keyctl(KEYCTL_MOVE, key, USER_SESSION, USER,
		      KEYCTL_MOVE_EXCL), "move one back");
	answer(keyctl(KEYCTL_LINK, USER_SESSION, USER, 0, 0),
	       "link @us to @u, a cycle");
	expect(keyctl(KEYCTL_LINK, USER_SESSION, USER, 0, 0) == -EDEADLK,
	       "@us should already link @u");
	list_keyring("@us", USER_SESSION);
	list_keyring("@u", USER);

	answer(keyctl(KEYCTL_UPDATE, USER, 0, 0, 0), "update @u");
	answer(keyctl(KEYCTL_GET_SECURITY, USER, (long)text, sizeof(text), 0),
	       "security label of @u");
	answer(keyctl(KEYCTL_INSTANTIATE, key, 0, 0, USER), "instantiate");
	answer(keyctl(KEYCTL_NEGATE, key, 10, USER_SESSION, 0), "negate");
	answer(keyctl(KEYCTL_CHOWN, USER, getuid() + 1, -1, 0), "chown @u");
	answer(keyctl(KEYCTL_CHOWN, USER, -1, getgid(), 0), "chgrp @u");
	describe_key("@u", USER);
}

static void operations(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, use_keyrings);
	as_uid(uid, ask_user_keyrings);
	/* One, two, three, ring, and the pair. */
	proc_key_users(uid, 6);
}

static void restrict_keyrings(void)
{
	long key = add_user_key("one", PROCESS);

	answer(keyctl(KEYCTL_RESTRICT_KEYRING, USER_SESSION, 0, 0, 0),
	       "restrict @us");
	answer(keyctl(KEYCTL_LINK, key, USER_SESSION, 0, 0), "link to @us");
	answer(keyctl(KEYCTL_LINK, key, USER, 0, 0), "link to @u");
	answer(keyctl(KEYCTL_RESTRICT_KEYRING, USER_SESSION, 0, 0, 0),
	       "restrict @us again");
	expect(keyctl(KEYCTL_LINK, key, USER_SESSION, 0, 0) == -EPERM,
	       "a restricted keyring should take no link");
}

static void restriction(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, restrict_keyrings);
	as_uid(uid, ask_user_keyrings);
}

static void link_persistent(void)
{
	long ring = answer_key(keyctl(KEYCTL_GET_PERSISTENT, -1, USER_SESSION,
				      0, 0), "get_persistent to @us");

	describe_key("the persistent keyring", ring);
	answer_key(keyctl(KEYCTL_GET_PERSISTENT, -1, USER, 0, 0),
		   "get_persistent to @u");
	answer_key(search(USER_SESSION, "none", 0), "search @us for none");
	list_keyring("@us", USER_SESSION);
	list_keyring("@u", USER);
	expect(ring > 0, "there should be a persistent keyring");
}

static void persistent(void)
{
	as_uid(fresh_uid(), link_persistent);
}

/* Which UID decides?  The real one: cred->user goes with it. */
static void ids_of_a_kind(const char *kind)
{
	say("%s", kind);
	answer_key(get_keyring_id(USER, 0), "@u");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	describe_key("@us", USER_SESSION);
	list_keyring("@us", USER_SESSION);
	answer_key(add_user_key("mine", USER_SESSION), "add to @us");
}

static void effective_uid(void)
{
	if (seteuid(shared->uid[0]))
		die("seteuid");
	ids_of_a_kind("effective UID another's");
	expect(get_keyring_id(USER_SESSION, 0) == shared->key[1],
	       "@us should be that of the real UID");
}

static void real_uid(void)
{
	if (setreuid(shared->uid[0], -1))
		die("setreuid");
	ids_of_a_kind("real UID another's");
	expect(get_keyring_id(USER_SESSION, 0) != shared->key[1],
	       "@us should be that of the real UID");
}

static void both_uids(void)
{
	if (setreuid(shared->uid[0], shared->uid[0]))
		die("setreuid");
	ids_of_a_kind("both another's");
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses",
		       shared->uid[0]);
}

static void saved_uid(void)
{
	if (setresuid(shared->uid[0], shared->uid[1], 0))
		die("setresuid");
	ids_of_a_kind("real and effective differ");
	if (setresuid(-1, 0, -1) || setresuid(0, 0, 0))
		die("setresuid");
	ids_of_a_kind("root again");
	expect(get_keyring_id(USER_SESSION, 0) == shared->key[1],
	       "@us should be root's again");
}

static void filesystem_uid(void)
{
	setfsuid(shared->uid[0]);
	ids_of_a_kind("filesystem UID another's");
	expect(get_keyring_id(USER_SESSION, 0) == shared->key[1],
	       "@us should be that of the real UID");
}

static void forget_mine(void)
{
	/* Root outlives the scenario, and so does what it leaves in @us. */
	keyctl(KEYCTL_UNLINK, search(USER_SESSION, "mine", 0), USER_SESSION, 0,
	       0);
}

static void real_uid_decides(void)
{
	shared->uid[0] = fresh_uid();
	shared->uid[1] = fresh_uid();
	in_child(remember_pair);
	in_child(effective_uid);
	in_child(forget_mine);
	in_child(real_uid);
	in_child(both_uids);
	in_child(saved_uid);
	in_child(forget_mine);
	in_child(filesystem_uid);
	in_child(forget_mine);
}

/* keyctl(1) is another program, and says what it sees in its own words. */
static void run_tool(const char *command)
{
	char line[256];
	FILE *pipe = popen(command, "re");

	if (!pipe)
		die(command);
	say("%s", command);
	while (fgets(line, sizeof(line), pipe)) {
		line[strcspn(line, "\n")] = '\0';
		/* Column widths follow the length of the serial. */
		say(" %s", line + strspn(line, " "));
	}
	say(" status %d", pclose(pipe));
}

static void show_by_tool(void)
{
	answer_key(get_keyring_id(USER, 0), "@u");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(add_user_key("secret", USER), "add to @u");
	run_tool("keyctl show @us");
	run_tool("keyctl show @s");
	run_tool("keyctl show");
	run_tool("keyctl list @us");
	run_tool("keyctl rdescribe @u");
	run_tool("keyctl request user secret");
	run_tool("keyctl request user none 2>&1");
	run_tool("keyctl search @us user secret");
	run_tool("keyctl id @us");
	expect(search(USER_SESSION, "secret", 0) > 0,
	       "the secret should be found from @us");
}

static void keyctl_tool(void)
{
	as_uid(fresh_uid(), show_by_tool);
}

static void look_at_proc(void)
{
	long key;

	answer_key(get_keyring_id(USER, 0), "@u");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(add_user_key("one", USER), "add to @u");
	proc_keys(getuid(), 3);
	/* Only who possesses this key may see it: by @us, as it happens. */
	key = answer_key(add_user_key("two", USER), "add to @u");
	answer(set_perm(key, POS_ALL), "setperm two");
	proc_keys(getuid(), 4);
	answer_key(join_session(NULL), "join a new session");
	/* The new session takes the place of the key that it hides. */
	proc_keys(getuid(), 4);
	expect(may_read(key) == -EACCES,
	       "what only @us leads to, a session of its own should hide");
}

static void proc_files(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, look_at_proc);
	/* One, two, and the pair. */
	proc_key_users(uid, 4);
	proc_keys(uid, 0);
}

/* fork() hands all on but the thread keyring; exec() drops @t and @p. */
static void forked(void)
{
	ask_user_keyrings();
	answer_key(get_keyring_id(THREAD, 0), "@t in a child");
	answer_key(get_keyring_id(PROCESS, 0), "@p in a child");
	run_tool("keyctl id @us");
	run_tool("keyctl id @s");
	run_tool("keyctl id @p");
	run_tool("keyctl search @s user one");
}

static void fork_and_exec_as(void)
{
	answer_key(get_keyring_id(USER, 0), "@u");
	answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(get_keyring_id(PROCESS, 1), "@p");
	answer_key(get_keyring_id(THREAD, 1), "@t");
	answer_key(add_user_key("one", USER_SESSION), "add to @us");
	in_child(forked);
	answer_key(join_session(NULL), "join a new session");
	in_child(forked);
	expect(get_keyring_id(SESSION, 0) != get_keyring_id(USER_SESSION, 0),
	       "a session of its own should not be @us");
}

static void fork_and_exec(void)
{
	as_uid(fresh_uid(), fork_and_exec_as);
}

const struct scenario special_scenarios[] = {
	{ "special keyrings of root", all_of_root },
	{ "special keyrings of a user", all_of_user },
	{ "one pair per UID", one_pair_per_uid },
	{ "first access", first_access },
	{ "UIDs 0, 1, 1000, 65534, 4294967294", known_uid_numbers },
	{ "operations on the user keyrings", operations },
	{ "a restriction on the user session keyring", restriction },
	{ "the persistent keyring", persistent },
	{ "the real UID decides", real_uid_decides },
	{ "keyctl show", keyctl_tool },
	{ "proc files", proc_files },
	{ "fork and exec", fork_and_exec },
	{ }
};
