// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of percpu_defer for slots. See percpu_defer_kunit.c for the
 * tested guarantees.
 *
 * The owner is a table of slots with one lock each, as in zram. Its drain counts
 * the slots that it frees.
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
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include "../percpu_defer.h"
#include "percpu_defer_kunit.h"

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");

#define NR_SLOTS	16384UL

struct slot {
	spinlock_t lock;	/* protects @drained and @live */
	unsigned int drained;
	bool live;
	bool busy;		/* make trylocks fail */
};

/* Documented maximum size with 512 CPUs, without the bitmaps. */
static_assert(sizeof(struct percpu_defer_map) +
	      512 * sizeof(struct percpu_defer_count) <= SZ_32K);

struct owner {
	struct percpu_defer_map map;
	struct slot *slot;
	/* slots offered to the drain, and slots that it claimed */
	atomic_long_t nr_locks;
	atomic_long_t nr_drained;
	/* slots that were drained, or found dead, while in use */
	atomic_long_t nr_lost;
	/* the drain leaves its loop without a claim */
	bool leaves;
	/* slot to cancel when the drain holds its lock; 0: none */
	unsigned long cancelled;
	/* the drain waits at the gate after each claim */
	bool gated;
	struct completion arrived;
	struct completion gate;
};

static void drain(struct percpu_defer_map *map, struct percpu_defer_iter *iter)
{
	struct owner *o = container_of(map, struct owner, map);
	unsigned long index;

	while (percpu_defer_map_next(iter, &index)) {
		struct slot *slot = &o->slot[index];

		atomic_long_inc(&o->nr_locks);
		if (READ_ONCE(o->leaves))
			break;
		if (!iter->try)
			spin_lock(&slot->lock);
		else if (slot->busy || !spin_trylock(&slot->lock))
			continue;
		if (o->cancelled && index == o->cancelled)
			percpu_defer_map_cancel(map, index);
		if (percpu_defer_map_claim(iter)) {
			if (READ_ONCE(o->gated)) {
				spin_unlock(&slot->lock);
				complete(&o->arrived);
				wait_for_completion(&o->gate);
				spin_lock(&slot->lock);
			}
			slot->drained++;
			atomic_long_inc(&o->nr_drained);
			if (slot->live)
				atomic_long_inc(&o->nr_lost);
		}
		spin_unlock(&slot->lock);
	}
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
			percpu_defer_map_init(&o->map, "kunit_map", NR_SLOTS, 1, drain));
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
	if (o->map.nr)
		percpu_defer_map_destroy(&o->map);
	kvfree(o->slot);
}

static void flush(struct owner *o)
{
	percpu_defer_flush(&o->map.core);
}

/* Keep workers from draining slots during a test. */
static void never_aged(struct owner *o)
{
	o->map.core.age = 3600 * HZ;
	o->map.core.early = LONG_MAX;
}

static void set_cap(struct owner *o, unsigned long cap)
{
	percpu_defer_set_cap(&o->map.core, cap);
	o->map.core.early = LONG_MAX;
}

/* Wait up to ten seconds until @nr slots are drained. Return false on timeout. */
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
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
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
	KUNIT_EXPECT_EQ(test, 64, percpu_defer_pending(&o->map.core));
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
	KUNIT_EXPECT_EQ(test, 99, percpu_defer_pending(&o->map.core));
	flush(o);
	expect_drained(test, 0, 7, 1);
	expect_drained(test, 7, 1, 0);
	expect_drained(test, 8, 92, 1);

	/* Another push makes the slot dead again. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 7, 1));
	flush(o);
	expect_drained(test, 0, 100, 1);
}

/* A slot that a drain has seen dead may be cancelled before the drain claims it. */
static void m_cancel_late(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	o->cancelled = 5;
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	flush(o);
	expect_drained(test, 0, 5, 1);
	expect_drained(test, 5, 1, 0);
	expect_drained(test, 6, 4, 1);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
}

static void m_claim_once(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 3, 1));
	/* A slot that is pushed again while dead counts once. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 3, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 2, 3));
	KUNIT_EXPECT_EQ(test, 3, percpu_defer_pending(&o->map.core));
	flush(o);
	expect_drained(test, 2, 3, 1);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
}

/* The drain is offered each slot once, regardless of the order of pushes. */
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
	KUNIT_EXPECT_EQ(test, 4000, atomic_long_read(&o->nr_locks));
	expect_drained(test, 0, 4000, 1);
}

