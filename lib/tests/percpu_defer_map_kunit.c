// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of percpu_defer, index mode. See percpu_defer_kunit.c for the rules
 * that are tested.
 *
 * The owner here is a table of slots with a lock each, as in zram, whose drain
 * counts what it frees.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/percpu_defer.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

#define NR_SLOTS	16384UL

struct slot {
	spinlock_t lock;	/* protects what follows */
	unsigned int drained;
	bool live;
	bool busy;		/* looks locked to who only tries */
};

struct owner {
	struct percpu_defer_map map;
	struct slot *slot;
	/* what the drain was given */
	atomic_long_t nr_ranges;
	atomic_long_t nr_drained;
	/* content freed by the drain while it was in use */
	atomic_long_t nr_lost;
	/* if set, the drain stops at the gate, with a slot that it has claimed */
	bool gated;
	struct completion arrived;
	struct completion gate;
};

static unsigned long drain(struct percpu_defer_map *map,
			   const struct percpu_defer_range *range,
			   unsigned int nr, bool try)
{
	struct owner *o = container_of(map, struct owner, map);
	unsigned long i, claimed = 0;

	atomic_long_add(nr, &o->nr_ranges);
	for (; nr; nr--, range++) {
		for (i = range->first; i < range->first + range->nr; i++) {
			struct slot *slot = &o->slot[i];

			if (!try)
				spin_lock(&slot->lock);
			else if (slot->busy || !spin_trylock(&slot->lock))
				continue;
			if (percpu_defer_map_claim(map, i)) {
				if (READ_ONCE(o->gated)) {
					spin_unlock(&slot->lock);
					complete(&o->arrived);
					wait_for_completion(&o->gate);
					spin_lock(&slot->lock);
				}
				claimed++;
				slot->drained++;
				atomic_long_inc(&o->nr_drained);
				if (slot->live)
					atomic_long_inc(&o->nr_lost);
			}
			spin_unlock(&slot->lock);
		}
	}
	return claimed;
}

static struct owner *new_owner(struct kunit *test)
{
	struct owner *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, o);
	o->slot = kvcalloc(NR_SLOTS, sizeof(*o->slot), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, o->slot);
	for (i = 0; i < NR_SLOTS; i++)
		spin_lock_init(&o->slot[i].lock);
	init_completion(&o->arrived);
	init_completion(&o->gate);
	KUNIT_ASSERT_EQ(test, 0,
			percpu_defer_map_init(&o->map, "kunit_map", NR_SLOTS, drain));
	return o;
}

static int percpu_defer_map_test_init(struct kunit *test)
{
	test->priv = new_owner(test);
	return 0;
}

static void percpu_defer_map_test_exit(struct kunit *test)
{
	struct owner *o = test->priv;

	if (!o)
		return;
	if (o->map.dead)
		percpu_defer_map_destroy(&o->map);
	kvfree(o->slot);
}

static void flush(struct owner *o)
{
	percpu_defer_flush(&o->map.defer);
}

/* Keeps slots from being drained by age while a test looks at them. */
static void never_aged(struct owner *o)
{
	o->map.defer.age = 3600 * HZ;
}

/* Waits up to ten seconds for the drain to have freed @nr slots. */
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
			   unsigned long nr, unsigned int times)
{
	struct owner *o = test->priv;
	unsigned long i;

	for (i = first; i < first + nr; i++)
		if (o->slot[i].drained != times)
			break;
	KUNIT_EXPECT_EQ_MSG(test, i, first + nr, "slot %lu was drained %u times",
			    i, i < NR_SLOTS ? o->slot[i].drained : 0);
}

static void m_drain_once(struct kunit *test)
{
	struct owner *o = test->priv;

	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 5, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 60, 200));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, NR_SLOTS - 1, 1));
	flush(o);
	expect_drained(test, 0, 5, 0);
	expect_drained(test, 5, 1, 1);
	expect_drained(test, 6, 54, 0);
	expect_drained(test, 60, 200, 1);
	expect_drained(test, 260, NR_SLOTS - 261, 0);
	expect_drained(test, NR_SLOTS - 1, 1, 1);
	KUNIT_EXPECT_EQ(test, 202, atomic_long_read(&o->nr_drained));
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->map.defer.pending));
}

