// SPDX-License-Identifier: GPL-2.0
/*
 * Where the module is meant to differ: the pair ends with the record of its UID.  Whatever pins
 * that record keeps the pair, with what is in it, and when the last pin has gone, so has the pair,
 * and the quota is given back.  The kernel's own code keeps it until the user namespace is gone.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "observe.h"
#include "scenarios.h"

static void end_with_last_process(void)
{
	uid_t uid = fresh_unpinned_uid();
	pid_t first = pin_uid(uid), last = pin_uid(uid);

	as_uid(uid, leave_secret);
	expect_charged(uid, 3);
	unpin_uid(first);
	expect_pinned(US, "what another process pins");
	as_uid(uid, expect_secret);
	unpin_uid(last);
	expect_documented_end_of(uid);
}

static void ask_anew(void)
{
	expect((get_keyring_id(USER_SESSION, 0) == US) == !module_present() &&
	       (get_keyring_id(USER, 0) == U) == !module_present(),
	       "only the kernel's own code should find the pair again");
	expect((search(USER_SESSION, "secret", 0) == SECRET) == !module_present(),
	       "only the kernel's own code should find the key again");
	expect_keyring(get_keyring_id(USER, 0), "_uid", getuid());
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
	expect(search(USER_SESSION, "none", 0) == -ENOKEY, "@us should be searched");
}

static void come_back_later(void)
{
	uid_t uid = fresh_unpinned_uid();

	as_uid(uid, leave_secret);
	expect_documented_end_of(uid);
	as_uid(uid, ask_anew);
	/* Without the module, it is all there, and the key as well. */
	expect_charged(uid, module_present() ? 0 : 3);
}

/* A UID that comes back at once has a pair in any case, the old one or a new one, and whole. */
#define NR_LIVES	50

static void live_shortly(void)
{
	char text[64];
	long us, key;

	key = add_user_key("of this life", USER_SESSION);
	us = get_keyring_id(USER_SESSION, 0);
	expect(key > 0 && us > 0, "a key should be added");
	expect(get_keyring_id(USER, 0) > 0 && search(us, "of this life", 0) == key &&
	       read_key(key, text, sizeof(text)) > 0 && get_keyring_id(USER_SESSION, 0) == us,
	       "what was added should be there");
	/* @us links it. */
	expect(add_user_key("in u", USER) == search(USER_SESSION, "in u", 0),
	       "the two keyrings should be a pair");
}

static void come_back_at_once(void)
{
	uid_t uid = fresh_unpinned_uid();

	for (int i = 0; i < NR_LIVES; i++)
		as_uid(uid, live_shortly);
	expect_charged(uid, module_present() ? 0 : 4);
}

/*
 * What pins the record besides a process.  A process of the UID makes it, and then is root's and
 * has no part in the UID any more.  Where it can be done, it opens it anew, so that the file is
 * root's, and only what is behind it the UID's.
 */
static uid_t maker;
static int (*make)(void);
static int (*take_over)(int fd);

static void make_and_hold(void)
{
	int fd;

	if (setresuid(maker, maker, 0))
		die("setresuid");
	leave_secret();
	/* By its real UID alone: not all may be made without privileges. */
	if (seteuid(0))
		die("seteuid");
	fd = make();
	if (setresuid(0, 0, 0))
		die("setresuid");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = take_over(fd);
	step_done(1);
	step_wait(2);
	close(fd);
	step_done(3);
	step_wait(4);
}

static void pinned_by(int (*how)(void), int (*have)(int fd))
{
	uid_t uid = fresh_unpinned_uid();
	pid_t pid;

	maker = uid;
	make = how;
	take_over = have;
	pid = start_child(0, make_and_hold);
	step_wait(1);
	expect_pinned(US, "what it pins");
	expect(key_exists(SECRET), "the key in it should be there");
	expect_charged(uid, 3);
	as_uid(uid, expect_secret);
	expect_pinned(US, "what it pins, after another process,");
	step_done(2);
	step_wait(3);
	expect_documented_end_of(uid);
	step_done(4);
	finish_child(pid);
}

static int make_pipe(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		die("pipe");
	close(fds[1]);
	return fds[0];
}

static int make_epoll(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		die("epoll_create1");
	return fd;
}

static int make_io_uring(void)
{
	struct io_uring_params params = { };
	int fd = syscall(SYS_io_uring_setup, 1, &params);

	if (fd < 0)
		die("io_uring_setup");
	return fd;
}

