// SPDX-License-Identifier: GPL-2.0
/*
 * The operations, as an actor performs them.  See differential.h.
 */
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "differential.h"

int socket_of[ACTORS];
int oracle_fd = -1;

const struct special specials[] = {
	{ "@us", USER_SESSION, 10 },
	{ "@u", USER, 8 },
	{ "@s", SESSION, 8 },
	{ "@p", PROCESS, 4 },
	{ "@t", THREAD, 3 },
	{ "@g", KEY_SPEC_GROUP_KEYRING, 1 },
	{ "@a", KEY_SPEC_REQKEY_AUTH_KEY, 1 },
	{ "@r", KEY_SPEC_REQUESTOR_KEYRING, 1 },
	{ "0", 0, 1 },
	{ "-99", -99, 1 },
};

const size_t nr_specials = ARRAY_SIZE(specials);

static const char *const types[] = { "user", "keyring", "logon", "nonsense", ".dot" };

static const char *const descriptions[] = {
	"a", "b", "c", "ring", "loop", "svc:x", "svc:y", ".dot", "_uid.0",
};

/* Nothing that an upcall itself would search for, which would wait for itself. */
static const char *const constructed[] = { "new", "newer" };

/* No length is a multiple of four: what is, is a keyring's. */
static const char *const payloads[] = { "-", "one", "twenty-two-bytes-long!" };

static const char *const masks[] = {
	"3f3f0000", "3f3f3f3f", "1f3f0000", "3f000000", "37370000", "3b3b0000", "2f2f0000",
	"3d3d0000", "01010000", "00000000", "ffffffff",
};

static const char *const callouts[] = {
	"I", "srI", "duI", "aJ", "usJ", "daN", "N", "rR", "u-", "pI",
};

static const char *const timeouts[] = { "0", "2000", "12000", "1000000" };

static const char *const defaults[] = {
	"unchanged", "default", "thread", "process", "session", "user", "user-session", "group",
	"requester", "nonsense",
};

static const char *const sessions[] = { "-", "one", "two", "_uid_ses", "_uid", ".dot" };
static const char *const restrictions[] = { "all", "asymmetric", "user" };
static const char *const maps[] = { "to-root", "whole", "range", "none", "self" };
static const char *const quotas[] = { "restored", "keys", "bytes", "root" };
static const char *const firsts[] = { "@us", "@u", "request_key", "proc" };

const char *const *names_of(char letter, int *nr)
{
	static const struct {
		char letter;
		const char *const *names;
		int nr;
	} tables[] = {
		{ 't', types, ARRAY_SIZE(types) },
		{ 'd', descriptions, ARRAY_SIZE(descriptions) },
		{ 'e', constructed, ARRAY_SIZE(constructed) },
		{ 'p', payloads, ARRAY_SIZE(payloads) },
		{ 'm', masks, ARRAY_SIZE(masks) },
		{ 'c', callouts, ARRAY_SIZE(callouts) },
		{ 'T', timeouts, ARRAY_SIZE(timeouts) },
		{ 'D', defaults, ARRAY_SIZE(defaults) },
		{ 's', sessions, ARRAY_SIZE(sessions) },
		{ 'r', restrictions, ARRAY_SIZE(restrictions) },
		{ 'o', maps, ARRAY_SIZE(maps) },
		{ 'q', quotas, ARRAY_SIZE(quotas) },
		{ 'F', firsts, ARRAY_SIZE(firsts) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		if (tables[i].letter == letter) {
			*nr = tables[i].nr;
			return tables[i].names;
		}
	}
	*nr = 0;
	return NULL;
}

static const char *some_payload(long index)
{
	return index ? payloads[index] : "";
}

static long check(long ret)
{
	return ret < 0 ? -errno : ret;
}

static void send_reply(int actor, const struct reply *reply)
{
	size_t len = offsetof(struct reply, text) +
		     (reply->ret > 0 && reply->ret < MAX_TEXT ? reply->ret : 0);
	size_t text = offsetof(struct reply, text) + strlen(reply->text) + 1;

	send(socket_of[actor], reply, len > text ? len : text, 0);
}

static long do_get_id(const long *arg, struct reply *reply)
{
	(void)reply;
	return get_keyring_id(arg[0], arg[1]);
}

static long do_add(const long *arg, struct reply *reply)
{
	const char *payload = some_payload(arg[2]);

	(void)reply;
	return add_key(types[arg[0]], descriptions[arg[1]], payload, strlen(payload), arg[3]);
}

static long do_request(const long *arg, struct reply *reply)
{
	(void)reply;
	return request_key(types[arg[0]], descriptions[arg[1]], NULL, arg[2]);
}

static long do_upcall(const long *arg, struct reply *reply)
{
	(void)reply;
	return request_key("user", constructed[arg[0]], callouts[arg[1]], arg[2]);
}

static long do_read(const long *arg, struct reply *reply)
{
	return keyctl(KEYCTL_READ, arg[0], (long)reply->text, MAX_TEXT - 1, 0);
}

static long do_describe(const long *arg, struct reply *reply)
{
	long ret = describe(arg[0], reply->text, MAX_TEXT);

	return ret < 0 ? ret : 0;
}

static long do_update(const long *arg, struct reply *reply)
{
	const char *payload = some_payload(arg[1]);

	(void)reply;
	return keyctl(KEYCTL_UPDATE, arg[0], (long)payload, strlen(payload), 0);
}

static long do_revoke(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_REVOKE, arg[0], 0, 0, 0);
}

