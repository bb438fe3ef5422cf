// SPDX-License-Identifier: GPL-2.0
/*
 * Was it Rust that answered?  Each way into the two replaced functions, a call
 * site of the kernel's or a state of the pair, and the counters of the module
 * before and after: what is named must have moved by so much, and nothing
 * else.
 *
 * Usage: sites --list | sites
 *
 * To be run right after the module was loaded, as root, with nothing else at
 * work on keyrings.  A line "ok NAME" or "not ok NAME" per site.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transcript.h"

#define STATS	"/sys/kernel/debug/user_session_keyring/stats"

static const char *const counters[] = {
	"hits", "misses", "creations", "adoptions", "errors", "rcu_hits",
	"rcu_misses", "records",
};

#define NR_COUNTERS	ARRAY_SIZE(counters)

enum {
	HITS,
	MISSES,
	CREATIONS,
	ADOPTIONS,
	ERRORS,
	RCU_HITS,
	RCU_MISSES,
	RECORDS,
};

struct site {
	const char *name;
	void (*prepare)(void);
	long (*act)(void);
	long moved[NR_COUNTERS];
	bool as_root;
	bool fails;
};

static void nothing(void)
{
}

static void have_pair(void)
{
	get_keyring_id(USER_SESSION, 0);
}

static void have_session(void)
{
	have_pair();
	join_session(NULL);
}

static int key;

static void have_key(void)
{
	key = add_user_key("one", USER);
}

static void have_key_and_session(void)
{
	have_key();
	join_session(NULL);
}

static void have_revoked(void)
{
	have_pair();
	keyctl(KEYCTL_REVOKE, USER_SESSION, 0, 0, 0);
}

static void default_us(void)
{
	have_session();
	keyctl(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_USER_SESSION_KEYRING,
	       0, 0, 0);
}

static void default_u(void)
{
	have_session();
	keyctl(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_USER_KEYRING, 0, 0,
	       0);
}

static long ask_us(void)
{
	return get_keyring_id(USER_SESSION, 0);
}

static long ask_u(void)
{
	return get_keyring_id(USER, 0);
}

static long ask_s(void)
{
	return get_keyring_id(SESSION, 0);
}

static long create_s(void)
{
	return get_keyring_id(SESSION, 1);
}

static long ask_p(void)
{
	return get_keyring_id(PROCESS, 1);
}

static long ask_serial(void)
{
	return get_keyring_id(key, 0);
}

static long find(void)
{
	return request_key("user", "one", NULL, 0);
}

static long construct_in_p(void)
{
	return request_key("user", "two", "make", PROCESS);
}

static long construct(void)
{
	return request_key("user", "two", "make", 0);
}

static long construct_by_search(void)
{
	return request_key("user", "two", "search one", PROCESS);
}

static const struct site sites[] = {
	/* First, while nothing of root's has been asked for. */
	{ "root's pair, made at boot", nothing, ask_us,
	  { [HITS] = 1 }, .as_root = true },
	{ "a first access makes a pair", nothing, ask_us,
	  { [MISSES] = 1, [CREATIONS] = 1, [RECORDS] = 1 } },
	{ "@us", have_pair, ask_us, { [HITS] = 1 } },
	{ "@u", have_pair, ask_u, { [HITS] = 1 } },
	{ "@s without a session, not to create", have_pair, ask_s,
	  { [HITS] = 1 } },
	{ "@s without a session, to create", have_pair, create_s,
	  { [HITS] = 1 } },
	{ "@s with a session", have_session, ask_s, { } },
	{ "@p", have_pair, ask_p, { } },
	{ "a search without a session", have_key, find, { [RCU_HITS] = 1 } },
	{ "a search with a session", have_key_and_session, find, { },
	  .fails = true },
	{ "a search before the first access", nothing, find,
	  { [RCU_MISSES] = 1 }, .fails = true },
	{ "possession of a key by its serial", have_key, ask_serial,
	  { [RCU_HITS] = 1 } },
	{ "the upcall of request_key()", have_session, construct_in_p,
	  { [HITS] = 1 } },
	/* The destination, and then the upcall. */
	{ "the user session keyring as default destination", default_us,
	  construct, { [HITS] = 2 } },
	{ "the user keyring as default destination", default_u, construct,
	  { [HITS] = 2 } },
	/*
	 * The request searches before and after it has the locks, and then the
	 * program that constructs the key does, with the requester's
	 * credentials.
	 */
	{ "a search for another task", have_key, construct_by_search,
	  { [HITS] = 1, [RCU_HITS] = 3 } },
	{ "a revoked pair", have_revoked, ask_us,
	  { [MISSES] = 1, [ERRORS] = 1, [RECORDS] = -1 }, .fails = true },
};

/* Opened by root, read by whom it may concern. */
static int stats_fd;

static void read_stats(long *values)
{
	char text[1024], name[32], *line, *next;
	ssize_t len = pread(stats_fd, text, sizeof(text) - 1, 0);
	size_t seen = 0;
	long value;

	if (len <= 0)
		die(STATS);
	text[len] = '\0';
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (sscanf(line, "%31s %ld", name, &value) != 2)
			continue;
		for (size_t i = 0; i < NR_COUNTERS; i++) {
			if (!strcmp(name, counters[i])) {
				values[i] = value;
				seen++;
			}
		}
	}
	expect(seen == NR_COUNTERS, "%zu counters of %zu in %s", seen,
	       NR_COUNTERS, STATS);
}

static const struct site *site;

static void visit(void)
{
	long before[NR_COUNTERS] = { 0 }, after[NR_COUNTERS] = { 0 };
	long ret, moved;

	site->prepare();
	read_stats(before);
	ret = site->act();
	read_stats(after);
	expect((ret < 0) == site->fails, "the call should %s, not answer %ld",
	       site->fails ? "fail" : "succeed", ret);
	for (size_t i = 0; i < NR_COUNTERS; i++) {
		moved = after[i] - before[i];
		expect(moved == site->moved[i],
		       "%s should have moved by %ld, not by %ld", counters[i],
		       site->moved[i], moved);
	}
}

static bool visit_all(void)
{
	bool good = true;
	int failures;

	for (size_t i = 0; i < ARRAY_SIZE(sites); i++) {
		site = &sites[i];
		failures = transcript_failures();
		if (site->as_root)
			in_child(visit);
		else
			as_uid(fresh_uid(), visit);
		printf("%s %s\n", transcript_failures() == failures ?
		       "ok" : "not ok", site->name);
		good &= transcript_failures() == failures;
	}
	return good;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < ARRAY_SIZE(sites); i++)
			puts(sites[i].name);
		return 0;
	}
	if (argc != 1) {
		fprintf(stderr, "usage: %s [--list]\n", argv[0]);
		return 2;
	}
	stats_fd = open(STATS, O_RDONLY | O_CLOEXEC);
	if (stats_fd < 0)
		die(STATS);
	transcript_init();
	return !visit_all();
}
