// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch for the very functions that the module replaces, by the kernel's
 * own code once more. On top of the module it takes them over; with "replace=1"
 * it takes the module's place. Nobody may notice.
 */
#include <linux/cred.h>
#include <linux/key.h>
#include <linux/key-type.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/user_namespace.h>

static bool replace;
module_param(replace, bool, 0444);

#define PERM	((KEY_POS_ALL & ~KEY_POS_SETATTR) | KEY_USR_ALL)

static atomic_long_t answers;

static int get_answers(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&answers));
}

static const struct kernel_param_ops answers_ops = { .get = get_answers };

/* How many times it was asked. */
module_param_cb(answers, &answers_ops, NULL, 0444);

static struct key *find(struct key *reg, const char *name)
{
	key_ref_t found = keyring_search(make_key_ref(reg, true),
					 &key_type_keyring, name, false);

	return IS_ERR(found) ? ERR_CAST(found) : key_ref_to_ptr(found);
}

static struct key *get_user_register(struct user_namespace *ns)
{
	struct key *reg;

	down_write(&ns->keyring_sem);
	reg = ns->user_keyring_register;
	if (!reg) {
		reg = keyring_alloc(".user_reg", ns->owner, INVALID_GID,
				    kernel_cred(), KEY_POS_WRITE | KEY_POS_SEARCH |
				    KEY_USR_VIEW | KEY_USR_READ, 0, NULL, NULL);
		if (!IS_ERR(reg))
			/* As the kernel does, for its search by RCU. */
			smp_store_release(&ns->user_keyring_register, reg);
	}
	up_write(&ns->keyring_sem);
	return reg;
}

static struct key *alloc(const char *name, struct key *dest)
{
	const struct cred *cred = current_cred();

	return keyring_alloc(name, cred->user->uid, INVALID_GID, cred, PERM,
			     KEY_ALLOC_UID_KEYRING | KEY_ALLOC_IN_QUOTA, NULL,
			     dest);
}

static struct key *find_or_make_session(struct key *reg, struct key *user, uid_t uid)
{
	struct key *session;
	char name[20];
	int ret;

	snprintf(name, sizeof(name), "_uid_ses.%u", uid);
	session = find(reg, name);
	if (session != ERR_PTR(-EAGAIN))
		return session;
	session = alloc(name, NULL);
	if (IS_ERR(session))
		return session;
	ret = key_link(session, user);
	if (!ret)
		ret = key_link(reg, session);
	if (!ret)
		return session;
	key_put(session);
	return ERR_PTR(ret);
}

static int livepatch_look_up_user_keyrings(struct key **user_keyring,
					   struct key **user_session_keyring)
{
	struct user_namespace *ns = current_user_ns();
	uid_t uid = from_kuid(ns, current_cred()->user->uid);
	struct key *reg = get_user_register(ns), *user, *session;
	char name[20];

	atomic_long_inc(&answers);
	if (IS_ERR(reg))
		return PTR_ERR(reg);
	snprintf(name, sizeof(name), "_uid.%u", uid);
	down_write(&ns->keyring_sem);
	user = find(reg, name);
	if (user == ERR_PTR(-EAGAIN))
		user = alloc(name, reg);
	session = IS_ERR(user) ? user : find_or_make_session(reg, user, uid);
	up_write(&ns->keyring_sem);
	if (IS_ERR(session)) {
		if (!IS_ERR(user))
			key_put(user);
		return PTR_ERR(session);
	}
	if (user_session_keyring)
		*user_session_keyring = session;
	else
		key_put(session);
	if (user_keyring)
		*user_keyring = user;
	else
		key_put(user);
	return 0;
}

/* Not even this search may sleep. It is made with the credentials that it is about. */
static struct key *livepatch_get_user_session_keyring_rcu(const struct cred *cred)
{
	struct key *reg = READ_ONCE(cred->user_ns->user_keyring_register);
	const struct cred *old;
	struct key *session;
	char name[20];

	atomic_long_inc(&answers);
	if (!reg)
		return NULL;
	snprintf(name, sizeof(name), "_uid_ses.%u",
		 from_kuid(cred->user_ns, cred->user->uid));
	old = override_creds(cred);
	session = find(reg, name);
	revert_creds(old);
	return IS_ERR(session) ? NULL : session;
}

static struct klp_func funcs[] = {
	{
		.old_name = "look_up_user_keyrings",
		.new_func = livepatch_look_up_user_keyrings,
	}, {
		.old_name = "get_user_session_keyring_rcu",
		.new_func = livepatch_get_user_session_keyring_rcu,
	}, { }
};

static struct klp_object objs[] = {
	{
		/* name being NULL means vmlinux */
		.funcs = funcs,
	}, { }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init test_klp_own_init(void)
{
	patch.replace = replace;
	return klp_enable_patch(&patch);
}

static void __exit test_klp_own_exit(void)
{
}

module_init(test_klp_own_init);
module_exit(test_klp_own_exit);
MODULE_DESCRIPTION("Livepatch test: the kernel's own code, once more");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
