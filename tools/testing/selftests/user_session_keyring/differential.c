// SPDX-License-Identifier: GPL-2.0
/*
 * The differential test: random programs over the key calls, played without the module and with it,
 * and compared in all that they are answered and in what they leave.
 *
 * A program is made up from its seed: operations by a few actors, processes and threads, of a few
 * UIDs.  The conductor has the actors perform them one at a time, and writes a transcript: what was
 * returned, with serial numbers named K1, K2, ... and UIDs U0, U1, ...; and every few operations an
 * observation: all keys that can be reached from the credentials of the actors and from the
 * registers of their namespaces, with all that is to be said of them, and the quota.  This is seen
 * by a test module, which needs no permission.  What the kernel frees later has been freed by then.
 *
 * The one difference that is meant is the life span of the pair of keyrings of a UID.  So the
 * kernel without the module is made to end them as documented, at the time when that is documented:
 * the conductor knows from /proc who has which real UID, and who has opened which file with it.
 * When nothing pins the record of a UID any more, the test module unlinks the pair from the
 * registers; what nothing else links dies by the kernel's own code, and the kernel's own code makes
 * a new pair when the UID comes back, unless the old one has survived, which is linked again before
 * that.  With the module the conductor waits for the end, and it is a divergence if it does not
 * come; if it comes though the UID is pinned, the next observation differs.
 *
 * Whoever comes to where its UID was before asks for @us before the program goes on, which is when
 * the kernel's own code is to have again what has lived on.  The program says what it does first:
 * nothing, or they ask for @u, request a key, or read /proc/keys and /proc/key-users.  The last two
 * must not sleep, and find nothing that lives on for a second after the death: the conductor waits
 * for as long if something does.
 *
 * Nothing is compared that is not meant to be the same: reference counts, which show the references
 * of records; seconds until a key expires, which are told by the thousand; and answers that depend
 * on when something is freed, for which the conductor waits.  Nor is what /proc says to whoever has
 * just come back, who does not possess there what lives on; nor what request_key() answers them, if
 * @us is refused afterwards.  Programs avoid one thing: a second UID without a mapping in a user
 * namespace, for which see unmapped.c.
 *
 * Usage: differential print FIRST LAST OPS		programs as text, to be kept and replayed
 *	  differential play DIR FIRST LAST OPS		play them, leave transcripts in DIR
 *	  differential compare DIR FIRST LAST OPS	play them again, name those that diverge
 *	  differential play|compare DIR FILE...		the same, of programs in files
 *	  differential first DIR FILE...		the first of them that diverges
 *	  differential minimize FILE COMMAND		leave out what does not matter
 *
 * COMMAND is given a folder of programs, and prints the name of one that still diverges.  With
 * LIE=1 in the environment, actors misreport one thing, to see whether that is found.
 *
 * Exit status 0 if all is well, 1 if there are divergences, 2 if programs could not be played.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "differential.h"

static unsigned long nr_played, nr_skipped, nr_programs;
static bool diverged;

static char *read_file(const char *path)
{
	static char text[MAX_TRANSCRIPT];
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file)
		die(path);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	if (!file || fputs(text, file) < 0 || fclose(file))
		die(path);
}

static void play_one(const char *dir, const char *name, const struct program *program,
		     bool compares)
{
	char path[512];
	const char *text;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	text = play(program, compares ? read_file(path) : NULL);
	nr_programs++;
	nr_played += run.played;
	nr_skipped += run.skipped;
	if (compares && !run.diverged)
		return;
	if (compares) {
		diverged = true;
		printf("%s\n", name);
		fflush(stdout);
		strcat(path, ".diverged");
	}
	write_file(path, text);
}

static void print_count(const char *by, unsigned int times)
{
	fprintf(stderr, "come back by %s (cannot fail):", by);
	if (times)
		fprintf(stderr, " ok %u", times);
	fprintf(stderr, "\n");
}

static void print_returns(void)
{
	const char *const *names;
	int nr;

	names = names_of('F', &nr);
	for (int i = 0; i < nr; i++)
		print_count(names[i], returns[i][0] + returns[i][1]);
	fprintf(stderr, "back to what lived on:");
	for (int i = 0; i < nr; i++)
		fprintf(stderr, " %s %u", names[i], returns[i][1]);
	fprintf(stderr, "\n");
}

static void print_coverage(void)
{
	fprintf(stderr, "programs %lu\noperations %lu\nskipped %lu\n", nr_programs, nr_played,
		nr_skipped);
	for (int kind = 0; kind < NR_KINDS; kind++) {
		fprintf(stderr, "%s%s:", kinds[kind].name,
			kinds[kind].flags & CANNOT_FAIL ? " (cannot fail)" : "");
		for (size_t i = 0; i < ARRAY_SIZE(answers[kind]); i++)
			if (answers[kind][i])
				fprintf(stderr, " %s %u", i ? strerrorname_np(i) : "ok",
					answers[kind][i]);
		for (size_t i = 0; i < nr_specials; i++)
			if (by_special[kind][i][0] || by_special[kind][i][1])
				fprintf(stderr, " %s %u/%u", specials[i].name,
					by_special[kind][i][0], by_special[kind][i][1]);
		fprintf(stderr, "\n");
	}
	print_returns();
}

static void prepare(void)
{
	present = !access("/sys/module/user_session_keyring", F_OK);
	lies = getenv("LIE");
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	oracle = open(ORACLE, O_RDWR);
	if (oracle < 0)
		die(ORACLE);
	if (!present)
		oracle_fd = oracle;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		settings_before[i] = read_setting(settings[i]);
	/* For collect(), once and for all. */
	get_keyring_id(PROCESS, 1);
}

