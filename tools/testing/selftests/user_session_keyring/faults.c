// SPDX-License-Identifier: GPL-2.0
/*
 * Memory runs out: on each path, the first allocation fails, then the second one, and so on until
 * none is left, and each time all must be as if that had not been tried, and the next try succeed.
 *
 * Usage: faults --list always|loaded|absent	with the module or not, with it, without it at first
 *        faults alone|onwards PATH [STRIDE]
 *					one allocation fails, or all from that one on: each in
 *					its turn, or every so many-th, where it takes long
 *
 * Prints how many allocations have failed, what was answered then, and the path that may be
 * answered the same without the module, if there is one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "observe.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_PAGE_ALLOC	"/sys/kernel/debug/fail_page_alloc/"
#define MODULE		"user_session_keyring"
#define LIVEPATCH	"/sys/kernel/livepatch/" MODULE
#define DEBUGFS		"/sys/kernel/debug/" MODULE

/* So many times, or so many allocations ahead, is never. */
#define NEVER		1000000000
#define MAX_ROUNDS	1000

/* When a path is there to be taken. */
static const char always[] = "always";
static const char loaded[] = "loaded";
/* It begins with the module absent, and ends so. */
static const char absent[] = "absent";

struct path {
	const char *when;
	const char *name;
	/* The one way that makes sense, if not both. */
	const char *way;
	/* Only what is allocated below this function, or below any of the module's. */
	const char *below;
	/* Whether work items have their allocations fail, too. */
	bool workers;
	/* Whether there is a session keyring, which links @us. */
	bool session;
	/*
	 * What the kernel's own code would do instead, whose answers without the module are the
	 * only ones allowed with it. Where it would do nothing, the only errno is ENOMEM.
	 */
	const char *like;
	/* As root; then in a process of its own: before, while and after allocations fail. */
	void (*prepare)(void);
	void (*enter)(void);
	long (*act)(void);
	void (*check)(void);
	/* As root again. */
	void (*finish)(void);
	/* Instead of all this. */
	void (*run)(void);
};

static const struct path *path;
/* How allocations fail: one, or all from that one on. */
static const char alone[] = "alone";
static const char onwards[] = "onwards";
static bool goes_on;
static int nth;

#define the_uid		(shared->uid[0])
#define answered	(shared->number[0])

static const char *const attributes[] = { FAILSLAB, FAIL_PAGE_ALLOC };

static void write_attribute(const char *name, unsigned long value)
{
	char file[128];

	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		snprintf(file, sizeof(file), "%s%s", attributes[i], name);
		write_setting(file, value);
	}
}

static long injected(void)
{
	char file[128];
	long sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		snprintf(file, sizeof(file), "%stimes", attributes[i]);
		sum += NEVER - read_setting(file);
	}
	return sum;
}

/* Where a function of the kernel's begins, and the next one does. */
static void find_function(const char *name, unsigned long *start, unsigned long *end)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[256], symbol[128];
	unsigned long address;

	*start = *end = 0;
	while (file && !*end && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %*c %127s", &address, symbol) != 2)
			continue;
		if (*start && address > *start)
			*end = address;
		else if (!strcmp(symbol, name))
			*start = address;
	}
	if (!*end)
		die(name);
	fclose(file);
}

static void find_module(unsigned long *start, unsigned long *end)
{
	FILE *file = fopen("/proc/modules", "re");
	unsigned long size;
	char line[256];

	*start = 0;
	while (file && !*start && fgets(line, sizeof(line), file))
		sscanf(line, MODULE " %lu %*d %*s %*s %lx", &size, start);
	if (!*start)
		die("the module's address");
	fclose(file);
	*end = *start + size;
}

static void watch(const char *below)
{
	unsigned long start = 0, end = ~0UL;

	if (below && !strcmp(below, MODULE))
		find_module(&start, &end);
	else if (below)
		find_function(below, &start, &end);
	write_attribute("require-start", start);
	write_attribute("require-end", end);
	write_attribute("stacktrace-depth", 32);
}

