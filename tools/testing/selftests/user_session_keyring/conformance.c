// SPDX-License-Identifier: GPL-2.0
/*
 * user-session-keyring(7), statement by statement.
 *
 * Usage: conformance --list | conformance
 *
 * A line for each statement, in fields that are separated by tabs: "ok" or "not ok", its number,
 * what it says, and what was observed.  Lines that begin otherwise say why something does not hold.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe.h"

#define TIME_LIMIT	60	/* seconds, for the slowest statement */
#define NOTICE_ROOT	"/sys/module/user_session_keyring/parameters/notice_root"

struct statement {
	const char *number;
	const char *text;
	void (*test)(void);
};

/* What was observed, for whoever reads the line. */
static char *observed;

static void saw(const char *fmt, ...) __printf(1, 2);

static void saw(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(observed, getpagesize(), fmt, ap);
	va_end(ap);
}

static char name[64];

static const char *session_name(uid_t uid)
{
	snprintf(name, sizeof(name), "_uid_ses.%u", uid);
	return name;
}

/* Without a pin, a pair fares as that of a UID of which nothing is left at all. */
static int control;

static void make_control(void)
{
	uid_t uid = fresh_unpinned_uid();

	as_uid(uid, leave_secret);
	control = US;
}

static void expect_fate_of_control(int id, const char *what)
{
	let_others_die();
	if (module_present())
		expect(is_freed(control) && is_freed(id), "%s should not pin", what);
	else
		expect(key_exists(id) == key_exists(control), "%s should not matter", what);
}

/* M01 */
static void share(void)
{
	expect_secret();
	shared->key[3] = add_user_key("another", USER_SESSION);
}

static void not_share(void)
{
	expect(get_keyring_id(USER_SESSION, 0) > 0 && get_keyring_id(USER_SESSION, 0) != US,
	       "another UID should have another keyring");
	expect(search(USER_SESSION, "secret", 0) == -ENOKEY && may_read(SECRET) == -EACCES,
	       "another UID should not find the key");
}

static void own_and_shared(void)
{
	uid_t uid = fresh_uid();

	as_uid(uid, leave_secret);
	as_uid(uid, share);
	as_uid(fresh_uid(), not_share);
	in_child(not_share);
	as_uid(uid, expect_secret);
	saw("the same for two processes of a UID, others for two other UIDs");
}

/* M02 */
static void expect_named(void)
{
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
}

static void named_after_uid(void)
{
	static const uid_t uids[] = { 0, 1, 65534, 4294967294 };

	for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
		as_uid(uids[i], expect_named);
	as_uid(fresh_uid(), expect_named);
	saw("of UIDs 0, 1, 65534, 4294967294, and a large one");
}

/* M03 */
static int asked;

static void ask_first(void)
{
	int us;

	expect(!visible_key(session_name(getuid())), "there should be none before");
	expect(get_keyring_id(asked, 0) > 0, "the access should succeed");
	us = visible_key(session_name(getuid()));
	expect(us > 0, "there should be one after an access to %d", asked);
	expect(us == get_keyring_id(USER_SESSION, 0), "it should be the one that @us is");
}

static void first_access(void)
{
	static const int ids[] = { USER_SESSION, USER, SESSION };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		uid_t uid = fresh_uid();

		expect(!keys_charged(uid), "a UID should have no keys before");
		asked = ids[i];
		as_uid(uid, ask_first);
	}
	saw("by @us, by @u, and by @s");
}

/* M04: with one UID of a process @uid, and the others root's. */
static int kind;
static uid_t pinning_uid;

enum { REAL, EFFECTIVE, SAVED, FILESYSTEM, NR_KINDS };

static const char *const kind_names[] = { "a real", "an effective", "a saved", "a filesystem" };

