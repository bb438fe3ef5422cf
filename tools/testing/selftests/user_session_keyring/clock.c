// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: the clock is set forward beyond a timeout of the pair, and back again. A keyring that
 * was collected meanwhile is gone, though by the clock it should be there yet.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "scenarios.h"

#define TIMEOUT		1000	/* seconds */
#define STEP		5000	/* seconds, forward and back */
#define LONG_AFTER	100000	/* seconds: gc_delay while nothing is to be collected */

static void move_clock(time_t seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += seconds;
	if (clock_settime(CLOCK_REALTIME, &now))
		die("the clock");
}

/* Seconds that the clock is ahead of the one that nobody can set. */
static time_t clock_offset(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return real.tv_sec - boot.tv_sec;
}

void restore_clock(void)
{
	static bool known;
	static time_t right;
	time_t ahead;

	if (!known)
		right = clock_offset();
	known = true;
	ahead = clock_offset() - right;
	/* A second more or less comes from rounding. */
	if (ahead < -1 || ahead > 1)
		move_clock(-ahead);
}

static bool us_expires, u_expires;

static void ask(void)
{
	in_child(ask_user_keyrings);
	answer_key(request_key("user", "in us", NULL, 0), "request in us");
	answer_key(request_key("user", "in u", NULL, 0), "request in u");
	answer_key(search(USER_SESSION, "in us", 0), "search @us");
	answer_key(search(USER, "in u", 0), "search @u");
}

static void set_timeouts(void)
{
	shared->key[0] = answer_key(get_keyring_id(USER, 0), "@u");
	shared->key[1] = answer_key(get_keyring_id(USER_SESSION, 0), "@us");
	answer_key(add_user_key("in us", USER_SESSION), "add to @us");
	answer_key(add_user_key("in u", USER), "add to @u");
	/* On record, if there are records, before anything is to expire. */
	ask();
	if (us_expires)
		answer(keyctl(KEYCTL_SET_TIMEOUT, shared->key[1], TIMEOUT, 0, 0),
		       "timeout of @us");
	if (u_expires)
		answer(keyctl(KEYCTL_SET_TIMEOUT, shared->key[0], TIMEOUT, 0, 0), "timeout of @u");
	ask();
}

static bool are_collected(void)
{
	collect_dead_keys();
	return (!us_expires || !register_with(shared->key[1])) &&
	       (!u_expires || !register_with(shared->key[0]));
}

static void ask_new(void)
{
	ask();
	expect((get_keyring_id(USER_SESSION, 0) != shared->key[1]) == us_expires &&
	       (get_keyring_id(USER, 0) != shared->key[0]) == u_expires,
	       "what was collected, and nothing else, should be new");
	expect_keyring(get_keyring_id(USER, 0), "_uid", getuid());
	expect_keyring(get_keyring_id(USER_SESSION, 0), "_uid_ses", getuid());
	answer_key(add_user_key("new", USER_SESSION), "add to @us");
	answer_key(request_key("user", "new", NULL, 0), "request new");
}

static void ask_old(void)
{
	ask();
	expect(get_keyring_id(USER_SESSION, 0) == shared->key[1] &&
	       get_keyring_id(USER, 0) == shared->key[0],
	       "what was not collected should be there again");
}

static void ask_expired(void)
{
	ask();
	expect(get_keyring_id(USER_SESSION, 0) == -ENOKEY,
	       "an expired pair should be answered by ENOKEY");
}

static void collected_meanwhile(bool us, bool u)
{
	uid_t uid = fresh_uid();

	us_expires = us;
	u_expires = u;
	as_uid(uid, set_timeouts);
	expect(register_with(shared->key[0]) && register_with(shared->key[1]),
	       "the pair should be linked to the register");
	move_clock(STEP);
	expect(poll_until(are_collected), "what has expired should be collected");
	move_clock(-STEP);
	say("collected");
	as_uid(uid, ask_new);
	/* The pair, the new key, and the one in what did not expire. */
	proc_key_users(uid, us && u ? 3 : 4);
}

static void us_collected(void)
{
	collected_meanwhile(true, false);
}

static void u_collected(void)
{
	collected_meanwhile(false, true);
}

static void pair_collected(void)
{
	collected_meanwhile(true, true);
}

static void expired_meanwhile(void)
{
	uid_t uid = fresh_uid();

	us_expires = true;
	u_expires = true;
	write_setting(GC_DELAY, LONG_AFTER);
	as_uid(uid, set_timeouts);
	move_clock(STEP);
	say("set forward");
	as_uid(uid, ask_expired);
	move_clock(-STEP);
	say("set back");
	as_uid(uid, ask_old);
	proc_key_users(uid, 4);
}

const struct scenario clock_scenarios[] = {
	{ "the user session keyring collected, the clock set back", us_collected },
	{ "the user keyring collected, the clock set back", u_collected },
	{ "both collected, the clock set back", pair_collected },
	{ "both expired, the clock set back", expired_meanwhile },
	{ }
};
