// SPDX-License-Identifier: GPL-2.0
/*
 * The actors of a program, as the conductor sees them: who there is, in which namespace, and which
 * UIDs are pinned by them.  See differential.h.
 */
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "differential.h"

#define RECORDS	"/sys/kernel/debug/user_session_keyring/records"

unsigned int returns[FIRSTS][2];

int conductor_socket[ACTORS];
void receive(int actor, struct reply *reply)
{
	ssize_t len = recv(conductor_socket[actor], reply, sizeof(*reply), 0);

	if (len < (ssize_t)offsetof(struct reply, text)) {
		printf("%s", run.text);
		die("an actor does not answer");
	}
}

struct reply reply;

void ask(int actor, int kind, const long *arg)
{
	struct request request = { .kind = kind };

	if (arg)
		memcpy(request.arg, arg, sizeof(request.arg));
	if (send(conductor_socket[actor], &request, sizeof(request), 0) != sizeof(request))
		die("an actor");
	memset(&reply, 0, offsetof(struct reply, text) + 1);
	if (kind != OP_OPEN && kind != OP_SETNS && kind != OP_EXIT)
		receive(actor, &reply);
}

static void open_proc(char *path, size_t size, const struct actor *actor, const char *name)
{
	snprintf(path, size, "/proc/%d/task/%d/%s", actor->pid, actor->tid, name);
}

/* Which UIDs a task has, from the kernel itself. */
void learn_uids(struct actor *actor)
{
	unsigned int real, effective;
	char path[64], line[256];
	bool found = false;
	FILE *file;

	open_proc(path, sizeof(path), actor, "status");
	file = fopen(path, "re");
	if (!file)
		die(path);
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "Uid: %u %u", &real, &effective) == 2;
	fclose(file);
	must(found, path);
	actor->uid = index_of(real);
	actor->euid = index_of(effective);
}

void pins(bool *pinned)
{
	memset(pinned, 0, sizeof(run.pinned));
	for (int i = 0; i < ACTORS; i++) {
		if (run.actor[i].alive) {
			pinned[run.actor[i].uid] = true;
			pinned[run.actor[i].exe] = true;
		}
	}
	for (int i = 0; i < FILES; i++)
		if (run.file[i].fd >= 0)
			pinned[run.file[i].uid] = true;
	pinned[ROOT] = true;
}

static void end_pair(int uid)
{
	bool left = false;

	run.deaths[uid]++;
	if (!present)
		must(command("end %u%s", kuid_of(uid), tasks()), "end");
	quiesce();
	/* A missed one is found within ten seconds. */
	for (int i = 0; i < 300; i++) {
		left = !command("left %u%s", kuid_of(uid), tasks());
		if (!left)
			break;
		pause_for(i < 50 ? 2 : 50);
	}
	quiesce();
	run.life[uid].ms = now_ms();
	run.life[uid].is_back = false;
	tell(" U%d %s\n", uid, left ? "should be gone, and is not" : "is gone");
}

/* Whose record has lost its last pin? */
void update_pins(void)
{
	bool pinned[UIDS + 1];

	pins(pinned);
	for (int uid = 0; uid < UIDS; uid++)
		if (run.pinned[uid] && !pinned[uid])
			end_pair(uid);
	memcpy(run.pinned, pinned, sizeof(pinned));
}

static bool is_survivor(int uid)
{
	FILE *file = fopen(RECORDS, "re");
	char line[256], state[16];
	bool found = false;
	unsigned int kuid;

	if (!file)
		die(RECORDS);
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%u %*u %*d %*d %15s", &kuid, state) == 2 &&
			kuid == kuid_of(uid) && !strcmp(state, "survivor");
	fclose(file);
	return found;
}

/* Whoever must not sleep is told nothing of what lives on until that is certain. */
static void await_certainty(int uid)
{
	long left = run.life[uid].ms + SETTLES_MS - now_ms();

	if (present && left > 0 && is_survivor(uid))
		pause_for(left);
}

static void tell_asked(int actor, const char *what, long ret)
{
	if (ret > 0)
		tell(" a%d asks for %s -> K%d\n", actor, what, give_name(ret));
	else
		tell(" a%d asks for %s -> %s\n", actor, what, strerrorname_np(-ret));
}

void arrive(int actor)
{
	int uid = run.actor[actor].uid;
	long arg[MAX_ARGS] = { run.first };
	long first;

	if (!run.deaths[uid])
		return;
	if (run.first == FIRST_REQUEST || run.first == FIRST_PROC)
		await_certainty(uid);
	ask(actor, OP_ARRIVE, arg);
	if (!run.life[uid].is_back)
		returns[run.first][reply.ret > 0 && name_of(reply.ret)]++;
	run.life[uid].is_back = true;
	first = atol(reply.text);
	if (run.first == FIRST_U)
		tell_asked(actor, "@u", first);
	/* Without @u there is no @us to a look-up; but request_key() does not look for @u. */
	else if (run.first == FIRST_REQUEST && reply.ret > 0)
		tell_asked(actor, "a key", first);
	tell_asked(actor, "@us", reply.ret);
}

