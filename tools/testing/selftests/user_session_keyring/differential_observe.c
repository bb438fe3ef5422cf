// SPDX-License-Identifier: GPL-2.0
/*
 * The transcript of a program: names in the place of numbers, and observations of all its keys.
 * See differential.h.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "differential.h"

#define REAP		"/sys/kernel/debug/user_session_keyring/reap"
#define NO_SUCH_UID	"4294967293"
#define MAX_SEEN	1024

struct run run;
int oracle = -1;
bool present;

void tell(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	run.len += vsnprintf(run.text + run.len, (MAX_TRANSCRIPT) - run.len, fmt, ap);
	va_end(ap);
	if (run.len >= MAX_TRANSCRIPT) {
		errno = E2BIG;
		die("a transcript");
	}
}

bool is_as_expected(void)
{
	return !run.expected || !strncmp(run.expected, run.text, run.len);
}

int name_of(int serial)
{
	for (int i = 0; i < run.nr_names; i++)
		if (run.names[i] == serial)
			return i + 1;
	return 0;
}

int give_name(int serial)
{
	int name = name_of(serial);

	if (name)
		return name;
	if (run.nr_names == MAX_NAMES) {
		errno = E2BIG;
		die("names");
	}
	run.names[run.nr_names++] = serial;
	return run.nr_names;
}

/* Text of the kernel's, with the UIDs of the program named. */
void tell_text(const char *text)
{
	char *end;

	while (*text) {
		unsigned long number = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;

		if (number - run.base < UIDS) {
			tell("U%lu", number - run.base);
			text = end;
		} else {
			/* All digits of a number, or what is no number. */
			do {
				tell("%c", *text++);
			} while (number && text < end);
		}
	}
}

uid_t kuid_of(int uid)
{
	return uid == ROOT ? 0 : run.base + uid;
}

int index_of(uid_t kuid)
{
	if (!kuid)
		return ROOT;
	if (kuid - run.base >= UIDS) {
		errno = EINVAL;
		die("a process has a strange UID");
	}
	return kuid - run.base;
}

/* What a UID is called in a namespace. */
uid_t number_in(int ns, int uid)
{
	const struct ns *it = &run.ns[ns];

	if (!ns)
		return kuid_of(uid);
	switch (it->map) {
	case MAP_WHOLE:
		return kuid_of(uid);
	case MAP_RANGE:
		return uid < UIDS ? 1000 + (uid_t)uid : (uid_t)-1;
	case MAP_TO_ROOT:
	case MAP_SELF:
		return it->mapped == uid ? 0 : (uid_t)-1;
	}
	return -1;
}

bool command(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	return write(oracle, line, len) == len;
}

void must(bool ok, const char *what)
{
	if (!ok)
		die(what);
}

/* What the module does later has been done when it has reaped somebody who is not there. */
static void flush_module(void)
{
	int fd = open(REAP, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, NO_SUCH_UID, strlen(NO_SUCH_UID)) >= 0 || errno != ENOENT)
		die(REAP);
	close(fd);
}

/*
 * A task gives up its credentials after one grace period, and they what they hold after another.
 * With that a namespace may go, of which the module then drops what it has, after one more.
 */
static void collect(void)
{
	must(command("quiesce 2"), ORACLE);
}

void quiesce(void)
{
	collect();
	if (!present)
		return;
	flush_module();
	collect();
}

/* The tasks of the actors, and the open files, as the test module wants them. */
const char *tasks(void)
{
	static char list[(ACTORS + FILES) * 12];
	size_t len = 0;

	list[0] = '\0';
	for (int i = 0; i < ACTORS; i++)
		if (run.actor[i].alive)
			len += snprintf(list + len, sizeof(list) - len, " %d", run.actor[i].tid);
	for (int i = 0; i < FILES; i++)
		if (run.file[i].fd >= 0)
			len += snprintf(list + len, sizeof(list) - len, " -%d", run.file[i].fd);
	return list;
}

/* An observation: what is seen, put into an order that does not depend on serial numbers. */
static struct seen {
	int serial;
	bool told;
	char *body;
	int *links;
	int nr_links;
} seen[MAX_SEEN];

static int nr_seen;
static int queue[MAX_SEEN], nr_queue;

static struct seen *find_seen(int serial)
{
	for (int i = 0; i < nr_seen; i++)
		if (seen[i].serial == serial)
			return &seen[i];
	return NULL;
}

static int read_links(char *text, int **links)
{
	static int pool[1 << 16];
	static int used;
	int nr = 0;

	if (!text)
		return used = 0;
	*links = &pool[used];
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		if (used == ARRAY_SIZE(pool)) {
			errno = E2BIG;
			die("links");
		}
		pool[used++] = atoi(word);
		nr++;
	}
	return nr;
}

