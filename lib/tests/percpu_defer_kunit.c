// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of percpu_defer: object mode, and what both modes share.
 *
 * What the library promises, and the tests that fail when the promise is broken;
 * o_ stands for percpu_defer_kunit.c, m_ for percpu_defer_map_kunit.c. Each was
 * seen to fail by breaking the library on purpose.
 *
 *  1. A pushed object is drained exactly once; a refused push leaves no trace:
 *     o_drain_once, o_cap, o_off, o_no_page, m_drain_once, m_scattered
 *  2. A flush does not return before what was pushed earlier is drained:
 *     o_flush_waits, m_flush_waits_for_{flush,worker,help}
 *  3. A claim after a cancel is false, and two claims never both win:
 *     m_cancel, m_claim_once, m_reuse
 *  4. In index mode no pattern of pushes is too much for it, and none is missed:
 *     m_scattered, m_side_by_side, m_no_page, m_dies_meanwhile
 *  5. What waits is drained when it is old, or its CPU is gone:
 *     o_age, o_cpu_offline, m_age, m_cpu_offline
 *  6. What is pending is bounded: o_cap, o_small_cap, m_cap
 *  7. Memory pressure drains, inline: o_help, o_shrinker, o_oom, o_oom_unit, m_help
 *  8. Destroying leaves nothing behind, and later pushes are reported:
 *     o_destroy, o_static, m_destroy
 *  9. An instance that is off takes nothing: o_off, m_off
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kasan.h>
#include <linux/kthread.h>
#include <linux/percpu_defer.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/umh.h>
#include <linux/workqueue.h>

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/* A word each: they fill eight pages. */
#define NR_OBJECTS	PAGE_SIZE

/* Objects are numbers here; the drain counts how often it got each. */
struct owner {
	struct percpu_defer pd;
	atomic_t *drained;
	atomic_long_t nr_drained;
	/* if set, the drain stops at the gate */
	bool gated;
	struct completion arrived;
	struct completion gate;
};

static void count_drained(struct owner *o, const unsigned long *obj, unsigned int nr)
{
	if (READ_ONCE(o->gated)) {
		complete(&o->arrived);
		wait_for_completion(&o->gate);
	}
	for (; nr; nr--, obj++) {
		if (*obj < NR_OBJECTS)
			atomic_inc(&o->drained[*obj]);
		atomic_long_inc(&o->nr_drained);
	}
}

static void drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	count_drained(container_of(pd, struct owner, pd), obj, nr);
}

/* Stops the drains. */
static void close_gate(struct owner *o)
{
	reinit_completion(&o->gate);
	WRITE_ONCE(o->gated, true);
}

static void open_gate(struct owner *o)
{
	WRITE_ONCE(o->gated, false);
	complete_all(&o->gate);
}

static int percpu_defer_test_init(struct kunit *test)
{
	struct owner *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, o);
	o->drained = kunit_kcalloc(test, NR_OBJECTS, sizeof(*o->drained), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, o->drained);
	init_completion(&o->arrived);
	init_completion(&o->gate);
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_init(&o->pd, "kunit", drain));
	test->priv = o;
	return 0;
}

static void percpu_defer_test_exit(struct kunit *test)
{
	struct owner *o = test->priv;

	if (!o || o->pd.destroyed)
		return;
	/* Should the test have ended early. */
	open_gate(o);
	percpu_defer_destroy(&o->pd);
}

static bool push(struct owner *o, unsigned long obj)
{
	return percpu_defer_push(&o->pd, obj);
}

static void never_aged(struct owner *o)
{
	o->pd.age = 3600 * HZ;
}

static bool drained_soon(struct owner *o, long nr)
{
	int i;

	for (i = 0; i < 10000; i++) {
		if (atomic_long_read(&o->nr_drained) == nr)
			return true;
		usleep_range(500, 1000);
	}
	return false;
}

static void expect_drained(struct kunit *test, unsigned long first,
			   unsigned long nr, int times)
{
	struct owner *o = test->priv;
	unsigned long i;

	for (i = first; i < first + nr; i++)
		if (atomic_read(&o->drained[i]) != times)
			break;
	KUNIT_EXPECT_EQ_MSG(test, i, first + nr, "object %lu was drained %d times",
			    i, i < NR_OBJECTS ? atomic_read(&o->drained[i]) : 0);
}

