// SPDX-License-Identifier: GPL-2.0
/*
 * What the differential test needs inside the kernel, with user_session_keyring and without.  It is
 * told by lines that are written to /sys/kernel/debug/test_differential:
 *
 *	quiesce ROUNDS		wait until what the kernel frees later has been freed
 *	watch PID		a task that is about to exit
 *	gone			wait until those that were watched have given up all they had
 *	freed SERIAL		wait until a key has been freed
 *	observe BASE PID...	have all keys that can be reached from the credentials of these
 *				tasks, and from the registers of their user namespaces, to be
 *				read; -FD in the place of PID stands for an open file
 *	left UID PID...		fail with EEXIST if a register there has keyrings of the UID
 *	clean BASE		unlink what UIDs from BASE on have in the initial registers
 *
 * Without user_session_keyring, this plays what that documents of the life span of keyrings:
 *
 *	end UID PID...		unlink the keyrings of the UID from the registers, and remember them
 *	revive			link what is remembered, and lives on, of the writer to its register
 *	settle			forget it
 *	forget			forget it all
 */
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/key-type.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>
#include <keys/keyring-type.h>
#include <keys/user-type.h>

#define UNMAPPED	((uid_t)-1)
#define UIDS		16	/* of a program */
#define MAX_TASKS	32
#define MAX_KEYS	2048
#define MAX_TEXT	SZ_512K

/* Where things are that a line is about. */
struct scope {
	const struct cred *creds[MAX_TASKS];
	pid_t pids[MAX_TASKS];
	int nr_creds;
	struct user_namespace *namespaces[MAX_TASKS];
	int nr_namespaces;
};

static DEFINE_MUTEX(lock);
static struct dentry *file;
static struct scope scope;
static uid_t base;
static char *text;
static size_t text_len;
static key_serial_t *found;
static int nr_found;

static void __printf(1, 2) emit(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_len += vscnprintf(text + text_len, MAX_TEXT - text_len, fmt, ap);
	va_end(ap);
}

/*
 * Links, and credentials, hold their references until a grace period has passed; keys without any
 * are freed by a work item, which queues itself anew for those that were linked there.
 */
static void quiesce(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		rcu_barrier();
		for (int j = 0; j < 4; j++)
			__flush_workqueue(system_percpu_wq);
	}
}

static struct task_struct *watched[MAX_TASKS];
static int nr_watched;

static int watch(pid_t pid)
{
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(find_vpid(pid), PIDTYPE_PID);
	if (task && nr_watched < MAX_TASKS)
		watched[nr_watched++] = get_task_struct(task);
	rcu_read_unlock();
	return task ? 0 : -ESRCH;
}

/* Whether all has been dropped but the reference that is held here. */
static bool is_gone(const struct task_struct *task)
{
	return refcount_read(&task->usage) == 1;
}

static bool is_freed(key_serial_t serial)
{
	struct key *key = key_lookup(serial);

	if (IS_ERR(key))
		return true;
	key_put(key);
	return false;
}

#define wait_until(condition)							\
({										\
	int __tries = 20000;							\
										\
	while (!(condition) && --__tries)					\
		usleep_range(200, 500);						\
	__tries ? 0 : -ETIMEDOUT;						\
})

static int reap_watched(void)
{
	struct task_struct *task;
	int ret = 0;

	while (nr_watched) {
		task = watched[--nr_watched];
		ret = wait_until(is_gone(task)) ?: ret;
		put_task_struct(task);
	}
	return ret;
}

static void add_namespace(struct user_namespace *ns)
{
	for (; ns; ns = ns->parent) {
		for (int i = 0; i < scope.nr_namespaces; i++)
			if (scope.namespaces[i] == ns)
				return;
		if (scope.nr_namespaces < MAX_TASKS)
			scope.namespaces[scope.nr_namespaces++] = get_user_ns(ns);
	}
}

static const struct cred *cred_of_task(pid_t pid)
{
	struct task_struct *task;
	const struct cred *cred;

	rcu_read_lock();
	task = pid_task(find_vpid(pid), PIDTYPE_PID);
	cred = task ? get_task_cred(task) : NULL;
	rcu_read_unlock();
	return cred;
}

static const struct cred *cred_of_file(int fd)
{
	const struct cred *cred;
	struct file *opened = fget(fd);

	if (!opened)
		return NULL;
	cred = get_cred(opened->f_cred);
	fput(opened);
	return cred;
}

