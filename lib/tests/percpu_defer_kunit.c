// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of percpu_defer: objects, and the code common to both modes.
 *
 * Guarantees of the library, each with the tests that fail if it is broken. o_ is the
 * prefix of tests in percpu_defer_kunit.c, m_ of those in percpu_defer_map_kunit.c. Most
 * of the tests have been verified to fail with a fault injected into the library.
 *
 *  1. A pushed object is drained exactly once, and a refused object never:
 *     o_drain_once, o_cap, o_off, o_no_page, o_irqs_off, m_drain_once, m_scattered,
 *     m_irqs_off, m_leaves, m_one, m_big
 *  2. A flush returns only after everything pushed earlier is drained:
 *     o_flush_waits, o_flush_waits_for_aged, m_flush_waits_for_flush,
 *     m_flush_waits_for_worker, m_flush_waits_for_help, m_flush_shares
 *  3. A claim after a cancel fails, and only one of two claims succeeds:
 *     m_cancel, m_cancel_late, m_claim_once, m_reuse
 *  4. Any pattern of slots can be pushed, and no slot is missed:
 *     m_scattered, m_side_by_side, m_grouped, m_dies_meanwhile, m_levels
 *  5. Pending objects are drained at the age bound, even if their CPU is offline, and
 *     earlier if there are many: o_age, o_cpu_offline, o_early, o_early_rest, m_age,
 *     m_cpu_offline, m_early, m_worker_comes_back, m_workers, m_helps_again
 *  6. The number of pending objects is bounded: o_cap, o_small_cap,
 *     o_cap_threads, o_cap_lowered, o_overdue, m_cap, m_cap_lowered,
 *     m_cancel_elsewhere, m_overdue, m_in_turn, m_stuck, m_stuck_before
 *  7. Memory reclaim drains inline, and little more than requested: o_help,
 *     o_help_some, o_help_nothing, o_two_helps, o_shrinker, o_trim, m_help,
 *     m_help_some, m_help_nothing, m_two_helps, m_help_rescans
 *  8. Teardown leaves nothing behind, and later pushes warn:
 *     o_destroy, o_late_push, m_destroy, m_late_push
 *  9. A disabled instance refuses pushes: o_off, o_off_meanwhile, o_off_sum, m_off
 * 10. Calls in a wrong state warn and do nothing: o_bad_init, o_wrong_state,
 *     o_flush_in_own_drain, m_bad_init, m_wrong_state
 * 11. A drain may flush and reclaim other instances: o_flush_in_drain, o_reclaim_in_drain
 * 12. Pushes work in tasks and softirqs, on all CPUs at once, and are refused in hardirqs:
 *     o_softirq, o_hardirq, o_concurrent, m_hardirq, m_bad_range
 * 13. Statistics are correct, no object appears leaked, and a failed init is undone:
 *     o_stat, o_counters, o_kmemleak, o_stale_words, o_init_fails, m_counters, m_dead,
 *     m_drain_some, m_init_fails
 */
#include <kunit/static_stub.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/percpu_defer.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/umh.h>
#include <linux/workqueue.h>
#include "../percpu_defer.h"
#include "percpu_defer_kunit.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

/* Number of objects that fill sixteen pages on 64-bit, at one word each. */
#define NR_OBJECTS	(2 * PAGE_SIZE)

/* Documented maximum size with 512 CPUs, without the pages. */
static_assert(sizeof(struct percpu_defer) + 512 * (sizeof(struct percpu_defer_count) +
						   sizeof(struct percpu_defer_cpu)) <= SZ_64K);

/* Objects are numbers. The drain counts how often it receives each number. */
struct owner {
	struct percpu_defer pd;
	atomic_t *drained;
	atomic_long_t nr_drained;
	/* the drain waits at the gate */
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

/* Make drains wait at the gate. */
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

	if (!o || o->pd.core.state < PERCPU_DEFER_OFF)
		return;
	/* A test that ended early may have left the gate closed. */
	open_gate(o);
	percpu_defer_destroy(&o->pd);
}

static bool push(struct owner *o, unsigned long obj)
{
	return percpu_defer_push(&o->pd, obj);
}