/* Runs a command; false if it failed. Where there is no user space, skips the test. */
static bool shell(struct kunit *test, const char *command)
{
	char *argv[] = { "/bin/sh", "-c", (char *)command, NULL };
	char *envp[] = { "PATH=/bin:/usr/bin", NULL };
	int ret = call_usermodehelper(argv[0], argv, envp, UMH_WAIT_PROC);

	if (ret < 0)
		kunit_skip(test, "needs /bin/sh");
	return !ret;
}

/* Lets a WARN_ONCE() that was seen before be seen again. */
static void warn_again(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, shell(test, "echo 1 >/sys/kernel/debug/clear_warn_once"));
}

/* More than some pages take. */
static void o_drain_once(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	/* Big pages make for few, of which the default cap is a share. */
	percpu_defer_set_cap(&o->pd, 2 * NR_OBJECTS);
	for (i = 0; i < NR_OBJECTS - 1; i++)
		KUNIT_ASSERT_TRUE(test, push(o, i));
	percpu_defer_flush(&o->pd);
	expect_drained(test, 0, NR_OBJECTS - 1, 1);
	expect_drained(test, NR_OBJECTS - 1, 1, 0);
	KUNIT_EXPECT_EQ(test, NR_OBJECTS - 1, atomic_long_read(&o->nr_drained));
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->pd.pending));
}

static void o_push_many(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long *obj = kunit_kcalloc(test, NR_OBJECTS, sizeof(*obj), GFP_KERNEL);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	for (i = 0; i < NR_OBJECTS; i++)
		obj[i] = i;
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_push_many(&o->pd, obj, 0));
	KUNIT_EXPECT_EQ(test, 3, percpu_defer_push_many(&o->pd, obj, 3));
	KUNIT_EXPECT_EQ(test, 2000, percpu_defer_push_many(&o->pd, obj + 3, 2000));
	percpu_defer_flush(&o->pd);
	expect_drained(test, 0, 2003, 1);
	expect_drained(test, 2003, NR_OBJECTS - 2003, 0);
}

/* The first ones are taken, the rest is not. */
static void o_push_many_cap(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long *obj = kunit_kcalloc(test, NR_OBJECTS, sizeof(*obj), GFP_KERNEL);
	unsigned long i, pushed;

	KUNIT_ASSERT_NOT_NULL(test, obj);
	for (i = 0; i < NR_OBJECTS; i++)
		obj[i] = i;
	never_aged(o);
	percpu_defer_set_cap(&o->pd, 1000);
	close_gate(o);
	/* On one CPU: each may hold on to some room. */
	migrate_disable();
	pushed = percpu_defer_push_many(&o->pd, obj, NR_OBJECTS);
	migrate_enable();
	open_gate(o);
	KUNIT_EXPECT_EQ(test, 1000, pushed);
	percpu_defer_flush(&o->pd);
	expect_drained(test, 0, 1000, 1);
	expect_drained(test, 1000, NR_OBJECTS - 1000, 0);
}

DEFINE_PERCPU_DEFER_PUSH(push_owner, struct owner)

static void o_typed(struct kunit *test)
{
	struct owner *o = test->priv;

	KUNIT_EXPECT_TRUE(test, push_owner(&o->pd, o));
	percpu_defer_flush(&o->pd);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&o->nr_drained));
}

static void o_off(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	percpu_defer_set_enabled(&o->pd, false);
	expect_drained(test, 1, 1, 1);
	KUNIT_EXPECT_FALSE(test, push(o, 2));
	percpu_defer_flush(&o->pd);
	expect_drained(test, 2, 1, 0);
	percpu_defer_set_enabled(&o->pd, true);
	KUNIT_EXPECT_TRUE(test, push(o, 2));
	percpu_defer_flush(&o->pd);
	expect_drained(test, 2, 1, 1);
}

