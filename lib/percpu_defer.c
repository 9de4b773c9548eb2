// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_defer: free things later, and off the hot path.
 *
 * A push notes what is to be freed in a page that belongs to the pushing CPU:
 * no lock, no atomic, no allocation but that of the next page. Full pages, and
 * pages older than the instance's age bound, go to a worker that frees what
 * they name.
 *
 * The one hard idea is who owns a buffer, without a lock in the push. The
 * buffer in percpu_defer_cpu.buf is appended to only by its own CPU, under a
 * local lock. It leaves that place only by an xchg(), so exactly one party
 * takes it out, and that party may read it as soon as no push can still be
 * appending:
 *
 *  - its own CPU, under the same local lock (the page is full, or the age timer,
 *    which is pinned to that CPU, has fired): at once;
 *  - the hotplug callback of a dead CPU: at once;
 *  - a flush on some other CPU: after a grace period. A push is a reader of RCU
 *    from before it looks at ->buf until it is done with it.
 *
 * The same grace period makes a flush wait for a buffer that its own CPU has
 * taken out but not yet queued.
 */
#define pr_fmt(fmt) "percpu_defer: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/llist.h>
#include <linux/local_lock.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/percpu_defer.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

/* Long enough to join what one unmap frees, too short for a user to miss it. */
#define PERCPU_DEFER_AGE_MS	10

/* How many words of a bitmap a rescan reads between two chances to be preempted. */
#define PERCPU_DEFER_RESCAN_WORDS	1024

/* A page: what it is queued by, and the words that were pushed. */
struct percpu_defer_buf {
	struct llist_node node;
	unsigned int nr;
	unsigned long word[];
};

#define PERCPU_DEFER_WORDS \
	((PAGE_SIZE - sizeof(struct percpu_defer_buf)) / sizeof(unsigned long))

/* A range takes this many words of a buffer. */
#define PERCPU_DEFER_RANGE_WORDS \
	(sizeof(struct percpu_defer_range) / sizeof(unsigned long))

struct percpu_defer_cpu {
	local_trylock_t lock;		/* push against push and timer, on this CPU */
	struct percpu_defer_buf *buf;	/* current buffer, or NULL */
	struct timer_list timer;	/* bounds the age of ->buf */
	struct percpu_defer *pd;
	struct llist_head full;		/* buffers to be drained */
	struct mutex drain_lock;	/* held while what was on ->full is drained */
	struct work_struct work;
};

static struct workqueue_struct *percpu_defer_wq;
static enum cpuhp_state percpu_defer_cpuhp;

/*
 * Pages of drained buffers, kept so that a push under memory pressure, which is
 * when much is freed, need not ask the page allocator. Two for each CPU: one to
 * fill while the other is drained.
 */
static DEFINE_SPINLOCK(percpu_defer_pool_lock);
static LLIST_HEAD(percpu_defer_pool);
static unsigned int percpu_defer_pool_nr;

static void percpu_defer_put_buf(struct percpu_defer_buf *buf)
{
	scoped_guard(spinlock_irqsave, &percpu_defer_pool_lock) {
		if (percpu_defer_pool_nr < 2 * num_possible_cpus()) {
			llist_add(&buf->node, &percpu_defer_pool);
			percpu_defer_pool_nr++;
			return;
		}
	}
	free_page((unsigned long)buf);
}

VISIBLE_IF_KUNIT struct percpu_defer_buf *percpu_defer_get_buf(gfp_t gfp)
{
	struct llist_node *node;
	struct percpu_defer_buf *buf;

	KUNIT_STATIC_STUB_REDIRECT(percpu_defer_get_buf, gfp);

	scoped_guard(spinlock_irqsave, &percpu_defer_pool_lock) {
		node = llist_del_first(&percpu_defer_pool);
		if (node)
			percpu_defer_pool_nr--;
	}
	if (node) {
		buf = llist_entry(node, struct percpu_defer_buf, node);
	} else {
		struct page *page = alloc_pages_node(numa_mem_id(), gfp, 0);

		if (!page)
			return NULL;
		buf = page_address(page);
	}
	buf->nr = 0;
	return buf;
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_get_buf);

/* Hands a buffer that was taken out of some CPU's ->buf to @pc's drain. */
static bool percpu_defer_queue(struct percpu_defer_cpu *pc,
			       struct percpu_defer_buf *buf)
{
	if (!buf)
		return false;
	if (!buf->nr) {
		percpu_defer_put_buf(buf);
		return false;
	}
	llist_add(&buf->node, &pc->full);
	return true;
}

