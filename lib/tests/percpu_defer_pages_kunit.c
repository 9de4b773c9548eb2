// SPDX-License-Identifier: GPL-2.0
/*
 * Would it pay to free pages later? Drivers give back big buffers, as the system heap
 * of DMA-BUF does when the last file is closed: page by page, in a loop. Here it is
 * what 64 MB cost the caller, and whoever frees them later: in that loop, with
 * release_pages(), in a work item that has the whole buffer, and with percpu_defer.
 */
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/percpu_defer.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/workqueue.h>

#define BYTES		SZ_64M
#define REPS		11

/* All of one order. */
struct buffer {
	struct page **page;
	unsigned long nr;
	struct work_struct work;
};

static struct buffer buffer;
/* Of what is not done by the caller. */
static atomic64_t later_ns;
static atomic_long_t nr_freed;

/* As system_heap_dma_buf_release(). */
static void free_pages_one_by_one(struct page **page, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		__free_pages(page[i], compound_order(page[i]));
	atomic_long_add(nr, &nr_freed);
}

static void free_pages_later(struct page **page, unsigned long nr)
{
	ktime_t start = ktime_get();

	free_pages_one_by_one(page, nr);
	atomic64_add(ktime_to_ns(ktime_sub(ktime_get(), start)), &later_ns);
}

static void nothing_later(void)
{
}

static void run_loop(void)
{
	free_pages_one_by_one(buffer.page, buffer.nr);
}

static void run_release(void)
{
	release_pages(buffer.page, buffer.nr);
	atomic_long_add(buffer.nr, &nr_freed);
}

static void work_fn(struct work_struct *work)
{
	struct buffer *b = container_of(work, struct buffer, work);

	free_pages_later(b->page, b->nr);
}

static void run_work(void)
{
	queue_work(system_dfl_wq, &buffer.work);
}

static void finish_work(void)
{
	flush_work(&buffer.work);
}

static void drain_pages(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	free_pages_later((struct page **)obj, nr);
}

DEFINE_STATIC_PERCPU_DEFER(bench_pages, drain_pages);

static void run_push(void)
{
	unsigned long pushed = percpu_defer_push_many(&bench_pages,
						      (unsigned long *)buffer.page,
						      buffer.nr);

	free_pages_one_by_one(buffer.page + pushed, buffer.nr - pushed);
}

static void finish_push(void)
{
	percpu_defer_flush(&bench_pages);
}

static const struct way {
	const char *name;
	void (*run)(void);
	void (*finish)(void);
} ways[] = {
	/* The first is what the others are compared with. */
	{ "__free_pages, one by one", run_loop, nothing_later },
	{ "release_pages", run_release, nothing_later },
	{ "a work item for the buffer", run_work, finish_work },
	{ "percpu_defer_push_many", run_push, finish_push },
};

struct result {
	u64 caller[REPS];
	u64 all[REPS];
};

static void alloc_buffer(struct kunit *test, unsigned int order)
{
	buffer.nr = 0;
	while (buffer.nr < BYTES >> PAGE_SHIFT >> order) {
		struct page *page = alloc_pages(GFP_HIGHUSER | __GFP_NOWARN |
						(order ? __GFP_COMP : 0), order);

		if (!page)
			break;
		buffer.page[buffer.nr++] = page;
	}
	if (buffer.nr == BYTES >> PAGE_SHIFT >> order)
		return;
	free_pages_one_by_one(buffer.page, buffer.nr);
	kunit_skip(test, "needs %u MB in pages of order %u", BYTES >> 20, order);
}

static void run_once(struct kunit *test, const struct way *way, unsigned int order,
		     u64 *caller, u64 *all)
{
	ktime_t start;

	alloc_buffer(test, order);
	atomic64_set(&later_ns, 0);
	atomic_long_set(&nr_freed, 0);
	start = ktime_get();
	way->run();
	*caller = ktime_to_ns(ktime_sub(ktime_get(), start));
	way->finish();
	*all = *caller + atomic64_read(&later_ns);
	KUNIT_EXPECT_EQ_MSG(test, atomic_long_read(&nr_freed), buffer.nr, "%s", way->name);
}

static int compare_ns(const void *a, const void *b)
{
	return *(const u64 *)a < *(const u64 *)b ? -1 : 1;
}

static void bench_order(struct kunit *test, unsigned int order)
{
	static struct result results[ARRAY_SIZE(ways)];
	unsigned int w, rep;

	/* Taking turns, so that a disturbance is shared. */
	for (rep = 0; rep < REPS; rep++)
		for (w = 0; w < ARRAY_SIZE(ways); w++)
			run_once(test, &ways[w], order, &results[w].caller[rep],
				 &results[w].all[rep]);

	kunit_info(test, "us to free %u MB in %lu pages of order %u: the caller, in all",
		   BYTES >> 20, buffer.nr, order);
	for (w = 0; w < ARRAY_SIZE(ways); w++) {
		u64 *caller = results[w].caller, *all = results[w].all;

		sort(caller, REPS, sizeof(*caller), compare_ns, NULL);
		sort(all, REPS, sizeof(*all), compare_ns, NULL);
		kunit_info(test, "%-28s %6llu (%llu-%llu) %6llu (%llu-%llu)",
			   ways[w].name, caller[REPS / 2] / 1000, caller[0] / 1000,
			   caller[REPS - 1] / 1000, all[REPS / 2] / 1000, all[0] / 1000,
			   all[REPS - 1] / 1000);
	}
}

/* Memory is fragmented. */
static void pages_order_0(struct kunit *test)
{
	bench_order(test, 0);
}

static void pages_order_4(struct kunit *test)
{
	bench_order(test, 4);
}

/* What the heap takes if it can. */
static void pages_order_8(struct kunit *test)
{
	bench_order(test, 8);
}

static int percpu_defer_pages_init(struct kunit *test)
{
	buffer.page = kunit_kcalloc(test, BYTES >> PAGE_SHIFT, sizeof(*buffer.page),
				    GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buffer.page);
	INIT_WORK(&buffer.work, work_fn);
	KUNIT_ASSERT_EQ(test, 0, percpu_defer_start(&bench_pages));
	return 0;
}

static void percpu_defer_pages_exit(struct kunit *test)
{
	percpu_defer_destroy(&bench_pages);
}

static struct kunit_case percpu_defer_pages_cases[] = {
	KUNIT_CASE_SLOW(pages_order_0),
	KUNIT_CASE_SLOW(pages_order_4),
	KUNIT_CASE_SLOW(pages_order_8),
	{}
};

static struct kunit_suite percpu_defer_pages_suite = {
	.name = "percpu_defer_pages",
	.init = percpu_defer_pages_init,
	.exit = percpu_defer_pages_exit,
	.test_cases = percpu_defer_pages_cases,
};

kunit_test_suite(percpu_defer_pages_suite);

MODULE_DESCRIPTION("Benchmark of freeing pages with percpu_defer");
MODULE_LICENSE("GPL");