/* Pushes until one is refused; returns how many were not. */
static unsigned long push_all(struct owner *o)
{
	unsigned long i;

	for (i = 0; i < NR_OBJECTS; i++)
		if (!push(o, i))
			break;
	return i;
}

static void expect_cap(struct kunit *test, unsigned long cap)
{
	struct owner *o = test->priv;
	unsigned long taken;
	int i;

	for (i = 0; i < NR_OBJECTS; i++)
		atomic_set(&o->drained[i], 0);
	percpu_defer_set_cap(&o->pd, cap);
	close_gate(o);
	/* On one CPU: each may hold on to some room. */
	migrate_disable();
	taken = push_all(o);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, taken, cap);
	KUNIT_EXPECT_EQ(test, taken, percpu_counter_sum(&o->pd.pending));
	KUNIT_EXPECT_FALSE(test, push(o, taken));
	open_gate(o);
	percpu_defer_flush(&o->pd);
	expect_drained(test, 0, taken, 1);
	expect_drained(test, taken, NR_OBJECTS - taken, 0);
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->pd.pending));
}

static void o_cap(struct kunit *test)
{
	never_aged(test->priv);
	expect_cap(test, 2000);
}

static void o_small_cap(struct kunit *test)
{
	never_aged(test->priv);
	expect_cap(test, 1);
	expect_cap(test, 100);
	expect_cap(test, 0);
}

static struct percpu_defer_buf *no_buf(void)
{
	return NULL;
}

static void o_no_page(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long taken;

	never_aged(o);
	kunit_activate_static_stub(test, percpu_defer_get_buf, no_buf);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	kunit_deactivate_static_stub(test, percpu_defer_get_buf);
	percpu_defer_flush(&o->pd);
	expect_drained(test, 1, 1, 0);

	/* What is in the last page is not lost. */
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, NR_OBJECTS - 1));
	kunit_activate_static_stub(test, percpu_defer_get_buf, no_buf);
	taken = push_all(o);
	kunit_deactivate_static_stub(test, percpu_defer_get_buf);
	migrate_enable();
	KUNIT_EXPECT_GT(test, taken, 0);
	KUNIT_EXPECT_LT(test, taken, NR_OBJECTS - 1);
	percpu_defer_flush(&o->pd);
	expect_drained(test, 0, taken, 1);
	expect_drained(test, taken, 1, 0);
	expect_drained(test, NR_OBJECTS - 1, 1, 1);
}

static void o_age(struct kunit *test)
{
	struct owner *o = test->priv;
	ktime_t start = ktime_get();

	KUNIT_EXPECT_TRUE(test, push(o, 1));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 1));
	/* Ten milliseconds, and what a busy emulated machine adds to it. */
	KUNIT_EXPECT_LT(test, ktime_ms_delta(ktime_get(), start), 1000);
	/* The CPU holds on to no page. */
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->pd.pending));
}

static long push_first(void *owner)
{
	return push(owner, 1);
}

static void o_cpu_offline(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned int cpu = cpumask_last(cpu_online_mask);

	if (!IS_ENABLED(CONFIG_HOTPLUG_CPU) || num_online_cpus() < 2)
		kunit_skip(test, "needs a CPU to switch off");

	never_aged(o);
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first, o));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&o->nr_drained));
	KUNIT_ASSERT_EQ(test, 0, remove_cpu(cpu));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 1));
	KUNIT_ASSERT_EQ(test, 0, add_cpu(cpu));

	o->pd.age = 1;
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first, o));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 2));
}

struct flusher {
	struct work_struct work;
	struct owner *o;
	struct completion done;
	unsigned long helped;
};

static void help_work_fn(struct work_struct *work)
{
	struct flusher *f = container_of(work, struct flusher, work);

	f->helped = percpu_defer_help(&f->o->pd, ULONG_MAX);
	complete_all(&f->done);
}

static void flush_work_fn(struct work_struct *work)
{
	struct flusher *f = container_of(work, struct flusher, work);

	percpu_defer_flush_all();
	complete(&f->done);
}