static void set_up(void)
{
	write_attribute("ignore-gfp-wait", 0);
	write_setting(FAIL_PAGE_ALLOC "min-order", 0);
	write_attribute("verbose", 0);
	write_attribute("interval", 1);
	write_attribute("times", NEVER);
	/* With fail-nth, a task has an allocation fail; with this, all that follow. */
	write_attribute("task-filter", 1);
	write_attribute("probability", goes_on ? 100 : 0);
}

/* Arms a task: its allocation number @n is the first that fails. */
static void arm(int n, const char *task)
{
	char file[300];

	snprintf(file, sizeof(file), "/proc/%s/fail-nth", task);
	write_setting(file, n);
	snprintf(file, sizeof(file), "/proc/%s/make-it-fail", task);
	write_setting(file, n != 0);
}

static void arm_workers(int n)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char file[270], name[64];
	FILE *comm;

	while (proc && (entry = readdir(proc))) {
		snprintf(file, sizeof(file), "/proc/%s/comm", entry->d_name);
		comm = entry->d_name[0] > '0' && entry->d_name[0] <= '9' ? fopen(file, "re") : NULL;
		if (!comm)
			continue;
		if (fgets(name, sizeof(name), comm) && !strncmp(name, "kworker", 7))
			arm(n, entry->d_name);
		fclose(comm);
	}
	if (!proc)
		die("/proc");
	closedir(proc);
}

static void set_fail_nth(int fd, int n)
{
	if (dprintf(fd, "%d", n) < 0)
		die("fail-nth");
}

/* A task that has changed its UID may not arm itself, so it is armed for later beforehand. */
static void take_path(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		die("fail-nth");
	/* A fault of the program's own, which may need a page table, is not to take memory then. */
	touch_stack();
	arm(NEVER, "thread-self");
	if (path->enter)
		path->enter();
	set_fail_nth(fd, nth);
	answered = path->act();
	set_fail_nth(fd, NEVER);
	if (path->check)
		path->check();
}

static struct {
	long answer;
	int times;
} answers[16];

static void count_answer(long answer)
{
	unsigned int i = 0;

	answer = answer < 0 ? answer : 0;
	while (answers[i].times && answers[i].answer != answer)
		if (++i == ARRAY_SIZE(answers))
			die("answers");
	answers[i].answer = answer;
	answers[i].times++;
}

/*
 * What must not get lost is tried for as long as it takes; so there is memory after a while. It
 * begins with the first failure, before which much may have to be done.
 */
static pid_t start_relief(long before)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (injected() == before)
		usleep(10000);
	sleep(1);
	write_attribute("probability", 0);
	_exit(0);
}

/* Returns whether there was an allocation to fail. */
static bool go_round(void)
{
	pid_t relief = 0;
	long before;

	if (path->prepare)
		path->prepare();
	watch(path->below);
	before = injected();
	if (path->workers)
		arm_workers(nth);
	if (goes_on)
		relief = start_relief(before);
	in_child(take_path);
	if (relief) {
		unpin_uid(relief);
		write_attribute("probability", 100);
	}
	if (path->finish)
		path->finish();
	if (injected() == before)
		return false;
	count_answer(answered);
	return true;
}

/* All of the others' answers are of no use if the last one is not. */
static void go_all_rounds(int stride)
{
	/* A worker that has come since they were armed may be the one that does it. */
	int tries = path->workers ? 3 : 1;
	int empty = 0;

	for (nth = 1; empty < tries;) {
		if (nth >= MAX_ROUNDS)
			die("there is no end of allocations");
		if (!go_round()) {
			empty++;
			continue;
		}
		empty = 0;
		nth += stride;
		if (path->when != always && !path->like)
			expect(answered >= 0 || answered == -ENOMEM,
			       "the errno should be ENOMEM, not %s", strerrorname_np(-answered));
	}
	expect(answered >= 0, "it should succeed when no allocation fails");
}

static void become_the_uid(void)
{
	become(the_uid);
}

static void take_uid(void)
{
	the_uid = fresh_unpinned_uid();
}

/* What the module has charged goes with the UID. The kernel's own code keeps the pair. */
static void expect_end(void)
{
	if (module_present())
		expect_charged(the_uid, 0);
}

static long find_us(void)
{
	return get_keyring_id(USER_SESSION, 0);
}