/* PID, or -FD: an open file has the credentials of whoever opened it. */
static int open_scope(char *pids)
{
	const struct cred *cred;
	char *word;
	int pid;

	add_namespace(&init_user_ns);
	while ((word = strsep(&pids, " "))) {
		if (kstrtoint(word, 10, &pid) || scope.nr_creds == MAX_TASKS)
			return -EINVAL;
		cred = pid > 0 ? cred_of_task(pid) : cred_of_file(-pid);
		if (!cred)
			return -ESRCH;
		scope.pids[scope.nr_creds] = pid;
		scope.creds[scope.nr_creds++] = cred;
		add_namespace(cred->user_ns);
	}
	return 0;
}

static void close_scope(void)
{
	while (scope.nr_creds)
		put_cred(scope.creds[--scope.nr_creds]);
	while (scope.nr_namespaces)
		put_user_ns(scope.namespaces[--scope.nr_namespaces]);
}

/* What a keyring links, to be freed; NULL if there is nothing. */
static key_serial_t *links(struct key *ring, int *nr)
{
	key_serial_t *serials = NULL;
	long size;

	*nr = 0;
	down_read(&ring->sem);
	size = key_type_keyring.read(ring, NULL, 0);
	if (size > 0)
		serials = kvmalloc(size, GFP_KERNEL);
	if (serials) {
		key_type_keyring.read(ring, (char *)serials, size);
		*nr = size / sizeof(*serials);
	}
	up_read(&ring->sem);
	return serials;
}

typedef void link_fn(struct key *ring, struct key *key);

static void visit_links(struct key *ring, link_fn *fn)
{
	key_serial_t *serials;
	struct key *key;
	int nr;

	if (!ring)
		return;
	serials = links(ring, &nr);
	for (int i = 0; i < nr; i++) {
		key = key_lookup(serials[i]);
		if (IS_ERR(key))
			continue;
		fn(ring, key);
		key_put(key);
	}
	kvfree(serials);
}

static key_serial_t reach(struct key *key)
{
	if (!key)
		return 0;
	for (int i = 0; i < nr_found; i++)
		if (found[i] == key->serial)
			return key->serial;
	if (nr_found < MAX_KEYS)
		found[nr_found++] = key->serial;
	return key->serial;
}

static bool is_of_program(kuid_t uid)
{
	return __kuid_val(uid) - base < UIDS;
}

static void emit_link(struct key *ring, struct key *key)
{
	emit(" %d", reach(key));
}

static void emit_link_of_program(struct key *ring, struct key *key)
{
	if (is_of_program(key->uid))
		emit_link(ring, key);
}

static void emit_register(const char *name, struct key *ring, bool is_shared)
{
	emit("%s", name);
	visit_links(ring, is_shared ? emit_link_of_program : emit_link);
	emit("\n");
}

static const char *expiry(struct key *key)
{
	static char buf[24];
	time64_t left = key->expiry - ktime_get_real_seconds();

	if (test_bit(KEY_FLAG_REVOKED, &key->flags) || key->expiry == TIME64_MAX)
		return "perm";
	if (left <= 0)
		return "expired";
	/* Programs set timeouts by the thousand seconds, and take less than a minute. */
	snprintf(buf, sizeof(buf), "%lldk", div_s64(left + 500, 1000));
	return buf;
}

static void emit_payload(struct key *key)
{
	char payload[64];
	long len;

	if (key->type != &key_type_user || key->state != KEY_IS_POSITIVE)
		return;
	down_read(&key->sem);
	if (!test_bit(KEY_FLAG_REVOKED, &key->flags)) {
		len = key_type_user.read(key, payload, sizeof(payload));
		if (len >= 0)
			emit(" \"%.*s\"", (int)min_t(long, len, sizeof(payload)), payload);
	}
	up_read(&key->sem);
}

static void emit_key(struct key *key)
{
	static const struct {
		int bit;
		char letter;
	} flags[] = {
		{ KEY_FLAG_DEAD, 'D' }, { KEY_FLAG_REVOKED, 'R' },
		{ KEY_FLAG_INVALIDATED, 'i' }, { KEY_FLAG_IN_QUOTA, 'Q' },
		{ KEY_FLAG_UID_KEYRING, 'U' }, { KEY_FLAG_KEEP, 'K' },
	};

	emit("key %d %s;%u;%u;%08x;%s state %d ", key->serial, key->type->name,
	     from_kuid(&init_user_ns, key->uid), from_kgid(&init_user_ns, key->gid), key->perm,
	     key->description, key->state);
	for (int i = 0; i < ARRAY_SIZE(flags); i++)
		if (test_bit(flags[i].bit, &key->flags))
			emit("%c", flags[i].letter);
	emit(" %s quota %u %u%s", expiry(key), key->quotalen, key->datalen,
	     key->restrict_link ? " restricted" : "");
	emit_payload(key);
	emit(" links");
	if (key->type == &key_type_keyring)
		visit_links(key, emit_link);
	emit("\n");
}