/* Push every other slot. */
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

/* Push a slot after a drain has read the word with its dead bit. */
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

/* Push when a drain has cleared the summary bit, but not yet the dirty bits below it. */
static void m_levels(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 1));
	clear_bit(0, o->map.summary);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 1, 1));
	KUNIT_EXPECT_TRUE(test, test_bit(0, o->map.summary));
	clear_bit(0, o->map.summary);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 2, 2));
	KUNIT_EXPECT_TRUE(test, test_bit(0, o->map.summary));
	flush(o);
	expect_drained(test, 0, 4, 1);
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
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(o->map.dead, NR_SLOTS));
}

static void m_bad_init(struct kunit *test)
{
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);
	struct owner *o = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, map);
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_map_init(map, "other", 0, 1, drain));
		KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_map_init(map, "other", 1, 0, drain));
		KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_map_init(map, "other", 1, 3, drain));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				percpu_defer_map_init(map, "other", 1, 2 * BITS_PER_LONG, drain));
		KUNIT_EXPECT_EQ(test, -EINVAL, percpu_defer_map_init(map, "", 1, 1, drain));
		KUNIT_EXPECT_EQ(test, -EINVAL,
				percpu_defer_map_init(&o->map, "again", 1, 1, drain));
	}
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			percpu_defer_map_init(map, "other", LONG_MAX, 1, drain));
	KUNIT_EXPECT_EQ(test, 0, map->nr);
	/* The instance in use is unaffected. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	flush(o);
	expect_drained(test, 0, 10, 1);
}

/* A failed allocation leaves nothing behind, and the name can be used again. */
static void m_init_fails(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);
	unsigned int nth, failed = 0;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, map);
	for (nth = 1; nth < 1000; nth++) {
		WRITE_ONCE(current->fail_nth, nth);
		err = percpu_defer_map_init(map, "kunit_fails", 100, 1, drain);
		if (READ_ONCE(current->fail_nth))
			break;
		if (!err) {
			/* Only the debugfs file, which is optional, may have failed. */
			percpu_defer_map_destroy(map);
			continue;
		}
		KUNIT_EXPECT_EQ(test, -ENOMEM, err);
		KUNIT_EXPECT_EQ(test, 0, map->nr);
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
	percpu_defer_set_enabled(&o->map.core, false);
	expect_drained(test, 0, 10, 1);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 10));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(&o->map, 0));
	percpu_defer_set_enabled(&o->map.core, true);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	flush(o);
	expect_drained(test, 0, 10, 2);
}

static void m_cap(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long taken = 0, cap = 512, i;

	never_aged(o);
	set_cap(o, cap);
	for (i = 0; i < 4 * cap; i++)
		taken += percpu_defer_map_push(&o->map, i, 1);
	KUNIT_EXPECT_GE(test, taken, cap);
	KUNIT_EXPECT_LE(test, taken, cap + cap / 8);
	KUNIT_EXPECT_EQ(test, taken, percpu_defer_pending(&o->map.core));
	/* A refused push marks no slot. */
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
	/* The age bound is 10 ms; allow for a busy emulated machine. */
	KUNIT_EXPECT_LT(test, ktime_ms_delta(ktime_get(), start), 1000);
}

/* A drain starts before the age bound if many slots are pending. */
static void m_early(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	o->map.core.age = 3600 * HZ;
	o->map.core.early = 1024;
	for (i = 0; i < NR_SLOTS; i += 64) {
		KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, i, 64));
		if (atomic_long_read(&o->nr_drained))
			break;
		usleep_range(500, 1000);
	}
	msleep(500);
	KUNIT_EXPECT_GT(test, atomic_long_read(&o->nr_drained), 0);
	flush(o);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
}