static void load(const char *path, struct program *program)
{
	FILE *file = fopen(path, "re");
	const char *wrong;

	if (!file)
		die(path);
	wrong = read_program(file, program);
	fclose(file);
	if (wrong) {
		fprintf(stderr, "%s is no program: %s: see differential_ops.c\n", path, wrong);
		exit(2);
	}
}

static int play_files(bool compares, bool stops, const char *dir, char **files)
{
	static struct program program;

	prepare();
	for (; *files && !(stops && diverged); files++) {
		load(*files, &program);
		play_one(dir, strrchr(*files, '/') ? strrchr(*files, '/') + 1 : *files, &program,
			 compares);
	}
	print_coverage();
	return diverged;
}

/* Whoever comes back takes one more. */
static int number_of_ops(const char *word)
{
	int nr = atoi(word);

	if (nr > 0 && nr < MAX_OPS)
		return nr;
	fprintf(stderr, "no program has %s operations: give 1 to %d\n", word, MAX_OPS - 1);
	exit(2);
}

static int play_seeds(bool compares, const char *dir, char **argv)
{
	static struct program program;
	int nr = number_of_ops(argv[2]);
	char name[32];

	prepare();
	for (unsigned long seed = atol(argv[0]); seed <= strtoul(argv[1], NULL, 10); seed++) {
		generate(&program, seed, nr);
		snprintf(name, sizeof(name), "%lu", seed);
		play_one(dir, name, &program, compares);
	}
	print_coverage();
	return diverged;
}

static int print_seeds(char **argv)
{
	static struct program program;
	int nr = number_of_ops(argv[2]);

	for (unsigned long seed = atol(argv[0]); seed <= strtoul(argv[1], NULL, 10); seed++) {
		generate(&program, seed, nr);
		print_program(stdout, &program);
	}
	return 0;
}

static int minimize_file(const char *path, const char *command)
{
	static struct program program;
	int rounds;

	load(path, &program);
	rounds = minimize(&program, command);
	print_program(stdout, &program);
	fprintf(stderr, "%d operations are left after %d rounds\n", program.nr, rounds);
	return 0;
}

static int explain_usage(void)
{
	fprintf(stderr, "usage: differential print FIRST LAST OPS\n"
			"       differential play|compare DIR FIRST LAST OPS\n"
			"       differential play|compare|first DIR FILE...\n"
			"       differential minimize FILE COMMAND\n");
	return 2;
}

static int resume_acting(char **argv)
{
	char *rest = argv[1];

	for (int i = 0; i < ACTORS; i++)
		socket_of[i] = strtol(rest, &rest, 10);
	oracle_fd = atoi(argv[2]);
	act(atoi(argv[0]), 1);
	return 0;
}

int main(int argc, char **argv)
{
	bool plays = argc > 3 && !strcmp(argv[1], "play");
	bool stops = argc > 3 && !strcmp(argv[1], "first");
	bool compares = argc > 3 && (stops || !strcmp(argv[1], "compare"));

	if (strstr(argv[0], "request-key"))
		return argc == 8 ? upcall(argv) : 1;
	if (argc == 5 && !strcmp(argv[1], "act"))
		return resume_acting(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "print"))
		return print_seeds(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "minimize"))
		return minimize_file(argv[2], argv[3]);
	if (!plays && !compares)
		return explain_usage();
	if (!stops && argc == 6 && atoi(argv[4]) > 0 && atoi(argv[5]) > 0)
		return play_seeds(compares, argv[2], argv + 3);
	return play_files(compares, stops, argv[2], argv + 3);
}