static long do_setperm(const long *arg, struct reply *reply)
{
	(void)reply;
	return set_perm(arg[0], strtoul(masks[arg[1]], NULL, 16));
}

static long do_chown(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_CHOWN, arg[0], arg[1], arg[2], 0);
}

static long do_link(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_LINK, arg[0], arg[1], 0, 0);
}

static long do_unlink(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_UNLINK, arg[0], arg[1], 0, 0);
}

static long do_move(const long *arg, struct reply *reply)
{
	(void)reply;
	return check(syscall(__NR_keyctl, KEYCTL_MOVE, arg[0], arg[1], arg[2], arg[3]));
}

static long do_search(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_SEARCH, arg[0], (long)types[arg[1]], (long)descriptions[arg[2]],
		      arg[3]);
}

static long do_clear(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_CLEAR, arg[0], 0, 0, 0);
}

static long do_invalidate(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_INVALIDATE, arg[0], 0, 0, 0);
}

static long do_timeout(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_SET_TIMEOUT, arg[0], atol(timeouts[arg[1]]), 0, 0);
}

static long do_negate(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_NEGATE, arg[0], 12000, arg[1], 0);
}

static long do_instantiate(const long *arg, struct reply *reply)
{
	const char *payload = some_payload(arg[1]);

	(void)reply;
	return keyctl(KEYCTL_INSTANTIATE, arg[0], (long)payload, strlen(payload), arg[2]);
}

static long do_reject(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_REJECT, arg[0], 12000, EKEYREJECTED, arg[1]);
}

static long do_assume(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_ASSUME_AUTHORITY, arg[0], 0, 0, 0);
}

static long do_reqkey(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_SET_REQKEY_KEYRING, arg[0] - 1, 0, 0, 0);
}

static long do_join(const long *arg, struct reply *reply)
{
	char name[64];

	(void)reply;
	if (!arg[0])
		return join_session(NULL);
	if (sessions[arg[0]][0] != '_')
		return join_session(sessions[arg[0]]);
	snprintf(name, sizeof(name), "%s.%u", sessions[arg[0]], getuid());
	return join_session(name);
}

static long do_to_parent(const long *arg, struct reply *reply)
{
	(void)arg;
	(void)reply;
	return keyctl(KEYCTL_SESSION_TO_PARENT, 0, 0, 0, 0);
}

static long do_restrict(const long *arg, struct reply *reply)
{
	(void)reply;
	if (!arg[1])
		return keyctl(KEYCTL_RESTRICT_KEYRING, arg[0], 0, 0, 0);
	return keyctl(KEYCTL_RESTRICT_KEYRING, arg[0], (long)restrictions[arg[1]],
		      (long)"builtin_trusted", 0);
}

static long do_persistent(const long *arg, struct reply *reply)
{
	(void)reply;
	return keyctl(KEYCTL_GET_PERSISTENT, (uid_t)arg[0], arg[1], 0, 0);
}

static long do_security(const long *arg, struct reply *reply)
{
	return keyctl(KEYCTL_GET_SECURITY, arg[0], (long)reply->text, MAX_TEXT - 1, 0);
}

