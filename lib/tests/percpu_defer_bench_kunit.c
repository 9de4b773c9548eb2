// SPDX-License-Identifier: GPL-2.0
/*
 * Cost per object of deferring a free, with percpu_defer and with the usual
 * alternatives. Only the caller's time is measured, not the consumer's. Each
 * alternative runs once on a single CPU, without contention, and once on all
 * CPUs concurrently.
 */
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/llist.h>
#include <linux/percpu_defer.h>
#include <linux/ptr_ring.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/* Objects per CPU: several pages of percpu_defer. */
#define NR		4096UL
#define REPS		21
#define MAX_CPUS	64

struct item {
	struct rcu_head rcu;
	struct llist_node node;
};

/* Objects of one CPU, with indices 0 to NR - 1. */
struct share {
	struct item **item;
	unsigned long first;	/* first slot in a map */
	struct completion ready;
	u64 ns;
	const struct contender *contender;
};

static struct share shares[MAX_CPUS];
static struct completion go;

/* A way to defer frees. @run defers the frees of one CPU. */
struct contender {
	const char *name;
	void (*run)(struct share *share);
	void (*finish)(void);	/* called after all CPUs have run */
	bool frees;		/* also frees the objects */
};

static void no_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
}

static struct percpu_defer bench_objects;

static void run_push(struct share *share)
{
	unsigned long i, refused = 0;

	for (i = 0; i < NR; i++)
		refused += !percpu_defer_push(&bench_objects, (unsigned long)share->item[i]);
	WARN_ON_ONCE(refused);
}

static void finish_objects(void)
{
	percpu_defer_flush(&bench_objects.core);
}

static struct percpu_defer_map bench_map;

static void drain_map(struct percpu_defer_map *map, struct percpu_defer_iter *iter)
{
	unsigned long index;

	while (percpu_defer_map_next(iter, &index))
		percpu_defer_map_claim(iter);
}

/* Push single slots that are not adjacent. */
static void run_map_push(struct share *share)
{
	unsigned long i, refused = 0;

	for (i = 0; i < NR; i++)
		refused += !percpu_defer_map_push(&bench_map, share->first + 2 * i, 1);
	WARN_ON_ONCE(refused);
}

static void run_map_push_range(struct share *share)
{
	unsigned long i, refused = 0;

	for (i = 0; i < NR; i += 64)
		refused += !percpu_defer_map_push(&bench_map, share->first + i, 64);
	WARN_ON_ONCE(refused);
}

/* Push slots as if each were refilled immediately. A drain may claim a slot in between. */
static void run_map_push_cancel(struct share *share)
{
	unsigned long i, refused = 0;

	for (i = 0; i < NR; i++) {
		unsigned long index = share->first + 2 * i;

		refused += !percpu_defer_map_push(&bench_map, index, 1);
		percpu_defer_map_cancel(&bench_map, index);
	}
	WARN_ON_ONCE(refused);
}

static void finish_map(void)
{
	percpu_defer_flush(&bench_map.core);
}

static LLIST_HEAD(bench_llist);

static void bench_llist_fn(struct work_struct *work)
{
	llist_del_all(&bench_llist);
}

static DECLARE_WORK(bench_llist_work, bench_llist_fn);

static void run_llist(struct share *share)
{
	unsigned long i;

	for (i = 0; i < NR; i++)
		if (llist_add(&share->item[i]->node, &bench_llist))
			schedule_work(&bench_llist_work);
}

static void finish_llist(void)
{
	flush_work(&bench_llist_work);
}

static void run_kvfree_rcu(struct share *share)
{
	unsigned long i;

	for (i = 0; i < NR; i++)
		kvfree_rcu(share->item[i], rcu);
}

static void finish_kvfree_rcu(void)
{
	rcu_barrier();
}

static struct ptr_ring bench_ring;

static void run_ring(struct share *share)
{
	unsigned long i, refused = 0;

	for (i = 0; i < NR; i++)
		refused += !!ptr_ring_produce(&bench_ring, share->item[i]);
	WARN_ON_ONCE(refused);
}

static void finish_ring(void)
{
	while (ptr_ring_consume(&bench_ring))
		;
}

static DEFINE_SPINLOCK(bench_array_lock);
static struct item **bench_array;
static unsigned long bench_array_nr;

static void run_array(struct share *share)
{
	unsigned long i;

	for (i = 0; i < NR; i++) {
		guard(spinlock)(&bench_array_lock);
		bench_array[bench_array_nr++] = share->item[i];
	}
}

static void finish_array(void)
{
	bench_array_nr = 0;
}

static const struct contender contenders[] = {
	/* The first contender is the baseline. */
	{ "percpu_defer_push", run_push, finish_objects },
	{ "percpu_defer_map_push, by 1", run_map_push, finish_map },
	{ "percpu_defer_map_push, by 64", run_map_push_range, finish_map },
	{ "percpu_defer_map_push + cancel", run_map_push_cancel, finish_map },
	/* One atomic operation and no page: the list node is in the object. */
	{ "llist_add + work", run_llist, finish_llist },
	{ "kvfree_rcu", run_kvfree_rcu, finish_kvfree_rcu, .frees = true },
	{ .name = "ptr_ring_produce", .run = run_ring, .finish = finish_ring },
	{ "array + spinlock", run_array, finish_array },
};