static int make_anew(int fd)
{
	char path[64];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (own < 0)
		die(path);
	close(fd);
	return own;
}

static int keep(int fd)
{
	return fd;
}

static int load_program(void)
{
	/* r0 = 0; exit */
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (long)insns,
		.insn_cnt = ARRAY_SIZE(insns),
		.license = (long)"GPL",
	};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (fd < 0)
		die("BPF_PROG_LOAD");
	return fd;
}

/* A socket of root's holds the program, and not its file. */
static int attach_program(int program)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)))
		die("SO_ATTACH_BPF");
	close(program);
	return fd;
}

static void by_file(void)
{
	pinned_by(open_a_file, keep);
}

static void by_pipe(void)
{
	pinned_by(make_pipe, make_anew);
}

static void by_epoll(void)
{
	pinned_by(make_epoll, keep);
}

static void by_io_uring(void)
{
	pinned_by(make_io_uring, keep);
}

static void by_program(void)
{
	pinned_by(load_program, attach_program);
}

/* In flight, it is the sender who is charged with it: file and sockets are root's. */
static int sockets[2];
static int in_flight;

static void send_in_flight(void)
{
	leave_secret();
	send_fd(sockets[0], in_flight);
}

static void by_fd_in_flight(void)
{
	uid_t uid = fresh_unpinned_uid();

	in_flight = open_a_file();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		die("socketpair");
	as_uid(uid, send_in_flight);
	expect_pinned(US, "what a file in flight pins");
	as_uid(uid, expect_secret);
	close(receive_fd(sockets[1]));
	expect_documented_end_of(uid);
}

/* A thread of another UID, in a process that goes on. */
static void be_a_process_of_many(void)
{
	uid_t uid = shared->uid[0];

	/* The call itself, which changes the credentials of this thread alone. */
	if (syscall(SYS_setresuid, uid, uid, 0))
		die("setresuid");
	leave_secret();
	step_done(1);
	step_wait(2);
	if (syscall(SYS_setresuid, -1, 0, -1) || syscall(SYS_setresuid, 0, 0, 0))
		die("setresuid");
	step_done(3);
	step_wait(4);
}

/* The last process of a UID need not exit: it can become another's. */
static void end_by_setuid(void)
{
	uid_t uid = fresh_unpinned_uid();
	pid_t pid;

	shared->uid[0] = uid;
	pid = start_child(0, be_a_process_of_many);
	step_wait(1);
	expect_pinned(US, "what a process pins");
	as_uid(uid, expect_secret);
	step_done(2);
	step_wait(3);
	expect_documented_end_of(uid);
	step_done(4);
	finish_child(pid);
}

/* Namespaces: a pair ends with the UID or with the namespace, whichever is the first. */
static void leave_and_wait(void)
{
	leave_secret();
	step_done(1);
	step_wait(2);
}

static void namespace_ends(void)
{
	uid_t uid = fresh_uid();
	int outside, inside;
	pid_t pid;

	as_uid(uid, leave_secret);
	outside = US;
	pid = start_in_namespace(uid, map_to(0, uid), leave_and_wait);
	step_wait(1);
	inside = US;
	expect_pinned(inside, "what is in the namespace");
	step_done(2);
	finish_child(pid);
	expect(is_freed(inside) && is_freed(SECRET), "what was in the namespace should be gone");
	expect_pinned(outside, "what is outside");
	expect_charged(uid, 3);
}

/* It exists because of somebody else, whose UID is root's outside and inside. */
static const char all_uids[] = "0 0 4294967295\n";

static void stay_in_namespace(void)
{
	step_done(1);
	step_wait(9);
}

static uid_t visitor;

static void visit(void)
{
	join_namespace();
	become(visitor);
	leave_secret();
}

static void uid_ends_in_namespace(void)
{
	pid_t pid;

	visitor = fresh_unpinned_uid();
	pid = start_in_namespace(0, all_uids, stay_in_namespace);
	step_wait(1);
	open_namespace(pid);
	in_child(visit);
	expect_documented_end_of(visitor);
	step_done(9);
	close(joined_fd);
	finish_child(pid);
	expect(is_freed(US) && is_freed(SECRET), "all should end with the namespace");
	expect_charged(visitor, 0);
}