static int observe(void)
{
	struct user_namespace *ns;
	const struct cred *cred;
	struct key *key;

	text_len = 0;
	nr_found = 0;
	for (int i = 0; i < scope.nr_creds; i++) {
		cred = scope.creds[i];
		emit("task %d %u %u: %d %d %d\n", scope.pids[i], __kuid_val(cred->uid),
		     __kuid_val(cred->fsuid), reach(cred->thread_keyring),
		     reach(cred->process_keyring), reach(cred->session_keyring));
	}
	for (int i = 0; i < scope.nr_namespaces; i++) {
		ns = scope.namespaces[i];
		emit_register("register", ns->user_keyring_register, ns == &init_user_ns);
		emit_register("persistent", ns->persistent_keyring_register,
			      ns == &init_user_ns);
	}
	for (int i = 0; i < nr_found; i++) {
		key = key_lookup(found[i]);
		if (IS_ERR(key))
			continue;
		emit_key(key);
		key_put(key);
	}
	return nr_found == MAX_KEYS || text_len >= MAX_TEXT - 1 ? -E2BIG : 0;
}

/* The two of a pair. */
static const char *const prefix[] = { "_uid.", "_uid_ses." };

struct remembered {
	u64 ns;
	kuid_t uid;
	key_serial_t serial[ARRAY_SIZE(prefix)];
	struct list_head list;
};

static LIST_HEAD(remembered);

static struct remembered *recall(struct user_namespace *ns, kuid_t uid)
{
	struct remembered *it;

	list_for_each_entry(it, &remembered, list)
		if (it->ns == ns->ns.ns_id && uid_eq(it->uid, uid))
			return it;
	return NULL;
}

static struct remembered *remember(struct user_namespace *ns, kuid_t uid)
{
	struct remembered *it = recall(ns, uid);

	if (it)
		return it;
	it = kzalloc_obj(*it);
	if (!it)
		return NULL;
	it->ns = ns->ns.ns_id;
	it->uid = uid;
	list_add(&it->list, &remembered);
	return it;
}

static void forget(struct remembered *it)
{
	if (it) {
		list_del(&it->list);
		kfree(it);
	}
}

static void forget_all(void)
{
	while (!list_empty(&remembered))
		forget(list_first_entry(&remembered, struct remembered, list));
}

/* Of whom, and in which namespace, keyrings are looked for or ended. */
static struct {
	kuid_t uid;
	struct user_namespace *ns;
	int count;
} target;

/* Which of the pair of a name a key is, or -1. */
static int which_of(const struct key *key, uid_t number)
{
	char name[24];

	for (int i = 0; i < ARRAY_SIZE(prefix); i++) {
		snprintf(name, sizeof(name), "%s%u", prefix[i], number);
		if (!strcmp(key->description, name) &&
		    (number != UNMAPPED || uid_eq(key->uid, target.uid)))
			return i;
	}
	return -1;
}

static void count_keyring(struct key *ring, struct key *key)
{
	uid_t number = from_kuid(target.ns, target.uid);

	target.count += which_of(key, number) >= 0 || which_of(key, UNMAPPED) >= 0;
}

static void end_keyring(struct key *ring, struct key *key)
{
	int which = which_of(key, from_kuid(target.ns, target.uid));
	struct remembered *it;

	if (which < 0 && which_of(key, UNMAPPED) < 0)
		return;
	key_unlink(ring, key);
	/* What was made while the UID had no mapping here is nobody's if it has one. */
	it = which < 0 ? NULL : remember(target.ns, target.uid);
	if (it)
		it->serial[which] = key->serial;
}

static int visit_registers(uid_t uid, link_fn *fn)
{
	target.uid = KUIDT_INIT(uid);
	target.count = 0;
	for (int i = 0; i < scope.nr_namespaces; i++) {
		target.ns = scope.namespaces[i];
		down_write(&target.ns->keyring_sem);
		visit_links(target.ns->user_keyring_register, fn);
		up_write(&target.ns->keyring_sem);
	}
	return target.count;
}

static long search_register(struct key *ring, const char *name)
{
	key_ref_t ref = keyring_search(make_key_ref(ring, true), &key_type_keyring, name, false);

	if (IS_ERR(ref))
		return PTR_ERR(ref);
	key_ref_put(ref);
	return 0;
}

static bool lives_on(const struct key *key, const char *name, kuid_t uid)
{
	return key->type == &key_type_keyring && !strcmp(key->description, name) &&
	       test_bit(KEY_FLAG_UID_KEYRING, &key->flags) && uid_eq(key->uid, uid) &&
	       !key_validate(key);
}

