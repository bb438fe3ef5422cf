// SPDX-License-Identifier: GPL-2.0
/*
 * Take-overs: the module is loaded, takes charge, is disabled and removed, as
 * fast as the kernel allows, while UIDs live through it that have keys. After
 * each half all of them look whether what they have is there.
 *
 * Usage: takeovers COUNT FIRST
 *
 * UIDs are counted from FIRST. In each round there are also one that has come
 * while the module was absent and goes while it is there, and one that comes
 * while it is there and goes in the next round; in every 16th one whose @us
 * survives it, because it is linked elsewhere, and which comes back when the
 * module is absent.
 *
 * Lines of "name number" say what happened, and those that begin with "#" what
 * went wrong. The status is 0 if nothing did.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "keys.h"
#include "ledger.h"

#define MODULE		"user_session_keyring"
#define LIVEPATCH	"/sys/kernel/livepatch/" MODULE
#define STATS		"/sys/kernel/debug/" MODULE "/stats"

#define SLOTS		4	/* keys in each of @us and @u */
#define NAP_MS		120	/* from one look to the next */
#define BUSY		2	/* residents who look all the while */
#define PATIENCE_MS	30000	/* for the kernel to do as it was told */
#define SURVIVAL	16	/* rounds from one survivor to the next */

static uid_t first;

static struct {
	unsigned long takeovers, pairs, looks, survivors, slowest;
	long us;	/* the survivor's */
} *told;

/*
 * The UIDs. Residents are there from the beginning to the end, and one has a
 * namespace of its own.
 */
enum {
	RESIDENTS = 3,
	INHABITANT = RESIDENTS - 1,
	PINNER = RESIDENTS,		/* has a session keyring, no pair */
	SURVIVOR,
	FLEETING,
	ENDURING,			/* two of them, by turns */
	UIDS = ENDURING + 2
};

static const int rings[] = { USER_SESSION, USER };

/* What a process knows of the keyrings of its UID. */
static struct {
	long pair[ARRAY_SIZE(rings)];
	unsigned long turn;		/* the next key to be added */
	long keys[ARRAY_SIZE(rings)][SLOTS];
} mine;

static void describe_key(size_t ring, unsigned long turn, char *name, char *text)
{
	sprintf(name, "slot %lu", turn % SLOTS);
	sprintf(text, "%s of turn %lu", ring ? "@u" : "@us", turn);
}

/* It is found by name, by a search or by request_key(), and has what was put in. */
static void look_for(size_t ring, unsigned long turn)
{
	char name[32], text[64], found[64] = "";
	long key, ret;

	describe_key(ring, turn, name, text);
	if (!ring && turn % 2)
		/* By RCU, since there is no session keyring. */
		key = request_key("user", name, NULL, 0);
	else
		key = search(rings[ring], name, 0);
	ret = key < 0 ? key : read_key(key, found, sizeof(found));
	if (key == mine.keys[ring][turn % SLOTS] && !strcmp(found, text)) {
		count(&ledger->read);
		return;
	}
	count(&ledger->lost);
	wrong("%s is not there: %s, in key %ld for %ld", text,
	      ret < 0 ? strerrorname_np(-ret) : found, key,
	      mine.keys[ring][turn % SLOTS]);
}

static void look(void)
{
	unsigned long oldest = mine.turn < SLOTS ? 0 : mine.turn - SLOTS;
	long id;

	count(&told->looks);
	for (size_t ring = 0; ring < ARRAY_SIZE(rings); ring++) {
		id = get_keyring_id(rings[ring], 0);
		if (id != mine.pair[ring]) {
			count(&ledger->lost);
			wrong("%s was %ld, and is %ld", ring ? "@u" : "@us",
			      mine.pair[ring], id);
		}
		for (unsigned long turn = oldest; turn < mine.turn; turn++)
			look_for(ring, turn);
	}
}

static void leave_keys(void)
{
	char name[32], text[64];
	long key;

	for (size_t ring = 0; ring < ARRAY_SIZE(rings); ring++) {
		describe_key(ring, mine.turn, name, text);
		key = add_key("user", name, text, strlen(text), rings[ring]);
		if (key > 0)
			count(&ledger->added);
		else
			wrong("add_key() answered %s", strerrorname_np(-key));
		mine.keys[ring][mine.turn % SLOTS] = key;
	}
	mine.turn++;
}