/* Pushes are refused while no drain makes progress. */
static void m_overdue(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long taken = 0, i;

	/* Drains start early once an eighth of the cap is pending. */
	percpu_defer_set_cap(&o->map.core, 8000);
	WRITE_ONCE(o->gated, true);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 1));
	wait_for_completion(&o->arrived);
	/* The work is armed again while it runs. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 1, 1));
	msleep(500);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 2, 1));
	msleep(500);
	for (i = 3; i < 4000; i++)
		taken += percpu_defer_map_push(&o->map, i, 1);
	KUNIT_EXPECT_LT(test, taken, 4000 - 3);
	WRITE_ONCE(o->gated, false);
	complete_all(&o->gate);
	flush(o);
	KUNIT_EXPECT_EQ(test, taken + 3, atomic_long_read(&o->nr_drained));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
	/* Pushes are accepted again. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 4000));
}

/* Slots without locks: two words of dirty bits for each stripe. */
struct stuck {
	struct percpu_defer_map map;
	unsigned long at;	/* slot at which the drain waits at the gate */
	unsigned int slow_ms;	/* delay for each slot */
	struct completion arrived;
	struct completion gate;
	struct work_struct work;	/* reclaims or flushes alongside the worker */
};

#define STRIPE		((unsigned long)BITS_PER_LONG * BITS_PER_LONG)
#define BLOCK		(PERCPU_DEFER_STRIPES * STRIPE)

static void stuck_drain(struct percpu_defer_map *map, struct percpu_defer_iter *iter)
{
	struct stuck *stuck = container_of(map, struct stuck, map);
	unsigned long index;

	while (percpu_defer_map_next(iter, &index)) {
		if (index == stuck->at) {
			complete(&stuck->arrived);
			wait_for_completion(&stuck->gate);
		}
		if (READ_ONCE(stuck->slow_ms))
			msleep(stuck->slow_ms);
		percpu_defer_map_claim(iter);
	}
}

static struct stuck *new_stuck(struct kunit *test, unsigned long at)
{
	struct stuck *stuck = kunit_kzalloc(test, sizeof(*stuck), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, stuck);
	stuck->at = at;
	init_completion(&stuck->arrived);
	init_completion(&stuck->gate);
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(&stuck->map, "kunit_stuck", 2 * BLOCK,
						       1, stuck_drain));
	return stuck;
}

static bool stuck_drains(struct stuck *stuck, long nr)
{
	int ms;

	for (ms = 0; ms < 2000 && atomic_long_read(&stuck->map.core.drained) < nr; ms++)
		usleep_range(1000, 2000);
	return atomic_long_read(&stuck->map.core.drained) == nr;
}

static void end_stuck(struct kunit *test, struct stuck *stuck, long nr)
{
	complete_all(&stuck->gate);
	percpu_defer_flush(&stuck->map.core);
	KUNIT_EXPECT_EQ(test, nr, atomic_long_read(&stuck->map.core.drained));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&stuck->map.core));
	percpu_defer_map_destroy(&stuck->map);
}

/* Keep other workers from helping a slow first worker. */
static void without_help(struct stuck *stuck)
{
	disable_delayed_work_sync(&stuck->map.core.stripe[1].work);
}

/* Expect refusals from slot @later on while the only drain is blocked at slot 0. */
static void expect_not_joined(struct kunit *test, unsigned long later)
{
	struct stuck *stuck = new_stuck(test, 0);
	unsigned long taken = 0, i;

	without_help(stuck);
	percpu_defer_set_cap(&stuck->map.core, 8000);
	scoped_guard(preempt) {
		taken += percpu_defer_map_push(&stuck->map, 0, 1);
		taken += percpu_defer_map_push(&stuck->map, later, 1);
	}
	KUNIT_EXPECT_EQ(test, 2, taken);
	wait_for_completion(&stuck->arrived);
	msleep(500);
	for (i = 1; i < 4000; i++)
		taken += percpu_defer_map_push(&stuck->map, later + i, 1);
	KUNIT_EXPECT_LT(test, taken, 4000);
	end_stuck(test, stuck, taken);
}

/* Push slots in the stripe that the worker is draining. */
static void m_stuck(struct kunit *test)
{
	expect_not_joined(test, BLOCK);
}

/* Push slots in a stripe that the worker has not reached. */
static void m_stuck_before(struct kunit *test)
{
	expect_not_joined(test, STRIPE);
}