static void m_dead(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(&o->map, 64));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 64, 64));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(&o->map, 63));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_dead(&o->map, 64));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_dead(&o->map, 127));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(&o->map, 128));
	KUNIT_EXPECT_EQ(test, 64, percpu_counter_sum(&o->map.defer.pending));
	flush(o);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(&o->map, 64));
}

static void m_cancel(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_cancel(&o->map, 7));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 100));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_cancel(&o->map, 7));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_cancel(&o->map, 7));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_claim(&o->map, 7));
	KUNIT_EXPECT_EQ(test, 99, percpu_counter_sum(&o->map.defer.pending));
	flush(o);
	expect_drained(test, 0, 7, 1);
	expect_drained(test, 7, 1, 0);
	expect_drained(test, 8, 92, 1);

	/* The next push is a new death. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 7, 1));
	flush(o);
	expect_drained(test, 0, 100, 1);
}

static void m_claim_once(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 3, 1));
	/* Pushed again while dead: still one death. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 3, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 2, 3));
	KUNIT_EXPECT_EQ(test, 3, percpu_counter_sum(&o->map.defer.pending));
	flush(o);
	expect_drained(test, 2, 3, 1);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_claim(&o->map, 3));
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->map.defer.pending));
}

/* However slots were pushed, the drain gets them side by side, and each once. */
static void m_side_by_side(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	never_aged(o);
	for (i = 0; i < 4000; i += 2)
		KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, 3998 - i, 1));
	for (i = 1; i < 4000; i += 2)
		KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, i, 1));
	flush(o);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&o->nr_ranges));
	expect_drained(test, 0, 4000, 1);
}

/* As scattered as can be. */
static void m_scattered(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	for (i = 0; i < NR_SLOTS; i += 2)
		KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, i, 1));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, NR_SLOTS / 2));
	for (i = 0; i < NR_SLOTS; i += 2)
		KUNIT_ASSERT_EQ(test, 1, o->slot[i].drained);
}

static struct percpu_defer_buf *no_buf(void)
{
	return NULL;
}

/* A push needs no page, and a drain can do without. */
static void m_no_page(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	never_aged(o);
	kunit_activate_static_stub(test, percpu_defer_get_buf, no_buf);
	for (i = 0; i < 2000; i += 2)
		KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, i, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 8190, 4));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, NR_SLOTS - 1, 1));
	flush(o);
	kunit_deactivate_static_stub(test, percpu_defer_get_buf);
	for (i = 0; i < 2000; i += 2)
		KUNIT_ASSERT_EQ(test, 1, o->slot[i].drained);
	expect_drained(test, 8190, 4, 1);
	expect_drained(test, NR_SLOTS - 1, 1, 1);
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->map.defer.pending));
}

/* A drain has looked at a word, when another slot of it dies. */
static void m_dies_meanwhile(struct kunit *test)
{
	struct owner *o = test->priv;

	o->gated = true;
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 3, 1));
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&o->arrived, 10 * HZ));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 2, 1));
	WRITE_ONCE(o->gated, false);
	complete_all(&o->gate);
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 2));
	expect_drained(test, 2, 2, 1);
}

static void m_bad_range(struct kunit *test)
{
	struct owner *o = test->priv;

	kunit_warning_suppress(test) {
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 0));
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, NR_SLOTS, 1));
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, NR_SLOTS - 1, 2));
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 1, ULONG_MAX));
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, ULONG_MAX, 1));
	}
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->map.defer.pending));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(o->map.dead, NR_SLOTS));
}

static void m_bad_init(struct kunit *test)
{
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_map_init(map, "other", 0, drain));
	KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_map_init(map, "a/b", 1, drain));
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			percpu_defer_map_init(map, "other", ULONG_MAX, drain));
	KUNIT_EXPECT_EQ(test, -EEXIST,
			percpu_defer_map_init(map, "kunit_map", 1, drain));
	KUNIT_EXPECT_NULL(test, map->dead);
}