/*
 * Replaces this CPU's buffer by an empty one. The caller holds the local lock.
 * Returns NULL if there is no page to be had; the old buffer then stays.
 */
static struct percpu_defer_buf *percpu_defer_rotate(struct percpu_defer *pd,
						    struct percpu_defer_cpu *pc)
{
	struct percpu_defer_buf *buf;

	/* NOMEMALLOC: a push from reclaim must not eat the reserves. */
	buf = percpu_defer_get_buf(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC);
	if (!buf)
		return NULL;

	if (percpu_defer_queue(pc, xchg(&pc->buf, buf)))
		queue_work(percpu_defer_wq, &pc->work);
	/*
	 * A flush clears ->installed before it looks at ->buf, with an xchg()
	 * that this pairs with. Set after ->buf, it is either cleared by a flush
	 * that then finds the buffer, or left for the next flush.
	 */
	WRITE_ONCE(pd->installed, true);

	if (!timer_pending(&pc->timer))
		mod_timer(&pc->timer, jiffies + pd->age);
	return buf;
}

/*
 * The buffer is as old as it may get. It may also be younger, if an older one
 * filled up since the timer was started; draining it early does no harm.
 */
static void percpu_defer_aged(struct timer_list *timer)
{
	struct percpu_defer_cpu *pc = timer_container_of(pc, timer, timer);
	struct percpu_defer *pd = pc->pd;

	if (!local_trylock(&pd->cpu->lock)) {
		/* This softirq came in the middle of a push. */
		mod_timer(timer, jiffies + 1);
		return;
	}
	/* A dead CPU's timer is deleted before it could move to another CPU. */
	if (!WARN_ON_ONCE(pc != this_cpu_ptr(pd->cpu)) &&
	    percpu_defer_queue(pc, xchg(&pc->buf, NULL)))
		queue_work(percpu_defer_wq, &pc->work);
	local_unlock(&pd->cpu->lock);
}

static int percpu_defer_cpu_dead(unsigned int cpu, struct hlist_node *node)
{
	struct percpu_defer *pd = hlist_entry(node, struct percpu_defer, node);
	struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

	timer_delete_sync(&pc->timer);
	/* A flush must not look between the xchg() and the queueing. */
	guard(rcu)();
	if (percpu_defer_queue(pc, xchg(&pc->buf, NULL)))
		queue_work(percpu_defer_wq, &pc->work);
	return 0;
}

/* Drains what was handed over on one CPU. All drains go through here. */
static void percpu_defer_drain_cpu(struct percpu_defer_cpu *pc)
{
	struct percpu_defer *pd = pc->pd;
	struct percpu_defer_buf *buf, *next;
	struct llist_node *full;

	guard(mutex)(&pc->drain_lock);

	full = llist_reverse_order(llist_del_all(&pc->full));
	llist_for_each_entry_safe(buf, next, full, node) {
		pd->drain(pd, buf->word, buf->nr);
		percpu_defer_put_buf(buf);
		cond_resched();
	}

	/* Pairs with the release in percpu_defer_map_push(). */
	if (atomic_read(&pd->unrecorded) && atomic_xchg(&pd->unrecorded, 0))
		pd->rescan(pd);
}

static void percpu_defer_work(struct work_struct *work)
{
	percpu_defer_drain_cpu(container_of(work, struct percpu_defer_cpu, work));
}

/**
 * percpu_defer_flush - drain everything that was pushed before
 * @pd: the instance
 *
 * Drains inline what no worker has begun, and waits for what is being drained.
 * Pushes that come meanwhile are not waited for.
 *
 * Context: may sleep, for a grace period and for the locks that the drain
 * takes. Neither from a drain of @pd nor under a lock that it takes.
 */
void percpu_defer_flush(struct percpu_defer *pd)
{
	int cpu;

	guard(mutex)(&pd->flush_lock);

	/*
	 * With no buffer installed since the last flush there is none to take,
	 * and none on its way from ->buf to ->full. A push tells after it has
	 * installed one, see percpu_defer_rotate().
	 */
	if (xchg(&pd->installed, false)) {
		struct percpu_defer_buf *buf, *next;
		LLIST_HEAD(taken);

		for_each_possible_cpu(cpu) {
			struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

			buf = xchg(&pc->buf, NULL);
			if (buf)
				llist_add(&buf->node, &taken);
		}

		/* Expedited, as in lru_cache_disable(): somebody is waiting. */
		synchronize_rcu_expedited();

		/* It does not matter which CPU's drain gets them. */
		llist_for_each_entry_safe(buf, next, llist_del_all(&taken), node)
			percpu_defer_queue(raw_cpu_ptr(pd->cpu), buf);
	}

	for_each_possible_cpu(cpu)
		percpu_defer_drain_cpu(per_cpu_ptr(pd->cpu, cpu));
}
EXPORT_SYMBOL_GPL(percpu_defer_flush);

