// SPDX-License-Identifier: GPL-2.0
/*
 * Programs: made up from a seed, as text, and made smaller.  See differential.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "differential.h"

/* splitmix64: the same everywhere, which that of the library is not. */
static unsigned long state;

static unsigned long next(void)
{
	unsigned long z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static int below(int limit)
{
	return next() % limit;
}

static bool chance(int percent)
{
	return below(100) < percent;
}

/* Which actors there seem to be: an operation of one that is not there is left out in a run. */
static bool seems_alive[ACTORS];

static int some_actor(bool alive)
{
	int actor = below(ACTORS);

	for (int i = 0; i < ACTORS && seems_alive[actor] != alive; i++)
		actor = (actor + 1) % ACTORS;
	return actor;
}

static int seem_alive(void)
{
	int nr = 0;

	for (int i = 0; i < ACTORS; i++)
		nr += seems_alive[i];
	return nr;
}

static long some_special(void)
{
	int total = 0;
	size_t i;

	for (i = 0; i < nr_specials; i++)
		total += specials[i].weight;
	total = below(total);
	for (i = 0; total >= specials[i].weight; i++)
		total -= specials[i].weight;
	return specials[i].id;
}

/* Which registers there seems to be something in. */
static bool seems_filled[REGISTERS + 1];

static int some_register(void)
{
	int reg = below(REGISTERS);

	for (int i = 0; i < REGISTERS && !seems_filled[1 + reg]; i++)
		reg = (reg + 1) % REGISTERS;
	return 1 + reg;
}

/* Registers are numbers from 1 on, specials are not positive. */
static long some_key(int kind, int which)
{
	bool is_ring = kind == OP_ADD || kind == OP_REQUEST || kind == OP_UPCALL ||
		       kind == OP_SEARCH || kind == OP_CLEAR || which > 0;
	bool ends_it = kind == OP_REVOKE || kind == OP_INVALIDATE || kind == OP_SETPERM ||
		       kind == OP_TIMEOUT;

	if (kind == OP_GET_ID || kind == OP_PERSISTENT || chance(ends_it ? 15 : is_ring ? 70 : 40))
		return some_special();
	return some_register();
}

static long some_argument(char letter, int kind, int which)
{
	int nr;

	switch (letter) {
	case 'k':
		return some_key(kind, which);
	case 'R':
		return 1 + below(REGISTERS);
	case 'U':
		if (chance(25))
			return -1;
		fallthrough;
	case 'u':
		/* Few, so that some come back. */
		return chance(12) ? ROOT : below(chance(70) ? 3 : UIDS);
	case 'a':
		return some_actor(kind == OP_SETNS);
	case 'f':
		return below(FILES);
	case 'n':
		return below(2);
	}
	names_of(letter, &nr);
	return below(nr);
}

static int some_kind(void)
{
	int total = 0, kind;

	if (seem_alive() < 2)
		return OP_SPAWN;
	for (kind = 0; kind < NR_KINDS; kind++)
		total += kinds[kind].weight;
	total = below(total);
	for (kind = 0; total >= kinds[kind].weight; kind++)
		total -= kinds[kind].weight;
	return kind;
}

static int find_name(char letter, const char *name)
{
	const char *const *names;
	int nr;

	names = names_of(letter, &nr);
	for (int i = 0; i < nr; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

/* Of late, which register had a key that is linked in which keyring, as it seems. */
static long linked_key, linked_ring;

/* What most callers of a call would do, most of the time. */
static void make_sensible(struct op *op)
{
	if ((op->kind == OP_MOVE || op->kind == OP_UNLINK) && chance(50)) {
		op->arg[0] = linked_key;
		op->arg[1] = linked_ring;
	} else if (op->kind == OP_UPDATE && chance(60)) {
		op->arg[0] = linked_key;
	}
	if (op->kind == OP_ADD) {
		if (op->arg[0] > 2 && chance(80))
			op->arg[0] = below(2);
		if (op->arg[0] == find_name('t', "keyring") && chance(85)) {
			op->arg[1] = find_name('d', chance(50) ? "ring" : "loop");
			op->arg[2] = find_name('p', "-");
		} else if (op->arg[0] == find_name('t', "logon") && chance(85)) {
			op->arg[1] = find_name('d', chance(50) ? "svc:x" : "svc:y");
		} else if (op->arg[1] > 2 && chance(80)) {
			op->arg[1] = below(3);
		}
		if (op->arg[0] != find_name('t', "keyring") && !op->arg[2] && chance(80))
			op->arg[2] = 1;
	} else if (op->kind == OP_REQUEST && chance(80)) {
		op->arg[0] = 0;
		op->arg[1] = below(3);
	} else if (op->kind == OP_SEARCH && chance(80)) {
		op->arg[1] = below(2);
		op->arg[2] = op->arg[1] ? find_name('d', "ring") : below(3);
	} else if ((op->kind == OP_SEARCH || op->kind == OP_REQUEST || op->kind == OP_UPCALL) &&
		   chance(50)) {
		/* No destination. */
		op->arg[op->kind == OP_SEARCH ? 3 : 2] = 0;
	} else if (op->kind == OP_PERSISTENT && chance(60)) {
		op->arg[0] = -1;
	} else if (op->kind == OP_QUOTA && chance(30)) {
		op->arg[0] = 0;
	}
}

static void generate_op(struct op *op, int number)
{
	const char *args;

	op->number = number;
	op->kind = some_kind();
	op->actor = some_actor(op->kind != OP_SPAWN);
	args = kinds[op->kind].args;
	for (int i = 0; args[i]; i++)
		op->arg[i] = some_argument(args[i], op->kind, i);
	make_sensible(op);

	for (int i = 0; args[i]; i++)
		if (args[i] == 'R')
			seems_filled[op->arg[i]] = true;
	if (op->kind == OP_ADD) {
		linked_key = op->arg[4];
		linked_ring = op->arg[3];
	}
	if (op->kind == OP_SPAWN)
		seems_alive[op->actor] = true;
	else if (op->kind == OP_FORK || op->kind == OP_THREAD)
		seems_alive[op->arg[0]] = true;
	else if (op->kind == OP_EXIT)
		seems_alive[op->actor] = false;
}

void generate(struct program *program, unsigned long seed, int nr)
{
	memset(program, 0, sizeof(*program));
	memset(seems_alive, 0, sizeof(seems_alive));
	memset(seems_filled, 0, sizeof(seems_filled));
	linked_key = 1;
	linked_ring = USER_SESSION;
	program->seed = seed;
	program->nr = 1 + nr;
	program->op[0] = (struct op){ 1, .kind = OP_COME_BACK, .arg = { seed % FIRSTS } };
	state = seed;
	for (int i = 1; i <= nr; i++)
		generate_op(&program->op[i], i + 1);
}

static int print_argument(char *buf, size_t size, char letter, long arg)
{
	const char *const *names;
	int nr;

	switch (letter) {
	case 'k':
		for (size_t i = 0; i < nr_specials; i++)
			if (specials[i].id == arg)
				return snprintf(buf, size, " %s", specials[i].name);
		return snprintf(buf, size, " r%ld", arg);
	case 'R':
		return snprintf(buf, size, " r%ld", arg);
	case 'U':
	case 'u':
		if (arg == ROOT)
			return snprintf(buf, size, " root");
		return snprintf(buf, size, arg < 0 ? " -" : " u%ld", arg);
	case 'a':
	case 'f':
		return snprintf(buf, size, " %c%ld", letter, arg);
	case 'n':
		return snprintf(buf, size, " %ld", arg);
	}
	names = names_of(letter, &nr);
	return snprintf(buf, size, " %s", names[arg]);
}

int print_op(char *buf, size_t size, const struct op *op)
{
	const char *args = kinds[op->kind].args;
	int len;

	len = snprintf(buf, size, "%d a%d %s", op->number, op->actor, kinds[op->kind].name);
	for (int i = 0; args[i]; i++)
		len += print_argument(buf + len, size - len, args[i], op->arg[i]);
	return len;
}

void print_program(FILE *file, const struct program *program)
{
	char line[256];

	fprintf(file, "seed %lu\n", program->seed);
	for (int i = 0; i < program->nr; i++) {
		print_op(line, sizeof(line), &program->op[i]);
		fprintf(file, "%s\n", line);
	}
}

static bool read_number(const char *word, char prefix, long first, long last, long *arg)
{
	char *end;

	if (prefix && *word++ != prefix)
		return false;
	*arg = strtol(word, &end, 10);
	return *word && !*end && *arg >= first && *arg <= last;
}

static bool read_argument(char letter, const char *word, long *arg)
{
	switch (letter) {
	case 'k':
		for (size_t i = 0; i < nr_specials; i++) {
			if (!strcmp(specials[i].name, word)) {
				*arg = specials[i].id;
				return true;
			}
		}
		fallthrough;
	case 'R':
		return read_number(word, 'r', 1, REGISTERS, arg);
	case 'U':
		*arg = -1;
		if (!strcmp(word, "-"))
			return true;
		fallthrough;
	case 'u':
		*arg = ROOT;
		return !strcmp(word, "root") || read_number(word, 'u', 0, UIDS - 1, arg);
	case 'a':
		return read_number(word, 'a', 0, ACTORS - 1, arg);
	case 'f':
		return read_number(word, 'f', 0, FILES - 1, arg);
	case 'n':
		return read_number(word, 0, 0, 1, arg);
	}
	*arg = find_name(letter, word);
	return *arg >= 0;
}

static const char separators[] = { ' ', '\n', '\0' };

static bool read_op(char *line, struct op *op)
{
	char *word = strtok(line, separators);
	const char *args;
	long number;

	if (!read_number(word, 0, 1, 1000000, &number))
		return false;
	op->number = number;
	word = strtok(NULL, separators);
	if (!word || !read_argument('a', word, &number))
		return false;
	op->actor = number;
	word = strtok(NULL, separators);
	for (op->kind = 0; word && op->kind < NR_KINDS; op->kind++)
		if (!strcmp(kinds[op->kind].name, word))
			break;
	if (!word || op->kind == NR_KINDS)
		return false;
	args = kinds[op->kind].args;
	for (int i = 0; args[i]; i++) {
		word = strtok(NULL, separators);
		if (!word || !read_argument(args[i], word, &op->arg[i]))
			return false;
	}
	return !strtok(NULL, separators);
}

const char *read_program(FILE *file, struct program *program)
{
	static char wrong[512];
	char line[256], copy[256];

	memset(program, 0, sizeof(*program));
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#' || line[0] == '\n' ||
		    sscanf(line, "seed %lu", &program->seed) == 1)
			continue;
		snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "\n"), line);
		if (program->nr == MAX_OPS)
			return "it has too many operations";
		if (!read_op(line, &program->op[program->nr++])) {
			snprintf(wrong, sizeof(wrong), "it has the line \"%s\"", copy);
			return wrong;
		}
	}
	return program->nr ? NULL : "it has no operations";
}