static void never_aged(struct owner *o)
{
	o->pd.core.age = 3600 * HZ;
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

/* Run a command. Return false if it fails. Skip the test if /bin/sh does not run. */
static bool shell(struct kunit *test, const char *command)
{
	char *argv[] = { "/bin/sh", "-c", (char *)command, NULL };
	char *envp[] = { "PATH=/bin:/usr/bin", NULL };
	int ret = call_usermodehelper(argv[0], argv, envp, UMH_WAIT_PROC);

	if (ret < 0)
		kunit_skip(test, "needs /bin/sh");
	return !ret;
}

/* Make WARN_ONCE() warn again after it has warned. */
static void warn_again(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, shell(test, "echo 1 >/sys/kernel/debug/clear_warn_once"));
}

/* Push enough objects to fill several pages. */
static void o_drain_once(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	/* With large pages, the default cap, half the number of pages of RAM, is too low. */
	percpu_defer_set_cap(&o->pd.core, 2 * NR_OBJECTS);
	for (i = 0; i < NR_OBJECTS - 1; i++)
		KUNIT_ASSERT_TRUE(test, push(o, i));
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 0, NR_OBJECTS - 1, 1);
	expect_drained(test, NR_OBJECTS - 1, 1, 0);
	KUNIT_EXPECT_EQ(test, NR_OBJECTS - 1, atomic_long_read(&o->nr_drained));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
}

static void o_off(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	percpu_defer_set_enabled(&o->pd.core, false);
	expect_drained(test, 1, 1, 1);
	KUNIT_EXPECT_FALSE(test, push(o, 2));
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 2, 1, 0);
	percpu_defer_set_enabled(&o->pd.core, true);
	KUNIT_EXPECT_TRUE(test, push(o, 2));
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 2, 1, 1);
}

/* Push until a push is refused. Return the number of accepted pushes. */
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
	never_aged(o);
	/* Keep drains from taking a page that is being filled. */
	o->pd.next = jiffies + o->pd.core.age;
	percpu_defer_set_cap(&o->pd.core, cap);
	close_gate(o);
	/* Stay on one CPU, because each CPU may reserve some room. */
	migrate_disable();
	taken = push_all(o);
	migrate_enable();
	/* Objects are counted by the page, so the last page may not fit. */
	KUNIT_EXPECT_LE(test, taken, cap);
	KUNIT_EXPECT_GE(test, taken, cap / PERCPU_DEFER_WORDS * PERCPU_DEFER_WORDS);
	KUNIT_EXPECT_EQ(test, !taken, !cap);
	KUNIT_EXPECT_EQ(test, taken, percpu_defer_pending(&o->pd.core));
	KUNIT_EXPECT_FALSE(test, push(o, taken));
	open_gate(o);
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 0, taken, 1);
	expect_drained(test, taken, NR_OBJECTS - taken, 0);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
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

/* Make pushes of this test find no page. */
static void take_pages(struct kunit *test)
{
	kunit_activate_static_stub(test, percpu_defer_get_buf, no_buf);
}

static void give_pages(struct kunit *test)
{
	kunit_deactivate_static_stub(test, percpu_defer_get_buf);
}

static void o_no_page(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long taken;

	never_aged(o);
	take_pages(test);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	give_pages(test);
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 1, 1, 0);

	/* Objects in the last page are not lost. */
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, NR_OBJECTS - 1));
	take_pages(test);
	taken = push_all(o);
	give_pages(test);
	migrate_enable();
	KUNIT_EXPECT_GT(test, taken, 0);
	KUNIT_EXPECT_LT(test, taken, NR_OBJECTS - 1);
	percpu_defer_flush(&o->pd.core);
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
	/* The age bound is 10 ms; allow for a busy emulated machine. */
	KUNIT_EXPECT_LT(test, ktime_ms_delta(ktime_get(), start), 1000);
	/* The CPU keeps no page. */
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
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
		kunit_skip(test, "needs a CPU to take offline");

	/* A worker takes the page of an offline CPU. */
	o->pd.core.age = HZ;
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first, o));
	KUNIT_ASSERT_EQ(test, 0, remove_cpu(cpu));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 1));
	KUNIT_ASSERT_EQ(test, 0, add_cpu(cpu));

	/* A flush takes the page of an offline CPU. */
	never_aged(o);
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first, o));
	KUNIT_ASSERT_EQ(test, 0, remove_cpu(cpu));
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&o->nr_drained));
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 1, 1, 2);
	KUNIT_ASSERT_EQ(test, 0, add_cpu(cpu));
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

	f->helped = percpu_defer_reclaim(&f->o->pd.core, ULONG_MAX);
	complete_all(&f->done);
}