static void have_uid(void)
{
	uid_t uid = pinning_uid;

	switch (kind) {
	case REAL:
		if (setresuid(uid, 0, 0))
			die("setresuid");
		break;
	case EFFECTIVE:
		if (setresuid(0, uid, 0))
			die("setresuid");
		break;
	case SAVED:
		if (setresuid(0, 0, uid))
			die("setresuid");
		break;
	case FILESYSTEM:
		setfsuid(uid);
		if ((uid_t)setfsuid(-1) != uid)
			die("setfsuid");
	}
	/* A change of UID clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	step_done(1);
	for (;;)
		pause();
}

static void by_which_uid(void)
{
	char what[64];

	make_control();
	for (kind = 0; kind < NR_KINDS; kind++) {
		pid_t pid;

		pinning_uid = fresh_unpinned_uid();
		snprintf(what, sizeof(what), "%s UID", kind_names[kind]);
		step_done(0);
		pid = start_child(0, have_uid);
		step_wait(1);
		as_uid(pinning_uid, leave_secret);
		if (kind == REAL) {
			expect_pinned(US, "what a real UID pins");
			as_uid(pinning_uid, expect_secret);
		} else {
			expect_fate_of_control(US, what);
		}
		unpin_uid(pid);
		if (kind == REAL)
			expect_fate_of_control(US, "nothing");
	}
	saw("a real UID pins; an effective, saved or filesystem UID makes no difference");
}

/* M05 */
static int sockets[2];

static void pass_a_file(void)
{
	leave_secret();
	send_fd(sockets[0], open_a_file());
}

static void expect_file_pins(uid_t uid, const char *what)
{
	expect_pinned(US, what);
	as_uid(uid, expect_secret);
}

static void passed_over_socket(uid_t uid)
{
	int fd;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		die("socketpair");
	as_uid(uid, pass_a_file);
	fd = receive_fd(sockets[1]);
	close(sockets[0]);
	close(sockets[1]);
	expect_file_pins(uid, "what a file passed over a socket pins");
	close(fd);
}

/* The process that has the file goes on as root, and has no part in the UID any more. */
static bool mapped;
static uid_t opener;

static void set_all_uids(uid_t uid)
{
	if (setresuid(uid, uid, 0))
		die("setresuid");
}

static void open_and_change(void)
{
	void *map;
	int fd;

	set_all_uids(opener);
	leave_secret();
	fd = open_a_file();
	if (mapped) {
		map = mmap(NULL, getpagesize(), PROT_READ, MAP_PRIVATE, fd, 0);
		if (map == MAP_FAILED)
			die("mmap");
		close(fd);
	}
	/* Without the capability, since the UID was changed. */
	if (seteuid(0))
		die("seteuid");
	set_all_uids(0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	step_done(1);
	for (;;)
		pause();
}

static void inherit_and_wait(void)
{
	pid_t pid;

	/* Forked while it is open, and alone with it from then on. */
	set_all_uids(opener);
	leave_secret();
	open_a_file();
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid) {
		step_wait(1);
		return;
	}
	if (seteuid(0))
		die("seteuid");
	set_all_uids(0);
	shared->number[0] = getpid();
	step_done(1);
	alarm(TIME_LIMIT * patience());
	for (;;)
		pause();
}

static void file_inherited(uid_t uid)
{
	opener = uid;
	step_done(0);
	in_child(inherit_and_wait);
	step_wait(1);
	expect_file_pins(uid, "what an inherited file pins");
	unpin_uid(shared->number[0]);
}

static void file_mapped(uid_t uid)
{
	pid_t pid;

	opener = uid;
	mapped = true;
	step_done(0);
	pid = start_child(0, open_and_change);
	step_wait(1);
	expect_file_pins(uid, "what a mapped file pins");
	unpin_uid(pid);
}

static void by_open_files(void)
{
	static void (*const cases[])(uid_t uid) = {
		passed_over_socket, file_inherited, file_mapped
	};

	/* What is inherited is a grandchild's, which is to be waited for here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	make_control();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cases[i](fresh_unpinned_uid());
		expect_fate_of_control(US, "a file that is closed");
	}
	saw("a file passed over a socket, inherited, and mapped, until it is closed");
}

/* M06 */
static void link_to_session(void)
{
	leave_secret();
	expect(!keyctl(KEYCTL_LINK, USER_SESSION, SESSION, 0, 0), "the link should be made");
}

static void pinned_by_link_in_session(void)
{
	uid_t uid = fresh_unpinned_uid();

	make_control();
	if (join_session(NULL) < 0)
		die("a session keyring");
	as_uid(uid, link_to_session);
	expect_pinned(US, "what is linked");
	expect(key_exists(SECRET), "what is in it should be there");
	as_uid(uid, expect_secret);
	expect_pinned(US, "what is linked");
	expect(!keyctl(KEYCTL_UNLINK, US, SESSION, 0, 0), "the link should be removed");
	expect_fate_of_control(US, "a link that is removed");
}

static void by_link(void)
{
	in_child(pinned_by_link_in_session);
	saw("found again with its keys, twice; until it is unlinked");
}

/* M07 */
static void *ask_in_thread(void *arg)
{
	uid_t uid = *(uid_t *)arg;

	if (syscall(SYS_setresuid, uid, uid, uid))
		die("setresuid");
	shared->number[0] = visible_key(session_name(uid));
	shared->number[1] = get_keyring_id(asked, 0);
	shared->number[2] = visible_key(session_name(uid));
	return NULL;
}

static void ask_from_thread(void)
{
	uid_t uid = shared->uid[0];
	pthread_t thread;

	if (pthread_create(&thread, NULL, ask_in_thread, &uid))
		die("pthread_create");
	pthread_join(thread, NULL);
	expect(!shared->number[0] && shared->number[1] > 0 && shared->number[2] > 0,
	       "a thread's request should create it");
	expect(shared->number[1] == shared->number[2], "it should be given what was created");
}

static void on_demand_of_thread(void)
{
	static const int ids[] = { USER_SESSION, SESSION };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		asked = ids[i];
		shared->uid[0] = fresh_uid();
		in_child(ask_from_thread);
	}
	saw("when one thread asks for @us, and when it asks for @s");
}

/* M08: what is the session keyring stays so when the UID changes; what only stands in does not. */
static void ask_for_missing_session(void)
{
	long us, s;

	set_all_uids(shared->uid[0]);
	us = get_keyring_id(USER_SESSION, 0);
	s = get_keyring_id(SESSION, 0);
	expect(us > 0 && s == us, "@s should be @us");
	if (seteuid(0))
		die("seteuid");
	set_all_uids(shared->uid[1]);
	expect(get_keyring_id(USER_SESSION, 0) != us && get_keyring_id(SESSION, 0) == us,
	       "it should have become the session keyring of the process");
}

static void not_ask_for_session(void)
{
	set_all_uids(shared->uid[0]);
	expect(get_keyring_id(USER_SESSION, 0) > 0, "there should be a keyring");
	if (seteuid(0))
		die("seteuid");
	set_all_uids(shared->uid[1]);
	expect(get_keyring_id(SESSION, 0) == get_keyring_id(USER_SESSION, 0),
	       "who has not asked for @s should not have it");
}

static void have_session_created(void)
{
	set_all_uids(shared->uid[0]);
	expect(get_keyring_id(SESSION, 1) > 0 &&
	       get_keyring_id(SESSION, 0) != get_keyring_id(USER_SESSION, 0),
	       "a session keyring that is to be created should be another one");
}

static void becomes_session(void)
{
	shared->uid[0] = fresh_uid();
	shared->uid[1] = fresh_uid();
	in_child(ask_for_missing_session);
	in_child(not_ask_for_session);
	in_child(have_session_created);
	saw("@s is @us, even when the process changes its UID; not if it is to be created");
}

/* M09 */
static void request_without_session(void)
{
	leave_secret();
	expect(request_key("user", "secret", NULL, 0) == SECRET, "the key should be found");
	/* And so it is from the keyring that it links. */
	expect(add_user_key("in u", USER) == request_key("user", "in u", NULL, 0),
	       "the key in @u should be found");
}

static void searched_without_session(void)
{
	as_uid(fresh_uid(), request_without_session);
	saw("a key in @us is found");
}

/* M10 */
static void request_with_session(void)
{
	leave_secret();
	expect(join_session(NULL) > 0, "there should be a session keyring");
	expect(request_key("user", "secret", NULL, 0) == -ENOKEY, "the key should not be found");
	expect(!keyctl(KEYCTL_LINK, USER_SESSION, SESSION, 0, 0) &&
	       request_key("user", "secret", NULL, 0) == SECRET,
	       "the key should be found when the session keyring links @us");
}

static void ignored_with_session(void)
{
	as_uid(fresh_uid(), request_with_session);
	saw("a key in @us is found only if the session keyring links it");
}

/* M11: what keyctl(2) does to a keyring given by its special number, and by its own. */
static int file_of_watch(void)
{
	int fds[2];

	return pipe2(fds, O_CLOEXEC) ? -1 : fds[0];
}

static long op_get_keyring_id(int id)
{
	return get_keyring_id(id, 0) == US;
}

static long op_update(int id)
{
	return keyctl(KEYCTL_UPDATE, id, (long)"x", 1, 0);
}

static long op_revoke(int id)
{
	return keyctl(KEYCTL_REVOKE, id, 0, 0, 0);
}

static long op_chown(int id)
{
	return keyctl(KEYCTL_CHOWN, id, -1, getgid(), 0);
}

static long op_setperm(int id)
{
	return set_perm(id, POS_ALL | USR_ALL);
}

static long op_describe(int id)
{
	char desc[256], want[256];

	if (describe(id, desc, sizeof(desc)) < 0)
		return -1;
	snprintf(want, sizeof(want), "keyring;%u;65534;%08x;%s", getuid(), UID_KEYRING_PERM,
		 session_name(getuid()));
	return !strcmp(desc, want);
}

static long op_clear(int id)
{
	return keyctl(KEYCTL_CLEAR, id, 0, 0, 0) ?: may_read(US);
}

static long op_link_to(int id)
{
	return keyctl(KEYCTL_LINK, add_user_key("one", PROCESS), id, 0, 0) ?: may_read(US);
}

static long op_link(int id)
{
	return keyctl(KEYCTL_LINK, id, add_keyring("ring", PROCESS), 0, 0);
}

static long op_unlink_from(int id)
{
	return keyctl(KEYCTL_UNLINK, SECRET, id, 0, 0) ?: may_read(US);
}

static long op_unlink(int id)
{
	long ring = add_keyring("ring", PROCESS);

	return keyctl(KEYCTL_LINK, id, ring, 0, 0) ?: keyctl(KEYCTL_UNLINK, id, ring, 0, 0) ?:
	       may_read(ring);
}

static long op_move(int id)
{
	long ring = add_keyring("ring", PROCESS);

	return keyctl(KEYCTL_LINK, id, ring, 0, 0) ?: keyctl(KEYCTL_MOVE, id, ring, PROCESS, 0);
}

static long op_move_from(int id)
{
	return keyctl(KEYCTL_MOVE, SECRET, id, USER, 0);
}

static long op_move_to(int id)
{
	add_user_key("one", USER);
	return keyctl(KEYCTL_MOVE, search(USER, "one", 0), USER, id, 0);
}

static long op_search(int id)
{
	return search(id, "secret", 0) == SECRET;
}

static long op_search_to(int id)
{
	return search(USER, "none", id) == -ENOKEY && add_user_key("two", USER) > 0 &&
	       search(USER, "two", id) > 0 ? may_read(US) : -1;
}

static long op_read(int id)
{
	return may_read(id);
}

static long op_instantiate(int id)
{
	return keyctl(KEYCTL_INSTANTIATE, SECRET, (long)"x", 1, id);
}

static long op_instantiate_iov(int id)
{
	return keyctl(KEYCTL_INSTANTIATE_IOV, SECRET, 0, 0, id);
}

static long op_negate(int id)
{
	return keyctl(KEYCTL_NEGATE, SECRET, 10, id, 0);
}

static long op_reject(int id)
{
	return keyctl(KEYCTL_REJECT, SECRET, 10, ENOKEY, id);
}

static long op_set_timeout(int id)
{
	return keyctl(KEYCTL_SET_TIMEOUT, id, 1000, 0, 0);
}

static long op_get_security(int id)
{
	return keyctl(KEYCTL_GET_SECURITY, id, 0, 0, 0);
}

static long op_invalidate(int id)
{
	return keyctl(KEYCTL_INVALIDATE, id, 0, 0, 0);
}

static long op_get_persistent(int id)
{
	return keyctl(KEYCTL_GET_PERSISTENT, -1, id, 0, 0) > 0 ? may_read(US) : -1;
}

static long op_dh_compute(int id)
{
	struct keyctl_dh_params params = { .private = id, .prime = id, .base = id };

	return keyctl(KEYCTL_DH_COMPUTE, (long)&params, 0, 0, 0);
}

static long op_pkey_query(int id)
{
	struct keyctl_pkey_query query;

	return keyctl(KEYCTL_PKEY_QUERY, id, 0, (long)"", (long)&query);
}

static long op_pkey(int op, int id)
{
	struct keyctl_pkey_params params = { .key_id = id, .in_len = 1, .out_len = 1 };
	char in[1] = "", out[1];

	return keyctl(op, (long)&params, (long)"", (long)in, (long)out);
}

static long op_pkey_encrypt(int id)
{
	return op_pkey(KEYCTL_PKEY_ENCRYPT, id);
}

static long op_pkey_decrypt(int id)
{
	return op_pkey(KEYCTL_PKEY_DECRYPT, id);
}

static long op_pkey_sign(int id)
{
	return op_pkey(KEYCTL_PKEY_SIGN, id);
}

static long op_pkey_verify(int id)
{
	return op_pkey(KEYCTL_PKEY_VERIFY, id);
}

static long op_restrict(int id)
{
	return keyctl(KEYCTL_RESTRICT_KEYRING, id, 0, 0, 0);
}

static long op_watch(int id)
{
	return keyctl(KEYCTL_WATCH_KEY, id, file_of_watch(), 1, 0);
}

static long op_add_key(int id)
{
	return add_user_key("one", id) > 0 ? may_read(US) : -1;
}

static long op_request_key(int id)
{
	return request_key("user", "secret", NULL, id) == SECRET;
}

/*
 * Not all succeed with a keyring, or without the authority that request_key(2) gives to its
 * upcall; those refuse both alike.
 * KEYCTL_ASSUME_AUTHORITY takes a key under construction, and so none of the special numbers.
 */
static const struct operation {
	const char *name;
	long (*act)(int id);
	long answer;
} operations[] = {
	{ "get_keyring_id", op_get_keyring_id, 1 },
	{ "update", op_update, -EOPNOTSUPP },
	{ "revoke", op_revoke, 0 },
	{ "chown", op_chown, 0 },
	{ "setperm", op_setperm, 0 },
	{ "describe", op_describe, 1 },
	{ "clear", op_clear, 0 },
	{ "link to", op_link_to, 3 * sizeof(int) },
	{ "link", op_link, 0 },
	{ "unlink from", op_unlink_from, sizeof(int) },
	{ "unlink", op_unlink, 0 },
	{ "move", op_move, 0 },
	{ "move from", op_move_from, 0 },
	{ "move to", op_move_to, 0 },
	{ "search", op_search, 1 },
	{ "search, link to", op_search_to, 3 * sizeof(int) },
	{ "read", op_read, 2 * sizeof(int) },
	{ "instantiate", op_instantiate, -EPERM },
	{ "instantiate_iov", op_instantiate_iov, -EPERM },
	{ "negate", op_negate, -EPERM },
	{ "reject", op_reject, -EPERM },
	{ "set_timeout", op_set_timeout, 0 },
	{ "get_security", op_get_security, 1 },
	{ "invalidate", op_invalidate, 0 },
	{ "get_persistent", op_get_persistent, 3 * sizeof(int) },
	{ "dh_compute", op_dh_compute, -EOPNOTSUPP },
	{ "pkey_query", op_pkey_query, -EOPNOTSUPP },
	{ "pkey_encrypt", op_pkey_encrypt, -EOPNOTSUPP },
	{ "pkey_decrypt", op_pkey_decrypt, -EOPNOTSUPP },
	{ "pkey_sign", op_pkey_sign, -EOPNOTSUPP },
	{ "pkey_verify", op_pkey_verify, -EOPNOTSUPP },
	{ "restrict_keyring", op_restrict, 0 },
	{ "watch_key", op_watch, -EOPNOTSUPP },
	{ "add_key(2)", op_add_key, 3 * sizeof(int) },
	{ "request_key(2)", op_request_key, 1 },
};

static const struct operation *operation;
static bool by_special_number;

static void operate(void)
{
	leave_secret();
	shared->number[by_special_number] =
		operation->act(by_special_number ? USER_SESSION : US);
}

static void special_number(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		operation = &operations[i];
		by_special_number = false;
		as_uid(fresh_uid(), operate);
		by_special_number = true;
		as_uid(fresh_uid(), operate);
		expect(shared->number[0] == shared->number[1] &&
		       shared->number[1] == operation->answer,
		       "%s answers %ld to the special number, %ld to the serial, should be %ld",
		       operation->name, shared->number[1], shared->number[0], operation->answer);
	}
	saw("in %zu operations on a keyring, the answer is that to its serial number",
	    ARRAY_SIZE(operations));
}