static void o_flush_waits(struct kunit *test)
{
	struct owner *o = test->priv;
	struct flusher f = { .o = o };

	close_gate(o);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	wait_for_completion(&o->arrived);

	init_completion(&f.done);
	INIT_WORK_ONSTACK(&f.work, flush_work_fn);
	queue_work(system_dfl_wq, &f.work);
	msleep(100);
	KUNIT_EXPECT_FALSE(test, completion_done(&f.done));

	open_gate(o);
	wait_for_completion(&f.done);
	expect_drained(test, 1, 1, 1);
	flush_work(&f.work);
	destroy_work_on_stack(&f.work);
}

/* Nobody else would do it: the worker that @help wakes comes after it. */
static void expect_help(struct kunit *test,
			unsigned long (*help)(struct owner *o))
{
	struct owner *o = test->priv;

	never_aged(o);
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	KUNIT_EXPECT_EQ(test, 1, help(o));
	migrate_enable();
	expect_drained(test, 1, 1, 1);
}

static unsigned long help_all(struct owner *o)
{
	return percpu_defer_help(&o->pd, ULONG_MAX);
}

static unsigned long oom(struct owner *o)
{
	unsigned long freed = 0;

	percpu_defer_oom(NULL, 0, &freed);
	/* Others' things may be among that. */
	return min(freed, 1UL);
}

static void o_help(struct kunit *test)
{
	struct owner *o = test->priv;
	struct flusher f = { .o = o };
	unsigned long i;

	KUNIT_EXPECT_EQ(test, 0, percpu_defer_help(&o->pd, ULONG_MAX));
	expect_help(test, help_all);

	/* Does not wait for a drain, and what it leaves is not forgotten. */
	close_gate(o);
	migrate_disable();
	for (i = 0; !completion_done(&o->arrived); i++) {
		KUNIT_ASSERT_LT(test, i, NR_OBJECTS - 10);
		KUNIT_EXPECT_TRUE(test, push(o, 10 + i));
		if (i % 1000 == 999)
			msleep(100);
	}
	init_completion(&f.done);
	INIT_WORK_ONSTACK(&f.work, help_work_fn);
	queue_work_on(raw_smp_processor_id(), system_percpu_wq, &f.work);
	migrate_enable();
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&f.done, 10 * HZ), 0);
	KUNIT_EXPECT_EQ(test, 0, f.helped);
	open_gate(o);
	flush_work(&f.work);
	destroy_work_on_stack(&f.work);
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 1 + i));
	expect_drained(test, 10, i, 1);
}

static void o_shrinker(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned int cpu;

	never_aged(o);
	/* It drains what the CPU has that it runs on, and that may be any. */
	for_each_online_cpu(cpu)
		KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first, o));
	KUNIT_ASSERT_TRUE(test, shell(test, "echo 2 >/proc/sys/vm/drop_caches"));
	KUNIT_EXPECT_GT(test, atomic_long_read(&o->nr_drained), 0);
}

static void o_oom(struct kunit *test)
{
	expect_help(test, oom);
}

/* The page allocator is told about pages: a number that is drained frees none. */
static void o_oom_unit(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long freed = 0;

	never_aged(o);
	/* The notifier drains what the CPU has that it runs on. */
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	percpu_defer_oom(NULL, 0, &freed);
	migrate_enable();
	expect_drained(test, 1, 1, 1);
	KUNIT_EXPECT_EQ(test, 0, freed);
}

static void o_destroy(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	percpu_defer_destroy(&o->pd);
	expect_drained(test, 1, 1, 1);
	warn_again(test);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_FALSE(test, push(o, 1));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_init(&o->pd, "kunit", drain));
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	percpu_defer_flush(&o->pd);
	expect_drained(test, 1, 1, 2);
}

static struct owner *static_owner;

static void drain_static(struct percpu_defer *pd, unsigned long *obj,
			 unsigned int nr)
{
	count_drained(static_owner, obj, nr);
}

DEFINE_STATIC_PERCPU_DEFER(kunit_static, drain_static);