static void know_pair(void)
{
	for (size_t ring = 0; ring < ARRAY_SIZE(rings); ring++) {
		mine.pair[ring] = get_keyring_id(rings[ring], 0);
		if (mine.pair[ring] < 0)
			wrong("there is no pair: %s",
			      strerrorname_np(-mine.pair[ring]));
	}
}

/* The end of a socket by which a process is told to go on, and tells that it has. */
static int channel;

static void answer(void)
{
	if (write(channel, "", 1) != 1)
		die("write");
}

/* Looks, and leaves keys, when told to, until it is let go. */
static void live(bool is_busy)
{
	struct pollfd told_to = { channel, POLLIN };
	char byte;

	count(&ledger->lives);
	know_pair();
	leave_keys();
	for (answer();; answer()) {
		while (!poll(&told_to, 1, is_busy ? NAP_MS : -1))
			look();
		if (read(channel, &byte, 1) != 1)
			return;
		look();
		leave_keys();
	}
}

static void reside(long nr)
{
	become(first + nr);
	if (nr == INHABITANT)
		enter_namespace(first + nr);
	live(nr < BUSY);
}

/* What it had in @us is there, though it was gone. */
static void return_later(long nr)
{
	char text[32] = "";
	long us;

	become(first + nr);
	us = get_keyring_id(USER_SESSION, 0);
	if (us != told->us || read_key(search(us, "kept", 0), text, sizeof(text)) < 0 ||
	    strcmp(text, "kept")) {
		count(&ledger->lost);
		wrong("@us was %ld, and is %ld, with \"%s\" in it", told->us, us, text);
	}
	live(false);
}

static void leave_survivor(long nr)
{
	become(first + nr);
	told->us = get_keyring_id(USER_SESSION, 0);
	if (add_user_key("kept", USER_SESSION) > 0)
		count(&ledger->added);
	if (keyctl(KEYCTL_LINK, USER_SESSION, SESSION, 0, 0))
		wrong("@us cannot be linked");
}

/* By turns it has the survivor live and die, with a link that pins @us, and unlinks that. */
static void pin(long nr)
{
	char byte;

	if (setresuid(first + nr, first + nr, 0) || join_session(NULL) < 0 ||
	    setresuid(-1, 0, -1) || setresuid(0, 0, 0))
		die("a session keyring");
	for (answer(); read(channel, &byte, 1) == 1; answer()) {
		if (told->us)
			keyctl(KEYCTL_UNLINK, told->us, SESSION, 0, 0);
		else
			reap(spawn(leave_survivor, SURVIVOR));
	}
}

static struct process {
	pid_t pid;
	int fd;
} processes[UIDS];

static void await(long nr)
{
	char byte;

	if (read(processes[nr].fd, &byte, 1) != 1)
		wrong("the process of UID %ld is gone", first + nr);
}

static void tell(long nr)
{
	if (write(processes[nr].fd, "", 1) != 1)
		wrong("the process of UID %ld is gone", first + nr);
}

static void start(long nr, void (*f)(long))
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		die("socketpair");
	channel = ends[1];
	processes[nr].pid = spawn(f, nr);
	processes[nr].fd = ends[0];
	close(ends[1]);
	await(nr);
}

/* Whether there was one. */
static bool end(long nr)
{
	if (!processes[nr].pid)
		return false;
	shutdown(processes[nr].fd, SHUT_RDWR);
	close(processes[nr].fd);
	reap(processes[nr].pid);
	processes[nr].pid = 0;
	return true;
}

static void pin_or_unpin(void)
{
	tell(PINNER);
	await(PINNER);
}

/* All who live look for what they have, and leave something more. */
static unsigned int have_all_look(void)
{
	unsigned int alive = 0;

	for (long nr = 0; nr < UIDS; nr++) {
		if (!processes[nr].pid || nr == PINNER)
			continue;
		tell(nr);
		alive++;
	}
	for (long nr = 0; nr < UIDS; nr++)
		if (processes[nr].pid && nr != PINNER)
			await(nr);
	return alive;
}

static void wait_for(bool (*condition)(void), const char *what)
{
	long until = now_us() + PATIENCE_MS * 1000L;

	while (!condition()) {
		if (now_us() > until) {
			errno = ETIMEDOUT;
			die(what);
		}
		sleep_us(5000);
	}
}

static bool is_in_charge(void)
{
	int fd = open(LIVEPATCH "/transition", O_RDONLY | O_CLOEXEC);
	char byte = 0;

	if (fd < 0 || read(fd, &byte, 1) != 1)
		die(LIVEPATCH "/transition");
	close(fd);
	return byte == '0';
}