/* Whatever allocation fails, nothing is left behind, least of all the name. */
static void m_init_fails(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);
	unsigned int nth, failed = 0;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, map);
	for (nth = 1; nth < 1000; nth++) {
		WRITE_ONCE(current->fail_nth, nth);
		err = percpu_defer_map_init(map, "kunit_fails", 100, drain);
		if (READ_ONCE(current->fail_nth))
			break;
		if (!err) {
			/* It does without a file in debugfs. */
			percpu_defer_map_destroy(map);
			continue;
		}
		KUNIT_EXPECT_EQ(test, -ENOMEM, err);
		KUNIT_EXPECT_NULL(test, map->dead);
		failed++;
	}
	WRITE_ONCE(current->fail_nth, 0);
	KUNIT_ASSERT_EQ(test, 0, err);
	KUNIT_EXPECT_GT(test, failed, 0);
	percpu_defer_map_destroy(map);
#else
	kunit_skip(test, "needs CONFIG_FAULT_INJECTION");
#endif
}

static void m_off(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	percpu_defer_set_enabled(&o->map.defer, false);
	expect_drained(test, 0, 10, 1);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 10));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(&o->map, 0));
	percpu_defer_set_enabled(&o->map.defer, true);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	flush(o);
	expect_drained(test, 0, 10, 2);
}

static void m_cap(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long taken = 0, cap = 512, i;

	never_aged(o);
	percpu_defer_set_cap(&o->map.defer, cap);
	for (i = 0; i < 4 * cap; i++)
		taken += percpu_defer_map_push(&o->map, i, 1);
	KUNIT_EXPECT_GE(test, taken, cap);
	KUNIT_EXPECT_LE(test, taken, cap + cap / 8);
	KUNIT_EXPECT_EQ(test, taken, percpu_counter_sum(&o->map.defer.pending));
	/* Refused means untouched. */
	KUNIT_EXPECT_EQ(test, taken, bitmap_weight(o->map.dead, NR_SLOTS));

	flush(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 2 * cap));
}

static void m_age(struct kunit *test)
{
	struct owner *o = test->priv;
	ktime_t start = ktime_get();

	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 10));
	/* Ten milliseconds, and what a busy emulated machine adds to it. */
	KUNIT_EXPECT_LT(test, ktime_ms_delta(ktime_get(), start), 1000);
}

static long push_first_ten(void *owner)
{
	struct owner *o = owner;

	return percpu_defer_map_push(&o->map, 0, 10);
}

static long push_second_ten(void *owner)
{
	struct owner *o = owner;

	return percpu_defer_map_push(&o->map, 10000, 10);
}

static void m_cpu_offline(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned int cpu = cpumask_last(cpu_online_mask);

	if (!IS_ENABLED(CONFIG_HOTPLUG_CPU) || num_online_cpus() < 2)
		kunit_skip(test, "needs a CPU to switch off");

	never_aged(o);
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first_ten, o));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&o->nr_drained));
	KUNIT_ASSERT_EQ(test, 0, remove_cpu(cpu));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 10));
	KUNIT_ASSERT_EQ(test, 0, add_cpu(cpu));

	/* And its timer works again. */
	o->map.defer.age = 1;
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first_ten, o));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 20));
}

struct flusher {
	struct work_struct work;
	struct owner *o;
	struct completion done;
};

static void flush_work_fn(struct work_struct *work)
{
	struct flusher *f = container_of(work, struct flusher, work);

	flush(f->o);
	complete(&f->done);
}