static long find_u(void)
{
	return get_keyring_id(USER, 0);
}

/* Whether @ring links @id. */
static bool links(int ring, int id)
{
	int keys[64];
	long size = keyctl(KEYCTL_READ, ring, (long)keys, sizeof(keys), 0);

	for (long i = 0; i < size / (long)sizeof(int); i++)
		if (keys[i] == id)
			return true;
	return false;
}

static void check_pair_named(uid_t uid)
{
	int us = find_us(), u = find_u();

	expect_keyring(us, "_uid_ses", uid);
	expect_keyring(u, "_uid", uid);
	expect(find_us() == us && find_u() == u, "the pair should be the same when asked again");
	expect(links(us, u), "@us should link @u");
	expect(add_user_key("in u", USER) > 0 && add_user_key("in us", USER_SESSION) > 0,
	       "there should be room in both");
}

static void check_pair(void)
{
	check_pair_named(the_uid);
	expect_charged(the_uid, 4);
}

static long request_new(void)
{
	return request_key("user", "faults:new", "make", USER_SESSION);
}

static void check_requested(void)
{
	/* The kernel may have made a negative key of it. */
	if (request_new() == -ENOKEY)
		keyctl(KEYCTL_CLEAR, USER_SESSION, 0, 0, 0);
	expect(request_new() > 0, "the key should be made when there is memory");
	expect(search(USER_SESSION, "faults:new", 0) > 0, "the key should be in @us");
	expect(get_keyring_id(USER, 0) > 0, "there should be a pair");
}

static void become_in_namespace(void)
{
	FILE *map;

	become(the_uid);
	expect(find_us() > 0, "there should be a pair outside");
	if (unshare(CLONE_NEWUSER))
		die("unshare");
	map = fopen("/proc/self/uid_map", "we");
	if (!map || fprintf(map, "0 %u 1\n", the_uid) < 0 || fclose(map))
		die("uid_map");
}

static void check_inside(void)
{
	check_pair_named(0);
}

static pid_t inside;

static void wait_inside(void)
{
	if (unshare(CLONE_NEWUSER))
		die("unshare");
	expect(find_us() > 0, "there should be a pair of the first UID");
	step_done(nth);
	for (;;)
		pause();
}

/* A namespace without a mapping, in which another UID has the name that all have. */
static void prepare_unmapped(void)
{
	take_uid();
	shared->uid[1] = fresh_unpinned_uid();
	inside = start_child(shared->uid[1], wait_inside);
	step_wait(nth);
}

/* What may be joined as root only has to be joined by another UID. */
static void become_unmapped(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	char file[64];
	int fd;

	snprintf(file, sizeof(file), "/proc/%d/ns/user", inside);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || prctl(PR_SET_KEEPCAPS, 1) || syscall(SYS_capget, &header, caps))
		die(file);
	become(the_uid);
	if (syscall(SYS_capset, &header, caps) || setns(fd, CLONE_NEWUSER))
		die(file);
	close(fd);
}

static void check_unmapped(void)
{
	int us = find_us(), u = find_u();

	expect(us > 0 && u > 0 && find_us() == us && find_u() == u,
	       "there should be a pair, the same when asked again");
	expect(links(us, u), "@us should link @u");
}

static void leave_namespace(void)
{
	unpin_uid(inside);
	expect_charged(the_uid, 0);
	expect_charged(shared->uid[1], 0);
}