static void flush_work_fn(struct work_struct *work)
{
	struct flusher *f = container_of(work, struct flusher, work);

	percpu_defer_flush(&f->o->pd.core);
	complete(&f->done);
}

/* A flush must wait for a page that a worker has taken and that awaits a grace period. */
static void o_flush_waits_for_aged(struct kunit *test)
{
	struct owner *o = test->priv;
	int i;

	o->pd.core.age = 1;
	for (i = 0; i < 50; i++) {
		KUNIT_ASSERT_TRUE(test, push(o, i));
		usleep_range(100, 200 * i + 200);
		percpu_defer_flush(&o->pd.core);
		expect_drained(test, 0, i + 1, 1);
	}
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

/* Expect that reclaim, not a worker, drains the object. */
static void expect_help(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	KUNIT_EXPECT_EQ(test, 1, percpu_defer_reclaim(&o->pd.core, ULONG_MAX));
	migrate_enable();
	expect_drained(test, 1, 1, 1);
}

static void o_help(struct kunit *test)
{
	struct owner *o = test->priv;
	struct flusher f = { .o = o };
	unsigned long i;

	KUNIT_EXPECT_EQ(test, 0, percpu_defer_reclaim(&o->pd.core, ULONG_MAX));
	expect_help(test);

	/* Reclaim does not wait for a drain. Objects that it leaves are drained later. */
	o->pd.core.age = 1;
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

/* Reclaim drains a page at a time. Pages that it leaves are drained with new ones. */
static void o_help_some(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i, helped, last = 4 * PERCPU_DEFER_WORDS;

	never_aged(o);
	o->pd.core.early = LONG_MAX;
	migrate_disable();
	for (i = 0; i < 3 * PERCPU_DEFER_WORDS; i++)
		KUNIT_EXPECT_TRUE(test, push(o, i));
	helped = percpu_defer_reclaim(&o->pd.core, 1);
	KUNIT_EXPECT_GT(test, helped, 0);
	KUNIT_EXPECT_LE(test, helped, PERCPU_DEFER_WORDS);
	for (; i < last; i++)
		KUNIT_EXPECT_TRUE(test, push(o, i));
	helped += percpu_defer_reclaim(&o->pd.core, 1);
	KUNIT_EXPECT_EQ(test, helped, atomic_long_read(&o->nr_drained));
	KUNIT_EXPECT_LE(test, helped, 2 * PERCPU_DEFER_WORDS);
	migrate_enable();
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 0, last, 1);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
}

static void o_shrinker(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned int cpu;

	never_aged(o);
	/* Push on every CPU, because the shrinker may drain only the pages of its CPU. */
	for_each_online_cpu(cpu)
		KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first, o));
	KUNIT_ASSERT_TRUE(test, shell(test, "echo 2 >/proc/sys/vm/drop_caches"));
	KUNIT_EXPECT_GT(test, atomic_long_read(&o->nr_drained), 0);
}

/* percpu_defer_trim() frees the spare pages. */
static void o_trim(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	percpu_defer_flush(&o->pd.core);
	KUNIT_EXPECT_GT(test, percpu_defer_trim(), 0);
	KUNIT_EXPECT_EQ(test, percpu_defer_trim(), 0);
	/* Pages in use are not spare. */
	KUNIT_EXPECT_TRUE(test, push(o, 2));
	percpu_defer_trim();
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 1, 2, 1);
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
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 1, 1, 2);
}

static void drain_nothing(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
}

static void o_bad_init(struct kunit *test)
{
	struct percpu_defer *pd = kunit_kzalloc(test, sizeof(*pd), GFP_KERNEL);
	struct owner *o = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, pd);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_init(pd, "", drain));
		KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_init(&o->pd, "again", drain));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 2);
	}
	/* The instance in use is unaffected. */
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 1, 1, 1);
}