static void load(int object)
{
	if (syscall(__NR_finit_module, object, "", 0))
		die("finit_module");
	wait_for(is_in_charge, "the transition does not end");
}

static bool is_disabled(void)
{
	return access(LIVEPATCH, F_OK);
}

static void disable(void)
{
	int fd = open(LIVEPATCH "/enabled", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		die(LIVEPATCH "/enabled");
	close(fd);
	wait_for(is_disabled, "it cannot be disabled");
}

static bool is_removed(void)
{
	if (!syscall(__NR_delete_module, MODULE, O_NONBLOCK))
		return true;
	/* The livepatch core lets go of it a moment later. */
	if (errno != EAGAIN && errno != EBUSY)
		die("delete_module");
	return false;
}

static unsigned long counter(const char *name)
{
	FILE *file = fopen(STATS, "re");
	unsigned long number = 0;
	char found[32] = "";

	if (!file)
		die(STATS);
	while (strcmp(found, name))
		if (fscanf(file, "%31s %lu", found, &number) != 2)
			die(name);
	fclose(file);
	return number;
}

/* How many UIDs have gone since the module was loaded. */
static unsigned int dead;

static bool are_dead(void)
{
	return counter("deaths") == dead;
}

/* The end of all that goes while the module is there, and of nothing else. */
static void end_some(unsigned long nr)
{
	long parting = ENDURING + !(nr % 2);

	dead = end(FLEETING) + end(parting);
	if (processes[SURVIVOR].pid) {
		pin_or_unpin();
		told->us = 0;
		dead += end(SURVIVOR);
	} else if (nr % SURVIVAL == SURVIVAL - 1) {
		pin_or_unpin();
		dead++;
	}
	start(ENDURING + nr % 2, reside);
	wait_for(are_dead, "not all who are gone are dead");
	wait_until_gone(first + FLEETING, 1);
	wait_until_gone(first + parting, 1);
	if (!told->us)
		wait_until_gone(first + SURVIVOR, 1);
}

static void expect_counters(unsigned int alive)
{
	unsigned long adoptions = counter("adoptions");

	told->pairs += adoptions;
	/* The other one is root's. */
	if (adoptions != alive + 1)
		wrong("%lu pairs are adopted of %u", adoptions, alive + 1);
	if (counter("creations"))
		wrong("%lu pairs were made in the place of others", counter("creations"));
}

static void take_over(int object, unsigned long nr)
{
	long begun = now_us();
	unsigned int alive;

	start(FLEETING, reside);
	if (told->us) {
		start(SURVIVOR, return_later);
		count(&told->survivors);
	}
	have_all_look();
	load(object);
	alive = have_all_look();
	expect_counters(alive);
	end_some(nr);
	have_all_look();
	if (counter("missed"))
		wrong("%lu deaths were missed", counter("missed"));
	disable();
	have_all_look();
	wait_for(is_removed, "it cannot be removed");
	have_all_look();
	told->takeovers++;
	if ((unsigned long)(now_us() - begun) > told->slowest)
		told->slowest = now_us() - begun;
}

/* With the module there, nothing is left of anybody. */
static void end_all(int object)
{
	load(object);
	for (long nr = 0; nr < UIDS; nr++)
		end(nr);
	wait_until_gone(first, UIDS);
	disable();
	wait_for(is_removed, "it cannot be removed");
}

int main(int argc, char **argv)
{
	int object = open(MODULE ".ko", O_RDONLY | O_CLOEXEC);
	unsigned long rounds;

	if (argc != 3) {
		fprintf(stderr, "usage: takeovers COUNT FIRST\n");
		return 2;
	}
	if (object < 0)
		die(MODULE ".ko");
	rounds = strtoul(argv[1], NULL, 10);
	first = strtoul(argv[2], NULL, 10);
	open_ledger();
	told = share(sizeof(*told));
	for (long nr = 0; nr < RESIDENTS; nr++)
		start(nr, reside);
	start(PINNER, pin);
	for (unsigned long nr = 0; nr < rounds && !ledger->wrong; nr++)
		take_over(object, nr);
	end_all(object);
	print_ledger();
	printf("takeovers %lu\npairs %lu\nsurvivors %lu\nlooks %lu\nslowest %lu\n",
	       told->takeovers, told->pairs, told->survivors, told->looks,
	       told->slowest / 1000);
	return ledger->wrong != 0;
}