/* Two flushes, which must not return while a drain stands at the gate. */
static void expect_flush_waits(struct kunit *test)
{
	struct owner *o = test->priv;
	struct flusher f[2] = { { .o = o }, { .o = o } };
	int i;

	for (i = 0; i < 2; i++) {
		init_completion(&f[i].done);
		INIT_WORK_ONSTACK(&f[i].work, flush_work_fn);
		queue_work(system_dfl_wq, &f[i].work);
	}
	wait_for_completion(&o->arrived);
	msleep(100);
	KUNIT_EXPECT_FALSE(test, completion_done(&f[0].done));
	KUNIT_EXPECT_FALSE(test, completion_done(&f[1].done));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&o->nr_drained));

	WRITE_ONCE(o->gated, false);
	complete_all(&o->gate);
	for (i = 0; i < 2; i++) {
		wait_for_completion(&f[i].done);
		KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&o->nr_drained));
		flush_work(&f[i].work);
		destroy_work_on_stack(&f[i].work);
	}
}

static void m_flush_waits_for_flush(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	WRITE_ONCE(o->gated, true);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 1));
	expect_flush_waits(test);
}

static void m_flush_waits_for_worker(struct kunit *test)
{
	struct owner *o = test->priv;

	WRITE_ONCE(o->gated, true);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 1));
	wait_for_completion(&o->arrived);
	complete(&o->arrived);
	expect_flush_waits(test);
}

/* Helps without waiting for anybody: neither for a lock nor for another drain. */
static void m_help(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_help(&o->map.defer, ULONG_MAX));

	/* Wherever it was pushed. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 100));
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpumask_last(cpu_online_mask),
					    push_second_ten, o));
	KUNIT_EXPECT_EQ(test, 110, percpu_defer_help(&o->map.defer, ULONG_MAX));
	expect_drained(test, 0, 100, 1);
	expect_drained(test, 10000, 10, 1);

	/* Not more than it must. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 900));
	KUNIT_EXPECT_GE(test, percpu_defer_help(&o->map.defer, 64), 64);
	KUNIT_EXPECT_LE(test, atomic_long_read(&o->nr_drained), 110 + 2 * 64);
	flush(o);
	expect_drained(test, 100, 800, 1);

	/* A slot whose lock is taken is left for later. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 2000, 10));
	o->slot[2005].busy = true;
	percpu_defer_help(&o->map.defer, ULONG_MAX);
	expect_drained(test, 2000, 5, 1);
	expect_drained(test, 2005, 1, 0);
	KUNIT_EXPECT_EQ(test, 1, percpu_counter_sum(&o->map.defer.pending));
	flush(o);
	expect_drained(test, 2000, 10, 1);
}

static void help_work_fn(struct work_struct *work)
{
	struct flusher *f = container_of(work, struct flusher, work);

	percpu_defer_help(&f->o->map.defer, ULONG_MAX);
	complete(&f->done);
}

/* What a help is freeing is not free yet: a flush has to wait for it. */
static void m_flush_waits_for_help(struct kunit *test)
{
	struct owner *o = test->priv;
	struct flusher help = { .o = o };

	never_aged(o);
	WRITE_ONCE(o->gated, true);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 1));
	init_completion(&help.done);
	INIT_WORK_ONSTACK(&help.work, help_work_fn);
	queue_work(system_dfl_wq, &help.work);
	wait_for_completion(&o->arrived);
	complete(&o->arrived);
	expect_flush_waits(test);
	wait_for_completion(&help.done);
	flush_work(&help.work);
	destroy_work_on_stack(&help.work);
}

static void m_destroy(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	percpu_defer_map_destroy(&o->map);
	expect_drained(test, 0, 10, 1);
	KUNIT_EXPECT_NULL(test, o->map.dead);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 10));
	}
}

struct hardirq_push {
	struct irq_work work;
	struct owner *o;
	bool taken;
};

static void push_in_hardirq(struct irq_work *work)
{
	struct hardirq_push *p = container_of(work, struct hardirq_push, work);

	p->taken = percpu_defer_map_push(&p->o->map, 0, 10);
}

static void m_hardirq(struct kunit *test)
{
	struct owner *o = test->priv;
	struct hardirq_push p = {
		.work = IRQ_WORK_INIT_HARD(push_in_hardirq),
		.o = o,
		.taken = true,
	};

	irq_work_queue(&p.work);
	irq_work_sync(&p.work);
	KUNIT_EXPECT_FALSE(test, p.taken);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(o->map.dead, NR_SLOTS));
}