static int share_thread(void *arg)
{
	struct share *share = arg;
	ktime_t start;

	complete(&share->ready);
	wait_for_completion(&go);
	start = ktime_get();
	share->contender->run(share);
	share->ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	complete(&share->ready);
	return 0;
}

/* Run a contender on @cpus CPUs. Return the average time per CPU in ns. */
static u64 run_once(struct kunit *test, const struct contender *contender,
		    unsigned int cpus)
{
	unsigned int cpu;
	unsigned long i;
	u64 ns = 0;

	reinit_completion(&go);
	for (cpu = 0; cpu < cpus; cpu++) {
		struct task_struct *task;

		for (i = 0; i < NR; i++) {
			shares[cpu].item[i] = kmalloc_obj(struct item);
			KUNIT_ASSERT_NOT_NULL(test, shares[cpu].item[i]);
		}
		shares[cpu].contender = contender;
		shares[cpu].first = cpu * 2 * NR;
		init_completion(&shares[cpu].ready);
		task = kthread_run_on_cpu(share_thread, &shares[cpu], cpu, "bench/%u");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
		wait_for_completion(&shares[cpu].ready);
	}
	complete_all(&go);
	for (cpu = 0; cpu < cpus; cpu++) {
		wait_for_completion(&shares[cpu].ready);
		ns += shares[cpu].ns;
	}
	contender->finish();
	for (cpu = 0; !contender->frees && cpu < cpus; cpu++)
		for (i = 0; i < NR; i++)
			kfree(shares[cpu].item[i]);
	return ns / cpus;
}

static int compare_ns(const void *a, const void *b)
{
	return *(const u64 *)a < *(const u64 *)b ? -1 : 1;
}

static void bench(struct kunit *test, unsigned int cpus)
{
	static u64 ns[ARRAY_SIZE(contenders)][REPS];
	unsigned int c, rep;

	/* Interleave the contenders so that a disturbance affects all of them. */
	for (rep = 0; rep < REPS; rep++)
		for (c = 0; c < ARRAY_SIZE(contenders); c++)
			ns[c][rep] = run_once(test, &contenders[c], cpus);

	for (c = 0; c < ARRAY_SIZE(contenders); c++)
		sort(ns[c], REPS, sizeof(ns[c][0]), compare_ns, NULL);
	kunit_info(test, "cost of deferring a free, on each of %u CPUs:", cpus);
	for (c = 0; c < ARRAY_SIZE(contenders); c++) {
		u64 *r = ns[c], median = r[REPS / 2], first = ns[0][REPS / 2];
		u64 ratio = div64_u64(median * 100, first);

		kunit_info(test, "%-30s %4llu.%llu ns (%llu-%llu) %3llu.%02llu x",
			   contenders[c].name, median / NR, median * 10 / NR % 10,
			   r[0] / NR, r[REPS - 1] / NR, ratio / 100, ratio % 100);
	}
}

static void bench_one_cpu(struct kunit *test)
{
	bench(test, 1);
}

static void bench_all_cpus(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	bench(test, min(num_online_cpus(), MAX_CPUS));
}

static int percpu_defer_bench_init(struct kunit *test)
{
	unsigned int cpus = min(num_online_cpus(), MAX_CPUS), cpu;

	for (cpu = 0; cpu < cpus; cpu++) {
		shares[cpu].item = kunit_kcalloc(test, NR, sizeof(struct item *), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, shares[cpu].item);
	}
	bench_array = kunit_kcalloc(test, cpus * NR, sizeof(*bench_array), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bench_array);
	init_completion(&go);

	KUNIT_ASSERT_EQ(test, 0, ptr_ring_init(&bench_ring, cpus * NR, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_init(&bench_objects, "bench_objects", no_drain));
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_map_init(&bench_map, "bench_map",
						       2 * NR * cpus, 64, drain_map));
	return 0;
}

static void percpu_defer_bench_exit(struct kunit *test)
{
	percpu_defer_map_destroy(&bench_map);
	percpu_defer_destroy(&bench_objects);
	ptr_ring_cleanup(&bench_ring, NULL);
}

static struct kunit_case percpu_defer_bench_cases[] = {
	KUNIT_CASE_SLOW(bench_one_cpu),
	KUNIT_CASE_SLOW(bench_all_cpus),
	{}
};

static struct kunit_suite percpu_defer_bench_suite = {
	.name = "percpu_defer_bench",
	.init = percpu_defer_bench_init,
	.exit = percpu_defer_bench_exit,
	.test_cases = percpu_defer_bench_cases,
};

kunit_test_suite(percpu_defer_bench_suite);

MODULE_DESCRIPTION("Benchmark of percpu_defer");
MODULE_LICENSE("GPL");
