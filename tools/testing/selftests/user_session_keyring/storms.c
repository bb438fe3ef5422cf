// SPDX-License-Identifier: GPL-2.0
/*
 * Lives of UIDs, many of them, with a ledger: what a process was told was
 * added must be there for as long as something of its UID lives, and must not
 * be there afterwards.
 *
 * Usage: storms logins LIVES UIDS FIRST | storms visits LIVES UIDS FIRST
 *        storms rebirths LIVES FIRST | storms namespaces COUNT FIRST [same]
 *
 * UIDs are counted from FIRST. Lines of "name number" say what happened, and
 * those that begin with "#" what went wrong. The status is 0 if nothing did.
 *
 * Visits are logins of which the keys may stay, and be found by the next:
 * without the module they do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "keys.h"
#include "ledger.h"

#define WORKERS		2
#define KEYS		3	/* in each of @us and @u, in each life */

/* How a UID that comes back finds it, and what @us was. */
static struct rebirths {
	unsigned long old, new, sought;
} *reborn;

/* A life is told from others by what is in its keys. */
static void payload_of(long life, int ring, int nr, char *text, size_t size)
{
	snprintf(text, size, "%s %d of life %ld",
		 ring == USER ? "@u" : "@us", nr, life);
}

static void name_of(int nr, char *text, size_t size)
{
	snprintf(text, size, "key %d", nr);
}

static const int rings[] = { USER_SESSION, USER };

static void add_all(long life)
{
	char name[32], payload[64];
	long key;

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		for (int nr = 0; nr < KEYS; nr++) {
			name_of(nr, name, sizeof(name));
			payload_of(life, rings[i], nr, payload, sizeof(payload));
			key = add_key("user", name, payload, strlen(payload),
				      rings[i]);
			if (key > 0)
				count(&ledger->added);
			else
				wrong("life %ld: add_key() answered %s", life,
				      strerrorname_np(-key));
		}
	}
}

static bool in_new_session;

static void read_all(long life)
{
	char name[32], payload[64], text[64];
	long key, ret;

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		for (int nr = 0; nr < KEYS; nr++) {
			name_of(nr, name, sizeof(name));
			payload_of(life, rings[i], nr, payload, sizeof(payload));
			key = search(rings[i], name, 0);
			ret = key < 0 ? key : read_key(key, text, sizeof(text));
			/* @us is searched, but not possessed. */
			if ((ret > 0 && !strcmp(text, payload)) ||
			    (ret == -EACCES && in_new_session &&
			     rings[i] == USER_SESSION)) {
				count(&ledger->read);
				continue;
			}
			count(&ledger->lost);
			wrong("life %ld: %s is not there: %s", life, payload,
			      ret < 0 ? strerrorname_np(-ret) : text);
		}
	}
}

/* Nothing of a former life may be found. */
static void find_none(long life)
{
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
		for (int nr = 0; nr < KEYS; nr++) {
			name_of(nr, name, sizeof(name));
			if (search(rings[i], name, 0) < 0)
				continue;
			count(&ledger->left);
			wrong("before life %ld: %s is there", life, name);
		}
	}
}

static uid_t uid;
static bool keys_stay;

/* How a life goes, by turns. */
enum shape {
	PLAIN,
	NEW_SESSION,	/* as pam_keyinit sets it up */
	OPEN_FILE,	/* outlives the process, then another comes */
	TWO_PROCESSES,	/* the second outlives the first */
	SHAPES
};

static int channel[2];

static void send_file(int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	if (sendmsg(channel[1], &message, 0) != 1)
		die("sendmsg");
}

static int receive_file(void)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(channel[0], &message, MSG_CMSG_CLOEXEC) != 1)
		die("recvmsg");
	header = CMSG_FIRSTHDR(&message);
	if (!header)
		die("recvmsg: no file");
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

static void begin(long life)
{
	become(uid);
	if (!keys_stay)
		find_none(life);
	if (life % SHAPES == NEW_SESSION) {
		in_new_session = true;
		join_session(NULL);
		keyctl(KEYCTL_LINK, USER, SESSION, 0, 0);
	}
	add_all(life);
	read_all(life);
	if (life % SHAPES == OPEN_FILE)
		send_file(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static void come_later(long life)
{
	become(uid);
	read_all(life);
}

static void stay_behind(long life)
{
	char byte;

	become(uid);
	if (write(channel[1], "", 1) != 1)
		die("write");
	/* Until the first one is gone. */
	if (read(channel[1], &byte, 1) != 1)
		die("read");
	read_all(life);
	sleep_us(life % 7 * 500);
	read_all(life);
}

static void live(long life)
{
	pid_t second = 0;
	int fd = -1;
	char byte;

	count(&ledger->lives);
	if (life % SHAPES == TWO_PROCESSES) {
		second = spawn(stay_behind, life);
		if (read(channel[0], &byte, 1) != 1)
			die("read");
	}
	reap(spawn(begin, life));
	if (life % SHAPES == OPEN_FILE) {
		fd = receive_file();
		sleep_us(life % 5 * 1000);
		reap(spawn(come_later, life));
		close(fd);
	}
	if (second) {
		if (write(channel[0], "", 1) != 1)
			die("write");
		reap(second);
	}
}

static long lives, uids, first;

static void work(long worker)
{
	uid_t last = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel))
		die("socketpair");
	for (long life = worker; life < lives; life += WORKERS) {
		/* Each UID is one worker's. */
		uid = first + life / WORKERS % (uids / WORKERS) * WORKERS +
		      worker;
		if (!keys_stay && uid != last)
			wait_until_gone(uid, 1);
		live(life);
		last = uid;
	}
	for (uid = first + worker; !keys_stay && uid < first + uids;
	     uid += WORKERS)
		wait_until_gone(uid, 1);
}