static void m_irqs_off(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i, flags;

	for (i = 0; i < 2000; i += 20) {
		bool taken;

		local_irq_save(flags);
		taken = percpu_defer_map_push(&o->map, i, 1);
		taken &= percpu_defer_map_push(&o->map, i + 1, 19);
		KUNIT_EXPECT_TRUE(test, irqs_disabled());
		local_irq_restore(flags);
		KUNIT_ASSERT_TRUE(test, taken);
	}
	flush(o);
	expect_drained(test, 0, 2000, 1);
	expect_drained(test, 2000, NR_SLOTS - 2000, 0);
}

static void m_cap_lowered(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	never_aged(o);
	percpu_defer_set_cap(&o->map.defer, 2000);
	for (i = 0; i < 600; i++)
		KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, i, 1));
	percpu_defer_set_cap(&o->map.defer, 10);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 600, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 600, 5));
	flush(o);
	expect_drained(test, 0, 600, 1);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 600, 1));
	flush(o);
	expect_drained(test, 600, 1, 1);
	expect_drained(test, 601, 4, 0);
}

static void expect_refused(struct kunit *test, enum percpu_defer_stat why,
			   unsigned long times)
{
	struct owner *o = test->priv;

	KUNIT_EXPECT_EQ_MSG(test, times, percpu_defer_stat_sum(&o->map.defer, why),
			    "refused for reason %d", why);
}

/* Each refusal is counted under its reason, and as nothing else. */
static void m_counters(struct kunit *test)
{
	struct owner *o = test->priv;
	struct hardirq_push p = {
		.work = IRQ_WORK_INIT_HARD(push_in_hardirq),
		.o = o,
	};

	irq_work_queue(&p.work);
	irq_work_sync(&p.work);
	percpu_defer_set_cap(&o->map.defer, 0);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 100));
	percpu_defer_set_enabled(&o->map.defer, false);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 100));

	expect_refused(test, PERCPU_DEFER_CONTEXT, 1);
	expect_refused(test, PERCPU_DEFER_CAP, 2);
	expect_refused(test, PERCPU_DEFER_OFF, 3);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_stat_sum(&o->map.defer,
						       PERCPU_DEFER_PUSHED));
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->map.defer.pending));
}

static void m_help_nothing(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_help(&o->map.defer, 0));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&o->nr_drained));
	flush(o);
	expect_drained(test, 0, 10, 1);
}

/* The second drains what the first has found but not claimed, if a lock is free. */
static void m_two_helps(struct kunit *test)
{
	struct owner *o = test->priv;
	struct flusher first = { .o = o };

	never_aged(o);
	WRITE_ONCE(o->gated, true);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 100, 1));
	init_completion(&first.done);
	INIT_WORK_ONSTACK(&first.work, help_work_fn);
	queue_work(system_dfl_wq, &first.work);
	wait_for_completion(&o->arrived);
	WRITE_ONCE(o->gated, false);
	KUNIT_EXPECT_EQ(test, num_possible_cpus() > 1,
			percpu_defer_help(&o->map.defer, ULONG_MAX));
	KUNIT_EXPECT_FALSE(test, completion_done(&first.done));

	complete_all(&o->gate);
	wait_for_completion(&first.done);
	flush_work(&first.work);
	destroy_work_on_stack(&first.work);
	KUNIT_EXPECT_EQ(test, 2, atomic_long_read(&o->nr_drained));
	expect_drained(test, 0, 1, 1);
	expect_drained(test, 100, 1, 1);
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->map.defer.pending));
}

/* Words that a help has emptied are not looked at by the next one. */
static void m_help_rescans(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long helped, sum = 0;

	never_aged(o);
	percpu_defer_set_cap(&o->map.defer, 2 * NR_SLOTS);
	KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, 0, NR_SLOTS));
	do {
		helped = percpu_defer_help(&o->map.defer, 1024);
		sum += helped;
	} while (helped);
	KUNIT_EXPECT_EQ(test, NR_SLOTS, sum);
	expect_drained(test, 0, NR_SLOTS, 1);
	KUNIT_EXPECT_EQ(test, 0, bitmap_weight(o->map.dirty, BITS_TO_LONGS(NR_SLOTS)));
}