/* A failed allocation leaves nothing behind. */
static void o_init_fails(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION
	struct percpu_defer *pd = kunit_kzalloc(test, sizeof(*pd), GFP_KERNEL);
	unsigned int nth, failed = 0;
	int err = 0;

	KUNIT_ASSERT_NOT_NULL(test, pd);
	for (nth = 1; nth < 1000; nth++) {
		WRITE_ONCE(current->fail_nth, nth);
		err = percpu_defer_init(pd, "kunit_fails", drain_nothing);
		if (READ_ONCE(current->fail_nth))
			break;
		if (!err) {
			/* Only the debugfs file, which is optional, may have failed. */
			percpu_defer_destroy(pd);
			continue;
		}
		KUNIT_EXPECT_EQ(test, -ENOMEM, err);
		failed++;
	}
	WRITE_ONCE(current->fail_nth, 0);
	KUNIT_ASSERT_EQ(test, 0, err);
	KUNIT_EXPECT_GT(test, failed, 0);
	percpu_defer_destroy(pd);
#else
	kunit_skip(test, "needs CONFIG_FAULT_INJECTION");
#endif
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

	/* Give the CPU a page with room. */
	never_aged(p.o);
	KUNIT_EXPECT_TRUE(test, push(p.o, 2));
	irq_work_queue(&p.work);
	irq_work_sync(&p.work);
	KUNIT_EXPECT_EQ(test, 0, p.taken);
	percpu_defer_flush(&p.o->pd.core);
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

/* Softirqs push while they interrupt a task that is pushing. */
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
	percpu_defer_flush(&o->pd.core);
	KUNIT_EXPECT_GE(test, p.taken, 1600);
	expect_drained(test, 1, 1, p.taken);
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

/* Several tasks push concurrently, with flushes and reclaim in between. */
static void o_concurrent(struct kunit *test)
{
	struct owner *o = test->priv;
	struct task_struct *task[3];
	long pushed = 0;
	int i;

	o->pd.core.age = 1;
	/* The threads retry pushes that are refused at this cap. */
	percpu_defer_set_cap(&o->pd.core, 4000);
	for (i = 0; i < ARRAY_SIZE(task); i++) {
		task[i] = kthread_run(push_thread, o, "percpu_defer/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	for (i = 0; i < 50; i++) {
		msleep(20);
		if (i % 2)
			percpu_defer_flush(&o->pd.core);
		else
			percpu_defer_reclaim(&o->pd.core, 100);
	}
	for (i = 0; i < ARRAY_SIZE(task); i++)
		pushed += kthread_stop(task[i]);
	percpu_defer_flush(&o->pd.core);
	KUNIT_EXPECT_GT(test, pushed, 0);
	/* The last push of each thread may have been refused until the thread stopped. */
	KUNIT_EXPECT_LE(test, atomic_long_read(&o->nr_drained), pushed);
	KUNIT_EXPECT_GE(test, atomic_long_read(&o->nr_drained), pushed - 3);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
}

struct irqs_off {
	struct work_struct work;
	struct owner *o;
	unsigned long pushed;
	bool were_on;
};

static void push_irqs_off(struct work_struct *work)
{
	struct irqs_off *off = container_of(work, struct irqs_off, work);
	unsigned long flags;
	bool taken;

	while (off->pushed < NR_OBJECTS) {
		local_irq_save(flags);
		taken = push(off->o, off->pushed);
		off->were_on |= !irqs_disabled();
		local_irq_restore(flags);
		off->pushed += taken;
		/* On PREEMPT_RT, only spare pages are available with IRQs off. */
		if (!taken && !IS_ENABLED(CONFIG_PREEMPT_RT))
			break;
		if (!taken)
			percpu_defer_flush(&off->o->pd.core);
	}
}

/*
 * Fill sixteen pages with IRQs off. Push in a worker because static stubs take a lock in
 * a task that runs a test.
 */
static void o_irqs_off(struct kunit *test)
{
	struct owner *o = test->priv;
	struct irqs_off off = { .o = o };

	percpu_defer_set_cap(&o->pd.core, 2 * NR_OBJECTS);
	INIT_WORK_ONSTACK(&off.work, push_irqs_off);
	schedule_work(&off.work);
	flush_work(&off.work);
	destroy_work_on_stack(&off.work);
	KUNIT_EXPECT_EQ(test, NR_OBJECTS, off.pushed);
	KUNIT_EXPECT_FALSE(test, off.were_on);
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 0, NR_OBJECTS, 1);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
}

/* While a drain waits at the gate, everything accepted stays pending. */
static void o_cap_threads(struct kunit *test)
{
	struct owner *o = test->priv;
	struct task_struct *task[4];
	long cap = 508, pushed = 0;
	int i;

	percpu_defer_set_cap(&o->pd.core, cap);
	close_gate(o);
	for (i = 0; i < ARRAY_SIZE(task); i++) {
		task[i] = kthread_run(push_thread, o, "percpu_defer/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	msleep(200);
	for (i = 0; i < ARRAY_SIZE(task); i++)
		pushed += kthread_stop(task[i]);
	/* The last push of each thread was refused. */
	pushed -= ARRAY_SIZE(task);
	KUNIT_EXPECT_GT(test, pushed, 0);
	KUNIT_EXPECT_LE(test, pushed, cap + cap / 8);
	open_gate(o);
	percpu_defer_flush(&o->pd.core);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
}

/* After the cap is lowered, a CPU may fill the page that it already has. */
static void o_cap_lowered(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i, nr = 0;

	never_aged(o);
	percpu_defer_set_cap(&o->pd.core, 2000);
	close_gate(o);
	migrate_disable();
	while (nr < 600)
		KUNIT_EXPECT_TRUE(test, push(o, nr++));
	percpu_defer_set_cap(&o->pd.core, 10);
	for (i = 0; i < PAGE_SIZE / sizeof(long); i++) {
		if (!push(o, nr))
			break;
		nr++;
	}
	KUNIT_EXPECT_LT(test, i, PAGE_SIZE / sizeof(long));
	KUNIT_EXPECT_FALSE(test, push(o, nr));
	open_gate(o);
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 0, nr, 1);
	expect_drained(test, nr, 1, 0);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));

	KUNIT_EXPECT_TRUE(test, push(o, nr));
	migrate_enable();
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, nr, 1, 1);
}