static long do_capabilities(const long *arg, struct reply *reply)
{
	unsigned char caps[8];
	long ret = keyctl(KEYCTL_CAPABILITIES, (long)caps, sizeof(caps), 0, 0);

	(void)arg;
	if (ret > 0)
		snprintf(reply->text, MAX_TEXT, "%02x%02x", caps[0], ret > 1 ? caps[1] : 0);
	return ret < 0 ? ret : 0;
}

/* Of this thread alone: the library would change all of the process. */
static long do_setuid(const long *arg, struct reply *reply)
{
	(void)reply;
	return check(syscall(__NR_setuid, arg[0]));
}

static long do_setreuid(const long *arg, struct reply *reply)
{
	(void)reply;
	return check(syscall(__NR_setreuid, arg[0], arg[1]));
}

static long do_setresuid(const long *arg, struct reply *reply)
{
	(void)reply;
	return check(syscall(__NR_setresuid, arg[0], arg[1], arg[2]));
}

/* It has no error: it tells the old one, so ask it what it did. */
static long do_setfsuid(const long *arg, struct reply *reply)
{
	uid_t wanted = arg[0];

	(void)reply;
	syscall(__NR_setfsuid, wanted);
	return (uid_t)syscall(__NR_setfsuid, -1) == wanted ? 0 : -EPERM;
}

static long do_setgid(const long *arg, struct reply *reply)
{
	(void)reply;
	return check(syscall(__NR_setgid, arg[0]));
}

static long write_map(const char *map)
{
	int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -errno;
	ret = check(write(fd, map, strlen(map)));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* The UID is that of the parent namespace. */
static long do_map_self(const long *arg, struct reply *reply)
{
	char map[64];

	(void)reply;
	prctl(PR_SET_DUMPABLE, 1);
	snprintf(map, sizeof(map), "0 %u 1\n", (uid_t)arg[0]);
	return write_map(map);
}

static long do_unshare(const long *arg, struct reply *reply)
{
	(void)arg;
	snprintf(reply->text, MAX_TEXT, "%u", geteuid());
	return check(unshare(CLONE_NEWUSER));
}

/* The conductor sends the namespace after the request. */
static long do_setns(const long *arg, struct reply *reply)
{
	int fd = receive_fd(socket_of[arg[1]]);
	long ret = check(setns(fd, CLONE_NEWUSER));

	(void)reply;
	close(fd);
	return ret;
}

static char *slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t ret;

	while (fd >= 0 && (ret = read(fd, buf + len, size - 1 - len)) > 0)
		len += ret;
	close(fd);
	buf[len] = '\0';
	return buf + len;
}

static long do_proc(const long *arg, struct reply *reply)
{
	char *end = slurp("/proc/key-users", reply->text, MAX_TEXT);

	(void)arg;
	slurp("/proc/keys", end, reply->text + MAX_TEXT - end);
	return 0;
}

/*
 * Comes to where the UID was before, at the login as it were.  Without the module, what lives on of
 * the keyrings is made to be found; by what uses the UID's credentials, as a look-up does.  The
 * text is what was answered first.
 */
static long do_arrive(const long *arg, struct reply *reply)
{
	long first = 0, ret;

	if (oracle_fd >= 0 && write(oracle_fd, "revive", 6) != 6)
		return -errno;
	if (arg[0] == FIRST_U)
		first = get_keyring_id(USER, 0);
	else if (arg[0] == FIRST_REQUEST)
		first = request_key("user", "a", NULL, 0);
	else if (arg[0] == FIRST_PROC)
		do_proc(arg, reply);
	snprintf(reply->text, MAX_TEXT, "%ld", first);
	ret = get_keyring_id(USER_SESSION, 0);
	if (oracle_fd >= 0 && ret > 0 && write(oracle_fd, "settle", 6) != 6)
		return -errno;
	return ret;
}