static void o_static(struct kunit *test)
{
	int i;

	static_owner = test->priv;
	for (i = 1; i <= 2; i++) {
		if (i == 1)
			KUNIT_EXPECT_FALSE(test, percpu_defer_push(&kunit_static, 1));
		KUNIT_EXPECT_EQ(test, 0, percpu_defer_start(&kunit_static));
		kunit_warning_suppress(test) {
			KUNIT_EXPECT_EQ(test, -EBUSY, percpu_defer_start(&kunit_static));
		}
		KUNIT_EXPECT_TRUE(test, percpu_defer_push(&kunit_static, 1));
		percpu_defer_destroy(&kunit_static);
		expect_drained(test, 1, 1, i);
		warn_again(test);
		kunit_warning_suppress(test) {
			KUNIT_EXPECT_FALSE(test, percpu_defer_push(&kunit_static, 1));
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
		}
	}
}

static void o_bad_name(struct kunit *test)
{
	struct percpu_defer *pd = kunit_kzalloc(test, sizeof(*pd), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pd);
	KUNIT_EXPECT_EQ(test, -EEXIST, percpu_defer_init(pd, "kunit", drain));
	KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_init(pd, "", drain));
	KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_init(pd, "..", drain));
	KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_init(pd, "a/b", drain));
}

static struct percpu_defer_cpu __percpu *no_cpus(void)
{
	return NULL;
}

static int no_pending(struct percpu_defer *pd)
{
	return -ENOMEM;
}

/* Whatever allocation fails, nothing is left behind, least of all the name. */
static void o_init_fails(struct kunit *test)
{
	struct percpu_defer *pd = kunit_kzalloc(test, sizeof(*pd), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pd);
	kunit_activate_static_stub(test, percpu_defer_alloc_cpus, no_cpus);
	KUNIT_EXPECT_EQ(test, -ENOMEM, percpu_defer_init(pd, "kunit_fails", drain));
	kunit_deactivate_static_stub(test, percpu_defer_alloc_cpus);

	kunit_activate_static_stub(test, percpu_defer_init_pending, no_pending);
	KUNIT_EXPECT_EQ(test, -ENOMEM, percpu_defer_init(pd, "kunit_fails", drain));
	kunit_deactivate_static_stub(test, percpu_defer_init_pending);

	static_owner = test->priv;
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_init(pd, "kunit_fails", drain_static));
	KUNIT_EXPECT_TRUE(test, percpu_defer_push(pd, 1));
	percpu_defer_destroy(pd);
	expect_drained(test, 1, 1, 1);
}

struct irq_push {
	struct irq_work work;
	struct timer_list timer;
	struct owner *o;
	unsigned long taken;
	struct completion done;
};

static void push_in_hardirq(struct irq_work *work)
{
	struct irq_push *p = container_of(work, struct irq_push, work);

	p->taken = push(p->o, 1);
}

static void o_hardirq(struct kunit *test)
{
	struct irq_push p = {
		.work = IRQ_WORK_INIT_HARD(push_in_hardirq),
		.o = test->priv,
		.taken = 1,
	};

	/* With a page there, and room in it. */
	never_aged(p.o);
	KUNIT_EXPECT_TRUE(test, push(p.o, 2));
	irq_work_queue(&p.work);
	irq_work_sync(&p.work);
	KUNIT_EXPECT_EQ(test, 0, p.taken);
	percpu_defer_flush(&p.o->pd);
	expect_drained(test, 1, 1, 0);
	expect_drained(test, 2, 1, 1);
}

static void push_in_softirq(struct timer_list *timer)
{
	struct irq_push *p = container_of(timer, struct irq_push, timer);
	unsigned int i;

	for (i = 0; i < 16; i++)
		p->taken += push(p->o, 1);
	if (p->taken < 16 * 100)
		mod_timer(timer, jiffies + 1);
	else
		complete(&p->done);
}

/* Softirqs push while the tasks they interrupt do. */
static void o_softirq(struct kunit *test)
{
	struct owner *o = test->priv;
	struct irq_push p = { .o = o };
	unsigned long pushed = 0;

	init_completion(&p.done);
	timer_setup_on_stack(&p.timer, push_in_softirq, TIMER_PINNED);
	mod_timer(&p.timer, jiffies + 1);
	while (!completion_done(&p.done)) {
		pushed += push(o, 2);
		cond_resched();
	}
	timer_delete_sync(&p.timer);
	timer_destroy_on_stack(&p.timer);
	percpu_defer_flush(&o->pd);
	KUNIT_EXPECT_EQ(test, 1600, p.taken);
	expect_drained(test, 1, 1, 1600);
	expect_drained(test, 2, 1, pushed);
}