/* A stripe that waits for its turn is not overdue while the drain makes progress. */
static void m_in_turn(struct kunit *test)
{
	struct stuck *stuck = new_stuck(test, ULONG_MAX);
	unsigned long i;

	without_help(stuck);
	/* Let each push check whether the drain made no progress for half a second. */
	stuck->map.core.batch = 1;
	stuck->map.core.age = HZ / 20;
	stuck->slow_ms = 20;
	for (i = 0; i < STRIPE; i += BITS_PER_LONG)
		KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, i, 1));
	for (i = 0; i < STRIPE && !atomic_long_read(&stuck->map.core.drained); i++) {
		KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, STRIPE + i, 1));
		usleep_range(1000, 2000);
	}
	KUNIT_EXPECT_GT(test, i, 40);
	WRITE_ONCE(stuck->slow_ms, 0);
	end_stuck(test, stuck, BITS_PER_LONG + i);
}

static void stuck_reclaim_fn(struct work_struct *work)
{
	percpu_defer_reclaim(&container_of(work, struct stuck, work)->map.core, ULONG_MAX);
}

static void stuck_flush_fn(struct work_struct *work)
{
	percpu_defer_flush(&container_of(work, struct stuck, work)->map.core);
}

/* The worker skips a stripe that is being drained, and drains it later. */
static void m_worker_comes_back(struct kunit *test)
{
	struct stuck *stuck = new_stuck(test, BLOCK);

	without_help(stuck);
	stuck->map.core.age = HZ / 2;
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, BLOCK, 1));
	INIT_WORK(&stuck->work, stuck_reclaim_fn);
	queue_work(system_dfl_wq, &stuck->work);
	wait_for_completion(&stuck->arrived);
	stuck->map.core.age = 1;
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, STRIPE, 1));
	KUNIT_EXPECT_TRUE(test, stuck_drains(stuck, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, 2 * STRIPE, 1));
	KUNIT_EXPECT_TRUE(test, stuck_drains(stuck, 2));

	/* Push a slot that the running drain has already passed. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, 0, 1));
	msleep(100);
	KUNIT_EXPECT_EQ(test, 2, atomic_long_read(&stuck->map.core.drained));
	complete_all(&stuck->gate);
	KUNIT_EXPECT_TRUE(test, stuck_drains(stuck, 4));
	flush_work(&stuck->work);
	end_stuck(test, stuck, 4);
}

/* Another worker helps repeatedly while the first worker is blocked. */
static void m_helps_again(struct kunit *test)
{
	struct stuck *stuck;
	unsigned long i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	stuck = new_stuck(test, 0);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, 0, 1));
	wait_for_completion(&stuck->arrived);
	for (i = 1; i < 5; i++) {
		msleep(100);
		KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, i * STRIPE, 1));
		KUNIT_EXPECT_TRUE(test, stuck_drains(stuck, i));
	}
	end_stuck(test, stuck, 5);
}

/* A flush drains the other stripes before it waits for a concurrent drain. */
static void m_flush_shares(struct kunit *test)
{
	struct stuck *stuck = new_stuck(test, 0);

	without_help(stuck);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, 0, 1));
	wait_for_completion(&stuck->arrived);
	stuck->map.core.age = 3600 * HZ;
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, STRIPE, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&stuck->map, 2 * STRIPE, 1));
	INIT_WORK(&stuck->work, stuck_flush_fn);
	queue_work(system_dfl_wq, &stuck->work);
	KUNIT_EXPECT_TRUE(test, stuck_drains(stuck, 2));
	KUNIT_EXPECT_TRUE(test, work_busy(&stuck->work));
	complete_all(&stuck->gate);
	flush_work(&stuck->work);
	end_stuck(test, stuck, 3);
}

/* Another worker helps a slow first worker if a second CPU is online. */
static void m_workers(struct kunit *test)
{
	struct stuck *stuck = new_stuck(test, STRIPE);
	unsigned long i, taken = 0, nr_free = num_online_cpus() > 1 ? PERCPU_DEFER_STRIPES - 1 : 1;

	stuck->map.core.batch = 10000;
	scoped_guard(preempt)
		for (i = 0; i < 2 * BLOCK; i += STRIPE)
			taken += percpu_defer_map_push(&stuck->map, i, 10);
	KUNIT_EXPECT_EQ(test, 2 * PERCPU_DEFER_STRIPES, taken);
	wait_for_completion(&stuck->arrived);
	KUNIT_EXPECT_TRUE(test, stuck_drains(stuck, nr_free * 20));
	msleep(50);
	KUNIT_EXPECT_EQ(test, nr_free * 20, atomic_long_read(&stuck->map.core.drained));
	end_stuck(test, stuck, PERCPU_DEFER_STRIPES * 20);
}