/* Each refusal is counted once, and only as a refusal. */
static void o_counters(struct kunit *test)
{
	struct owner *o = test->priv;
	struct irq_push p = {
		.work = IRQ_WORK_INIT_HARD(push_in_hardirq),
		.o = o,
	};

	irq_work_queue(&p.work);
	irq_work_sync(&p.work);
	take_pages(test);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	give_pages(test);
	percpu_defer_set_cap(&o->pd.core, 0);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	percpu_defer_set_enabled(&o->pd.core, false);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	KUNIT_EXPECT_FALSE(test, push(o, 1));

	expect_refused(test, &o->pd.core, 9);
}

/* Reclaim with a maximum of 0 drains nothing. */
static void o_help_nothing(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	close_gate(o);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_reclaim(&o->pd.core, 0));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&o->nr_drained));
	open_gate(o);
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 1, 1, 1);
}

/* A second reclaim neither waits for the first one nor drains its objects. */
static void o_two_helps(struct kunit *test)
{
	struct owner *o = test->priv;
	struct flusher f = { .o = o };

	never_aged(o);
	close_gate(o);
	init_completion(&f.done);
	INIT_WORK_ONSTACK(&f.work, help_work_fn);
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	queue_work_on(raw_smp_processor_id(), system_percpu_wq, &f.work);
	wait_for_completion(&o->arrived);
	KUNIT_EXPECT_TRUE(test, push(o, 2));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_reclaim(&o->pd.core, ULONG_MAX));
	migrate_enable();
	KUNIT_EXPECT_FALSE(test, completion_done(&f.done));

	open_gate(o);
	wait_for_completion(&f.done);
	KUNIT_EXPECT_GE(test, f.helped, 1);
	flush_work(&f.work);
	destroy_work_on_stack(&f.work);
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 1, 2, 1);
}

/* An instance whose drain flushes another one. */
struct outer {
	struct percpu_defer pd;
	struct owner *inner;
	atomic_long_t nr_drained;
};

static void drain_outer(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	struct outer *outer = container_of(pd, struct outer, pd);

	percpu_defer_flush(&outer->inner->pd.core);
	atomic_long_add(nr, &outer->nr_drained);
}

static void o_flush_in_drain(struct kunit *test)
{
	struct outer *outer = kunit_kzalloc(test, sizeof(*outer), GFP_KERNEL);
	struct owner *o = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, outer);
	outer->inner = o;
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_init(&outer->pd, "kunit_outer", drain_outer));
	never_aged(o);
	outer->pd.core.age = o->pd.core.age;
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_push(&outer->pd, 1));
	percpu_defer_flush(&outer->pd.core);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&outer->nr_drained));
	expect_drained(test, 1, 1, 1);
	percpu_defer_destroy(&outer->pd);
}

static void lifetime_work_fn(struct work_struct *work)
{
	struct flusher *f = container_of(work, struct flusher, work);
	static struct percpu_defer other;

	if (!percpu_defer_init(&other, "kunit_other", drain_nothing)) {
		percpu_defer_destroy(&other);
		f->helped = 1;
	}
	complete(&f->done);
}

