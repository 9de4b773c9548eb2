// SPDX-License-Identifier: GPL-2.0
/*
 * What does it cost to hand over an object to be freed later? percpu_defer and
 * the usual ways, one object at a time, on one CPU, with nobody in the way: the
 * time the caller spends, without what the other side does with it.
 */
#include <kunit/test.h>
#include <linux/ktime.h>
#include <linux/llist.h>
#include <linux/percpu_defer.h>
#include <linux/ptr_ring.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/* As many as a buffer of 4096 bytes takes, a few times; few enough for an array. */
#define NR	4096
#define REPS	21

struct item {
	struct rcu_head rcu;
	struct llist_node node;
};

static struct item *item[NR];

/* Gets ready for NR times hand_over(); what that takes is not counted. */
struct contender {
	const char *name;
	void (*prepare)(struct kunit *test);
	void (*hand_over)(unsigned int i);
	void (*finish)(void);
};

static void no_drain(struct percpu_defer *pd, const unsigned long *obj, unsigned int nr)
{
}

DEFINE_STATIC_PERCPU_DEFER(bench_objects, no_drain);

static void push_object(unsigned int i)
{
	if (!percpu_defer_push(&bench_objects, (unsigned long)item[i]))
		WARN_ON_ONCE(1);
}

static void flush_objects(void)
{
	percpu_defer_flush(&bench_objects);
}

static void push_objects(unsigned int i)
{
	if (i % 64)
		return;
	if (percpu_defer_push_many(&bench_objects, (unsigned long *)&item[i], 64) != 64)
		WARN_ON_ONCE(1);
}

static struct percpu_defer_map bench_map;

static void drain_map(struct percpu_defer_map *map,
		      const struct percpu_defer_range *range, unsigned int nr, bool try)
{
	unsigned long i, claimed = 0;

	for (; nr; nr--, range++)
		for (i = range->first; i < range->first + range->nr; i++)
			claimed += percpu_defer_map_claim(map, i);
	WARN_ON_ONCE(!claimed);
}

static void push_index(unsigned int i)
{
	if (!percpu_defer_map_push(&bench_map, 2 * i, 1))
		WARN_ON_ONCE(1);
}

/* What it costs per index of a range of 64. */
static void push_range(unsigned int i)
{
	if (!(i % 64) && !percpu_defer_map_push(&bench_map, i, 64))
		WARN_ON_ONCE(1);
}

static void flush_map(void)
{
	percpu_defer_flush(&bench_map.defer);
}

static LLIST_HEAD(bench_llist);

static void bench_llist_fn(struct work_struct *work)
{
	llist_del_all(&bench_llist);
}

static DECLARE_WORK(bench_llist_work, bench_llist_fn);

static void push_llist(unsigned int i)
{
	if (llist_add(&item[i]->node, &bench_llist))
		schedule_work(&bench_llist_work);
}

static void flush_llist(void)
{
	flush_work(&bench_llist_work);
}

static void alloc_items(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < NR; i++) {
		item[i] = kmalloc_obj(struct item);
		KUNIT_ASSERT_NOT_NULL(test, item[i]);
	}
}

static void free_items(void)
{
	unsigned int i;

	for (i = 0; i < NR; i++)
		kfree(item[i]);
}

/* kvfree_rcu() frees them when it sees fit, and has no need of us. */
static void forget_items(void)
{
	rcu_barrier();
}

static void push_kvfree_rcu(unsigned int i)
{
	kvfree_rcu(item[i], rcu);
}

static struct ptr_ring bench_ring;

static void push_ring(unsigned int i)
{
	if (ptr_ring_produce(&bench_ring, item[i]))
		WARN_ON_ONCE(1);
}

static void flush_ring(void)
{
	while (ptr_ring_consume(&bench_ring))
		;
}

static struct {
	spinlock_t lock;	/* protects what follows */
	unsigned int nr;
	struct item *item[NR];
} bench_array = { .lock = __SPIN_LOCK_UNLOCKED(bench_array.lock) };