static long cancel_all(void *owner)
{
	struct owner *o = owner;
	unsigned long i, nr = 0;

	for (i = 0; i < NR_SLOTS; i++)
		nr += percpu_defer_map_cancel(&o->map, i);
	return nr;
}

/* Slots cancelled on another CPU do not count against the cap. */
static void m_cancel_elsewhere(struct kunit *test)
{
	unsigned int cpu = cpumask_last(cpu_online_mask), round;
	struct owner *o = test->priv;
	unsigned long i;

	never_aged(o);
	set_cap(o, 1000);
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 500; i++)
			KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, i, 1));
		KUNIT_ASSERT_EQ(test, 500, work_on_cpu(cpu, cancel_all, o));
		KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
	}
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
		kunit_skip(test, "needs a CPU to take offline");

	/* A worker on another CPU drains the slots. */
	o->map.core.age = HZ;
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first_ten, o));
	KUNIT_ASSERT_EQ(test, 0, remove_cpu(cpu));
	KUNIT_EXPECT_TRUE(test, drained_soon(o, 10));
	KUNIT_ASSERT_EQ(test, 0, add_cpu(cpu));

	/* A flush drains the slots. */
	never_aged(o);
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpu, push_first_ten, o));
	KUNIT_ASSERT_EQ(test, 0, remove_cpu(cpu));
	KUNIT_EXPECT_EQ(test, 10, atomic_long_read(&o->nr_drained));
	flush(o);
	expect_drained(test, 0, 10, 2);
	KUNIT_ASSERT_EQ(test, 0, add_cpu(cpu));
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

/* Expect that two flushes do not return while a drain waits at the gate. */
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

/* Reclaim drains the slots of all CPUs, and does not wait for slot locks. */
static void m_help(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_reclaim(&o->map.core, ULONG_MAX));

	/* Reclaim drains slots that were pushed on any CPU. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 100));
	KUNIT_ASSERT_TRUE(test, work_on_cpu(cpumask_last(cpu_online_mask),
					    push_second_ten, o));
	KUNIT_EXPECT_EQ(test, 110, percpu_defer_reclaim(&o->map.core, ULONG_MAX));
	expect_drained(test, 0, 100, 1);
	expect_drained(test, 10000, 10, 1);

	/* Reclaim stops near its maximum. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 900));
	KUNIT_EXPECT_GE(test, percpu_defer_reclaim(&o->map.core, 64), 64);
	KUNIT_EXPECT_LE(test, atomic_long_read(&o->nr_drained), 110 + 2 * 64);
	KUNIT_EXPECT_EQ(test, 1010 - atomic_long_read(&o->nr_drained),
			percpu_defer_pending(&o->map.core));
	flush(o);
	expect_drained(test, 100, 800, 1);

	/* A slot whose lock is contended stays pending. */
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 2000, 10));
	o->slot[2005].busy = true;
	percpu_defer_reclaim(&o->map.core, ULONG_MAX);
	expect_drained(test, 2000, 5, 1);
	expect_drained(test, 2005, 1, 0);
	KUNIT_EXPECT_EQ(test, 1, percpu_defer_pending(&o->map.core));
	flush(o);
	expect_drained(test, 2000, 10, 1);
}

/* Contended slot locks also count against the maximum. */
static void m_help_some(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long i;

	never_aged(o);
	for (i = 0; i < 900; i++)
		o->slot[i].busy = true;
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 900));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_reclaim(&o->map.core, 32));
	KUNIT_EXPECT_LE(test, atomic_long_read(&o->nr_locks), 64);
	flush(o);
	expect_drained(test, 0, 900, 1);
}

static void help_work_fn(struct work_struct *work)
{
	struct flusher *f = container_of(work, struct flusher, work);

	percpu_defer_reclaim(&f->o->map.core, ULONG_MAX);
	complete(&f->done);
}

/* A flush waits for slots that reclaim is freeing. */
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

#define NR_GROUPED	200

static struct {
	unsigned long nr_groups, nr_claimed;
	bool wrong;
} grouped;