/*
 * Expect that another instance can be set up and destroyed during a drain that @fn has
 * started. Use a separate work item so that a failure does not hang the test.
 */
static void expect_instances_change(struct kunit *test, work_func_t fn)
{
	struct owner *o = test->priv;
	struct flusher drainer = { .o = o }, other = { .o = o };

	never_aged(o);
	close_gate(o);
	init_completion(&drainer.done);
	init_completion(&other.done);
	INIT_WORK_ONSTACK(&drainer.work, fn);
	INIT_WORK_ONSTACK(&other.work, lifetime_work_fn);
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	queue_work_on(raw_smp_processor_id(), system_percpu_wq, &drainer.work);
	migrate_enable();
	wait_for_completion(&o->arrived);
	queue_work(system_dfl_wq, &other.work);
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&other.done, 10 * HZ), 0);

	open_gate(o);
	flush_work(&drainer.work);
	flush_work(&other.work);
	destroy_work_on_stack(&drainer.work);
	destroy_work_on_stack(&other.work);
	KUNIT_EXPECT_EQ(test, 1, other.helped);
	expect_drained(test, 1, 1, 1);
}

static void o_reclaim_in_drain(struct kunit *test)
{
	expect_instances_change(test, help_work_fn);
}

/* Wrong calls in a drain warn, and the drain continues. */
static void drain_wrong(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	struct owner *o = container_of(pd, struct owner, pd);

	percpu_defer_flush(&pd->core);
	percpu_defer_set_enabled(&pd->core, false);
	percpu_defer_reclaim(&pd->core, ULONG_MAX);
	percpu_defer_destroy(pd);
	count_drained(o, obj, nr);
}

static void o_flush_in_own_drain(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	o->pd.drain = drain_wrong;
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	/* The drain runs in this task, whose warnings are suppressed. */
	kunit_warning_suppress(test) {
		percpu_defer_flush(&o->pd.core);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 4);
	}
	expect_drained(test, 1, 1, 1);
	o->pd.drain = drain;
	KUNIT_EXPECT_TRUE(test, push(o, 2));
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 2, 1, 1);
}

static void wrong_calls(struct percpu_defer *pd)
{
	percpu_defer_flush(&pd->core);
	percpu_defer_reclaim(&pd->core, ULONG_MAX);
	percpu_defer_set_enabled(&pd->core, true);
	percpu_defer_set_enabled(&pd->core, false);
	percpu_defer_set_cap(&pd->core, 1);
	percpu_defer_pending(&pd->core);
	percpu_defer_destroy(pd);
}

/* Calls before init and after destroy warn and do nothing. */
static void o_wrong_state(struct kunit *test)
{
	struct percpu_defer *pd = kunit_kzalloc(test, sizeof(*pd), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, pd);
	for (i = 0; i < 2; i++) {
		kunit_warning_suppress(test) {
			wrong_calls(pd);
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 7);
			KUNIT_EXPECT_FALSE(test, percpu_defer_push(pd, 1));
		}
		if (i)
			break;
		KUNIT_ASSERT_EQ(test, 0, percpu_defer_init(pd, "kunit_wrong", drain_nothing));
		percpu_defer_destroy(pd);
	}
}

struct late_pusher {
	struct kunit *test;
	struct percpu_defer pd;
	unsigned long pushed;
};

static int push_late_thread(void *arg)
{
	struct late_pusher *late = arg;

	kunit_warning_suppress(late->test) {
		while (!kthread_should_stop()) {
			late->pushed += percpu_defer_push(&late->pd, 1);
			cond_resched();
		}
	}
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

/* Late pushes do not write to memory that was freed by destroy and may be reused. */
static void o_late_push(struct kunit *test)
{
	struct late_pusher *late = kunit_kzalloc(test, sizeof(*late), GFP_KERNEL);
	struct percpu_defer_count __percpu *reused;
	struct task_struct *task;
	unsigned long sum = 0;
	int cpu;

	KUNIT_ASSERT_NOT_NULL(test, late);
	late->test = test;
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_init(&late->pd, "kunit_late", drain_nothing));
	task = kthread_run(push_late_thread, late, "percpu_defer/late");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	msleep(20);
	percpu_defer_destroy(&late->pd);

	reused = alloc_percpu(typeof(*reused));
	msleep(100);
	kthread_stop(task);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)reused);
	for_each_possible_cpu(cpu)
		sum |= per_cpu_ptr(reused, cpu)->delta | per_cpu_ptr(reused, cpu)->refused;
	free_percpu(reused);
	KUNIT_EXPECT_EQ(test, 0, sum);
}

