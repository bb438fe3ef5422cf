// SPDX-License-Identifier: GPL-2.0

#include "../rust/helpers/helpers.c"

#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/mman.h>
#include <linux/path.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "helpers.h"

/*
 * The accounts themselves are private to security/keys. A kernel thread does
 * not see the mounts of processes.
 */
static struct file *open_key_users(void)
{
	struct task_struct *init;
	struct file *file;
	struct path root;

	rcu_read_lock();
	init = get_pid_task(find_pid_ns(1, &init_pid_ns), PIDTYPE_TGID);
	rcu_read_unlock();
	if (!init)
		return ERR_PTR(-ESRCH);
	get_fs_root(init->fs, &root);
	put_task_struct(init);
	file = file_open_root(&root, "proc/key-users", O_RDONLY, 0);
	path_put(&root);
	return file;
}

ssize_t usk_kunit_key_users(char *buffer, size_t size)
{
	struct file *file = open_key_users();
	ssize_t len, sum = 0;
	loff_t pos = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	do {
		len = kernel_read(file, buffer + sum, size - sum, &pos);
		if (len > 0)
			sum += len;
	} while (len > 0);
	filp_close(file, NULL);
	return len < 0 ? len : sum;
}

int usk_kunit_set_linger(const char *value)
{
	return __param_linger.ops->set(value, &__param_linger);
}

static struct usk_kunit_told told;
static DEFINE_SPINLOCK(told_lock);

/* One more is told; what it says is that of the last one, but for the user keyrings. */
static void tell(enum usk_kunit_event event, kuid_t uid, u64 ns, key_serial_t user,
		 key_serial_t session, unsigned int cause)
{
	spin_lock(&told_lock);
	told.count[event]++;
	told.uid = __kuid_val(uid);
	told.ns = ns;
	told.user = user;
	told.users ^= user;
	told.session = session;
	told.cause = cause;
	spin_unlock(&told_lock);
}

#define DEFINE_PROBE(name, event)							\
	static void probe_##name(void *data, kuid_t uid, u64 ns, key_serial_t user,	\
				 key_serial_t session)					\
	{										\
		tell(event, uid, ns, user, session, 0);					\
	}

DEFINE_PROBE(create, USK_KUNIT_CREATE)
DEFINE_PROBE(adopt, USK_KUNIT_ADOPT)
DEFINE_PROBE(revive, USK_KUNIT_REVIVE)
DEFINE_PROBE(hand_back, USK_KUNIT_HAND_BACK)

static void probe_destroy(void *data, kuid_t uid, u64 ns, key_serial_t user,
			  key_serial_t session, unsigned int cause)
{
	tell(USK_KUNIT_DESTROY, uid, ns, user, session, cause);
}

int usk_kunit_follow(void)
{
	int ret;

	memset(&told, 0, sizeof(told));
	ret = register_trace_create(probe_create, NULL);
	if (ret)
		return ret;
	ret = register_trace_adopt(probe_adopt, NULL);
	if (ret)
		goto create;
	ret = register_trace_revive(probe_revive, NULL);
	if (ret)
		goto adopt;
	ret = register_trace_hand_back(probe_hand_back, NULL);
	if (ret)
		goto revive;
	ret = register_trace_destroy(probe_destroy, NULL);
	if (ret)
		goto hand_back;
	return 0;

hand_back:
	unregister_trace_hand_back(probe_hand_back, NULL);
revive:
	unregister_trace_revive(probe_revive, NULL);
adopt:
	unregister_trace_adopt(probe_adopt, NULL);
create:
	unregister_trace_create(probe_create, NULL);
	tracepoint_synchronize_unregister();
	return ret;
}

void usk_kunit_unfollow(struct usk_kunit_told *result)
{
	unregister_trace_destroy(probe_destroy, NULL);
	unregister_trace_hand_back(probe_hand_back, NULL);
	unregister_trace_revive(probe_revive, NULL);
	unregister_trace_adopt(probe_adopt, NULL);
	unregister_trace_create(probe_create, NULL);
	tracepoint_synchronize_unregister();
	*result = told;
}

/* Memory as a process has it, until the current test is over. */
unsigned long usk_kunit_user_memory(size_t size)
{
	return kunit_vm_mmap(kunit_get_current_test(), NULL, 0, size, PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
}