static atomic_long_t nr_drained_of_one;

static unsigned long drain_one(struct percpu_defer_map *map,
			       const struct percpu_defer_range *range,
			       unsigned int nr, bool try)
{
	/* Without a lock: nothing fills the slot. */
	if (!percpu_defer_map_claim(map, 0))
		return 0;
	atomic_long_inc(&nr_drained_of_one);
	return 1;
}

/* The smallest map there is. */
static void m_one(struct kunit *test)
{
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	atomic_long_set(&nr_drained_of_one, 0);
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(map, "kunit_one", 1, drain_one));
	map->defer.age = 3600 * HZ;
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_any_dead(map, 0, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, 0, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_any_dead(map, 0, 1));
	percpu_defer_flush(&map->defer);
	KUNIT_EXPECT_EQ(test, 1, atomic_long_read(&nr_drained_of_one));
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(map, 1, 1));
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(map, 0, 2));
	}
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, 0, 1));
	percpu_defer_map_destroy(map);
	KUNIT_EXPECT_EQ(test, 2, atomic_long_read(&nr_drained_of_one));
}

/*
 * Indices above 32 bits. Only the end of the bitmaps is there, so no drain may run
 * before the map is its real size again.
 */
static void m_big(struct kunit *test)
{
#if BITS_PER_LONG == 64
	const unsigned long base = BIT(33), end = base + NR_SLOTS;
	struct owner *o = test->priv;
	struct percpu_defer_map *map = &o->map;
	unsigned long *dead = map->dead, *dirty = map->dirty;

	never_aged(o);
	map->nr = end;
	map->dead -= BIT_WORD(base);
	map->dirty -= BIT_WORD(BIT_WORD(base));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, base + 60, 10));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, base + 7000, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, end - 1, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(map, base + 59));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_dead(map, base + 60));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_dead(map, base + 69));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(map, base + 70));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_any_dead(map, base, 60));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_any_dead(map, base, 61));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_any_dead(map, base + 70, 6930));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_cancel(map, base + 61));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_cancel(map, base + 61));
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(map, end, 1));
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(map, end - 1, 2));
		KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(map, end - 1, ULONG_MAX));
	}
	map->nr = NR_SLOTS;
	map->dead = dead;
	map->dirty = dirty;

	flush(o);
	expect_drained(test, 0, 60, 0);
	expect_drained(test, 60, 1, 1);
	expect_drained(test, 61, 1, 0);
	expect_drained(test, 62, 8, 1);
	expect_drained(test, 70, 6930, 0);
	expect_drained(test, 7000, 1, 1);
	expect_drained(test, NR_SLOTS - 1, 1, 1);
	KUNIT_EXPECT_EQ(test, 11, atomic_long_read(&o->nr_drained));
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&map->defer.pending));
#else
	kunit_skip(test, "needs indices of 64 bits");
#endif
}

static void m_wrong_state(struct kunit *test)
{
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	/* There is nothing to destroy. */
	percpu_defer_map_destroy(map);
	KUNIT_EXPECT_EQ(test, -EEXIST, percpu_defer_map_init(map, "kunit_map", 1, drain_one));
	percpu_defer_map_destroy(map);

	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(map, "kunit_one", 1, drain_one));
	percpu_defer_map_destroy(map);
	kunit_warning_suppress(test) {
		percpu_defer_map_destroy(map);
		percpu_defer_set_enabled(&map->defer, true);
		percpu_defer_flush(&map->defer);
		KUNIT_EXPECT_EQ(test, 0, percpu_defer_help(&map->defer, ULONG_MAX));
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 4);
	}
	KUNIT_EXPECT_FALSE(test, map->defer.on);
}

/*
 * The life of swap slots: tasks allocate a slot, fill it (cancelling the death
 * of what was there), look whether it is still filled, and push it again, each
 * under its lock. No drain may ever meet a filled slot.
 */