static int push_one(void *owner)
{
	return push(owner, 0);
}

/* After an instance is disabled, core->pending does not include drained objects. */
static void o_off_sum(struct kunit *test)
{
	struct owner *o = test->priv;
	struct task_struct *task;
	int cpu;

	never_aged(o);
	percpu_defer_set_cap(&o->pd.core, PERCPU_DEFER_WORDS * num_possible_cpus());
	for_each_online_cpu(cpu) {
		task = kthread_run_on_cpu(push_one, o, cpu, "percpu_defer/%u");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
		get_task_struct(task);
		kthread_stop_put(task);
	}
	percpu_defer_set_enabled(&o->pd.core, false);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
	KUNIT_EXPECT_LE(test, abs(atomic_long_read(&o->pd.core.pending)),
			o->pd.core.cap / 8);
	percpu_defer_set_enabled(&o->pd.core, true);
}

/* Disabling also drains pages that are installed concurrently. */
static void o_off_meanwhile(struct kunit *test)
{
	struct owner *o = test->priv;
	struct task_struct *task[2];
	long pushed = 0;
	int i, j;

	/* The worker also takes pages, as often as possible. */
	o->pd.core.age = 1;
	percpu_defer_set_cap(&o->pd.core, 100 * PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(task); i++) {
		task[i] = kthread_run(push_thread, o, "percpu_defer/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	for (j = 0; j < 50; j++) {
		percpu_defer_set_enabled(&o->pd.core, false);
		KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
		percpu_defer_set_enabled(&o->pd.core, true);
		usleep_range(100, 1000);
	}
	for (i = 0; i < ARRAY_SIZE(task); i++)
		pushed += kthread_stop(task[i]);
	percpu_defer_flush(&o->pd.core);
	KUNIT_EXPECT_GT(test, pushed, 0);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
}

/* An early drain leaves pages that CPUs are filling; their age bound still applies. */
static void o_early_rest(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	o->pd.core.age = HZ / 2;
	percpu_defer_set_cap(&o->pd.core, 2000 * num_possible_cpus());
	o->pd.core.early = 500;
	KUNIT_EXPECT_TRUE(test, push(o, 0));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 1));
	/* Push within the age bound after that drain. */
	migrate_disable();
	for (i = 1; i < 700; i++)
		KUNIT_EXPECT_TRUE(test, push(o, i));
	migrate_enable();
	KUNIT_EXPECT_TRUE(test, drained_soon(o, i));
	expect_drained(test, 0, i, 1);
}

/* A drain starts before the age bound if many objects are pending. */
static void o_early(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	never_aged(o);
	percpu_defer_set_cap(&o->pd.core, 4 * NR_OBJECTS);
	migrate_disable();
	for (i = 0; i < 4 * NR_OBJECTS && !atomic_long_read(&o->nr_drained); i++) {
		if (!push(o, i % NR_OBJECTS))
			break;
		if (!(i % 512))
			usleep_range(500, 1000);
	}
	migrate_enable();
	KUNIT_EXPECT_GT(test, atomic_long_read(&o->nr_drained), 0);
	percpu_defer_flush(&o->pd.core);
	KUNIT_EXPECT_EQ(test, i, atomic_long_read(&o->nr_drained));
}

/* Pushes are refused while the drain of earlier pages is overdue. */
static void o_overdue(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long taken = 0, i;

	percpu_defer_set_cap(&o->pd.core, 2 * NR_OBJECTS);
	close_gate(o);
	migrate_disable();
	/* The work that is armed next cannot run, because a drain waits at the gate. */
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	wait_for_completion(&o->arrived);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	msleep(500);
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	msleep(500);
	for (i = 0; i < NR_OBJECTS; i++)
		taken += push(o, 1);
	migrate_enable();
	KUNIT_EXPECT_LT(test, taken, NR_OBJECTS);
	open_gate(o);
	percpu_defer_flush(&o->pd.core);
	expect_drained(test, 1, 1, taken + 3);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->pd.core));
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
	take_pages(test);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	give_pages(test);
	migrate_disable();
	KUNIT_EXPECT_TRUE(test, push(o, 1));
	KUNIT_EXPECT_TRUE(test, push(o, 2));
	migrate_enable();
	percpu_defer_flush(&o->pd.core);
	percpu_defer_set_enabled(&o->pd.core, false);
	KUNIT_EXPECT_FALSE(test, push(o, 1));
	KUNIT_EXPECT_FALSE(test, push(o, 1));

	expect_stat(test, "drained 2");
	expect_stat(test, "refused 3");
	expect_stat(test, "pending 0");
	expect_stat(test, "cancelled 0");
	expect_stat(test, "enabled 0");
	percpu_defer_set_enabled(&o->pd.core, true);
	expect_stat(test, "enabled 1");
}