#define CANDIDATES	"candidates"

static void write_candidate(const struct program *program, int number)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), CANDIDATES "/%d", number);
	file = fopen(path, "we");
	if (!file) {
		perror(path);
		exit(2);
	}
	print_program(file, program);
	fclose(file);
}

static struct program without(const struct program *program, int from, int nr)
{
	struct program rest = *program;

	if (from + nr > rest.nr)
		nr = rest.nr - from;
	memmove(&rest.op[from], &rest.op[from + nr], (rest.nr - from - nr) * sizeof(rest.op[0]));
	rest.nr -= nr;
	return rest;
}

/* The number of the first candidate that @command names, or -1. */
static int judge_candidates(const char *command)
{
	char line[4096];
	int first = -1;
	FILE *pipe;

	snprintf(line, sizeof(line), "%s " CANDIDATES, command);
	pipe = popen(line, "re");
	if (!pipe || fscanf(pipe, "%d", &first) != 1)
		first = -1;
	if (pipe)
		pclose(pipe);
	return first;
}

static void clear_candidates(void)
{
	if (system("rm -rf " CANDIDATES) || mkdir(CANDIDATES, 0777)) {
		perror(CANDIDATES);
		exit(2);
	}
}

/*
 * Delta debugging, a batch at a time: leave out each of the chunks in turn, and go on with the
 * first program that still does it; smaller chunks when none does.
 */
int minimize(struct program *program, const char *command)
{
	int chunk = (program->nr + 1) / 2, first, rounds = 0;

	while (program->nr > 1) {
		clear_candidates();
		for (int i = 0; i * chunk < program->nr; i++) {
			struct program rest = without(program, i * chunk, chunk);

			if (rest.nr)
				write_candidate(&rest, i);
		}
		first = judge_candidates(command);
		rounds++;
		if (first >= 0 && first * chunk < program->nr) {
			*program = without(program, first * chunk, chunk);
			if (chunk > program->nr)
				chunk = program->nr;
		} else if (chunk > 1) {
			chunk = (chunk + 1) / 2;
		} else {
			break;
		}
	}
	return rounds;
}