/* In the order of struct enum. */
const struct op_kind kinds[] = {
	[OP_SPAWN] = { "spawn", "un", 3, CONDUCTED | BECOMES | CANNOT_FAIL },
	[OP_FORK] = { "fork", "a", 3, BECOMES | CANNOT_FAIL },
	[OP_THREAD] = { "thread", "a", 3, BECOMES | CANNOT_FAIL },
	[OP_EXEC] = { "exec", "", 2, BECOMES | CANNOT_FAIL },
	[OP_EXIT] = { "exit", "", 5, BECOMES | CANNOT_FAIL },
	[OP_SETUID] = { "setuid", "u", 2, BECOMES, do_setuid },
	[OP_SETREUID] = { "setreuid", "UU", 3, BECOMES, do_setreuid },
	[OP_SETRESUID] = { "setresuid", "UUU", 4, BECOMES, do_setresuid },
	[OP_SETFSUID] = { "setfsuid", "u", 2, 0, do_setfsuid },
	[OP_SETGID] = { "setgid", "u", 1, 0, do_setgid },
	[OP_UNSHARE] = { "unshare", "o", 5, BECOMES, do_unshare },
	[OP_MAP] = { "map", "o", 2, BECOMES },
	[OP_SETNS] = { "setns", "a", 8, BECOMES, do_setns },
	[OP_OPEN] = { "open", "f", 3, CANNOT_FAIL },
	[OP_CLOSE] = { "close", "f", 2, CONDUCTED | CANNOT_FAIL },
	[OP_CLOCK] = { "clock", "", 1, CONDUCTED | CANNOT_FAIL },
	[OP_COLLECT] = { "collect", "", 1, CONDUCTED | CANNOT_FAIL },
	[OP_QUOTA] = { "quota", "q", 1, CONDUCTED | CANNOT_FAIL },
	[OP_COME_BACK] = { "come_back_by", "F", 0, CONDUCTED | LOOKS | CANNOT_FAIL },
	[OP_PROC] = { "proc", "", 2, LOOKS | CANNOT_FAIL, do_proc },
	[OP_GET_ID] = { "get_keyring_id", "knR", 14, 0, do_get_id },
	[OP_ADD] = { "add_key", "tdpkR", 20, 0, do_add },
	[OP_REQUEST] = { "request_key", "tdkR", 8, 0, do_request },
	[OP_UPCALL] = { "upcall", "eckR", 2, 0, do_upcall },
	[OP_READ] = { "read", "k", 5, LOOKS, do_read },
	[OP_DESCRIBE] = { "describe", "k", 5, LOOKS, do_describe },
	[OP_UPDATE] = { "update", "kp", 4, 0, do_update },
	[OP_REVOKE] = { "revoke", "k", 2, 0, do_revoke },
	[OP_SETPERM] = { "setperm", "km", 6, 0, do_setperm },
	[OP_CHOWN] = { "chown", "kUU", 2, 0, do_chown },
	[OP_LINK] = { "link", "kk", 10, 0, do_link },
	[OP_UNLINK] = { "unlink", "kk", 6, 0, do_unlink },
	[OP_MOVE] = { "move", "kkkn", 4, 0, do_move },
	[OP_SEARCH] = { "search", "ktdkR", 8, 0, do_search },
	[OP_CLEAR] = { "clear", "k", 2, 0, do_clear },
	[OP_INVALIDATE] = { "invalidate", "k", 2, 0, do_invalidate },
	[OP_TIMEOUT] = { "set_timeout", "kT", 3, 0, do_timeout },
	[OP_NEGATE] = { "negate", "kk", 1, 0, do_negate },
	[OP_INSTANTIATE] = { "instantiate", "kpk", 1, 0, do_instantiate },
	[OP_REJECT] = { "reject", "kk", 1, 0, do_reject },
	[OP_ASSUME] = { "assume_authority", "k", 1, 0, do_assume },
	[OP_REQKEY] = { "set_reqkey_keyring", "D", 2, 0, do_reqkey },
	[OP_JOIN] = { "join_session_keyring", "sR", 4, 0, do_join },
	[OP_TO_PARENT] = { "session_to_parent", "", 3, 0, do_to_parent },
	[OP_RESTRICT] = { "restrict_keyring", "kr", 1, 0, do_restrict },
	[OP_PERSISTENT] = { "get_persistent", "UkR", 3, 0, do_persistent },
	[OP_SECURITY] = { "get_security", "k", 1, LOOKS, do_security },
	[OP_CAPABILITIES] = { "capabilities", "", 1, LOOKS | CANNOT_FAIL, do_capabilities },
	[OP_ARRIVE] = { "arrive", "R", 0, 0, do_arrive },
	[OP_MAP_SELF] = { "map_self", "", 0, 0, do_map_self },
};

static long fork_actor(int actor)
{
	pid_t pid = fork();

	if (!pid)
		act(actor, 0);
	return check(pid);
}

static pid_t new_thread;

static void *be_thread(void *arg)
{
	__atomic_store_n(&new_thread, gettid(), __ATOMIC_SEQ_CST);
	act((long)arg, 0);
	return NULL;
}

