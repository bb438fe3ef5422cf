// SPDX-License-Identifier: GPL-2.0
/*
 * Two processes flicker: they take a UID, look for what they left in its
 * keyrings, leave a key there, and drop the UID again. They come back when the
 * keyrings are just about to go, which is found out for each UID by trying. So
 * there are thousands of times of a life that begins while another ends.
 *
 * Usage: flicker VISITS UIDS FIRST [stay]
 *
 * Each process has UIDs for itself, and a third of them they share. As long as
 * one has the UID, its @us must stay the same, and be that of the other, if
 * that has the UID as well; what it has added must be there. When it comes
 * back, @us is either the old one, with its key, or a new one, without. With
 * "stay", keyrings may do so, as they do while the module is not there.
 *
 * Lines of "name number" say what happened, and those that begin with "#" what
 * went wrong. The status is 0 if nothing did.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "ledger.h"

#define WORKERS		2
#define MAX_UIDS	300
#define MAX_DELAY	50000	/* in microseconds */

static struct {
	unsigned long old, new, halves, met;
	/* What a process has as @us while it has a UID. */
	long us[WORKERS][MAX_UIDS];
} *shared;

/* What the process knows of a UID. */
static struct {
	long us, u;		/* as they were when it was last there */
	unsigned long visit;	/* the last one */
	long left;		/* when that was */
	long delay;		/* until it is to come back */
} known[MAX_UIDS];

static long visits, uids, first, worker;

/* Each leaves a key by a name of its own. */
static const char *const names[WORKERS] = { "first", "second" };

static const char *const ways[] = {
	"search of @us", "request_key()", "search of the serial of @us",
};

/* Asks in one of the ways of asking, by turns, and returns the key's serial. */
static long find_key(unsigned long how)
{
	const char *name = names[worker];

	switch (how % ARRAY_SIZE(ways)) {
	case 0:
		return search(USER_SESSION, name, 0);
	case 1:
		/* By RCU, since there is no session keyring. */
		return request_key("user", name, NULL, 0);
	default:
		/* By the lock-free path, and then by the serial. */
		return search(get_keyring_id(USER_SESSION, 0), name, 0);
	}
}

/* Whether the key is there, with what the visit has left in it. */
static bool has_key(long nr, unsigned long visit, unsigned long how)
{
	char text[32], expected[32];
	long key = find_key(how);
	long ret = key < 0 ? key : read_key(key, text, sizeof(text));

	if (ret < 0)
		return false;
	snprintf(expected, sizeof(expected), "%ld %lu", nr, visit);
	if (strcmp(text, expected))
		wrong("visit %lu: the key has \"%s\"", known[nr].visit, text);
	return true;
}

/* They have the same @us if both have the UID at once. */
static void compare(long nr, long us)
{
	long *announced = &shared->us[!worker][nr];
	long other = __atomic_load_n(announced, __ATOMIC_SEQ_CST);

	if (!other)
		return;
	count(&shared->met);
	if (other != us)
		wrong("visit %lu: @us is %ld, and %ld for another process",
		      known[nr].visit, us, other);
}

static void leave_key(long nr)
{
	char text[32];
	long key;

	snprintf(text, sizeof(text), "%ld %lu", nr, known[nr].visit);
	key = add_key("user", names[worker], text, strlen(text), USER_SESSION);
	if (key < 0)
		wrong("visit %lu: add_key(): %s", known[nr].visit, strerrorname_np(-key));
	else
		count(&ledger->added);
}

static void check_stay(long nr, long us, unsigned long how)
{
	long again = get_keyring_id(USER_SESSION, 0);

	if (again != us)
		wrong("visit %lu: @us was %ld, and is %ld", known[nr].visit, us, again);
	compare(nr, us);
	if (has_key(nr, known[nr].visit, how)) {
		count(&ledger->read);
	} else {
		count(&ledger->lost);
		wrong("visit %lu: its key is not there", known[nr].visit);
	}
}