/* No push that began before succeeds any more, and what was pushed is drained. */
static void percpu_defer_stop(struct percpu_defer *pd)
{
	WRITE_ONCE(pd->on, false);
	/* Pushes that saw it on are over after this. */
	synchronize_rcu();
	percpu_defer_flush(pd);
}

/**
 * percpu_defer_set_enabled - switch an instance on or off
 * @pd: the instance
 * @on: false: pushes return false from now on, and what is pending is drained
 *
 * Callers must not race with each other.
 *
 * Context: as percpu_defer_flush().
 */
void percpu_defer_set_enabled(struct percpu_defer *pd, bool on)
{
	if (on)
		WRITE_ONCE(pd->on, true);
	else
		percpu_defer_stop(pd);
}
EXPORT_SYMBOL_GPL(percpu_defer_set_enabled);

/**
 * percpu_defer_set_cap - bound what may be pending
 * @pd: the instance
 * @cap: how much; pushes return false while more is pending
 *
 * To keep a shared counter out of the push, the bound may be overrun by an
 * eighth, or by one per CPU where that is more.
 *
 * Context: any.
 */
void percpu_defer_set_cap(struct percpu_defer *pd, unsigned long cap)
{
	/* 4096: enough to make the counter's lock rare, whatever the cap. */
	WRITE_ONCE(pd->batch, clamp(cap / (8 * num_possible_cpus()), 1, 4096));
	WRITE_ONCE(pd->cap, cap);
}
EXPORT_SYMBOL_GPL(percpu_defer_set_cap);

static int percpu_defer_init(struct percpu_defer *pd, const char *name)
{
	int cpu, err;

	if (!percpu_defer_wq)
		return -ENODEV;

	pd->name = name;
	/* What waits is memory: at most a quarter of all pages. */
	percpu_defer_set_cap(pd, totalram_pages() / 4);
	pd->age = msecs_to_jiffies(PERCPU_DEFER_AGE_MS);
	pd->destroyed = false;
	pd->installed = false;
	atomic_set(&pd->unrecorded, 0);
	mutex_init(&pd->flush_lock);

	pd->cpu = alloc_percpu(struct percpu_defer_cpu);
	if (!pd->cpu)
		return -ENOMEM;

	for_each_possible_cpu(cpu) {
		struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

		local_trylock_init(&pc->lock);
		timer_setup(&pc->timer, percpu_defer_aged, TIMER_PINNED);
		pc->pd = pd;
		init_llist_head(&pc->full);
		mutex_init(&pc->drain_lock);
		INIT_WORK(&pc->work, percpu_defer_work);
	}

	err = percpu_counter_init(&pd->pending, 0, GFP_KERNEL);
	if (err)
		goto err_cpu;

	err = cpuhp_state_add_instance_nocalls(percpu_defer_cpuhp, &pd->node);
	if (err)
		goto err_pending;

	WRITE_ONCE(pd->on, true);
	return 0;

err_pending:
	percpu_counter_destroy(&pd->pending);
err_cpu:
	free_percpu(pd->cpu);
	return err;
}

static void percpu_defer_destroy(struct percpu_defer *pd)
{
	int cpu;

	pd->destroyed = true;
	percpu_defer_stop(pd);
	cpuhp_state_remove_instance_nocalls(percpu_defer_cpuhp, &pd->node);
	for_each_possible_cpu(cpu) {
		struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

		timer_shutdown_sync(&pc->timer);
		/* It may have been queued before the flush did its work. */
		cancel_work_sync(&pc->work);
	}
	WARN_ONCE(percpu_defer_pending(pd), "percpu_defer %s: %lu left behind\n",
		  pd->name, percpu_defer_pending(pd));
	percpu_counter_destroy(&pd->pending);
	free_percpu(pd->cpu);
	pd->cpu = NULL;
}

