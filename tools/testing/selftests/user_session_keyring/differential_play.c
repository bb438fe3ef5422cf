// SPDX-License-Identifier: GPL-2.0
/*
 * The conductor: plays a program, one operation after the other.  See differential.h.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "differential.h"

#define FIRST_UID	700000000
#define UIDS_PER_PROGRAM	16
#define OBSERVE_EVERY	16
#define QUOTA_LASTS	12	/* operations */
#define CLOCK_STEP	5000	/* seconds */
#define GC_LATER	100000000	/* seconds */

unsigned long settings_before[3];
const char *const settings[] = { MAXKEYS, MAXBYTES, ROOT_MAXKEYS };
bool lies;

unsigned int answers[NR_KINDS][134], by_special[NR_KINDS][16][2];

static long move_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += CLOCK_STEP;
	must(!clock_settime(CLOCK_REALTIME, &now), "the clock");
	return 0;
}

/* All that has died is unlinked, though it died just now. */
static long collect(void)
{
	write_setting(GC_DELAY, 0);
	keyctl(KEYCTL_INVALIDATE, add_user_key("dying", PROCESS), 0, 0, 0);
	quiesce();
	write_setting(GC_DELAY, GC_LATER);
	return 0;
}

static void restore_quota(void)
{
	run.quota_until = 0;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		write_setting(settings[i], settings_before[i]);
}

static long set_quota(const long *arg, int number)
{
	static const unsigned long limits[] = { 0, 6, 150 };

	restore_quota();
	if (!arg[0])
		return 0;
	quiesce();
	run.quota_until = number + QUOTA_LASTS;
	write_setting(settings[arg[0] - 1],
		      arg[0] == 3 ? keys_charged(0) + 2ul : limits[arg[0]]);
	return 0;
}

/* Lines of /proc/keys and /proc/key-users, as an actor sees them. */
static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void tell_proc_line(const char *line, int ns, char **lines, int *nr)
{
	char flags[16], timeout[16], rest[256], out[400];
	unsigned int serial, uid, perm;
	int owner, group;

	if (sscanf(line, "%x %15s %*d %15s %x %d %d %255[^\n]", &serial, flags, timeout, &perm,
		   &owner, &group, rest) == 7) {
		if (!name_of(serial))
			return;
		snprintf(out, sizeof(out), "K%04d %s %s %08x %d %d %s", name_of(serial), flags,
			 strcmp(timeout, "perm") && strcmp(timeout, "expd") ? "timed" : timeout,
			 perm, owner, group, rest);
	} else if (sscanf(line, " %u: %255[^\n]", &uid, rest) == 2) {
		bool known = false;

		for (int i = 0; i < UIDS; i++)
			known |= number_in(ns, i) == uid;
		if (!known)
			return;
		snprintf(out, sizeof(out), "quota %u %s", uid, rest);
	} else {
		return;
	}
	lines[(*nr)++] = strdup(out);
}

static void tell_proc(int ns)
{
	static char *lines[1024];
	char *rest = reply.text, *line;
	int nr = 0;

	while ((line = strsep(&rest, "\n")) && nr < (int)ARRAY_SIZE(lines))
		tell_proc_line(line, ns, lines, &nr);
	qsort(lines, nr, sizeof(lines[0]), compare_lines);
	for (int i = 0; i < nr; i++) {
		tell("  ");
		tell_text(lines[i]);
		tell("\n");
		free(lines[i]);
	}
}

/* A list of links has a length that no payload has; see differential_ops.c. */
static void tell_read(void)
{
	int serials[MAX_TEXT / sizeof(int)], nr = reply.ret / sizeof(int), unknown = 0;

	if (reply.ret <= 0)
		return;
	if (reply.ret % sizeof(int)) {
		tell("  \"");
		tell_text(reply.text);
		tell("\"\n");
		return;
	}
	memcpy(serials, reply.text, reply.ret);
	qsort(serials, nr, sizeof(serials[0]), compare_serials);
	for (int i = 0; i < nr; i++) {
		if (name_of(serials[i]))
			tell("  K%d", name_of(serials[i]));
		else
			unknown++;
	}
	tell("  and %d others\n", unknown);
}