/* M12 */
static long tool_says(const char *command)
{
	FILE *pipe = popen(command, "re");
	long serial = -1;

	if (!pipe)
		die(command);
	if (fscanf(pipe, "%ld", &serial) != 1)
		serial = -1;
	if (pclose(pipe))
		serial = -1;
	return serial;
}

static void use_tool(void)
{
	long us = get_keyring_id(USER_SESSION, 0), key;

	expect(tool_says("keyctl id @us") == us, "keyctl id @us should say its serial number");
	key = tool_says("keyctl add user one text @us");
	expect(key > 0 && search(us, "one", 0) == key, "keyctl add should add to @us");
	expect(tool_says("keyctl search @us user one") == key, "keyctl search should find it");
	expect(tool_says("keyctl rlist @us | tr ' ' '\\n' | wc -l") == 2,
	       "keyctl rlist should list it, and @u");
	expect(!system("keyctl unlink $(keyctl search @us user one) @us >/dev/null") &&
	       search(us, "one", 0) == -ENOKEY, "keyctl unlink should remove it");
}

static void name_in_tool(void)
{
	as_uid(fresh_uid(), use_tool);
	saw("id, add, search, rlist and unlink");
}

/* M13 */
static void exit_at_once(void)
{
	expect_secret();
	_exit(0);
}