/* May @nr more be pushed from here, now? */
static bool percpu_defer_may_push(struct percpu_defer *pd, unsigned long nr)
{
	if (unlikely(!READ_ONCE(pd->on))) {
		WARN_ONCE(pd->destroyed, "percpu_defer %s: push after destroy\n",
			  pd->name);
		return false;
	}
	if (in_nmi() || in_hardirq())
		return false;
	return percpu_counter_read_positive(&pd->pending) + nr <=
		READ_ONCE(pd->cap);
}

static void percpu_defer_map_drain(struct percpu_defer *pd,
				   const unsigned long *word, unsigned int nr)
{
	struct percpu_defer_map *map =
		container_of(pd, struct percpu_defer_map, defer);

	map->drain(map, (const struct percpu_defer_range *)word,
		   nr / PERCPU_DEFER_RANGE_WORDS);
}

/* Appends a range to @word, or joins it with the last one. False: no room. */
static bool percpu_defer_add_range(unsigned long *word, unsigned int *nr,
				   unsigned int max, unsigned long first,
				   unsigned long len)
{
	struct percpu_defer_range *range = (void *)(word + *nr);

	if (*nr) {
		struct percpu_defer_range *last = range - 1;

		if (last->first + last->nr == first) {
			last->nr += len;
			return true;
		}
		if (first + len == last->first) {
			last->first = first;
			last->nr += len;
			return true;
		}
	}
	if (*nr + PERCPU_DEFER_RANGE_WORDS > max)
		return false;
	range->first = first;
	range->nr = len;
	*nr += PERCPU_DEFER_RANGE_WORDS;
	return true;
}

/*
 * Some push set dead bits and found no page to record them in. Any dead bit may
 * be one of these, so all are drained; records that name them too will find
 * nothing to claim.
 */
static void percpu_defer_map_rescan(struct percpu_defer *pd)
{
	struct percpu_defer_map *map =
		container_of(pd, struct percpu_defer_map, defer);
	unsigned long word[16 * PERCPU_DEFER_RANGE_WORDS];
	unsigned long i, first, end;
	unsigned int nr = 0;

	for (i = 0; i <= BIT_WORD(map->nr - 1); i++) {
		unsigned long dead = READ_ONCE(map->dead[i]);

		for_each_set_bitrange(first, end, &dead, BITS_PER_LONG) {
			unsigned long index = i * BITS_PER_LONG + first;

			if (percpu_defer_add_range(word, &nr, ARRAY_SIZE(word),
						   index, end - first))
				continue;
			percpu_defer_map_drain(pd, word, nr);
			nr = 0;
			percpu_defer_add_range(word, &nr, ARRAY_SIZE(word),
					       index, end - first);
		}
		if (!(i % PERCPU_DEFER_RESCAN_WORDS))
			cond_resched();
	}
	if (nr)
		percpu_defer_map_drain(pd, word, nr);
}

/**
 * percpu_defer_map_init - set up a map
 * @map: the map, in memory of the caller's
 * @name: for messages; must stay valid as long as @map
 * @nr: number of indices, 0 to @nr - 1
 * @drain: frees the content of dead slots
 *
 * The map takes pushes at once. Its cap is a quarter of the pages the system
 * has, see percpu_defer_set_cap(); its age bound is 10 ms, see &percpu_defer.age.
 *
 * Context: process context, may sleep; takes cpu_hotplug_lock.
 * Return: 0, -EINVAL if @nr is 0, -ENOMEM, or -ENODEV if the library could not
 * set up its workqueue at boot.
 */
int percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
			  unsigned long nr, percpu_defer_map_drain_t drain)
{
	int err;

	if (!nr)
		return -EINVAL;

	map->nr = nr;
	map->drain = drain;
	map->defer.drain = percpu_defer_map_drain;
	map->defer.rescan = percpu_defer_map_rescan;
	/* BITS_TO_LONGS() overflows near ULONG_MAX; too much is no bug of ours. */
	map->dead = kvcalloc(BIT_WORD(nr - 1) + 1, sizeof(long),
			     GFP_KERNEL | __GFP_NOWARN);
	if (!map->dead)
		return -ENOMEM;

	err = percpu_defer_init(&map->defer, name);
	if (err) {
		kvfree(map->dead);
		map->dead = NULL;
	}
	return err;
}
EXPORT_SYMBOL_GPL(percpu_defer_map_init);

/**
 * percpu_defer_map_destroy - drain a map and release what it holds
 * @map: the map, initialised
 *
 * The owner stops its pushes first; one that comes later is refused with a
 * warning. Neither claim nor cancel may follow.
 *
 * Context: as percpu_defer_flush(); takes cpu_hotplug_lock.
 */
