// SPDX-License-Identifier: GPL-2.0
/*
 * Processes of fresh UIDs, and the transcript of what the kernel answered
 * them.  See transcript.h.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "transcript.h"

#define MAX_NAMES	256
#define MAX_LINES	128
#define LINE		512

/*
 * Nine digits in every run: descriptions, and with them the quota, are of one
 * length, and nothing else in a transcript is as large.
 */
#define FIRST_UID	700000000
#define UIDS_PER_RUN	100

struct name {
	unsigned long value;
	char letter;
	unsigned int number;
};

/* Filled by whichever process comes first, one at a time. */
static struct {
	struct name names[MAX_NAMES];
	unsigned int nr_names;
	unsigned int nr_of[UCHAR_MAX];
	uid_t next_uid;
	int failures;
	int step;
	struct shared shared;
} *common;

struct shared *shared;

void die(const char *what)
{
	printf("cannot go on: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(2);
}

void transcript_init(void)
{
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED)
		die("mmap");
	shared = &common->shared;
	/* No two runs of one boot have the same process ID. */
	common->next_uid = FIRST_UID + (uid_t)getpid() * UIDS_PER_RUN;
}

int transcript_failures(void)
{
	return common->failures;
}

void write_setting(const char *path, unsigned long value)
{
	FILE *file = fopen(path, "we");

	if (!file || fprintf(file, "%lu\n", value) < 0 || fclose(file))
		die(path);
}

unsigned long read_setting(const char *path)
{
	unsigned long value;
	FILE *file = fopen(path, "re");

	if (!file || fscanf(file, "%lu", &value) != 1)
		die(path);
	fclose(file);
	return value;
}

static const struct name *find_name(unsigned long value)
{
	for (unsigned int i = 0; i < common->nr_names; i++)
		if (common->names[i].value == value)
			return &common->names[i];
	return NULL;
}

static void give_name(unsigned long value, char letter)
{
	struct name *name;

	if (find_name(value))
		return;
	if (common->nr_names == MAX_NAMES) {
		errno = ENOSPC;
		die("names");
	}
	name = &common->names[common->nr_names++];
	name->value = value;
	name->letter = letter;
	name->number = ++common->nr_of[(unsigned char)letter];
}

uid_t fresh_unpinned_uid(void)
{
	uid_t uid = common->next_uid++;

	give_name(uid, 'U');
	return uid;
}

uid_t fresh_uid(void)
{
	uid_t uid = fresh_unpinned_uid();

	pin_uid(uid);
	return uid;
}

/* Copy @line to the transcript with the named numbers replaced. */
static void write_line(const char *line)
{
	const struct name *name;
	char *end;

	while (*line) {
		if (!isdigit((unsigned char)*line)) {
			putchar(*line++);
			continue;
		}
		name = find_name(strtoul(line, &end, 10));
		if (name)
			printf("%c%u", name->letter, name->number);
		else
			printf("%.*s", (int)(end - line), line);
		line = end;
	}
	putchar('\n');
	fflush(stdout);
}

static void vsay(const char *prefix, const char *fmt, va_list ap,
		 const char *suffix)
{
	char text[LINE], line[2 * LINE];

	vsnprintf(text, sizeof(text), fmt, ap);
	snprintf(line, sizeof(line), "%s%s%s", prefix, text, suffix);
	write_line(line);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay("", fmt, ap, "");
	va_end(ap);
}

void expectation_failed(const char *file, int line, const char *fmt, ...)
{
	char prefix[LINE];
	va_list ap;

	__atomic_add_fetch(&common->failures, 1, __ATOMIC_SEQ_CST);
	snprintf(prefix, sizeof(prefix), "NOT AS DOCUMENTED (%s:%d): ", file,
		 line);
	va_start(ap, fmt);
	vsay(prefix, fmt, ap, "");
	va_end(ap);
}

static const char *errno_name(long ret)
{
	return strerrorname_np(-ret) ?: "an unknown errno";
}

long answer(long ret, const char *what, ...)
{
	char suffix[LINE];
	va_list ap;

	if (ret < 0)
		snprintf(suffix, sizeof(suffix), " -> %s", errno_name(ret));
	else
		snprintf(suffix, sizeof(suffix), " -> %ld", ret);
	va_start(ap, what);
	vsay("", what, ap, suffix);
	va_end(ap);
	return ret;
}