static void drain_grouped(struct percpu_defer_map *map, struct percpu_defer_iter *iter)
{
	unsigned long first, claimed;

	while (percpu_defer_map_next(iter, &first)) {
		claimed = percpu_defer_map_claim(iter);
		grouped.nr_groups++;
		grouped.nr_claimed += hweight_long(claimed);
		grouped.wrong |= first % 8 || claimed != 0x55;
		/* A second claim returns nothing. */
		grouped.wrong |= percpu_defer_map_claim(iter);
	}
}

struct late_pusher {
	struct kunit *test;
	struct percpu_defer_map map;
	unsigned long pushed;
};

static int push_late_thread(void *arg)
{
	struct late_pusher *late = arg;

	kunit_warning_suppress(late->test) {
		while (!kthread_should_stop()) {
			if (percpu_defer_map_push(&late->map, 7, 1))
				late->pushed++;
			cond_resched();
		}
	}
	return 0;
}

/* Pushes during and after the teardown of a map do not touch freed memory. */
static void m_late_push(struct kunit *test)
{
	struct late_pusher *late = kunit_kzalloc(test, sizeof(*late), GFP_KERNEL);
	struct task_struct *task;
	unsigned long *reused;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, late);
	late->test = test;
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(&late->map, "kunit_late", NR_SLOTS, 1,
						       drain_grouped));
	task = kthread_run(push_late_thread, late, "percpu_defer/late");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	msleep(20);
	percpu_defer_map_destroy(&late->map);
	reused = kvcalloc(BITS_TO_LONGS(NR_SLOTS), sizeof(long), GFP_KERNEL);
	msleep(50);
	kthread_stop(task);
	KUNIT_ASSERT_NOT_NULL(test, reused);
	for (i = 0; i < BITS_TO_LONGS(NR_SLOTS); i++)
		KUNIT_EXPECT_EQ(test, 0, reused[i]);
	kvfree(reused);
}

static void m_destroy(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	percpu_defer_map_destroy(&o->map);
	expect_drained(test, 0, 10, 1);
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
	set_cap(o, 2000);
	for (i = 0; i < 600; i++)
		KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, i, 1));
	set_cap(o, 10);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 600, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 600, 5));
	flush(o);
	expect_drained(test, 0, 600, 1);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 600, 1));
	flush(o);
	expect_drained(test, 600, 1, 1);
	expect_drained(test, 601, 4, 0);
}

/* Each refusal is counted once, and only as a refusal. */
static void m_counters(struct kunit *test)
{
	struct owner *o = test->priv;
	struct hardirq_push p = {
		.work = IRQ_WORK_INIT_HARD(push_in_hardirq),
		.o = o,
	};

	irq_work_queue(&p.work);
	irq_work_sync(&p.work);
	expect_refused(test, &o->map.core, 1);
	set_cap(o, 0);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 100));
	percpu_defer_set_enabled(&o->map.core, false);
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(&o->map, 0, 100));

	expect_refused(test, &o->map.core, 6);
}

static void m_help_nothing(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 10));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_reclaim(&o->map.core, 0));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&o->nr_drained));
	flush(o);
	expect_drained(test, 0, 10, 1);
}

/* A second reclaim drains the stripes that the first one is not draining. */
static void m_two_helps(struct kunit *test)
{
	struct owner *o = test->priv;
	struct flusher first = { .o = o };

	never_aged(o);
	WRITE_ONCE(o->gated, true);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 4096, 1));
	init_completion(&first.done);
	INIT_WORK_ONSTACK(&first.work, help_work_fn);
	queue_work(system_dfl_wq, &first.work);
	wait_for_completion(&o->arrived);
	WRITE_ONCE(o->gated, false);
	KUNIT_EXPECT_EQ(test, 1, percpu_defer_reclaim(&o->map.core, ULONG_MAX));
	KUNIT_EXPECT_FALSE(test, completion_done(&first.done));

	complete_all(&o->gate);
	wait_for_completion(&first.done);
	flush_work(&first.work);
	destroy_work_on_stack(&first.work);
	KUNIT_EXPECT_EQ(test, 2, atomic_long_read(&o->nr_drained));
	expect_drained(test, 0, 1, 1);
	expect_drained(test, 4096, 1, 1);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
}

/* A drain that leaves its loop early loses nothing. */
static void m_leaves(struct kunit *test)
{
	struct owner *o = test->priv;

	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 10, 300));
	o->leaves = true;
	flush(o);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&o->nr_drained));
	KUNIT_EXPECT_EQ(test, 300, percpu_defer_pending(&o->map.core));
	o->leaves = false;
	flush(o);
	expect_drained(test, 10, 300, 1);
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
}