static void logins(void)
{
	pid_t pids[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		pids[i] = spawn(work, i);
	for (int i = 0; i < WORKERS; i++)
		reap(pids[i]);
	print_ledger();
	if (ledger->lives != (unsigned long)lives)
		wrong("not %ld lives", lives);
}

/* The one that dies adds a key to its pair. */
static void precede(long life)
{
	become(uid);
	add_all(life);
	/* What the next one finds is to be told from what it makes. */
	__atomic_store_n(&reborn->sought, get_keyring_id(USER_SESSION, 0),
			 __ATOMIC_RELEASE);
}

static long reborn_at;

/* Asks for what is there in one of the ways of asking. */
static bool finds_old(long life)
{
	char name[32];

	name_of(life % KEYS, name, sizeof(name));
	switch (life % 3) {
	case 0:
		return get_keyring_id(USER_SESSION, 0) ==
		       (long)reborn->sought;
	case 1:
		return search(USER_SESSION, name, 0) > 0;
	default:
		/* By RCU, since there is no session keyring. */
		return request_key("user", name, NULL, 0) > 0;
	}
}

static void sibling(long life)
{
	become(uid);
	read_all(life);
}

static void succeed(long life)
{
	long id;
	bool old, still_old;

	while (now_us() < reborn_at)
		;
	become(uid);
	old = finds_old(life);
	id = get_keyring_id(USER_SESSION, 0);
	still_old = id == (long)reborn->sought;
	if (old != still_old)
		wrong("life %ld: found the %s pair, and then the other", life,
		      old ? "old" : "new");
	if (old) {
		count(&reborn->old);
		read_all(life - 1);
	} else {
		count(&reborn->new);
		find_none(life);
	}
	add_all(life);
	for (int i = 0; i < 3; i++) {
		read_all(life);
		if (get_keyring_id(USER_SESSION, 0) != id)
			wrong("life %ld: @us has changed", life);
		sleep_us(life % 4 * 1000);
	}
	reap(spawn(sibling, life));
	read_all(life);
}

/*
 * The next life begins when the last has been over for a while. If it finds
 * the old pair, the while is made longer, and shorter if it finds a new one,
 * so that it is about as long as a pair takes to go.
 */
static void rebirths(void)
{
	long delay = 10000;
	unsigned long old;
	pid_t next;

	for (long life = 0; life < 2 * lives; life += 2) {
		uid = first + life / 2 % 4;
		wait_until_gone(uid, 1);
		reap(spawn(precede, life));
		reborn_at = now_us() + delay;
		old = reborn->old;
		next = spawn(succeed, life + 1);
		reap(next);
		count(&ledger->lives);
		delay = reborn->old != old ? delay + delay / 16 + 10 :
					     delay - delay / 16;
	}
	wait_until_gone(first, 4);
	print_ledger();
	printf("old %lu\nnew %lu\n", reborn->old, reborn->new);
	if (!reborn->old || !reborn->new)
		wrong("only one of the two outcomes was met");
}

static bool same_uid;
static int gate[2];

static void live_in_namespace(long nr)
{
	uid_t outside = first + (same_uid ? 0 : nr);
	char byte;

	become(outside);
	enter_namespace(outside);
	find_none(nr);
	add_all(nr);
	read_all(nr);
	close(gate[1]);
	/* Until the batch is complete. */
	while (read(gate[0], &byte, 1) > 0)
		;
	read_all(nr);
	count(&ledger->lives);
}

static void namespaces(void)
{
	/* As many as one UID's quota of keys allows for. */
	enum { BATCH = 10 };
	pid_t pids[BATCH];

	for (long nr = 0; nr < lives; nr += BATCH) {
		int batch = lives - nr < BATCH ? lives - nr : BATCH;

		if (pipe2(gate, O_CLOEXEC))
			die("pipe2");
		for (int i = 0; i < batch; i++)
			pids[i] = spawn(live_in_namespace, nr + i);
		close(gate[0]);
		sleep_us(20000);
		close(gate[1]);
		for (int i = 0; i < batch; i++)
			reap(pids[i]);
		if (same_uid)
			wait_until_gone(first, 1);
	}
	wait_until_gone(first, same_uid ? 1 : lives);
	print_ledger();
	if (ledger->lives != (unsigned long)lives)
		wrong("not %ld lives", lives);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	open_ledger();
	reborn = share(sizeof(*reborn));
	lives = argc > 2 ? atol(argv[2]) : 0;
	keys_stay = !strcmp(what, "visits");
	if ((keys_stay || !strcmp(what, "logins")) && argc == 5) {
		uids = atol(argv[3]);
		first = atol(argv[4]);
		logins();
	} else if (!strcmp(what, "rebirths") && argc == 4) {
		first = atol(argv[3]);
		rebirths();
	} else if (!strcmp(what, "namespaces") && (argc == 4 || argc == 5)) {
		first = atol(argv[3]);
		same_uid = argc == 5;
		namespaces();
	} else {
		fprintf(stderr, "usage: see the head of storms.c\n");
		return 2;
	}
	return ledger->wrong != 0;
}