static void drain_kfree(struct percpu_defer *pd, unsigned long *obj,
			unsigned int nr)
{
	struct owner *o = container_of(pd, struct owner, pd);

	for (; nr; nr--, obj++) {
		kfree((void *)*obj);
		atomic_long_inc(&o->nr_drained);
	}
}

#define STALE	(~0UL / 3)

/* Stale words in a spare page would hide leaks from kmemleak. */
static void o_stale_words(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i, stale = 0;
	struct percpu_defer_buf *buf;

	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))
		kunit_skip(test, "needs CONFIG_DEBUG_KMEMLEAK");
	never_aged(o);
	migrate_disable();
	for (i = 0; i < 100; i++)
		KUNIT_EXPECT_TRUE(test, push(o, STALE));
	percpu_defer_flush(&o->pd.core);
	/* This push reuses the same page, which was spare. */
	KUNIT_EXPECT_TRUE(test, push(o, 0));
	buf = this_cpu_ptr(o->pd.own)->buf[0];
	for (i = 0; i < buf->room; i++)
		stale += buf->word[i] == STALE;
	migrate_enable();
	KUNIT_EXPECT_EQ(test, 0, stale);
}

#define KMEMLEAK "/sys/kernel/debug/kmemleak"

/* kmemleak does not report pending objects as leaks. */
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
	/* kmemleak reports objects older than five seconds, but not in the first scan. */
	msleep(5500);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, shell(test, "echo scan >" KMEMLEAK));
	KUNIT_EXPECT_TRUE(test, shell(test, "[ -z \"$(tee /dev/kmsg <" KMEMLEAK ")\" ]"));
	percpu_defer_flush(&o->pd.core);
	KUNIT_EXPECT_EQ(test, 100, atomic_long_read(&o->nr_drained));
}

static struct kunit_case percpu_defer_cases[] = {
	KUNIT_CASE(o_drain_once),
	KUNIT_CASE(o_off),
	KUNIT_CASE(o_cap),
	KUNIT_CASE(o_small_cap),
	KUNIT_CASE(o_no_page),
	KUNIT_CASE(o_age),
	KUNIT_CASE(o_cpu_offline),
	KUNIT_CASE(o_flush_waits),
	KUNIT_CASE(o_flush_waits_for_aged),
	KUNIT_CASE(o_help),
	KUNIT_CASE(o_help_some),
	KUNIT_CASE(o_shrinker),
	KUNIT_CASE(o_trim),
	KUNIT_CASE(o_destroy),
	KUNIT_CASE(o_bad_init),
	KUNIT_CASE(o_init_fails),
	KUNIT_CASE(o_hardirq),
	KUNIT_CASE(o_softirq),
	KUNIT_CASE_SLOW(o_concurrent),
	KUNIT_CASE(o_irqs_off),
	KUNIT_CASE(o_cap_threads),
	KUNIT_CASE(o_cap_lowered),
	KUNIT_CASE(o_counters),
	KUNIT_CASE(o_help_nothing),
	KUNIT_CASE(o_two_helps),
	KUNIT_CASE(o_flush_in_drain),
	KUNIT_CASE(o_reclaim_in_drain),
	KUNIT_CASE(o_flush_in_own_drain),
	KUNIT_CASE(o_wrong_state),
	KUNIT_CASE(o_late_push),
	KUNIT_CASE(o_off_meanwhile),
	KUNIT_CASE(o_off_sum),
	KUNIT_CASE(o_early),
	KUNIT_CASE(o_early_rest),
	KUNIT_CASE(o_overdue),
	KUNIT_CASE(o_stat),
	KUNIT_CASE(o_stale_words),
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