static void change_uids(uid_t uid, bool privileged)
{
	uid_t other = privileged ? 0 : uid;

	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, other, other))
		die("setresuid");
	prctl(PR_SET_DUMPABLE, 1);
}

long spawn(int i, const long *arg)
{
	struct actor *actor = &run.actor[i];
	int ready[2];
	char byte;
	pid_t pid;

	must(!pipe2(ready, O_CLOEXEC), "pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		/* An open file would pin the UID of whoever opened it for longer. */
		for (int j = 0; j < ACTORS; j++)
			close(conductor_socket[j]);
		for (int j = 0; j < FILES; j++)
			close(run.file[j].fd);
		change_uids(kuid_of(arg[0]), arg[1]);
		must(write(ready[1], "", 1) == 1, "pipe");
		close(ready[0]);
		close(ready[1]);
		act(i, 0);
	}
	close(ready[1]);
	must(read(ready[0], &byte, 1) == 1, "an actor does not start");
	close(ready[0]);
	*actor = (struct actor){ .alive = true, .pid = pid, .tid = pid, .exe = ROOT };
	return 0;
}

void add_actor(int from, int to, long ret, bool is_thread)
{
	run.actor[to] = run.actor[from];
	run.actor[to].tid = ret;
	if (!is_thread)
		run.actor[to].pid = ret;
}

bool is_alone(int actor)
{
	for (int i = 0; i < ACTORS; i++)
		if (i != actor && run.actor[i].alive && run.actor[i].pid == run.actor[actor].pid)
			return false;
	return true;
}

/* All threads of a process go with its first. */
long finish(int i)
{
	struct actor *actor = &run.actor[i];
	bool whole = actor->tid == actor->pid;

	for (int j = 0; j < ACTORS; j++) {
		if (!run.actor[j].alive ||
		    (j != i && (!whole || run.actor[j].pid != actor->pid)))
			continue;
		must(command("watch %d", run.actor[j].tid), "watch");
		run.actor[j].alive = false;
	}
	ask(i, OP_EXIT, NULL);
	must(command("gone"), "an actor does not exit");
	return 0;
}

static long write_map_of(int i, const char *name, const char *map)
{
	char path[64];
	int fd;
	long ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", run.actor[i].pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	if (write(fd, map, strlen(map)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

long map_namespace(int i, int kind, uid_t self)
{
	struct ns *ns = &run.ns[run.actor[i].ns];
	long arg[MAX_ARGS] = { self };
	char map[64];
	long ret;

	switch (kind) {
	case MAP_TO_ROOT:
		snprintf(map, sizeof(map), "0 %u 1\n", kuid_of(run.actor[i].uid));
		break;
	case MAP_WHOLE:
		snprintf(map, sizeof(map), "0 0 4294967295\n");
		break;
	case MAP_RANGE:
		snprintf(map, sizeof(map), "1000 %u %d\n", run.base, UIDS);
		break;
	case MAP_SELF:
		ask(i, OP_MAP_SELF, arg);
		break;
	default:
		return 0;
	}
	ret = kind == MAP_SELF ? reply.ret : write_map_of(i, "uid_map", map);
	if (ret)
		return ret;
	if (kind != MAP_SELF)
		write_map_of(i, "gid_map", map);
	ns->map = kind;
	ns->mapped = kind == MAP_SELF ? run.actor[i].euid : run.actor[i].uid;
	return 0;
}

/* A second UID without a name is where the module is meant to differ. */
bool may_be_in(int ns, int uid)
{
	struct ns *it = &run.ns[ns];

	if (number_in(ns, uid) != (uid_t)-1)
		return true;
	if (it->unmapped < 0)
		it->unmapped = uid;
	return it->unmapped == uid;
}

long leave(int i, const long *arg)
{
	struct actor *actor = &run.actor[i];
	uid_t self;

	ask(i, OP_UNSHARE, arg);
	if (reply.ret)
		return reply.ret;
	self = strtoul(reply.text, NULL, 10);
	run.ns[run.nr_ns] = (struct ns){ .parent = actor->ns, .map = MAP_NONE, .unmapped = -1 };
	actor->ns = run.nr_ns++;
	if (map_namespace(i, arg[0], self))
		tell(" not mapped\n");
	may_be_in(actor->ns, actor->uid);
	return 0;
}

long enter(int i, const long *arg)
{
	struct actor *target = &run.actor[arg[0]];
	char path[64];
	int fd;

	open_proc(path, sizeof(path), target, "ns/user");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	ask(i, OP_SETNS, arg);
	send_fd(conductor_socket[i], fd);
	close(fd);
	receive(i, &reply);
	if (!reply.ret)
		run.actor[i].ns = target->ns;
	return reply.ret;
}

long open_by(int i, const long *arg)
{
	ask(i, OP_OPEN, arg);
	run.file[arg[0]].fd = receive_fd(conductor_socket[i]);
	run.file[arg[0]].uid = run.actor[i].uid;
	return 0;
}

long close_one(const long *arg)
{
	close(run.file[arg[0]].fd);
	run.file[arg[0]].fd = -1;
	return 0;
}
