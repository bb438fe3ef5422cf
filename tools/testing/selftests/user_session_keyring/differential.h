/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random programs over the key calls, played without the module and with it.  See differential.c.
 */
#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H

#include <stdio.h>

#include "observe.h"

#define fallthrough	__attribute__((__fallthrough__))

#define ACTORS		8	/* tasks of a program at a time */
#define UIDS		6	/* that they may have, */
#define ROOT		UIDS	/* beside that of root */
#define REGISTERS	8	/* where programs keep serial numbers */
#define FILES		4
#define MAX_ARGS	6
#define MAX_OPS		400
#define MAX_NAMES	4096
#define MAX_TRANSCRIPT	(8 << 20)

/*
 * An operation of a program.  It says nothing that only a run would know: serial numbers are taken
 * from registers, into which earlier operations have put them.
 */
struct op {
	int number;
	int actor;
	int kind;
	long arg[MAX_ARGS];
};

struct program {
	unsigned long seed;
	int nr;
	struct op op[MAX_OPS];
};

/* What an actor is asked, all registers and UIDs resolved, and its answer. */
struct request {
	int kind;
	long arg[MAX_ARGS];
};

#define MAX_TEXT	30000

struct reply {
	long ret;
	char text[MAX_TEXT];
};

enum {
	OP_SPAWN, OP_FORK, OP_THREAD, OP_EXEC, OP_EXIT,
	OP_SETUID, OP_SETREUID, OP_SETRESUID, OP_SETFSUID, OP_SETGID,
	OP_UNSHARE, OP_MAP, OP_SETNS, OP_OPEN, OP_CLOSE,
	OP_CLOCK, OP_COLLECT, OP_QUOTA, OP_COME_BACK, OP_PROC,
	OP_GET_ID, OP_ADD, OP_REQUEST, OP_UPCALL, OP_READ, OP_DESCRIBE, OP_UPDATE, OP_REVOKE,
	OP_SETPERM, OP_CHOWN, OP_LINK, OP_UNLINK, OP_MOVE, OP_SEARCH, OP_CLEAR, OP_INVALIDATE,
	OP_TIMEOUT, OP_NEGATE, OP_INSTANTIATE, OP_REJECT, OP_ASSUME, OP_REQKEY, OP_JOIN,
	OP_TO_PARENT, OP_RESTRICT, OP_PERSISTENT, OP_SECURITY, OP_CAPABILITIES,
	NR_KINDS,
	OP_ARRIVE = NR_KINDS, OP_MAP_SELF,	/* asked for by the conductor alone */
};

#define LOOKS		0x1	/* nothing is changed by it, and nothing freed after a while */
#define BECOMES		0x2	/* the actor may have another UID, or namespace, afterwards */
#define CANNOT_FAIL	0x4
#define CONDUCTED	0x8	/* by the conductor, who needs no actor for it */

/*
 * Each letter of @args is an argument:
 *	k	a key: a special keyring, or a register
 *	R	the register that the answer, a serial number, goes to
 *	u, U	a UID; U may be -1 as well
 *	a	an actor
 *	f	a file
 *	n	a number, 0 or 1
 *	t d e p m c T D s r o q F	one of a table, see names_of()
 */
struct op_kind {
	const char *name;
	const char *args;
	int weight;
	int flags;
	long (*perform)(const long *arg, struct reply *reply);
};

extern const struct op_kind kinds[];

/* The special keyrings, for the programs' text. */
struct special {
	const char *name;
	int id;
	int weight;
};

extern const struct special specials[];
extern const size_t nr_specials;

/* What an argument of a letter can be, or NULL if it is a number. */
const char *const *names_of(char letter, int *nr);

void generate(struct program *program, unsigned long seed, int nr);
int print_op(char *buf, size_t size, const struct op *op);
void print_program(FILE *file, const struct program *program);
/* Returns NULL, or what is wrong. */
const char *read_program(FILE *file, struct program *program);

