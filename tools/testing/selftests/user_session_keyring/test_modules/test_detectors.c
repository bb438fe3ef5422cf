// SPDX-License-Identifier: GPL-2.0
/*
 * Does what must not be done, one mistake each time that it is loaded, to see that it is noticed.
 * detectors.sh knows what each is noticed by.
 */
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static char *fault;
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "the mistake to make");

/* What the compiler is to know nothing of. */
static int zero;
static int raced;
module_param(zero, int, 0444);
MODULE_PARM_DESC(zero, "0");

static void use_after_free(void)
{
	int *p = kmalloc(sizeof(*p) * 16, GFP_KERNEL);

	kfree(p);
	READ_ONCE(p[zero]);
}

static void double_free(void)
{
	void *p = kmalloc(64, GFP_KERNEL), *same = p;

	OPTIMIZER_HIDE_VAR(same);
	kfree(p);
	kfree(same);
}

static void out_of_bounds(void)
{
	char *p = kmalloc(64, GFP_KERNEL);

	READ_ONCE(p[64 + zero]);
	kfree(p);
}

static void vmalloc_out_of_bounds(void)
{
	char *p = vmalloc(64);

	/* Further on is a page that nobody has. */
	READ_ONCE(p[64 + zero]);
	vfree(p);
}

static void stack_out_of_bounds(void)
{
	char buf[16];

	READ_ONCE(buf[16 + zero]);
}

static void shift(void)
{
	WRITE_ONCE(raced, 1 << (32 + zero));
}

static void array_index(void)
{
	static int array[4];

	/* One past the end has an address. */
	READ_ONCE(array[5 + zero]);
}

static void refcount(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_dec(&count);
}

static void do_nothing(struct timer_list *unused)
{
}

static void active_object(void)
{
	struct timer_list *timer = kmalloc(sizeof(*timer), GFP_KERNEL);

	timer_setup(timer, do_nothing, 0);
	mod_timer(timer, jiffies + 3600 * HZ);
	/* Noticed, and the timer is stopped. */
	kfree(timer);
}

static void leak(void)
{
	void *p;
	int i;

	/* The address of one or the other may stay on a stack. */
	for (i = 0; i < 16; i++) {
		p = kmalloc(64, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(p);
	}
}

static void list_corruption(void)
{
	LIST_HEAD(list);
	struct list_head a, b;

	list_add(&a, &list);
	list.next = &b;
	list_add(&b, &list);
}

static void sleep_in_atomic(void)
{
	static DEFINE_RAW_SPINLOCK(lock);

	raw_spin_lock(&lock);
	msleep(20);
	raw_spin_unlock(&lock);
}

static void might_sleep_in_atomic(void)
{
	static DEFINE_RAW_SPINLOCK(lock);

	raw_spin_lock(&lock);
	might_sleep();
	raw_spin_unlock(&lock);
}

/* As in the handler of a function probe: no mistake, unless spinlocks sleep. */
static void spinlock_in_atomic(void)
{
	static DEFINE_SPINLOCK(lock);

	preempt_disable();
	spin_lock(&lock);
	spin_unlock(&lock);
	preempt_enable();
}

static void rcu_outside(void)
{
	static int __rcu *pointer;

	rcu_dereference(pointer);
}

static void rcu_list_outside(void)
{
	static LIST_HEAD(list);
	struct { struct list_head node; } *entry;

	list_for_each_entry_rcu(entry, &list, node)
		;
}

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);

static void lock_order(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);
	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
}

static void lock_in_interrupt(void)
{
	static DEFINE_RAW_SPINLOCK(lock);

	local_irq_disable();
	lockdep_hardirq_enter();
	raw_spin_lock(&lock);
	raw_spin_unlock(&lock);
	lockdep_hardirq_exit();
	local_irq_enable();
	raw_spin_lock(&lock);
	raw_spin_unlock(&lock);
}

static void lock_nesting(void)
{
	static DEFINE_RAW_SPINLOCK(outer);
	static DEFINE_SPINLOCK(inner);

	raw_spin_lock(&outer);
	spin_lock(&inner);
	spin_unlock(&inner);
	raw_spin_unlock(&outer);
}

static void lock_without_key(void)
{
	struct { spinlock_t lock; } *p = kzalloc(sizeof(*p), GFP_KERNEL);

	spin_lock(&p->lock);
	spin_unlock(&p->lock);
	kfree(p);
}

/* Races that are not about keyrings do not count. */
static int race_for_keyring(void *unused)
{
	while (!kthread_should_stop()) {
		raced++;
		cond_resched();
	}
	return 0;
}

static void race_of_two(void)
{
	struct task_struct *tasks[2];
	int i;

	for (i = 0; i < 2; i++) {
		tasks[i] = kthread_create(race_for_keyring, NULL, "test_detectors");
		if (WARN_ON(IS_ERR(tasks[i])))
			return;
		kthread_bind(tasks[i], i);
		wake_up_process(tasks[i]);
	}
	ssleep(10);
	for (i = 0; i < 2; i++)
		kthread_stop(tasks[i]);
}

#define FAULT(name) { #name, name }
static const struct {
	const char *name;
	void (*make)(void);
} faults[] = {
	FAULT(use_after_free),
	FAULT(double_free),
	FAULT(out_of_bounds),
	FAULT(vmalloc_out_of_bounds),
	FAULT(stack_out_of_bounds),
	FAULT(shift),
	FAULT(array_index),
	FAULT(refcount),
	FAULT(active_object),
	FAULT(leak),
	FAULT(list_corruption),
	FAULT(sleep_in_atomic),
	FAULT(might_sleep_in_atomic),
	FAULT(spinlock_in_atomic),
	FAULT(rcu_outside),
	FAULT(rcu_list_outside),
	FAULT(lock_order),
	FAULT(lock_in_interrupt),
	FAULT(lock_nesting),
	FAULT(lock_without_key),
	FAULT(race_of_two),
};

static int __init test_detectors_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (fault && !strcmp(fault, faults[i].name)) {
#ifdef CONFIG_PROVE_LOCKING
			/* After one report lockdep says no more. */
			debug_locks = 1;
#endif
			faults[i].make();
			return 0;
		}
	}
	return -EINVAL;
}

static void __exit test_detectors_exit(void)
{
}

module_init(test_detectors_init);
module_exit(test_detectors_exit);
MODULE_DESCRIPTION("Test of what watches the kernel: a mistake on request");
MODULE_LICENSE("GPL");