/* One pair outside, one in a namespace, one in a namespace of that. */
static int deeper[2];

static void visit_deeper(void)
{
	become(visitor);
	leave_secret();
	shared->key[4] = US;
}

static void be_a_namespace_in_it(void)
{
	/* Its maps are written by its parent, which has waited for nothing else. */
	if (unshare(CLONE_NEWUSER) || write(deeper[1], "", 1) != 1)
		die("unshare");
	step_wait(1);
	in_child(visit_deeper);
	step_done(2);
	step_wait(9);
}

static void visit_middle(void)
{
	become(visitor);
	leave_secret();
	shared->key[5] = US;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != len)
		die(path);
	close(fd);
}

static void be_a_namespace_of_namespaces(void)
{
	char path[64], byte;
	pid_t pid;

	if (pipe2(deeper, O_CLOEXEC))
		die("pipe");
	pid = start_child(0, be_a_namespace_in_it);
	if (read(deeper[0], &byte, 1) != 1)
		die("namespace");
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	write_file(path, all_uids);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	write_file(path, all_uids);
	step_done(1);
	step_wait(2);
	in_child(visit_middle);
	step_done(3);
	step_wait(9);
	finish_child(pid);
}

static void nested_namespaces(void)
{
	pid_t pid, pin;

	visitor = fresh_unpinned_uid();
	pin = pin_uid(visitor);
	as_uid(visitor, leave_secret);
	shared->key[6] = US;
	pid = start_in_namespace(0, all_uids, be_a_namespace_of_namespaces);
	step_wait(3);
	expect(shared->key[4] != shared->key[5] && shared->key[5] != shared->key[6],
	       "there should be three pairs");
	let_others_die();
	for (int i = 4; i <= 6; i++)
		expect(key_exists(shared->key[i]), "the UID should pin all of its pairs");
	expect_charged(visitor, 9);
	unpin_uid(pin);
	for (int i = 4; i <= 6; i++)
		expect_documented_end(shared->key[i], "a pair of the UID");
	expect_charged(visitor, module_present() ? 0 : 9);
	step_done(9);
	finish_child(pid);
	expect(is_freed(shared->key[4]) && is_freed(shared->key[5]),
	       "what is inside should end with the namespaces");
	/* Without the module, the one outside is left. */
	expect_charged(visitor, module_present() ? 0 : 3);
}

/*
 * Two UIDs without a mapping.  With the module, each has its own, and loses it; the kernel's own
 * code has them share one, which stays.
 */
static void visit_unmapped(void)
{
	if (setresuid(visitor, 0, 0))
		die("setresuid");
	join_namespace();
	leave_secret();
	shared->key[4] = US;
	shared->key[5] = SECRET;
}

static void unmapped_uids(void)
{
	uid_t uid = fresh_unpinned_uid();
	pid_t pid;
	int us;

	visitor = fresh_unpinned_uid();
	pid = start_in_namespace(uid, NULL, leave_and_wait);
	step_wait(1);
	us = US;
	open_namespace(pid);
	in_child(visit_unmapped);
	expect((shared->key[4] == us) == !module_present(),
	       "only the kernel's own code should have them share a pair");
	expect_documented_end(shared->key[4], "what the other had");
	expect_documented_end(shared->key[5], "the other's key");
	expect_pinned(us, "what the first has");
	close(joined_fd);
	step_done(2);
	finish_child(pid);
	expect(is_freed(us), "all should end with the namespace");
	expect_charged(uid, 0);
	expect_charged(visitor, 0);
}

const struct scenario life_scenarios[] = {
	{ "the last process of a UID exits", end_with_last_process },
	{ "the last process of a UID changes its UID", end_by_setuid },
	{ "a UID comes back later", come_back_later },
	{ "a UID comes back at once, and again", come_back_at_once },
	{ "pinned by an open file", by_file },
	{ "pinned by a pipe", by_pipe },
	{ "pinned by an epoll instance", by_epoll },
	{ "pinned by an io_uring", by_io_uring },
	{ "pinned by a BPF program", by_program },
	{ "pinned by a file in flight", by_fd_in_flight },
	{ "a namespace ends before the UID", namespace_ends },
	{ "a UID ends before the namespace", uid_ends_in_namespace },
	{ "a UID ends in nested namespaces", nested_namespaces },
	{ "UIDs without a mapping end", unmapped_uids },
	{ }
};