/* Reclaim does not rescan words that an earlier reclaim has emptied. */
static void m_help_rescans(struct kunit *test)
{
	struct owner *o = test->priv;
	unsigned long helped, sum = 0;

	never_aged(o);
	set_cap(o, 2 * NR_SLOTS);
	KUNIT_ASSERT_TRUE(test, percpu_defer_map_push(&o->map, 0, NR_SLOTS));
	do {
		helped = percpu_defer_reclaim(&o->map.core, 1024);
		sum += helped;
	} while (helped);
	KUNIT_EXPECT_EQ(test, NR_SLOTS, sum);
	expect_drained(test, 0, NR_SLOTS, 1);
	KUNIT_EXPECT_EQ(test, 0, bitmap_weight(o->map.dirty, BITS_TO_LONGS(NR_SLOTS)));
}

static atomic_long_t nr_drained_of_one;

/* Claim without a lock, because nothing refills the slot. */
static void drain_one(struct percpu_defer_map *map, struct percpu_defer_iter *iter)
{
	unsigned long index;

	while (percpu_defer_map_next(iter, &index))
		atomic_long_add(percpu_defer_map_claim(iter), &nr_drained_of_one);
}

/* percpu_defer_drain_some() drains up to its maximum from each instance. */
static void m_drain_some(struct kunit *test)
{
	struct percpu_defer_map *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	struct owner *o = test->priv;
	long pending;

	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(other, "kunit_other", NR_SLOTS, 1,
						       drain_one));
	other->core.age = 3600 * HZ;
	never_aged(o);
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(&o->map, 0, 900));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(other, 0, 900));
	percpu_defer_drain_some(100);
	pending = percpu_defer_pending(&o->map.core);
	KUNIT_EXPECT_LE(test, pending, 800);
	KUNIT_EXPECT_GE(test, pending, 800 - BITS_PER_LONG);
	KUNIT_EXPECT_EQ(test, pending, percpu_defer_pending(&other->core));
	percpu_defer_drain_some(ULONG_MAX);
	expect_drained(test, 0, 900, 1);
	percpu_defer_map_destroy(other);
}

/* Slots that share a lock are offered together, without other slots. */
static void m_grouped(struct kunit *test)
{
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);
	unsigned long i;

	KUNIT_ASSERT_NOT_NULL(test, map);
	memset(&grouped, 0, sizeof(grouped));
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(map, "kunit_grouped", NR_GROUPED, 8,
						       drain_grouped));
	map->core.age = 3600 * HZ;
	/* Push four slots in each of 25 groups. */
	for (i = 0; i < NR_GROUPED; i += 2)
		KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, i, 1));
	percpu_defer_flush(&map->core);
	KUNIT_EXPECT_EQ(test, NR_GROUPED / 8, grouped.nr_groups);
	KUNIT_EXPECT_EQ(test, NR_GROUPED / 2, grouped.nr_claimed);
	KUNIT_EXPECT_FALSE(test, grouped.wrong);
	percpu_defer_map_destroy(map);
}

/* Test the smallest possible map. */
static void m_one(struct kunit *test)
{
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	atomic_long_set(&nr_drained_of_one, 0);
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(map, "kunit_one", 1, 1, drain_one));
	map->core.age = 3600 * HZ;
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(map, 0));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, 0, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_dead(map, 0));
	percpu_defer_flush(&map->core);
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
 * Push indices above 32 bits. No drain may run before the real size is restored, because
 * only the end of the bitmaps is allocated.
 */
static void m_big(struct kunit *test)
{
#if BITS_PER_LONG == 64
	const unsigned long base = BIT(33), end = base + NR_SLOTS;
	struct owner *o = test->priv;
	struct percpu_defer_map *map = &o->map;
	unsigned long *dead = map->dead, *dirty = map->dirty, *summary = map->summary;

	never_aged(o);
	map->nr = end;
	map->dead -= BIT_WORD(base);
	map->dirty -= BIT_WORD(BIT_WORD(base));
	map->summary -= BIT_WORD(BIT_WORD(BIT_WORD(base)));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, base + 60, 10));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, base + 7000, 1));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_push(map, end - 1, 1));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(map, base + 59));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_dead(map, base + 60));
	KUNIT_EXPECT_TRUE(test, percpu_defer_map_dead(map, base + 69));
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_dead(map, base + 70));
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
	map->summary = summary;

	flush(o);
	expect_drained(test, 0, 60, 0);
	expect_drained(test, 60, 1, 1);
	expect_drained(test, 61, 1, 0);
	expect_drained(test, 62, 8, 1);
	expect_drained(test, 70, 6930, 0);
	expect_drained(test, 7000, 1, 1);
	expect_drained(test, NR_SLOTS - 1, 1, 1);
	KUNIT_EXPECT_EQ(test, 11, atomic_long_read(&o->nr_drained));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&map->core));