static int push_thread(void *owner)
{
	unsigned long i;

	for (i = 0; !kthread_should_stop(); i++) {
		while (!push(owner, i % NR_OBJECTS) && !kthread_should_stop())
			cond_resched();
		if (!(i % 64))
			cond_resched();
	}
	return i;
}

/* On all CPUs at once, with flushes and helps in between. */
static void o_concurrent(struct kunit *test)
{
	struct owner *o = test->priv;
	struct task_struct *task[3];
	long pushed = 0;
	int i;

	o->pd.age = 1;
	/* Every push that it makes wait is tried again. */
	percpu_defer_set_cap(&o->pd, 4000);
	for (i = 0; i < ARRAY_SIZE(task); i++) {
		task[i] = kthread_run(push_thread, o, "percpu_defer/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	for (i = 0; i < 50; i++) {
		msleep(20);
		if (i % 2)
			percpu_defer_flush(&o->pd);
		else
			percpu_defer_help(&o->pd, 100);
	}
	for (i = 0; i < ARRAY_SIZE(task); i++)
		pushed += kthread_stop(task[i]);
	percpu_defer_flush(&o->pd);
	KUNIT_EXPECT_GT(test, pushed, 0);
	/* The last push of each may have been refused until it gave up. */
	KUNIT_EXPECT_LE(test, atomic_long_read(&o->nr_drained), pushed);
	KUNIT_EXPECT_GE(test, atomic_long_read(&o->nr_drained), pushed - 3);
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->pd.pending));
}

#define STAT "/sys/kernel/debug/percpu_defer/kunit"

static void expect_stat(struct kunit *test, const char *line)
{
	char command[128];

	snprintf(command, sizeof(command), "grep -qx '%s' " STAT, line);
	KUNIT_EXPECT_TRUE_MSG(test, shell(test, command), "no '%s' in " STAT, line);
}

static void o_stat(struct kunit *test)
{
	struct owner *o = test->priv;

	if (!shell(test, "[ -d /sys/kernel/debug/percpu_defer ]"))
		kunit_skip(test, "needs debugfs");

	never_aged(o);
	kunit_activate_static_stub(test, percpu_defer_get_buf, no_buf);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	kunit_deactivate_static_stub(test, percpu_defer_get_buf);
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	KUNIT_EXPECT_TRUE(test, push(o, 2));
	migrate_enable();
	percpu_defer_flush(&o->pd);
	percpu_defer_set_enabled(&o->pd, false);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	KUNIT_EXPECT_FALSE(test, push(o, 1));

	expect_stat(test, "pushed 2");
	expect_stat(test, "drained 2");
	expect_stat(test, "rotations 1");
	expect_stat(test, "fallback_off 2");
	expect_stat(test, "fallback_cap 0");
	expect_stat(test, "fallback_no_page 1");
	expect_stat(test, "fallback_context 0");
	expect_stat(test, "pending 0");
	expect_stat(test, "pending_peak 2");
	expect_stat(test, "enabled 0");
	expect_stat(test, "oldest_ms 0");
	expect_stat(test, "drain_ns [1-9][0-9]*");

	percpu_defer_set_enabled(&o->pd, true);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	msleep(20);
	expect_stat(test, "oldest_ms [1-9][0-9]*");
	expect_stat(test, "enabled 1");
}

static void drain_kfree(struct percpu_defer *pd, unsigned long *obj,
			unsigned int nr)
{
	struct owner *o = container_of(pd, struct owner, pd);

	for (; nr; nr--, obj++) {
		/* Ours again, all of it. */
		memset((void *)*obj, 1, pd->size);
		kfree((void *)*obj);
		atomic_long_inc(&o->nr_drained);
	}
}