static void vfork_and_exec(void)
{
	char command[128];
	int status;
	pid_t pid;

	snprintf(command, sizeof(command), "[ $(keyctl id @us) = %d ]", US);
	pid = vfork();
	if (!pid) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(125);
	}
	expect(pid > 0 && waitpid(pid, &status, 0) == pid && !status,
	       "after vfork() and execve(), @us should be the same");
}

static void clone_and_ask(void)
{
	long pid = syscall(SYS_clone, CLONE_FS | CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	int status;

	if (!pid)
		_exit(!finds_secret());
	expect(pid > 0 && waitpid(pid, &status, 0) == pid && !status,
	       "after clone(), @us should be the same");
}

static void go_through(void)
{
	leave_secret();
	in_child(expect_secret);
	clone_and_ask();
	vfork_and_exec();
	in_child(exit_at_once);
	expect_secret();
	/* And the reverse: what a child is the first to ask for, its parent gets. */
	in_child(share);
	expect(search(USER_SESSION, "another", 0) == shared->key[3],
	       "what a child adds should be there when it has exited");
}

static void independent(void)
{
	as_uid(fresh_uid(), go_through);
	saw("after each of them, the same keyring with the same keys");
}

/* M14 */
static uid_t mortal;

static bool nothing_is_left(void)
{
	return !key_exists(US) && !key_exists(U) && !key_exists(SECRET) && !keys_charged(mortal);
}

static void expect_nothing(void)
{
	expect(search(USER_SESSION, "secret", 0) == -ENOKEY,
	       "the secret should not be found by the UID's next process");
	expect(get_keyring_id(USER_SESSION, 0) != US && get_keyring_id(USER, 0) != U,
	       "the UID's next process should have another pair");
}

static void destroyed_with_record(void)
{
	pid_t first, last;
	bool gone;

	mortal = fresh_unpinned_uid();
	first = pin_uid(mortal);
	last = pin_uid(mortal);
	as_uid(mortal, leave_secret);
	unpin_uid(first);
	expect_pinned(US, "what the last process pins");
	as_uid(mortal, expect_secret);
	unpin_uid(last);
	gone = poll_until(nothing_is_left);
	if (gone)
		saw("gone with its keys and its quota when the last process has exited");
	else
		saw("still there, with its keys, ten seconds after the last process has exited");
	expect(gone, "it should be gone");
	as_uid(mortal, expect_nothing);
}

/* M15 */
static void ask_after_invalidation(void)
{
	shared->number[0] = get_keyring_id(USER_SESSION, 0);
}

static uid_t invalidator;

static bool is_new(void)
{
	as_uid(invalidator, ask_after_invalidation);
	return shared->number[0] > 0 && shared->number[0] != US;
}

static void invalidate(void)
{
	leave_secret();
	expect(!keyctl(KEYCTL_INVALIDATE, USER_SESSION, 0, 0, 0), "it should be invalidated");
}

static void created_when_absent(void)
{
	asked = USER_SESSION;
	as_uid(fresh_uid(), ask_first);
	invalidator = fresh_uid();
	as_uid(invalidator, invalidate);
	expect(poll_until(is_new), "there should be another one");
	as_uid(invalidator, expect_named);
	saw("for a UID that never had one, and for one that has invalidated it");
}

/* M16 */
static int log_fd;

/* How many notices about @pid the log has had since it was read last. */
static int notices(pid_t pid)
{
	char record[1024], notice[128];
	int count = 0;
	ssize_t len;

	snprintf(notice, sizeof(notice), "conformance[%d] of root", pid);
	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		record[len > 0 ? len : 0] = '\0';
		count += !!strstr(record, notice);
	}
	return count;
}