/* Returns whether what it has left there was there. */
static bool stay(long nr, unsigned long how)
{
	bool found = known[nr].us && has_key(nr, known[nr].visit, how);
	long us = get_keyring_id(USER_SESSION, 0);
	long u = get_keyring_id(USER, 0);
	bool old = us == known[nr].us;

	if (us < 0 || u < 0)
		wrong("visit %lu: @us is %ld, and @u %ld", known[nr].visit, us, u);
	if (u == known[nr].u ? !old : old) {
		count(&shared->halves);
		/* Until then what is pinned by what is being freed is waited for. */
		if (now_us() < known[nr].left + SETTLES_MS * 1000)
			wrong("visit %lu: @us is %ld after %ld, but @u %ld after %ld",
			      known[nr].visit, us, known[nr].us, u, known[nr].u);
	}
	if (found && !old) {
		count(&ledger->left);
		wrong("visit %lu: @us is new, but %s has found the key",
		      known[nr].visit, ways[how % ARRAY_SIZE(ways)]);
	} else if (!found && old) {
		count(&ledger->lost);
		wrong("visit %lu: @us is old, but %s has not found the key",
		      known[nr].visit, ways[how % ARRAY_SIZE(ways)]);
	}
	__atomic_store_n(&shared->us[worker][nr], us, __ATOMIC_SEQ_CST);
	known[nr].us = us;
	known[nr].u = u;
	known[nr].visit++;
	leave_key(nr);
	check_stay(nr, us, how / 3);
	if (how % 5 == 0) {
		/* For the other one to come. */
		sleep_us(1000);
		check_stay(nr, us, how / 9);
	}
	__atomic_store_n(&shared->us[worker][nr], 0, __ATOMIC_SEQ_CST);
	return old;
}

static void visit(long nr, unsigned long how)
{
	long *delay = &known[nr].delay;
	bool old;

	if (setresuid(first + nr, first + nr, 0))
		die("setresuid");
	old = stay(nr, how);
	if (setresuid(0, 0, 0))
		die("setresuid");
	count(&ledger->lives);
	if (old) {
		count(&shared->old);
		*delay += *delay / 16 + rand() % 100;
	} else {
		count(&shared->new);
		*delay -= *delay / 16 + rand() % 100;
	}
	if (*delay < 0)
		*delay = 0;
	if (*delay > MAX_DELAY)
		*delay = MAX_DELAY;
	known[nr].left = now_us();
}

/* The UIDs from 0 on are one's, then come those of both, and then the other's. */
static void work(long nr_of_worker)
{
	long from = nr_of_worker ? uids / 3 : 0;
	long until = nr_of_worker ? uids : uids * 2 / 3;
	bool idle;

	worker = nr_of_worker;
	srand(worker);
	for (long nr = from; nr < until; nr++)
		known[nr].delay = 10000;
	for (unsigned long how = 0; how < (unsigned long)visits / WORKERS;) {
		idle = true;
		for (long nr = from; nr < until; nr++) {
			if (now_us() < known[nr].left + known[nr].delay)
				continue;
			visit(nr, how++);
			idle = false;
		}
		if (idle)
			sleep_us(50);
	}
}

int main(int argc, char **argv)
{
	bool may_stay = argc == 5 && !strcmp(argv[4], "stay");
	pid_t pids[WORKERS];

	if ((argc != 4 && !may_stay) || atol(argv[2]) < 3 || atol(argv[2]) > MAX_UIDS) {
		fprintf(stderr, "usage: see the head of flicker.c; 3 to %d UIDs\n",
			MAX_UIDS);
		return 2;
	}
	visits = atol(argv[1]);
	uids = atol(argv[2]);
	first = atol(argv[3]);
	open_ledger();
	shared = share(sizeof(*shared));
	for (int i = 0; i < WORKERS; i++)
		pids[i] = spawn(work, i);
	for (int i = 0; i < WORKERS; i++)
		reap(pids[i]);
	if (!may_stay)
		wait_until_gone(first, uids);
	print_ledger();
	printf("old %lu\nnew %lu\nhalves %lu\nmet %lu\n",
	       shared->old, shared->new, shared->halves,
	       shared->met);
	if (!may_stay && (!shared->old || !shared->new || !shared->met))
		wrong("one of the outcomes was not met");
	return ledger->wrong != 0;
}
