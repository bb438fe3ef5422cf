// SPDX-License-Identifier: GPL-2.0
/*
 * What does the kernel answer?  A scenario per name, each played by fresh
 * processes of fresh UIDs, and its transcript on standard output.  With the
 * module absent and present, the transcripts must be the same.
 *
 * Usage: answers --list | answers --list-deviations | answers NAME
 *
 * The deviations are where the module is meant to answer differently, or to end
 * what the kernel keeps: each says for itself what must hold, with the module
 * and without.
 *
 * Exit status 0 if all that is documented was found to hold, 1 if not, 2 if
 * the scenario could not be played.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "scenarios.h"

#define TIME_LIMIT	60	/* seconds, for the slowest scenario */

static const struct scenario *const tables[] = {
	special_scenarios,
	session_scenarios,
	request_scenarios,
	state_scenarios,
	quota_scenarios,
	namespace_scenarios,
	unmapped_scenarios,
	thread_scenarios,
	lsm_scenarios,
	clock_scenarios,
	dead_scenarios,
	cve_scenarios,
	threat_scenarios,
};

static const struct scenario *const deviation_tables[] = {
	deviations,
	life_scenarios,
	survivor_scenarios,
	cve_lives,
	threat_lives,
};

static void list(const struct scenario *table)
{
	for (; table->name; table++)
		puts(table->name);
}

static const struct scenario *find_in(const struct scenario *table,
				      const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

static const struct scenario *find(const char *name)
{
	const struct scenario *found = NULL;

	for (size_t i = 0; !found && i < ARRAY_SIZE(deviation_tables); i++)
		found = find_in(deviation_tables[i], name);
	for (size_t i = 0; !found && i < ARRAY_SIZE(tables); i++)
		found = find_in(tables[i], name);
	return found;
}

/*
 * An inherited session keyring would hide what @s does without one, and there
 * is no way to drop it.  Asking for @s installs one, so a child asks.
 */
static void check_no_session(void)
{
	if (get_keyring_id(SESSION, 0) != get_keyring_id(USER_SESSION, 0))
		die("started with a session keyring");
}

static int play(const struct scenario *scenario)
{
	static const char *const settings[] = { GC_DELAY, MAXKEYS, MAXBYTES };
	unsigned long before[ARRAY_SIZE(settings)];
	int status;
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		before[i] = read_setting(settings[i]);
	restore_clock();

	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(TIME_LIMIT * patience());
		scenario->run();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	restore_clock();

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		write_setting(settings[i], before[i]);

	if (!WIFEXITED(status)) {
		printf("cannot go on: %s\n", strsignal(WTERMSIG(status)));
		return 2;
	}
	return WEXITSTATUS(status) ?: !!transcript_failures();
}

int main(int argc, char **argv)
{
	const struct scenario *scenario;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
			list(tables[i]);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--list-deviations")) {
		for (size_t i = 0; i < ARRAY_SIZE(deviation_tables); i++)
			list(deviation_tables[i]);
		return 0;
	}
	scenario = argc == 2 ? find(argv[1]) : NULL;
	if (!scenario) {
		fprintf(stderr,
			"usage: %s --list | --list-deviations | NAME\n",
			argv[0]);
		return 2;
	}
	transcript_init();
	in_child(check_no_session);
	if (transcript_failures())
		return 2;
	return play(scenario);
}