long answer_key(long ret, const char *what, ...)
{
	char suffix[LINE];
	va_list ap;

	if (ret > 0)
		give_name(ret, 'K');
	if (ret < 0)
		snprintf(suffix, sizeof(suffix), " -> %s", errno_name(ret));
	else
		snprintf(suffix, sizeof(suffix), " -> %ld", ret);
	va_start(ap, what);
	vsay("", what, ap, suffix);
	va_end(ap);
	return ret;
}

void describe_key(const char *what, int id)
{
	char desc[LINE];
	long ret = describe(id, desc, sizeof(desc));

	if (ret < 0)
		say("describe %s -> %s", what, errno_name(ret));
	else
		say("describe %s -> %s", what, desc);
}

void payload_of(const char *what, int id)
{
	char payload[LINE];
	long ret = read_key(id, payload, sizeof(payload));

	if (ret < 0)
		say("read %s -> %s", what, errno_name(ret));
	else
		say("read %s -> \"%s\"", what, payload);
}

/*
 * Lists come in an order that no one promises (keyrings are hashed, serials
 * random), so they are sorted by their text, and only then are serials named.
 */
struct entry {
	char text[LINE];
	int id;
};

/* Of what reads the same, the one with a name comes first, and K1 before K2. */
static unsigned int rank(const struct entry *entry)
{
	const struct name *name = find_name(entry->id);

	return name ? name->number : UINT_MAX;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return order ?: (rank(x) > rank(y)) - (rank(x) < rank(y));
}

static void say_entries(struct entry *entries, size_t nr)
{
	qsort(entries, nr, sizeof(*entries), compare_entries);
	for (size_t i = 0; i < nr; i++) {
		give_name(entries[i].id, 'K');
		say("  %d %s", entries[i].id, entries[i].text);
	}
}

void list_keyring(const char *what, int id)
{
	static struct entry entries[MAX_LINES];
	int keys[MAX_LINES];
	long ret = keyctl(KEYCTL_READ, id, (long)keys, sizeof(keys), 0);
	size_t nr;

	if (ret < 0) {
		say("list %s -> %s", what, errno_name(ret));
		return;
	}
	nr = ret / sizeof(int);
	say("list %s -> %zu", what, nr);
	for (size_t i = 0; i < nr; i++) {
		entries[i].id = keys[i];
		ret = describe(keys[i], entries[i].text, LINE);
		if (ret < 0)
			snprintf(entries[i].text, LINE, "(%s)",
				 errno_name(ret));
	}
	say_entries(entries, nr);
}

static struct entry proc_entries[MAX_LINES];
static size_t nr_proc_entries;

/*
 * The usage count is left out: that the module holds a reference of its own
 * is its design, and the only thing that may show.  Keys without any are left
 * out as well: they wait for the collector.
 */
static void read_proc_keys(uid_t uid)
{
	char line[LINE], flags[16], timeout[16], rest[LINE];
	unsigned int id, usage, perm;
	int owner, group;
	FILE *file;

	file = fopen("/proc/keys", "re");
	if (!file)
		die("/proc/keys");
	nr_proc_entries = 0;
	while (fgets(line, sizeof(line), file) &&
	       nr_proc_entries < MAX_LINES) {
		if (sscanf(line, "%x %15s %u %15s %x %d %d %511[^\n]", &id,
			   flags, &usage, timeout, &perm, &owner, &group,
			   rest) != 8) {
			expect(false, "/proc/keys has a line \"%s\"", line);
			continue;
		}
		if ((uid_t)owner != uid || !usage)
			continue;
		proc_entries[nr_proc_entries].id = id;
		snprintf(proc_entries[nr_proc_entries++].text, LINE,
			 "%s %s %08x %d %d %.400s", flags, timeout, perm,
			 owner, group, rest);
	}
	fclose(file);
}

static struct {
	uid_t uid;
	size_t keys;
	char line[LINE];
} settled;

static bool proc_keys_settled(void)
{
	read_proc_keys(settled.uid);
	return nr_proc_entries == settled.keys;
}