struct stress {
	struct owner *o;
	unsigned long first;
	unsigned long nr;
	unsigned long nr_reused;
};

static int stress_thread(void *arg)
{
	struct stress *s = arg;
	struct owner *o = s->o;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, s->first + 1);
	while (!kthread_should_stop()) {
		u32 r = prandom_u32_state(&rnd);
		unsigned long nr = 1 + r % 32;
		unsigned long first = s->first + (r >> 8) % (s->nr - nr);
		unsigned long i;

		for (i = first; i < first + nr; i++) {
			guard(spinlock)(&o->slot[i].lock);
			s->nr_reused += percpu_defer_map_cancel(&o->map, i);
			o->slot[i].live = true;
		}
		if (r & BIT(7))
			cond_resched();
		for (i = first; i < first + nr; i++) {
			guard(spinlock)(&o->slot[i].lock);
			if (percpu_defer_map_dead(&o->map, i))
				atomic_long_inc(&o->nr_lost);
			o->slot[i].live = false;
		}
		if (!percpu_defer_map_push(&o->map, first, nr))
			break;
		if (!(r % 1024))
			flush(o);
		cond_resched();
	}
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

static void m_reuse(struct kunit *test)
{
	struct owner *o = test->priv;
	struct stress s[3];
	struct task_struct *task[ARRAY_SIZE(s)];
	int i;

	/* Drain beside the threads, not after them. */
	o->map.defer.age = 1;
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = (struct stress) { .o = o, .first = i * 1000, .nr = 1000 };
		task[i] = kthread_run(stress_thread, &s[i], "percpu_defer/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	msleep(2000);
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		kthread_stop(task[i]);
		KUNIT_EXPECT_GT(test, s[i].nr_reused, 0);
	}
	flush(o);
	KUNIT_EXPECT_GT(test, atomic_long_read(&o->nr_drained), 0);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&o->nr_lost));
	KUNIT_EXPECT_EQ(test, 0, percpu_counter_sum(&o->map.defer.pending));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(o->map.dead, NR_SLOTS));
}

static struct kunit_case percpu_defer_map_cases[] = {
	KUNIT_CASE(m_drain_once),
	KUNIT_CASE(m_dead),
	KUNIT_CASE(m_cancel),
	KUNIT_CASE(m_claim_once),
	KUNIT_CASE(m_side_by_side),
	KUNIT_CASE(m_scattered),
	KUNIT_CASE(m_no_page),
	KUNIT_CASE(m_dies_meanwhile),
	KUNIT_CASE(m_bad_range),
	KUNIT_CASE(m_bad_init),
	KUNIT_CASE(m_init_fails),
	KUNIT_CASE(m_off),
	KUNIT_CASE(m_cap),
	KUNIT_CASE(m_age),
	KUNIT_CASE(m_cpu_offline),
	KUNIT_CASE(m_flush_waits_for_flush),
	KUNIT_CASE(m_flush_waits_for_worker),
	KUNIT_CASE(m_help),
	KUNIT_CASE(m_flush_waits_for_help),
	KUNIT_CASE(m_destroy),
	KUNIT_CASE(m_hardirq),
	KUNIT_CASE(m_irqs_off),
	KUNIT_CASE(m_cap_lowered),
	KUNIT_CASE(m_counters),
	KUNIT_CASE(m_help_nothing),
	KUNIT_CASE(m_two_helps),
	KUNIT_CASE(m_help_rescans),
	KUNIT_CASE(m_one),
	KUNIT_CASE(m_big),
	KUNIT_CASE(m_wrong_state),
	KUNIT_CASE_SLOW(m_reuse),
	{}
};

static struct kunit_suite percpu_defer_map_suite = {
	.name = "percpu_defer_map",
	.init = percpu_defer_map_test_init,
	.exit = percpu_defer_map_test_exit,
	.test_cases = percpu_defer_map_cases,
};

kunit_test_suite(percpu_defer_map_suite);

MODULE_DESCRIPTION("KUnit tests of percpu_defer, index mode");
MODULE_LICENSE("GPL");