static void push_array(unsigned int i)
{
	guard(spinlock)(&bench_array.lock);
	if (bench_array.nr < NR)
		bench_array.item[bench_array.nr++] = item[i];
}

static void flush_array(void)
{
	bench_array.nr = 0;
}

static const struct contender contenders[] = {
	/* The first is what the others are compared with. */
	{ "percpu_defer_push", NULL, push_object, flush_objects },
	{ "percpu_defer_push_many, by 64", NULL, push_objects, flush_objects },
	{ "percpu_defer_map_push, single", NULL, push_index, flush_map },
	{ "percpu_defer_map_push, by 64", NULL, push_range, flush_map },
	{ "llist_add + work", NULL, push_llist, flush_llist },
	{ "kvfree_rcu", alloc_items, push_kvfree_rcu, forget_items },
	{ "ptr_ring_produce", NULL, push_ring, flush_ring },
	{ "array + spinlock", NULL, push_array, flush_array },
};

static int compare_ns(const void *a, const void *b)
{
	return *(const u64 *)a < *(const u64 *)b ? -1 : 1;
}

static u64 run_once(struct kunit *test, const struct contender *c)
{
	unsigned int i;
	ktime_t start;
	u64 ns;

	if (c->prepare)
		c->prepare(test);
	start = ktime_get();
	for (i = 0; i < NR; i++)
		c->hand_over(i);
	ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	c->finish();
	return ns;
}

static void bench_push(struct kunit *test)
{
	static u64 ns[ARRAY_SIZE(contenders)][REPS];
	unsigned int c, rep;
	u64 first;

	KUNIT_ASSERT_EQ(test, 0, percpu_defer_start(&bench_objects));
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(&bench_map, "bench_map",
						       2 * NR, drain_map));
	KUNIT_ASSERT_EQ(test, 0, ptr_ring_init(&bench_ring, NR, GFP_KERNEL));
	/* Full pages only: not the age timer's doing. */
	bench_objects.age = HZ;
	bench_map.defer.age = HZ;

	/* Taking turns, so that a disturbance is shared. */
	for (rep = 0; rep < REPS; rep++) {
		for (c = 0; c < ARRAY_SIZE(contenders); c++) {
			bool own = contenders[c].prepare;

			if (!own)
				alloc_items(test);
			ns[c][rep] = run_once(test, &contenders[c]);
			if (!own)
				free_items();
		}
	}

	for (c = 0; c < ARRAY_SIZE(contenders); c++) {
		u64 *r = ns[c], median, ratio;

		sort(r, REPS, sizeof(*r), compare_ns, NULL);
		median = r[REPS / 2];
		first = ns[0][REPS / 2];
		ratio = div64_u64(median * 100, first);
		kunit_info(test, "%-30s %4llu.%llu ns (%llu-%llu) %3llu.%02llu x",
			   contenders[c].name, median / NR, median * 10 / NR % 10,
			   r[0] / NR, r[REPS - 1] / NR, ratio / 100, ratio % 100);
		/* None of the peers hands over an object for less. */
		if (c >= 4)
			KUNIT_EXPECT_GT_MSG(test, median, first, "%s",
					    contenders[c].name);
	}

	ptr_ring_cleanup(&bench_ring, NULL);
	percpu_defer_map_destroy(&bench_map);
	percpu_defer_destroy(&bench_objects);
}

static struct kunit_case percpu_defer_bench_cases[] = {
	KUNIT_CASE_SLOW(bench_push),
	{}
};

static struct kunit_suite percpu_defer_bench_suite = {
	.name = "percpu_defer_bench",
	.test_cases = percpu_defer_bench_cases,
};

kunit_test_suite(percpu_defer_bench_suite);

MODULE_DESCRIPTION("Benchmark of percpu_defer");
MODULE_LICENSE("GPL");
