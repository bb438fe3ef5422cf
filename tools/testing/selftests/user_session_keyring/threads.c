// SPDX-License-Identifier: GPL-2.0
/*
 * Scenarios: threads.  Credentials are a thread's own; glibc's setresuid()
 * hides that by changing those of all, so the system call is made directly.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scenarios.h"

#define NR_THREADS	8
#define NR_RACES	20

static pthread_barrier_t barrier;

static struct worker {
	pthread_t thread;
	uid_t uid;
	int asked;
	long first;		/* whatever was asked for first */
	long user;
	long user_session;
	long session;
	long added;
	long found;
} workers[NR_THREADS];

static void run_workers(void *(*fn)(void *))
{
	pthread_barrier_init(&barrier, NULL, NR_THREADS);
	for (int i = 0; i < NR_THREADS; i++)
		if (pthread_create(&workers[i].thread, NULL, fn, &workers[i]))
			die("pthread_create");
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
}

static void set_thread_uid(uid_t uid)
{
	if (syscall(SYS_setresuid, uid, uid, uid))
		die("setresuid");
}

static void *work(void *arg)
{
	struct worker *me = arg;
	char desc[32];

	set_thread_uid(me->uid);
	snprintf(desc, sizeof(desc), "key %td", me - workers);
	pthread_barrier_wait(&barrier);
	me->first = get_keyring_id(me->asked, 0);
	me->user = get_keyring_id(USER, 0);
	me->user_session = get_keyring_id(USER_SESSION, 0);
	me->added = add_user_key(desc, USER);
	pthread_barrier_wait(&barrier);
	me->found = request_key("user", "key 0", NULL, 0);
	me->session = get_keyring_id(SESSION, 0);
	return NULL;
}

static void say_workers(void)
{
	for (int i = 0; i < NR_THREADS; i++) {
		struct worker *w = &workers[i];

		say("thread %d of %u", i, w->uid);
		answer_key(w->first, " first");
		answer_key(w->user, " @u");
		answer_key(w->user_session, " @us");
		answer_key(w->session, " @s");
		answer_key(w->added, " added");
		answer_key(w->found, " found");
	}
}

/* Threads of one process, of as many UIDs. */
static void several_uids(void)
{
	for (int i = 0; i < NR_THREADS; i++) {
		workers[i].uid = fresh_uid();
		workers[i].asked = USER_SESSION;
	}
	run_workers(work);
	say_workers();
	for (int i = 0; i < NR_THREADS; i++)
		for (int j = 0; j < i; j++)
			expect(workers[i].user_session > 0 &&
			       workers[i].user_session !=
			       workers[j].user_session,
			       "threads of two UIDs should have two pairs");
	/* And the process itself is still root. */
	in_child(ask_user_keyrings);
}

static void threads_of_several_uids(void)
{
	in_child(several_uids);
}

static void one_uid(void)
{
	for (int i = 0; i < NR_THREADS; i++) {
		workers[i].uid = shared->uid[0];
		workers[i].asked = i % 2 ? USER : USER_SESSION;
	}
	run_workers(work);
	for (int i = 0; i < NR_THREADS; i++) {
		expect(workers[i].user > 0 && workers[i].user_session > 0 &&
		       workers[i].user == workers[0].user &&
		       workers[i].user_session == workers[0].user_session,
		       "racing threads of one UID should get one pair");
		expect(workers[i].first == (i % 2 ? workers[0].user :
					    workers[0].user_session),
		       "the first answer should be the last");
		expect(workers[i].found == workers[0].added,
		       "what one thread adds, all should find");
	}
}

static void threads_race(void)
{
	for (int race = 0; race < NR_RACES; race++) {
		shared->uid[0] = fresh_uid();
		in_child(one_uid);
		/* The keys that the threads added, and the pair. */
		proc_key_users(shared->uid[0], NR_THREADS + 2);
	}
	as_uid(shared->uid[0], ask_user_keyrings);
}

static int racer;

static void race_as_process(void)
{
	step_wait(1);
	shared->key[racer] = get_keyring_id(USER_SESSION, 0);
}

static void processes_race(void)
{
	pid_t pids[NR_THREADS];
	uid_t uid = fresh_uid();

	for (racer = 0; racer < NR_THREADS; racer++)
		pids[racer] = start_child(uid, race_as_process);
	step_done(1);
	for (racer = 0; racer < NR_THREADS; racer++)
		finish_child(pids[racer]);
	for (racer = 0; racer < NR_THREADS; racer++)
		expect(shared->key[racer] > 0 &&
		       shared->key[racer] == shared->key[0],
		       "racing processes of one UID should get one pair");
	proc_key_users(uid, 2);
}

/* A session is a thread's own as well. */
static void *join_or_not(void *arg)
{
	struct worker *me = arg;
	int number = me - workers;

	if (number % 2)
		me->first = join_session(NULL);
	pthread_barrier_wait(&barrier);
	me->session = get_keyring_id(SESSION, 0);
	me->user_session = get_keyring_id(USER_SESSION, 0);
	me->found = request_key("user", "in us", NULL, 0);
	me->user = get_keyring_id(USER, 0);
	return NULL;
}

static void threads_of_sessions(void)
{
	answer_key(add_user_key("in us", USER_SESSION), "add to @us");
	for (int i = 0; i < NR_THREADS; i++)
		workers[i].uid = getuid();
	run_workers(join_or_not);
	say_workers();
	for (int i = 0; i < NR_THREADS; i++) {
		if (i % 2)
			expect(workers[i].session == workers[i].first &&
			       workers[i].found == -ENOKEY,
			       "a thread with a session should use it");
		else
			expect(workers[i].session == workers[i].user_session &&
			       workers[i].found > 0,
			       "a thread without should use @us");
	}
}

static void sessions_of_threads(void)
{
	as_uid(fresh_uid(), threads_of_sessions);
}

const struct scenario thread_scenarios[] = {
	{ "threads of several UIDs", threads_of_several_uids },
	{ "threads race for the first access", threads_race },
	{ "processes race for the first access", processes_race },
	{ "threads with and without a session", sessions_of_threads },
	{ }
};