void proc_keys(uid_t uid, int keys)
{
	settled.uid = uid;
	settled.keys = keys;
	expect(poll_until(proc_keys_settled),
	       "/proc/keys should settle at %d keys", keys);
	say("/proc/keys -> %zu", nr_proc_entries);
	say_entries(proc_entries, nr_proc_entries);
}

static bool key_users_line(uid_t uid, char *line, size_t size)
{
	FILE *file = fopen("/proc/key-users", "re");
	unsigned int owner;
	bool found = false;

	if (!file)
		die("/proc/key-users");
	while (!found && fgets(line, size, file))
		found = sscanf(line, "%u:", &owner) == 1 && owner == uid;
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return found;
}

static bool key_users_settled(void)
{
	size_t usage, keys;

	if (!key_users_line(settled.uid, settled.line, LINE))
		return false;
	return sscanf(settled.line, "%*u: %zu %zu/", &usage, &keys) == 2 &&
	       usage == keys && keys == settled.keys;
}

void proc_key_users(uid_t uid, int keys)
{
	settled.uid = uid;
	settled.keys = keys;
	snprintf(settled.line, LINE, "no line");
	expect(poll_until(key_users_settled),
	       "/proc/key-users should settle at %d keys", keys);
	say("/proc/key-users -> %s", settled.line);
}

void expect_keyring(int id, const char *name, uid_t uid)
{
	char desc[LINE], want[LINE];

	describe(id, desc, sizeof(desc));
	/* What a namespace has no ID for is shown as 65534. */
	snprintf(want, sizeof(want), "keyring;%d;65534;%08x;%s.%u",
		 uid == (uid_t)-1 ? 65534 : (int)uid, UID_KEYRING_PERM, name,
		 uid);
	expect(!strcmp(desc, want), "\"%s\" should be \"%s\"", desc, want);
}

void become(uid_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		die("setresuid");
	/* A change of UID clears both. */
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

pid_t pin_uid(uid_t uid)
{
	pid_t pid, parent = getpid();
	int ready[2];
	char byte;

	fflush(stdout);
	if (pipe2(ready, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		/* It keeps nothing open but the one, which is its to write to. */
		dup2(ready[1], STDIN_FILENO);
		close_range(STDERR_FILENO + 1, ~0U, 0);
		become(uid);
		/* Who died before it was watched sends no signal. */
		if (getppid() != parent || write(STDIN_FILENO, "", 1) != 1)
			_exit(0);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		die("a process to pin a UID");
	close(ready[0]);
	return pid;
}

void unpin_uid(pid_t pid)
{
	if (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		die("a process that pins a UID");
}

static pid_t start(void (*fn)(void), const uid_t *uid)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (uid)
		become(*uid);
	fn();
	fflush(stdout);
	_exit(0);
}

pid_t start_child(uid_t uid, void (*fn)(void))
{
	return start(fn, &uid);
}

void finish_child(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	expect(WIFEXITED(status) && !WEXITSTATUS(status),
	       "a process ended with status %#x", status);
}

void as_uid(uid_t uid, void (*fn)(void))
{
	finish_child(start(fn, &uid));
}

void in_child(void (*fn)(void))
{
	finish_child(start(fn, NULL));
}

void step_done(int step)
{
	__atomic_store_n(&common->step, step, __ATOMIC_SEQ_CST);
}

static int awaited_step;

static bool step_reached(void)
{
	return __atomic_load_n(&common->step, __ATOMIC_SEQ_CST) >= awaited_step;
}

void step_wait(int step)
{
	awaited_step = step;
	if (!poll_until(step_reached)) {
		errno = ETIMEDOUT;
		die("another process");
	}
}

unsigned int patience(void)
{
	const char *factor = getenv("PATIENCE");

	return factor ? strtoul(factor, NULL, 10) : 1;
}

bool poll_until(bool (*done)(void))
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	for (unsigned int i = 0; i < 1000 * patience(); i++) {
		if (done())
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/*
 * The collector unlinks what died gc_delay seconds ago, and it runs when some
 * key dies; so let one die.
 */
static void let_a_key_die(void)
{
	keyctl(KEYCTL_INVALIDATE, add_user_key("dying", PROCESS), 0, 0, 0);
}

void collect_dead_keys(void)
{
	write_setting(GC_DELAY, 0);
	in_child(let_a_key_die);
}