static long counter(const char *name)
{
	FILE *file = fopen(DEBUGFS "/stats", "re");
	char line[128], key[64];
	long value = -1;

	while (file && value < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld", key, &value) != 2 || strcmp(key, name))
			value = -1;
	if (value < 0)
		die(name);
	fclose(file);
	return value;
}

static long deaths_before, keys_before;

static bool has_died(void)
{
	return counter("deaths") > deaths_before;
}

static void leave_linked(void)
{
	leave_secret();
	expect(!keyctl(KEYCTL_LINK, US, SESSION, 0, 0), "the link should be made");
}

/* The session keyring, which all share, has @us live on. */
static void prepare_survivor(void)
{
	take_uid();
	deaths_before = counter("deaths");
	as_uid(the_uid, leave_linked);
	expect(poll_until(has_died), "the UID should be gone");
}

static void unlink_survivor(void)
{
	expect(!keyctl(KEYCTL_UNLINK, US, SESSION, 0, 0), "the link should be removed");
	expect_end();
}

/* One key in @us, and two in @u: if that is not counted, the link to it must not make up for it. */
static void become_and_leave_secret(void)
{
	become(the_uid);
	leave_secret();
	expect(add_user_key("another", USER) > 0 && add_user_key("third", USER) > 0,
	       "there should be keys in @u");
}

static void become_and_leave_linked(void)
{
	become(the_uid);
	leave_linked();
}

static long injected_before;

static void prepare_death(void)
{
	take_uid();
	deaths_before = counter("deaths");
	keys_before = counter("keys_gone");
	injected_before = injected();
}

static long nothing(void)
{
	return 0;
}

static bool has_died_or_failed(void)
{
	return injected() > injected_before || has_died();
}

static void have_memory_again(void)
{
	expect(poll_until(has_died_or_failed), "the UID should go, or memory run out");
	arm_workers(0);
}

/* It is tried again. */
static void finish_death(void)
{
	have_memory_again();
	expect(poll_until(has_died), "the UID should go when there is memory");
	expect(counter("keys_gone") == keys_before + 3, "three keys should be told of, not %ld",
	       counter("keys_gone") - keys_before);
	expect_end();
}

/* The next life has both keyrings of the former, or none. */
static void expect_all_or_nothing(void)
{
	bool same_us = find_us() == US, same_u = find_u() == U;

	expect(same_us == same_u, "the pair should be that of before, or new: @us is %s, @u is %s",
	       same_us ? "that of before" : "new", same_u ? "that of before" : "new");
	if (same_us)
		expect_secret();
	else
		check_pair();
}

static void come_back(void)
{
	have_memory_again();
	as_uid(the_uid, expect_all_or_nothing);
	expect_end();
}

static void finish_survivor(void)
{
	have_memory_again();
	expect(poll_until(has_died), "the UID should go when there is memory");
	as_uid(the_uid, expect_secret);
	unlink_survivor();
}

static long insert(void)
{
	int fd = open(MODULE ".ko", O_RDONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		die(MODULE ".ko");
	ret = syscall(SYS_finit_module, fd, "", 0);
	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret;
}

static bool is_settled(void)
{
	return !read_setting(LIVEPATCH "/transition");
}

static void load(void)
{
	expect(!insert(), "the module should be loaded");
	expect(poll_until(is_settled), "the transition should end");
}

static bool is_disabled(void)
{
	return access(LIVEPATCH, F_OK);
}

static long disable(void)
{
	int fd = open(LIVEPATCH "/enabled", O_WRONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, "0", 1);
	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret;
}

static long delete(void)
{
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

static bool is_removed(void)
{
	return !delete();
}

static void unload(void)
{
	disable();
	expect(poll_until(is_disabled), "the livepatch should be disabled");
	expect(poll_until(is_removed), "the module should be removed");
}

/* There is a UID with a pair, which is pinned. */
static void pin_and_leave_secret(void)
{
	the_uid = fresh_uid();
	as_uid(the_uid, leave_secret);
}

/* One round after the other: they all have the same UID. */
static void prepare_load(void)
{
	if (!the_uid)
		pin_and_leave_secret();
}

static void expect_nothing_left(void)
{
	static const char *const left[] = { "/sys/module/" MODULE, LIVEPATCH, DEBUGFS };

	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		expect(access(left[i], F_OK), "%s should be gone", left[i]);
}

static void finish_load(void)
{
	if (answered < 0) {
		expect_nothing_left();
		load();
	}
	expect(poll_until(is_settled), "the transition should end");
	as_uid(the_uid, expect_secret);
	/* Without memory there are no files in debugfs, which nobody depends on. */
	expect(access(DEBUGFS "/stats", F_OK) || counter("creations") == 0,
	       "no pair should be created");
	unload();
	expect_nothing_left();
	as_uid(the_uid, expect_secret);
}

/* What is there to be handed back: a pair on record, and a survivor. */
static void prepare_unload(void)
{
	load();
	prepare_survivor();
}

static void finish_disable(void)
{
	if (answered < 0)
		expect(disable() > 0, "it should be disabled when there is memory");
	expect(poll_until(is_disabled), "the livepatch should be disabled");
	as_uid(the_uid, expect_secret);
	expect(poll_until(is_removed), "the module should be removed");
	as_uid(the_uid, expect_secret);
	unlink_survivor();
}

static void prepare_remove(void)
{
	prepare_unload();
	disable();
	expect(poll_until(is_disabled), "the livepatch should be disabled");
}

static void finish_remove(void)
{
	if (answered < 0)
		expect(poll_until(is_removed), "the module should be removed");
	expect_nothing_left();
	as_uid(the_uid, expect_secret);
	unlink_survivor();
}

/* A pair that was there before the module was, of a UID that was not. */
static void prepare_adoption(void)
{
	take_uid();
	as_uid(the_uid, leave_secret);
	load();
}

static void finish_adoption(void)
{
	expect_charged(the_uid, 0);
	unload();
}

static long end_pair(void)
{
	int fd = open(DEBUGFS "/reap", O_WRONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = dprintf(fd, "%u\n", the_uid);
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static void expect_other_pair(void)
{
	expect(find_us() != US && find_u() != U, "the pair should be another one");
	check_pair_named(getuid());
}

static void finish_reap(void)
{
	arm_workers(0);
	if (answered < 0) {
		as_uid(the_uid, expect_secret);
		expect(!end_pair(), "it should be done when there is memory");
	}
	expect(is_freed(SECRET), "what was in the keyrings should be gone, as was said");
	as_uid(the_uid, expect_other_pair);
}

static long read_records(void)
{
	int fd = open(DEBUGFS "/records", O_RDONLY | O_CLOEXEC);
	char buf[65536];
	long ret;

	if (fd < 0)
		return -errno;
	do
		ret = read(fd, buf, sizeof(buf));
	while (ret > 0);
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* One for all rounds. */
static void prepare_records(void)
{
	if (!the_uid)
		prepare_survivor();
}

static void finish_records(void)
{
	expect(!read_records(), "records should be read when there is memory");
}

/* More than a table has room for to begin with, all at the same time. */
#define CROWD		60

static void be_one_of_many(void)
{
	US = find_us();
	U = find_u();
	expect(US > 0 && U > 0, "there should be a pair although the table cannot grow");
	step_done(nth);
	for (;;)
		pause();
}

static void expect_same_pair(void)
{
	expect(find_us() == US && find_u() == U, "the pair should be the same");
}

/* Tables grow in work items of the kernel's. */
static void grow(void)
{
	struct { uid_t uid; pid_t pid; int us, u; } crowd[CROWD];

	watch("rht_deferred_worker");
	write_attribute("task-filter", 0);
	write_attribute("probability", 100);
	for (int i = 0; i < CROWD; i++) {
		nth = i + 1;
		crowd[i].uid = fresh_unpinned_uid();
		crowd[i].pid = start_child(crowd[i].uid, be_one_of_many);
		step_wait(nth);
		crowd[i].us = US;
		crowd[i].u = U;
	}
	write_attribute("probability", 0);
	count_answer(0);
	for (int i = 0; i < CROWD; i++) {
		US = crowd[i].us;
		U = crowd[i].u;
		as_uid(crowd[i].uid, expect_same_pair);
	}
	for (int i = 0; i < CROWD; i++)
		unpin_uid(crowd[i].pid);
	for (int i = 0; i < CROWD; i++)
		expect_charged(crowd[i].uid, 0);
}

static const struct path paths[] = {
	{ always, "first look-up of @us", .prepare = take_uid, .enter = become_the_uid,
	  .act = find_us, .check = check_pair, .finish = expect_end },
	{ always, "first look-up of @u", .prepare = take_uid, .enter = become_the_uid,
	  .act = find_u, .check = check_pair, .finish = expect_end },
	{ always, "request_key and its upcall", .prepare = take_uid, .enter = become_the_uid,
	  .act = request_new, .check = check_requested, .finish = expect_end },
	{ always, "first look-up in a second namespace", .prepare = take_uid,
	  .enter = become_in_namespace, .act = find_us, .check = check_inside,
	  .finish = expect_end },
	{ loaded, "first look-up of a second UID without a mapping",
	  .like = "first look-up of @us", .prepare = prepare_unmapped,
	  .enter = become_unmapped, .act = find_us, .check = check_unmapped,
	  .finish = leave_namespace },
	{ loaded, "return to what lives on", .like = "first look-up of @us", .session = true,
	  .prepare = prepare_survivor, .enter = become_the_uid, .act = find_us,
	  .check = expect_secret, .finish = unlink_survivor },
	{ loaded, "death", .below = MODULE, .workers = true, .prepare = prepare_death,
	  .enter = become_and_leave_secret, .act = nothing, .finish = finish_death },
	{ loaded, "death, and the UID comes back", .below = MODULE, .workers = true,
	  .prepare = prepare_death, .enter = become_and_leave_secret, .act = nothing,
	  .finish = come_back },
	{ loaded, "death, and the pair lives on", .session = true, .below = MODULE, .workers = true,
	  .prepare = prepare_death, .enter = become_and_leave_linked, .act = nothing,
	  .finish = finish_survivor },
	{ loaded, "reaping", .below = MODULE, .workers = true, .prepare = pin_and_leave_secret,
	  .act = end_pair, .finish = finish_reap },
	{ loaded, "reading the records", .session = true, .prepare = prepare_records,
	  .act = read_records, .finish = finish_records },
	{ loaded, "growth of the tables", .way = onwards, .run = grow },
	/*
	 * What livepatch has begun it can only undo if there is memory: klp_unpatch_func() warns,
	 * and frees what ftrace goes on using.
	 */
	{ absent, "loading", .way = alone, .below = "do_one_initcall",
	  .prepare = prepare_load, .act = insert, .finish = finish_load },
	{ absent, "adoption", .like = "first look-up of @us", .prepare = prepare_adoption,
	  .enter = become_the_uid, .act = find_us, .check = expect_secret,
	  .finish = finish_adoption },
	{ absent, "disabling", .below = MODULE, .session = true, .prepare = prepare_unload,
	  .act = disable, .finish = finish_disable },
	{ absent, "removing", .below = MODULE, .session = true, .prepare = prepare_remove,
	  .act = delete, .finish = finish_remove },
	{ }
};

static void print_paths(const char *when)
{
	static const char *const ways[] = { alone, onwards };

	for (path = paths; path->name; path++)
		for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
			if (!strcmp(path->when, when) && (!path->way || path->way == ways[i]))
				printf("%s: %s\n", ways[i], path->name);
}

static bool find_path(const char *name)
{
	for (path = paths; path->name; path++)
		if (!strcmp(path->name, name))
			return true;
	return false;
}

static void print_answers(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers) && answers[i].times; i++)
		printf("answer %s\n",
		       answers[i].answer ? strerrorname_np(-answers[i].answer) : "success");
}

static int explain_usage(const char *name)
{
	fprintf(stderr, "usage: %s --list always|loaded|absent | alone|onwards PATH [STRIDE]\n",
		name);
	return 2;
}

int main(int argc, char **argv)
{
	int stride;

	if (argc == 3 && !strcmp(argv[1], "--list")) {
		print_paths(argv[2]);
		return 0;
	}
	if (argc != 3 && argc != 4)
		return explain_usage(argv[0]);
	goes_on = !strcmp(argv[1], onwards);
	stride = argc == 4 ? atoi(argv[3]) : 1;
	if ((!goes_on && strcmp(argv[1], alone)) || !find_path(argv[2]) || stride < 1)
		return explain_usage(argv[0]);

	transcript_init();
	set_up();
	if (path->session && join_session(NULL) < 0)
		die("a session keyring");
	if (path->run)
		path->run();
	else
		go_all_rounds(stride);
	print_answers();
	if (path->when == always || path->like)
		printf("like %s\n", path->like ? path->like : path->name);
	printf("failed %ld\n", injected());
	write_attribute("probability", 0);
	return transcript_failures() != 0;
}