/* Leave as few operations as have @command, given a folder of programs, name one of them. */
int minimize(struct program *program, const char *command);

/* The actor's side: answer until told to exit. */
extern int socket_of[ACTORS];
extern int oracle_fd;
void act(int actor, int first_answer);

/* As /sbin/request-key: what is told is left in a file. */
#define UPCALL_LOG	"/run/differential-upcall"
int upcall(char **argv);

/* Namespaces: what conductor or actor make of a new one. */
enum { MAP_TO_ROOT, MAP_WHOLE, MAP_RANGE, MAP_NONE, MAP_SELF };

/* What whoever comes to where its UID was before asks for first; then it asks for @us. */
enum { FIRST_US, FIRST_U, FIRST_REQUEST, FIRST_PROC, FIRSTS };

struct actor {
	bool alive;
	pid_t pid, tid;
	int uid;	/* real: an index, or ROOT */
	int euid;
	int exe;	/* that of whoever executed its program: that file is open */
	int ns;
};

struct ns {
	int parent;
	int map;
	int mapped;	/* the UID of a map of one */
	int unmapped;	/* the only UID without a name that may be there, or -1 */
};

/* All that there is of a program while it is played. */
extern struct run {
	uid_t base;
	struct actor actor[ACTORS];
	struct ns ns[MAX_OPS];
	int nr_ns;
	int reg[REGISTERS + 1];
	struct {
		int fd, uid;
	} file[FILES];
	bool pinned[UIDS + 1];
	int deaths[UIDS + 1];
	struct {
		long ms;	/* the time of the last death */
		bool is_back;
	} life[UIDS + 1];
	int first;	/* what whoever comes back asks for first */
	int names[MAX_NAMES];
	int nr_names;
	int quota_until;
	int played, skipped;
	char *text;	/* the transcript so far */
	size_t len;
	const char *expected;
	bool diverged;
} run;

#define ORACLE		"/sys/kernel/debug/test_differential"
#define ROOT_MAXKEYS	"/proc/sys/kernel/keys/root_maxkeys"

/* The file of the test module; whether the module is there; whether actors are to lie. */
extern int oracle;
extern bool present, lies;

/* How often an operation was answered by what, and of which special keyring. */
extern unsigned int answers[NR_KINDS][134], by_special[NR_KINDS][16][2];

/* How often somebody came back, by what was asked for first: to nothing, and to what lived on. */
extern unsigned int returns[FIRSTS][2];

/* Returns the transcript; stops where it is not as expected. */
const char *play(const struct program *program, const char *expected);
extern unsigned long settings_before[3];
extern const char *const settings[3];

/* Tell the test module. */
bool command(const char *fmt, ...) __printf(1, 2);
const char *tasks(void);
void must(bool ok, const char *what);
void quiesce(void);
void pause_for(long ms);

/* A line of the transcript, or a part of it. */
void tell(const char *fmt, ...) __printf(1, 2);
void tell_text(const char *text);
void tell_quota(void);
void observe(void);
bool is_as_expected(void);
int name_of(int serial);
int give_name(int serial);
int compare_serials(const void *a, const void *b);

/* UIDs are indices, or ROOT. */
uid_t kuid_of(int uid);
int index_of(uid_t kuid);
uid_t number_in(int ns, int uid);

/* The conductor's side of the actors. */
extern int conductor_socket[ACTORS];
extern struct reply reply;
void ask(int actor, int kind, const long *arg);
void receive(int actor, struct reply *reply);
void learn_uids(struct actor *actor);
void pins(bool *pinned);
void update_pins(void);
void arrive(int actor);
long spawn(int i, const long *arg);
void add_actor(int from, int to, long ret, bool is_thread);
bool is_alone(int actor);
long finish(int i);
long map_namespace(int i, int kind, uid_t self);
bool may_be_in(int ns, int uid);
long leave(int i, const long *arg);
long enter(int i, const long *arg);
long open_by(int i, const long *arg);
long close_one(const long *arg);

#endif