/* Those with a name by that, the others by what is said of them. */
int compare_serials(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b, m = name_of(x), n = name_of(y);
	struct seen *s = find_seen(x), *t = find_seen(y);

	if (m && n)
		return m - n;
	if (m || n)
		return m ? -1 : 1;
	return strcmp(s ? s->body : "", t ? t->body : "");
}

static void tell_serials(int *serials, int nr)
{
	int name;

	qsort(serials, nr, sizeof(*serials), compare_serials);
	for (int i = 0; i < nr; i++) {
		name = give_name(serials[i]);
		tell(" K%d", name);
		if (nr_queue < MAX_SEEN)
			queue[nr_queue++] = serials[i];
	}
	tell("\n");
}

static void tell_serial(int serial)
{
	if (!serial) {
		tell(" -");
		return;
	}
	tell(" K%d", give_name(serial));
	if (nr_queue < MAX_SEEN)
		queue[nr_queue++] = serial;
}

static void tell_keys(void)
{
	struct seen *it;

	for (int i = 0; i < nr_queue; i++) {
		it = find_seen(queue[i]);
		if (!it || it->told)
			continue;
		it->told = true;
		tell("  K%d ", give_name(it->serial));
		tell_text(it->body);
		tell(" links");
		tell_serials(it->links, it->nr_links);
	}
}

static void tell_holder(int tid)
{
	for (int i = 0; i < ACTORS; i++)
		if (run.actor[i].alive && run.actor[i].tid == tid)
			tell("  a%d ", i);
	for (int i = 0; i < FILES; i++)
		if (run.file[i].fd >= 0 && run.file[i].fd == -tid)
			tell("  f%d ", i);
}

static void tell_root(char *line)
{
	int tid, serial[3], *links;
	unsigned int uid, fsuid;

	if (sscanf(line, "task %d %u %u: %d %d %d", &tid, &uid, &fsuid, &serial[0], &serial[1],
		   &serial[2]) == 6) {
		tell_holder(tid);
		tell("U%d U%d:", index_of(uid), index_of(fsuid));
		for (int i = 0; i < 3; i++)
			tell_serial(serial[i]);
		tell("\n");
		return;
	}
	tell("  %s", strtok(line, " "));
	tid = read_links(strtok(NULL, ""), &links);
	if (tid)
		tell_serials(links, tid);
	else
		tell("\n");
}

static void add_key_seen(char *line)
{
	char *links = strstr(line, " links");
	struct seen *it = &seen[nr_seen];

	if (nr_seen == MAX_SEEN || !links) {
		errno = E2BIG;
		die("an observation");
	}
	nr_seen++;
	*links = '\0';
	it->told = false;
	it->serial = strtol(line + strlen("key "), &it->body, 10);
	it->body++;
	it->nr_links = links[6] ? read_links(links + 6, &it->links) : 0;
}

void tell_quota(void)
{
	FILE *file = fopen("/proc/key-users", "re");
	char line[256];
	unsigned int uid;

	if (!file)
		die("/proc/key-users");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%u:", &uid) == 1 && uid - run.base < UIDS) {
			tell("  ");
			tell_text(line + strspn(line, " "));
		}
	}
	fclose(file);
}

static void observe_once(void)
{
	static char dump[1 << 19], *roots[64];
	ssize_t len;
	int nr_roots = 0;
	char *rest, *line;

	quiesce();
	must(command("observe %u%s", run.base, tasks()), "observe");
	len = pread(oracle, dump, sizeof(dump) - 1, 0);
	if (len < 0)
		die(ORACLE);
	dump[len] = '\0';

	nr_seen = 0;
	nr_queue = 0;
	read_links(NULL, NULL);
	for (rest = dump; (line = strsep(&rest, "\n"));) {
		if (!strncmp(line, "key ", 4))
			add_key_seen(line);
		else if (*line && nr_roots < (int)ARRAY_SIZE(roots))
			roots[nr_roots++] = line;
	}
	tell(" observed\n");
	for (int i = 0; i < nr_roots; i++)
		tell_root(roots[i]);
	tell_keys();
	tell_quota();
}

void pause_for(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* What goes on in the background is given time to come to what is expected. */
void observe(void)
{
	int names = run.nr_names;
	size_t len = run.len;

	observe_once();
	for (int i = 0; i < 20 && !is_as_expected(); i++) {
		run.nr_names = names;
		run.len = len;
		pause_for(50);
		observe_once();
	}
}