void percpu_defer_map_destroy(struct percpu_defer_map *map)
{
	percpu_defer_destroy(&map->defer);
	kvfree(map->dead);
	map->dead = NULL;
}
EXPORT_SYMBOL_GPL(percpu_defer_map_destroy);

/* Sets the dead bits of a range. Returns how many were not set before. */
static unsigned long percpu_defer_map_kill(struct percpu_defer_map *map,
					   unsigned long first, unsigned long nr)
{
	unsigned long *dead = map->dead + BIT_WORD(first);
	unsigned long start = first % BITS_PER_LONG;
	unsigned long died = 0;

	while (nr) {
		unsigned long len = min(nr, BITS_PER_LONG - start);
		unsigned long mask = GENMASK(start + len - 1, start);

		died += hweight_long(mask & ~set_mask_bits(dead, 0, mask));
		dead++;
		start = 0;
		nr -= len;
	}
	return died;
}

/* Notes the range in this CPU's buffer. False if that cannot be done now. */
static bool percpu_defer_map_record(struct percpu_defer *pd,
				    unsigned long first, unsigned long nr)
{
	struct percpu_defer_cpu *pc;
	struct percpu_defer_buf *buf;
	bool added = false;

	if (!local_trylock(&pd->cpu->lock))
		return false;
	pc = this_cpu_ptr(pd->cpu);
	buf = READ_ONCE(pc->buf);
	if (buf)
		added = percpu_defer_add_range(buf->word, &buf->nr,
					       PERCPU_DEFER_WORDS, first, nr);
	if (!added) {
		buf = percpu_defer_rotate(pd, pc);
		if (buf)
			added = percpu_defer_add_range(buf->word, &buf->nr,
						       PERCPU_DEFER_WORDS,
						       first, nr);
	}
	local_unlock(&pd->cpu->lock);
	return added;
}

/**
 * percpu_defer_map_push - defer freeing the content of some slots
 * @map: the map
 * @first: the first index
 * @nr: how many
 *
 * Marks the slots dead and leaves their content to a drain. An index that is
 * dead already may be pushed again. That there is no page to record the range
 * in makes the drain slower (it searches the dead bits), not the push fail.
 *
 * Context: process or softirq context, under the lock that keeps the indices
 * from being allocated anew. Does not sleep. Refused in hardirq and NMI.
 * Return: false if nothing was taken and the caller frees now: @map is switched
 * off, more than its cap is pending, or this is the wrong context.
 */
bool percpu_defer_map_push(struct percpu_defer_map *map, unsigned long first,
			   unsigned long nr)
{
	struct percpu_defer *pd = &map->defer;

	if (WARN_ON_ONCE(!nr || nr > map->nr || first > map->nr - nr))
		return false;

	/* From the look at ->on to the end: see percpu_defer_stop(). */
	guard(rcu)();

	if (!percpu_defer_may_push(pd, nr))
		return false;

	percpu_counter_add_batch(&pd->pending,
				 percpu_defer_map_kill(map, first, nr),
				 READ_ONCE(pd->batch));
	if (unlikely(!percpu_defer_map_record(pd, first, nr))) {
		/* The rescan must see the bits: pairs with its atomic_xchg(). */
		atomic_set_release(&pd->unrecorded, 1);
		queue_work(percpu_defer_wq, &raw_cpu_ptr(pd->cpu)->work);
	}
	return true;
}
EXPORT_SYMBOL_GPL(percpu_defer_map_push);

static int __init percpu_defer_setup(void)
{
	int ret;

	ret = cpuhp_setup_state_multi(CPUHP_BP_PREPARE_DYN, "lib/percpu_defer:dead",
				      NULL, percpu_defer_cpu_dead);
	if (ret < 0)
		return ret;
	percpu_defer_cpuhp = ret;

	while (percpu_defer_pool_nr < 2 * num_possible_cpus()) {
		void *page = (void *)__get_free_page(GFP_KERNEL);

		if (!page)
			break;
		percpu_defer_put_buf(page);
	}

	percpu_defer_wq = alloc_workqueue("percpu_defer", WQ_UNBOUND |
					  WQ_MEM_RECLAIM | WQ_SYSFS, 0);
	return percpu_defer_wq ? 0 : -ENOMEM;
}
subsys_initcall(percpu_defer_setup);