static void count_upcall(const char *line)
{
	static const struct {
		const char *says;
		int kind;
	} calls[] = {
		{ "assumes K", OP_ASSUME }, { "instantiates 0", OP_INSTANTIATE },
		{ "instantiates and links 0", OP_INSTANTIATE }, { "negates 0", OP_NEGATE },
		{ "rejects 0", OP_REJECT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (!strncmp(line, calls[i].says, strlen(calls[i].says)))
			answers[calls[i].kind][0]++;
}

static void tell_upcall(void)
{
	FILE *file = fopen(UPCALL_LOG, "re");
	char line[256], *serial;
	int ends;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		/* Its session keyring, and its authority, end with it. */
		if (sscanf(line, "assumes K%d", &ends) == 1 ||
		    sscanf(line, "session K%d", &ends) == 1)
			must(command("freed %d", ends), "an upcall does not end");
		count_upcall(line);
		serial = strrchr(line, 'K');
		if (serial && atol(serial + 1) > 0) {
			*serial = '\0';
			tell("  upcall %sK%d\n", line, give_name(atol(serial + 1)));
		} else {
			tell("  upcall %s", line);
		}
	}
	fclose(file);
	unlink(UPCALL_LOG);
}

/* Whether an operation is left out, because there is nobody or nothing that it could be about. */
static bool is_void(const struct op *op, const long *arg)
{
	const struct actor *actor = &run.actor[op->actor];
	bool in_init = !actor->ns;

	if (op->kind == OP_SPAWN)
		return actor->alive || arg[0] == ROOT;
	if (op->kind == OP_CLOSE)
		return run.file[arg[0]].fd < 0;
	if (kinds[op->kind].flags & CONDUCTED)
		return false;
	if (!actor->alive)
		return true;
	switch (op->kind) {
	case OP_FORK:
	case OP_THREAD:
		return run.actor[arg[0]].alive;
	case OP_EXEC:
		return !is_alone(op->actor);
	case OP_SETUID:
	case OP_SETREUID:
	case OP_SETRESUID:
		/* Root's keyrings are for good, and all programs'. */
		return in_init && arg[0] == 0;
	case OP_UNSHARE:
		return !in_init && run.ns[actor->ns].parent;
	case OP_MAP:
		return in_init || run.ns[actor->ns].map != MAP_NONE || arg[0] == MAP_SELF ||
		       arg[0] == MAP_NONE;
	case OP_SETNS:
		return !run.actor[arg[0]].alive || run.actor[arg[0]].ns == actor->ns ||
		       !may_be_in(run.actor[arg[0]].ns, actor->uid);
	case OP_OPEN:
		return run.file[arg[0]].fd >= 0;
	}
	return false;
}

/* Registers are what they hold, UIDs what the actor calls them. */
static int resolve(const struct op *op, long *arg)
{
	const char *args = kinds[op->kind].args;
	int reg = 0;

	memcpy(arg, op->arg, sizeof(op->arg));
	for (int i = 0; args[i]; i++) {
		if (args[i] == 'k' && arg[i] > 0)
			arg[i] = run.reg[arg[i]] ?: 1;
		else if (args[i] == 'R')
			reg = arg[i];
		else if ((args[i] == 'u' || args[i] == 'U') && op->kind != OP_SPAWN && arg[i] >= 0)
			arg[i] = number_in(run.actor[op->actor].ns, arg[i]);
	}
	return reg;
}

/* An ID that no namespace has a name for is one that can be asked for, and refused. */
static void name_the_nameless(const struct op *op, long *arg)
{
	const char *args = kinds[op->kind].args;

	for (int i = 0; args[i]; i++)
		if ((args[i] == 'u' || args[i] == 'U') && arg[i] == (uid_t)-1)
			arg[i] = (uid_t)-2;
}

static long perform(const struct op *op, const long *arg)
{
	int i = op->actor;

	switch (op->kind) {
	case OP_SPAWN:
		return spawn(i, arg);
	case OP_EXIT:
		return finish(i);
	case OP_UNSHARE:
		return leave(i, arg);
	case OP_MAP:
		return map_namespace(i, arg[0], 0);
	case OP_SETNS:
		return enter(i, arg);
	case OP_OPEN:
		return open_by(i, arg);
	case OP_CLOSE:
		return close_one(arg);
	case OP_CLOCK:
		return move_clock();
	case OP_COLLECT:
		return collect();
	case OP_QUOTA:
		return set_quota(arg, run.played);
	case OP_COME_BACK:
		run.first = arg[0];
		return 0;
	}
	ask(i, op->kind, arg);
	if (lies && reply.ret == -EKEYREVOKED)
		reply.ret = -ENOKEY;
	if (op->kind == OP_EXEC && !reply.ret)
		run.actor[i].exe = run.actor[i].uid;
	if ((op->kind == OP_FORK || op->kind == OP_THREAD) && reply.ret > 0) {
		add_actor(i, arg[0], reply.ret, op->kind == OP_THREAD);
		return 0;
	}
	return reply.ret;
}

static void count(const struct op *op, long ret)
{
	const char *args = kinds[op->kind].args;

	answers[op->kind][ret < 0 && ret > -134 ? -ret : 0]++;
	for (int i = 0; args[i]; i++)
		for (size_t j = 0; args[i] == 'k' && j < nr_specials; j++)
			if (specials[j].id == op->arg[i])
				by_special[op->kind][j][ret < 0]++;
}

static void tell_answer(long ret, int reg)
{
	if (ret < 0)
		tell(" -> %s\n", strerrorname_np(-ret) ?: "an unknown errno");
	else if (reg && ret > 0)
		tell(" -> K%d\n", give_name(ret));
	else
		tell(" -> %ld\n", ret);
	if (reg && ret > 0)
		run.reg[reg] = ret;
}

/* What was answered beside a number. */
static void tell_details(const struct op *op)
{
	switch (op->kind) {
	case OP_READ:
		tell_read();
		break;
	case OP_UPCALL:
		tell_upcall();
		break;
	case OP_PROC:
		tell_proc(run.actor[op->actor].ns);
		break;
	case OP_DESCRIBE:
	case OP_SECURITY:
	case OP_CAPABILITIES:
		tell("  ");
		tell_text(reply.text);
		tell("\n");
		break;
	}
}

static void wake_all(void)
{
	for (int i = 0; i < ACTORS; i++)
		if (run.actor[i].alive)
			ask(i, OP_CAPABILITIES, NULL);
	reply.text[0] = '\0';
}

/* An actor that is somebody else, or somewhere else, than before. */
static void settle_in(const struct op *op, const struct actor *before)
{
	struct actor *actor = &run.actor[op->actor];
	bool maps = op->kind == OP_MAP;

	for (int i = 0; i < ACTORS; i++)
		if (run.actor[i].alive)
			learn_uids(&run.actor[i]);
	update_pins();
	for (int i = 0; i < ACTORS; i++) {
		actor = &run.actor[i];
		if (actor->alive && (!before[i].alive || before[i].uid != actor->uid ||
				     before[i].ns != actor->ns ||
				     (maps && actor->ns == run.actor[op->actor].ns)))
			arrive(i);
	}
}

static void play_op(const struct op *op)
{
	struct actor before[ACTORS];
	int flags = kinds[op->kind].flags;
	long arg[MAX_ARGS], ret;
	char line[256];
	int reg;

	reg = resolve(op, arg);
	print_op(line, sizeof(line), op);
	if (is_void(op, arg)) {
		run.skipped++;
		return;
	}
	name_the_nameless(op, arg);
	if (run.quota_until && run.played >= run.quota_until)
		restore_quota();
	run.played++;
	memcpy(before, run.actor, sizeof(before));
	reply.text[0] = '\0';
	tell("%s", line);
	ret = perform(op, arg);
	count(op, ret);
	tell_answer(ret, reg);
	tell_details(op);
	/* A parent takes its new session keyring when it runs next. */
	if (op->kind == OP_TO_PARENT)
		wake_all();
	if (!(flags & LOOKS))
		quiesce();
	if (flags & BECOMES)
		settle_in(op, before);
	else if (op->kind == OP_CLOSE)
		update_pins();
	if (run.played % OBSERVE_EVERY == 0)
		observe();
}

static void make_sockets(void)
{
	const struct timeval limit = { .tv_sec = 60 };
	int pair[2];

	for (int i = 0; i < ACTORS; i++) {
		must(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "socketpair");
		conductor_socket[i] = pair[0];
		socket_of[i] = pair[1];
		setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	}
}

static void close_sockets(void)
{
	for (int i = 0; i < ACTORS; i++) {
		close(conductor_socket[i]);
		close(socket_of[i]);
	}
}

static bool is_charged(void)
{
	for (int i = 0; i < UIDS; i++)
		if (keys_charged(kuid_of(i)))
			return true;
	return false;
}

/* All exit, and nothing of the program is left, for the next one and for the other run. */
static void end_program(void)
{
	restore_quota();
	for (int i = 0; i < ACTORS; i++)
		if (run.actor[i].alive)
			finish(i);
	for (long i = 0; i < FILES; i++)
		if (run.file[i].fd >= 0)
			close_one(&i);
	quiesce();
	update_pins();
	must(command("clean %u", run.base), "clean");
	if (!present)
		must(command("forget"), "forget");
	quiesce();
	for (int i = 0; i < 100 && is_charged(); i++) {
		pause_for(50);
		quiesce();
	}
	if (is_charged()) {
		tell("left behind:\n");
		tell_quota();
	}
	close_sockets();
}

/* Returns the transcript. */
const char *play(const struct program *program, const char *expected)
{
	static char text[MAX_TRANSCRIPT];

	memset(&run, 0, sizeof(run));
	run.text = text;
	run.base = FIRST_UID + program->seed % 1000000 * UIDS_PER_PROGRAM;
	run.expected = expected;
	run.ns[0] = (struct ns){ .map = MAP_WHOLE, .unmapped = -1 };
	run.nr_ns = 1;
	for (int i = 0; i < FILES; i++)
		run.file[i].fd = -1;
	pins(run.pinned);
	write_setting(GC_DELAY, GC_LATER);
	make_sockets();
	alarm(300);
	for (int i = 0; i < program->nr && is_as_expected(); i++)
		play_op(&program->op[i]);
	if (is_as_expected())
		observe();
	end_program();
	alarm(0);
	tell("end\n");
	run.diverged = expected && strcmp(expected, text);
	return text;
}