/* A pushed object must not be used: KASAN's shadow says so. */
static void o_kasan(struct kunit *test)
{
#ifdef CONFIG_KASAN_GENERIC
	struct owner *o = test->priv;
	unsigned long obj;

	never_aged(o);
	o->pd.drain = drain_kfree;
	o->pd.size = 64;
	obj = (unsigned long)kmalloc(64, GFP_KERNEL);
	KUNIT_ASSERT_NE(test, obj, 0);
	KUNIT_EXPECT_EQ(test, 0, *(s8 *)kasan_mem_to_shadow((void *)obj));
	KUNIT_EXPECT_TRUE(test, push(o, obj));
	KUNIT_EXPECT_NE(test, 0, *(s8 *)kasan_mem_to_shadow((void *)obj));
	percpu_defer_flush(&o->pd);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&o->nr_drained));

	/* What was refused is the caller's to use. */
	percpu_defer_set_enabled(&o->pd, false);
	obj = (unsigned long)kmalloc(64, GFP_KERNEL);
	KUNIT_ASSERT_NE(test, obj, 0);
	KUNIT_EXPECT_FALSE(test, push(o, obj));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_push_many(&o->pd, &obj, 1));
	KUNIT_EXPECT_EQ(test, 0, *(s8 *)kasan_mem_to_shadow((void *)obj));
	kfree((void *)obj);
#else
	kunit_skip(test, "needs CONFIG_KASAN_GENERIC");
#endif
}

#define KMEMLEAK "/sys/kernel/debug/kmemleak"

/* What waits in a buffer is not leaked. */
static void o_kmemleak(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long obj;
	int i;

	if (!shell(test, "echo clear >" KMEMLEAK))
		kunit_skip(test, "needs kmemleak");
	never_aged(o);
	o->pd.drain = drain_kfree;
	for (i = 0; i < 100; i++) {
		obj = (unsigned long)kmalloc(64, GFP_KERNEL);
		KUNIT_ASSERT_NE(test, obj, 0);
		KUNIT_ASSERT_TRUE(test, push(o, obj));
	}
	obj = 0;
	/* It suspects nobody younger than five seconds, nor at first sight. */
	msleep(5500);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, shell(test, "echo scan >" KMEMLEAK));
	KUNIT_EXPECT_TRUE(test, shell(test, "[ -z \"$(tee /dev/kmsg <" KMEMLEAK ")\" ]"));
	percpu_defer_flush(&o->pd);
	KUNIT_EXPECT_EQ(test, 100, atomic_long_read(&o->nr_drained));
}

static struct kunit_case percpu_defer_cases[] = {
	KUNIT_CASE(o_drain_once),
	KUNIT_CASE(o_push_many),
	KUNIT_CASE(o_push_many_cap),
	KUNIT_CASE(o_typed),
	KUNIT_CASE(o_off),
	KUNIT_CASE(o_cap),
	KUNIT_CASE(o_small_cap),
	KUNIT_CASE(o_no_page),
	KUNIT_CASE(o_age),
	KUNIT_CASE(o_cpu_offline),
	KUNIT_CASE(o_flush_waits),
	KUNIT_CASE(o_help),
	KUNIT_CASE(o_shrinker),
	KUNIT_CASE(o_oom),
	KUNIT_CASE(o_oom_unit),
	KUNIT_CASE(o_destroy),
	KUNIT_CASE(o_static),
	KUNIT_CASE(o_bad_name),
	KUNIT_CASE(o_init_fails),
	KUNIT_CASE(o_hardirq),
	KUNIT_CASE(o_softirq),
	KUNIT_CASE_SLOW(o_concurrent),
	KUNIT_CASE(o_stat),
	KUNIT_CASE(o_kasan),
	KUNIT_CASE_SLOW(o_kmemleak),
	{}
};

static struct kunit_suite percpu_defer_suite = {
	.name = "percpu_defer",
	.init = percpu_defer_test_init,
	.exit = percpu_defer_test_exit,
	.test_cases = percpu_defer_cases,
};

kunit_test_suite(percpu_defer_suite);

MODULE_DESCRIPTION("KUnit tests of percpu_defer");
MODULE_LICENSE("GPL");