static void ask_as_root(void)
{
	shared->number[0] = getpid();
	expect_named();
	expect(get_keyring_id(SESSION, 0) == get_keyring_id(USER_SESSION, 0),
	       "root should be answered as anyone else");
}

static void ask_as_user(void)
{
	shared->number[0] = getpid();
	expect_named();
}

static void set_notice(const char *value)
{
	int fd = open(NOTICE_ROOT, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, 1) != 1)
		die(NOTICE_ROOT);
	close(fd);
}

static void root_is_told(void)
{
	in_child(ask_as_root);
	saw("root is answered as anyone else");
	if (!module_present())
		return;

	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log_fd < 0 || lseek(log_fd, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	in_child(ask_as_root);
	expect(!notices(shared->number[0]), "there should be no notice by default");
	set_notice("Y");
	in_child(ask_as_root);
	expect(notices(shared->number[0]), "there should be a notice of root");
	as_uid(fresh_uid(), ask_as_user);
	expect(!notices(shared->number[0]), "there should be a notice of nobody but root");
	set_notice("N");
	in_child(ask_as_root);
	expect(!notices(shared->number[0]), "there should be no notice any more");
	saw("root is answered as anyone else; a notice in the log, if asked for");
}

static const struct statement statements[] = {
	{ "M01", "Each UID has a keyring of its own, which all its processes share",
	  own_and_shared },
	{ "M02", "It is called _uid_ses. and the number of the UID", named_after_uid },
	{ "M03", "It comes into being when @us, @u or @s is accessed for the first time",
	  first_access },
	{ "M04", "A process whose real UID it is keeps it in being", by_which_uid },
	{ "M05", "So does a file that such a process has opened, until it is closed",
	  by_open_files },
	{ "M06", "So does a link from another keyring, for as long as it is there", by_link },
	{ "M07", "It is created when a thread asks for it, or for a session keyring it lacks",
	  on_demand_of_thread },
	{ "M08", "It becomes the session keyring of who lacks one and does not want it created",
	  becomes_session },
	{ "M09", "request_key(2) searches it for who has no session keyring",
	  searched_without_session },
	{ "M10", "request_key(2) ignores it for who has a session keyring",
	  ignored_with_session },
	{ "M11", "A special serial number stands for that of the caller's", special_number },
	{ "M12", "keyctl(1) knows it as @us", name_in_tool },
	{ "M13", "clone(2), fork(2), vfork(2), execve(2) and _exit(2) do not affect it",
	  independent },
	{ "M14", "It ends with the UID record, when the last process that pins that exits",
	  destroyed_with_record },
	{ "M15", "Who accesses it while it is not there has it created", created_when_absent },
	{ "M16", "Programs, those of root above all, had better set a session keyring",
	  root_is_told },
};

/* What a test says meanwhile is said before its line. */
static bool holds(const struct statement *statement)
{
	int failures = transcript_failures(), status;
	pid_t pid;

	*observed = '\0';
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(TIME_LIMIT * patience());
		statement->test();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status)
		printf("%s could not be tested: status %#x\n", statement->number, status);
	return !status && transcript_failures() == failures;
}

int main(int argc, char **argv)
{
	bool good = true, one;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < ARRAY_SIZE(statements); i++)
			printf("%s\t%s\n", statements[i].number, statements[i].text);
		return 0;
	}
	if (argc != 1) {
		fprintf(stderr, "usage: %s [--list]\n", argv[0]);
		return 2;
	}
	transcript_init();
	observed = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (observed == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		one = holds(&statements[i]);
		printf("%s\t%s\t%s\t%s\n", one ? "ok" : "not ok", statements[i].number,
		       statements[i].text, observed);
		good &= one;
	}
	return !good;
}