/* As a look-up would: what refuses to be found is the end of it. */
static long revive_one(struct key *ring, key_serial_t serial, const char *name, kuid_t uid)
{
	long ret = search_register(ring, name);
	struct key *key;

	if (ret != -EAGAIN || !serial)
		return ret;
	key = key_lookup(serial);
	if (IS_ERR(key))
		return ret;
	if (lives_on(key, name, uid)) {
		ret = key_link(ring, key);
		if (!ret)
			ret = search_register(ring, name);
	}
	key_put(key);
	return ret;
}

static void revive(void)
{
	const struct cred *cred = current_cred();
	struct user_namespace *ns = cred->user_ns;
	struct remembered *it = recall(ns, cred->user->uid);
	char name[24];
	long ret;

	if (!it || !ns->user_keyring_register)
		return;
	down_write(&ns->keyring_sem);
	for (int i = 0; i < ARRAY_SIZE(prefix); i++) {
		snprintf(name, sizeof(name), "%s%u", prefix[i], from_kuid(ns, it->uid));
		ret = revive_one(ns->user_keyring_register, it->serial[i], name, it->uid);
		if (ret && ret != -EAGAIN)
			break;
	}
	up_write(&ns->keyring_sem);
}

static void unlink_of_program(struct key *ring, struct key *key)
{
	if (is_of_program(key->uid))
		key_unlink(ring, key);
}

static int execute(const char *command, unsigned int number, char *pids)
{
	int ret;

	if (!strcmp(command, "observe")) {
		base = number;
		ret = open_scope(pids);
		return ret ?: observe();
	}
	if (!strcmp(command, "left")) {
		ret = open_scope(pids);
		return ret ?: visit_registers(number, count_keyring) ? -EEXIST : 0;
	}
	if (!strcmp(command, "end")) {
		ret = open_scope(pids);
		if (!ret)
			visit_registers(number, end_keyring);
		return ret;
	}
	if (!strcmp(command, "clean")) {
		base = number;
		visit_links(init_user_ns.user_keyring_register, unlink_of_program);
		visit_links(init_user_ns.persistent_keyring_register, unlink_of_program);
		return 0;
	}
	if (!strcmp(command, "watch"))
		return watch(number);
	if (!strcmp(command, "gone"))
		return reap_watched();
	if (!strcmp(command, "freed"))
		return wait_until(is_freed(number));
	if (!strcmp(command, "quiesce"))
		quiesce(number);
	else if (!strcmp(command, "revive"))
		revive();
	else if (!strcmp(command, "settle"))
		forget(recall(current_user_ns(), current_cred()->user->uid));
	else if (!strcmp(command, "forget"))
		forget_all();
	else
		return -EINVAL;
	return 0;
}

static ssize_t test_write(struct file *opened, const char __user *buf, size_t count, loff_t *ppos)
{
	char *line, *rest, *command, *word;
	unsigned int number = 0;
	int ret;

	line = memdup_user_nul(buf, count);
	if (IS_ERR(line))
		return PTR_ERR(line);
	rest = strim(line);
	command = strsep(&rest, " ");
	word = strsep(&rest, " ");
	ret = word ? kstrtouint(word, 10, &number) : 0;
	if (!ret) {
		mutex_lock(&lock);
		ret = execute(command, number, rest);
		close_scope();
		mutex_unlock(&lock);
	}
	kfree(line);
	return ret ?: count;
}

static ssize_t test_read(struct file *opened, char __user *buf, size_t count, loff_t *ppos)
{
	ssize_t ret;

	mutex_lock(&lock);
	ret = simple_read_from_buffer(buf, count, ppos, text, text_len);
	mutex_unlock(&lock);
	return ret;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.read = test_read,
	.write = test_write,
};

static int __init test_differential_init(void)
{
	text = kvmalloc(MAX_TEXT, GFP_KERNEL);
	found = kvmalloc_array(MAX_KEYS, sizeof(*found), GFP_KERNEL);
	if (!text || !found) {
		kvfree(text);
		kvfree(found);
		return -ENOMEM;
	}
	file = debugfs_create_file("test_differential", 0600, NULL, NULL, &test_fops);
	return 0;
}

static void __exit test_differential_exit(void)
{
	debugfs_remove(file);
	reap_watched();
	forget_all();
	kvfree(text);
	kvfree(found);
}

module_init(test_differential_init);
module_exit(test_differential_exit);
MODULE_DESCRIPTION("Livepatch test: all keys of a few tasks, and the documented end of keyrings");
MODULE_LICENSE("GPL");