static long start_thread(long actor)
{
	pthread_t thread;

	__atomic_store_n(&new_thread, 0, __ATOMIC_SEQ_CST);
	if (pthread_create(&thread, NULL, be_thread, (void *)actor))
		return -EAGAIN;
	pthread_detach(thread);
	while (!__atomic_load_n(&new_thread, __ATOMIC_SEQ_CST))
		sched_yield();
	return new_thread;
}

static long exec_actor(int actor)
{
	char sockets[ACTORS * 12] = "", number[12], oracle[12];
	size_t len = 0;

	for (int i = 0; i < ACTORS; i++)
		len += snprintf(sockets + len, sizeof(sockets) - len, "%d ", socket_of[i]);
	snprintf(number, sizeof(number), "%d", actor);
	snprintf(oracle, sizeof(oracle), "%d", oracle_fd);
	execl("/proc/self/exe", "differential", "act", number, sockets, oracle, NULL);
	return -errno;
}

static void open_file(int actor)
{
	int fd = open_a_file();

	send_fd(socket_of[actor], fd);
	close(fd);
}

static void exit_actor(void)
{
	/* A thread goes alone. */
	if (gettid() != getpid())
		syscall(__NR_exit, 0);
	_exit(0);
}

void act(int actor, int first_answer)
{
	static __thread struct reply reply;
	struct request request;

	memset(&reply, 0, sizeof(reply));
	if (first_answer)
		send_reply(actor, &reply);
	while (recv(socket_of[actor], &request, sizeof(request), 0) == sizeof(request)) {
		memset(&reply, 0, sizeof(reply));
		switch (request.kind) {
		case OP_FORK:
			reply.ret = fork_actor(request.arg[0]);
			break;
		case OP_THREAD:
			reply.ret = start_thread(request.arg[0]);
			break;
		case OP_EXEC:
			reply.ret = exec_actor(actor);
			break;
		case OP_EXIT:
			exit_actor();
			break;
		case OP_OPEN:
			open_file(actor);
			continue;
		case OP_SETNS:
			request.arg[1] = actor;
			fallthrough;
		default:
			reply.ret = kinds[request.kind].perform(request.arg, &reply);
		}
		send_reply(actor, &reply);
	}
	_exit(0);
}

static FILE *upcall_log;

static void log_key(const char *what, long ret)
{
	fprintf(upcall_log, "%s %s%ld\n", what, ret > 0 ? "K" : "", ret);
}

/* argv: create KEY UID GID @t @p @s; the last three are the requester's. */
int upcall(char **argv)
{
	long key = atol(argv[2]), ret = 0;
	char callout[64];

	upcall_log = fopen(UPCALL_LOG, "we");
	if (!upcall_log)
		return 1;
	log_key("assumes", keyctl(KEYCTL_ASSUME_AUTHORITY, key, 0, 0, 0));
	log_key("session", get_keyring_id(SESSION, 0));
	if (read_key(KEY_SPEC_REQKEY_AUTH_KEY, callout, sizeof(callout)) < 0)
		return 1;
	for (const char *it = callout; *it; it++) {
		switch (*it) {
		case 's':
			log_key("@s of the requester", atol(argv[7]));
			break;
		case 'p':
			log_key("@p of the requester", atol(argv[6]));
			break;
		case 'd':
			log_key("searches a", request_key("user", "a", NULL, 0));
			break;
		case 'u':
			log_key("searches b", request_key("user", "b", NULL, 0));
			break;
		case 'a':
			log_key("adds", add_user_key("c", KEY_SPEC_REQUESTOR_KEYRING));
			break;
		case 'r':
			log_key("searches ring", request_key("keyring", "ring", NULL, 0));
			break;
		case 'I':
			ret = keyctl(KEYCTL_INSTANTIATE, key, (long)"made!", 5, 0);
			log_key("instantiates", ret);
			break;
		case 'J':
			ret = keyctl(KEYCTL_INSTANTIATE, key, (long)"made!", 5,
				     KEY_SPEC_REQUESTOR_KEYRING);
			log_key("instantiates and links", ret);
			break;
		case 'N':
			ret = keyctl(KEYCTL_NEGATE, key, 12000, 0, 0);
			log_key("negates", ret);
			break;
		case 'R':
			ret = keyctl(KEYCTL_REJECT, key, 12000, EKEYREJECTED, 0);
			log_key("rejects", ret);
			break;
		}
	}
	fclose(upcall_log);
	return ret < 0;
}