#else
	kunit_skip(test, "needs 64-bit indices");
#endif
}

static void m_wrong_state(struct kunit *test)
{
	struct percpu_defer_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, map);
	/* Calls before init, and after destroy. */
	for (i = 0; i < 2; i++) {
		kunit_warning_suppress(test) {
			percpu_defer_map_destroy(map);
			percpu_defer_set_enabled(&map->core, true);
			percpu_defer_set_enabled(&map->core, false);
			percpu_defer_flush(&map->core);
			percpu_defer_set_cap(&map->core, 1);
			KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&map->core));
			KUNIT_EXPECT_EQ(test, 0, percpu_defer_reclaim(&map->core, ULONG_MAX));
			KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 7);
			KUNIT_EXPECT_FALSE(test, percpu_defer_map_push(map, 0, 1));
		}
		if (i)
			break;
		KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(map, "kunit_one", 1, 1,
							       drain_one));
		percpu_defer_map_destroy(map);
	}
}

/*
 * Simulate swap slots. Tasks fill slots, which cancels their deferred frees,
 * check that the slots are not dead, and push them again. Slots are filled and
 * checked under the slot lock. No drain may ever claim a filled slot.
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

	/* Drain while the threads run, not afterwards. */
	o->map.core.age = 1;
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
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(&o->map.core));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(o->map.dead, NR_SLOTS));
}

static struct kunit_case percpu_defer_map_cases[] = {
	KUNIT_CASE(m_drain_once),
	KUNIT_CASE(m_dead),
	KUNIT_CASE(m_cancel),
	KUNIT_CASE(m_cancel_late),
	KUNIT_CASE(m_claim_once),
	KUNIT_CASE(m_side_by_side),
	KUNIT_CASE(m_scattered),
	KUNIT_CASE(m_dies_meanwhile),
	KUNIT_CASE(m_levels),
	KUNIT_CASE(m_bad_range),
	KUNIT_CASE(m_bad_init),
	KUNIT_CASE(m_init_fails),
	KUNIT_CASE(m_off),
	KUNIT_CASE(m_cap),
	KUNIT_CASE(m_age),
	KUNIT_CASE(m_early),
	KUNIT_CASE(m_overdue),
	KUNIT_CASE(m_stuck),
	KUNIT_CASE(m_stuck_before),
	KUNIT_CASE(m_in_turn),
	KUNIT_CASE(m_worker_comes_back),
	KUNIT_CASE(m_helps_again),
	KUNIT_CASE(m_flush_shares),
	KUNIT_CASE(m_workers),
	KUNIT_CASE(m_cancel_elsewhere),
	KUNIT_CASE(m_cpu_offline),
	KUNIT_CASE(m_flush_waits_for_flush),
	KUNIT_CASE(m_flush_waits_for_worker),
	KUNIT_CASE(m_help),
	KUNIT_CASE(m_help_some),
	KUNIT_CASE(m_drain_some),
	KUNIT_CASE(m_flush_waits_for_help),
	KUNIT_CASE(m_destroy),
	KUNIT_CASE(m_late_push),
	KUNIT_CASE(m_hardirq),
	KUNIT_CASE(m_irqs_off),
	KUNIT_CASE(m_cap_lowered),
	KUNIT_CASE(m_counters),
	KUNIT_CASE(m_help_nothing),
	KUNIT_CASE(m_two_helps),
	KUNIT_CASE(m_leaves),
	KUNIT_CASE(m_help_rescans),
	KUNIT_CASE(m_one),
	KUNIT_CASE(m_grouped),
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

MODULE_DESCRIPTION("KUnit tests of percpu_defer, slots");
MODULE_LICENSE("GPL");
