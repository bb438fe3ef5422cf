// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of keyrings.  See observe.h.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "observe.h"

bool module_present(void)
{
	return !access("/sys/module/user_session_keyring", F_OK);
}

bool key_exists(int id)
{
	return may_describe(id) != -ENOKEY;
}

int visible_key(const char *desc)
{
	FILE *file = fopen("/proc/keys", "re");
	char line[512], name[128];
	unsigned int serial;
	int found = 0;

	if (!file)
		die("/proc/keys");
	snprintf(name, sizeof(name), " %s: ", desc);
	while (!found && fgets(line, sizeof(line), file))
		if (strstr(line, name) && sscanf(line, "%x ", &serial) == 1)
			found = serial;
	fclose(file);
	return found;
}

int keys_charged(uid_t uid)
{
	FILE *file = fopen("/proc/key-users", "re");
	unsigned int owner;
	char line[512];
	int keys, found = 0;

	if (!file)
		die("/proc/key-users");
	while (!found && fgets(line, sizeof(line), file))
		if (sscanf(line, "%u: %*d %d/", &owner, &keys) == 2 && owner == uid)
			found = keys;
	fclose(file);
	return found;
}

void leave_secret(void)
{
	US = get_keyring_id(USER_SESSION, 0);
	U = get_keyring_id(USER, 0);
	SECRET = add_user_key("secret", USER_SESSION);
	expect(US > 0 && U > 0 && SECRET > 0, "there should be a pair, and a key in it");
}

/* Not inlined, or it would touch what is above those that its caller calls later. */
void touch_stack(void)
{
	char room[256 * 1024];

	memset(room, 0, sizeof(room));
	/* Somebody may look at it. */
	asm volatile("" : : "r"(room) : "memory");
}

bool finds_secret(void)
{
	char payload[64];

	return get_keyring_id(USER_SESSION, 0) == US && get_keyring_id(USER, 0) == U &&
	       search(USER_SESSION, "secret", 0) == SECRET &&
	       read_key(SECRET, payload, sizeof(payload)) > 0 && !strcmp(payload, "secret");
}

void expect_secret(void)
{
	expect(finds_secret(), "the pair, and the key in it, should be as they were");
}

static uid_t other_uid;

static void live_and_die(void)
{
	if (get_keyring_id(USER_SESSION, 0) < 0 || get_keyring_id(PROCESS, 1) < 0)
		die("the keyrings of another UID");
}

/* Without the module, the process keyring goes, and the pair stays. */
static bool other_has_died(void)
{
	return keys_charged(other_uid) == (module_present() ? 0 : 2);
}

void let_others_die(void)
{
	for (int i = 0; i < 2; i++) {
		other_uid = fresh_unpinned_uid();
		as_uid(other_uid, live_and_die);
		expect(poll_until(other_has_died), "what nothing pins should be freed");
	}
}

static int awaited_key;

static bool awaited_is_freed(void)
{
	return !key_exists(awaited_key);
}

bool is_freed(int id)
{
	awaited_key = id;
	return poll_until(awaited_is_freed);
}

void expect_pinned(int id, const char *what)
{
	let_others_die();
	expect(key_exists(id), "%s should be there", what);
}

void expect_documented_end(int id, const char *what)
{
	if (module_present())
		expect(is_freed(id), "%s should be gone", what);
	else
		expect_pinned(id, what);
}

static uid_t charged_uid;
static int charged_keys;

static bool charge_has_settled(void)
{
	return keys_charged(charged_uid) == charged_keys;
}

void expect_charged(uid_t uid, int keys)
{
	charged_uid = uid;
	charged_keys = keys;
	expect(poll_until(charge_has_settled), "%d keys should be charged to the UID, not %d", keys,
	       keys_charged(uid));
}

void expect_documented_end_of(uid_t uid)
{
	expect_documented_end(US, "the user session keyring");
	expect_documented_end(U, "the user keyring");
	expect_documented_end(SECRET, "the key");
	expect_charged(uid, module_present() ? 0 : 3);
}

void send_fd(int sock, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { };
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) != 1)
		die("sendmsg");
}

int receive_fd(int sock)
{
	char buf[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = buf,
		.msg_controllen = sizeof(buf),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		die("recvmsg");
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		die("recvmsg: no file");
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

int open_a_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("/proc/self/exe");
	return fd;
}
