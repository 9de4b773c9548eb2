// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_defer: free things later, and off the hot path.
 *
 * A push notes what is to be freed in a page that belongs to the pushing CPU:
 * no lock, no atomic, no allocation but that of the next page. Full pages, and
 * pages older than the instance's age bound, go to a worker that frees what
 * they name.
 *
 * The one hard idea is who owns a buffer, without a lock in the push. A push
 * looks at percpu_defer_cpu.buf and appends, all with preemption disabled. It
 * cannot meet another push in the same buffer: tasks and softirqs have a buffer
 * each, softirqs do not nest, and hardirqs and NMIs are refused. A buffer leaves
 * ->buf only by an xchg(), so exactly one party takes it out, and that party may
 * read it as soon as no push can still be appending:
 *
 *  - the push that found it full: at once, it is in the only context that
 *    appends to it;
 *  - a task on the same CPU (the buffer is old, or percpu_defer_help()): at once,
 *    because a push is over before a task can run there;
 *  - the hotplug callback of a dead CPU: at once;
 *  - a flush on some other CPU: after a grace period, since code that runs with
 *    preemption disabled is a reader of RCU.
 *
 * The same grace period makes a flush wait for a buffer that its own CPU has
 * taken out but not yet queued.
 *
 * This file is the core, and object mode. Index mode, in percpu_defer_map.c, has no
 * buffers: what there is to drain is found by its ->scan().
 */
#define pr_fmt(fmt) "percpu_defer: " fmt

#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kasan.h>
#include <linux/kmemleak.h>
#include <linux/kstrtox.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/oom.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait_bit.h>
#include "percpu_defer.h"

#define CREATE_TRACE_POINTS
#include <trace/events/percpu_defer.h>

/* Long enough to join what one unmap frees, too short for a user to miss it. */
#define PERCPU_DEFER_AGE_MS	10

/*
 * A worker is woken for this many pages, or when they are old: to wake one costs as much
 * as some hundred pushes.
 */
#define PERCPU_DEFER_WAKE	8

/* Drain what is pending, workers that do it, and workers that look for age. */
static struct workqueue_struct *percpu_defer_wq;
static struct workqueue_struct *percpu_defer_age_wq;
static enum cpuhp_state percpu_defer_cpuhp;

static DECLARE_RWSEM(percpu_defer_list_lock);
static LIST_HEAD(percpu_defer_list);

const struct percpu_defer_buf percpu_defer_closed;
EXPORT_SYMBOL_GPL(percpu_defer_closed);

#define PERCPU_DEFER_CLOSED	((struct percpu_defer_buf *)&percpu_defer_closed)

/* What a destroyed instance has for its CPUs' own. */
static DEFINE_PER_CPU(struct percpu_defer_cpu, percpu_defer_nothing) = {
	.buf = { PERCPU_DEFER_CLOSED, PERCPU_DEFER_CLOSED },
};

/*
 * All pages there are: at most one in 1024 of the system's, but four for each
 * CPU. Two for each CPU are kept while nobody needs them, one to fill while the
 * other is drained, so that a push under memory pressure, which is when much is
 * freed, need not ask the page allocator. Raw, for the sake of pushes that are
 * not preemptible on PREEMPT_RT.
 */
static DEFINE_RAW_SPINLOCK(percpu_defer_pool_lock);
static LLIST_HEAD(percpu_defer_pool);
static unsigned int percpu_defer_pool_nr;
static atomic_long_t percpu_defer_pages;
static unsigned long percpu_defer_pages_max;

static struct percpu_defer_buf *percpu_defer_alloc_buf(gfp_t gfp)
{
	struct page *page;

	if (atomic_long_inc_return(&percpu_defer_pages) > percpu_defer_pages_max)
		goto fail;
	page = alloc_pages_node(numa_mem_id(), gfp, 0);
	if (!page)
		goto fail;
	/* What waits in a buffer is not lost. */
	kmemleak_alloc(page_address(page), PAGE_SIZE, 0, gfp);
	return page_address(page);
fail:
	atomic_long_dec(&percpu_defer_pages);
	return NULL;
}

void percpu_defer_put_buf(struct percpu_defer_buf *buf)
{
	/* The allocator's locks sleep there. */
	bool keep = IS_ENABLED(CONFIG_PREEMPT_RT) && !preemptible();

	/* Stale pointers in it would hide leaks. */
	if (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK))
		memset(buf->word, 0, PERCPU_DEFER_WORDS * sizeof(*buf->word));

	scoped_guard(raw_spinlock_irqsave, &percpu_defer_pool_lock) {
		if (keep || percpu_defer_pool_nr < 2 * num_possible_cpus()) {
			llist_add(&buf->node, &percpu_defer_pool);
			percpu_defer_pool_nr++;
			return;
		}
	}
	kmemleak_free(buf);
	free_page((unsigned long)buf);
	atomic_long_dec(&percpu_defer_pages);
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_put_buf);

struct percpu_defer_buf *percpu_defer_get_buf(void)
{
	struct llist_node *node;

	KUNIT_STATIC_STUB_REDIRECT(percpu_defer_get_buf);

	scoped_guard(raw_spinlock_irqsave, &percpu_defer_pool_lock) {
		node = llist_del_first(&percpu_defer_pool);
		if (node)
			percpu_defer_pool_nr--;
	}
	if (node)
		return llist_entry(node, struct percpu_defer_buf, node);
	/* The allocator's locks sleep there. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !preemptible())
		return NULL;
	/* NOMEMALLOC: a push from reclaim must not eat the reserves. */
	return percpu_defer_alloc_buf(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC);
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_get_buf);

/*
 * Gives a buffer that nobody appends to any more to @pc's drain. What was
 * appended is visible to that drain: llist_add() here pairs with llist_del_all()
 * there.
 */
static void percpu_defer_queue(struct percpu_defer_cpu *pc,
			       struct percpu_defer_buf *buf)
{
	struct percpu_defer *pd = pc->pd;

	this_cpu_add(pd->cpu->stat[PERCPU_DEFER_PUSHED], buf->max - buf->room);
	percpu_counter_add_batch(&pd->pending, -(s64)buf->room, READ_ONCE(pd->batch));
	/* Never less than there are: see percpu_defer_drain_bufs(). */
	atomic_long_inc(&pc->queued);
	percpu_defer_perturb();
	llist_add(&buf->node, &pc->full);
}

/*
 * Takes a CPU's buffers, on behalf of somebody who may read them at once. False if
 * the CPU has pushed nothing since.
 */
static bool percpu_defer_take(struct percpu_defer_cpu *pc)
{
	struct percpu_defer_buf *buf;
	bool taken = READ_ONCE(pc->armed);
	int i;

	if (taken) {
		if (!READ_ONCE(pc->due))
			WRITE_ONCE(pc->due, READ_ONCE(pc->since[0]));
		WRITE_ONCE(pc->armed, false);
	}
	for (i = 0; i < ARRAY_SIZE(pc->buf); i++) {
		buf = xchg(&pc->buf[i], PERCPU_DEFER_CLOSED);
		if (buf == PERCPU_DEFER_CLOSED)
			continue;
		percpu_defer_perturb();
		percpu_defer_queue(pc, buf);
		taken = true;
	}
	return taken;
}

bool percpu_defer_refuse(struct percpu_defer *pd, enum percpu_defer_stat why)
{
	/* Late pushes: destroy waits for RCU readers before it frees pd->cpu. */
	guard(preempt)();
	WARN_ONCE(READ_ONCE(pd->state) == PERCPU_DEFER_DESTROYED,
		  "percpu_defer %s: push after destroy\n", pd->name);
	this_cpu_inc(pd->cpu->stat[why]);
	trace_percpu_defer_fallback(pd, why);
	return false;
}

/*
 * Index mode: this CPU has pushed something, and its age counts from now. Under
 * rcu_read_lock() since before the look at ->on.
 */
void percpu_defer_arm(struct percpu_defer *pd)
{
	struct percpu_defer_cpu *pc;

	guard(preempt)();
	pc = this_cpu_ptr(pd->cpu);
	percpu_defer_perturb();
	WRITE_ONCE(pc->since[0], jiffies);
	WRITE_ONCE(pc->armed, true);
	queue_delayed_work_on(pc->cpu, percpu_defer_age_wq, &pc->aged, pd->age);
}

static unsigned long percpu_defer_estimate(struct percpu_defer *pd)
{
	/* An estimate, against writes that are not marked. */
	return data_race(percpu_counter_read_positive(&pd->pending));
}

/*
 * Count the room of a buffer as pending, and only then compare with the cap, because
 * other contexts do the same. Return the number of words; 0 if the cap is reached.
 */
static unsigned long percpu_defer_reserve(struct percpu_defer *pd)
{
	unsigned long cap = READ_ONCE(pd->cap), pending = percpu_defer_estimate(pd);
	unsigned long room;

	if (pending >= cap)
		return 0;
	room = min(PERCPU_DEFER_WORDS, cap - pending);
	percpu_counter_add_batch(&pd->pending, room, READ_ONCE(pd->batch));
	percpu_defer_perturb();
	if (percpu_defer_estimate(pd) <= cap)
		return room;
	percpu_counter_add_batch(&pd->pending, -(s64)room, READ_ONCE(pd->batch));
	return 0;
}

/* Put an empty buffer where the full one of the current context is, and queue that. */
static void percpu_defer_install(struct percpu_defer_cpu *pc,
				 struct percpu_defer_buf *buf)
{
	unsigned int context = percpu_defer_context();
	struct percpu_defer *pd = pc->pd;

	WRITE_ONCE(pc->since[context], buf->since);
	buf = xchg(&pc->buf[context], buf);
	percpu_defer_perturb();
	/*
	 * A flush clears ->installed before it looks at ->buf, with an
	 * xchg() that this pairs with. Set after ->buf, it is either
	 * cleared by a flush that then finds the buffer, or left for the
	 * next flush.
	 */
	WRITE_ONCE(pd->installed, 1);
	this_cpu_inc(pd->cpu->stat[PERCPU_DEFER_ROTATIONS]);
	trace_percpu_defer_rotate(pd, buf->max - buf->room);

	queue_delayed_work_on(pc->cpu, percpu_defer_age_wq, &pc->aged, pd->age);
	if (buf == PERCPU_DEFER_CLOSED)
		return;
	percpu_defer_queue(pc, buf);
	if (!(atomic_long_read(&pc->queued) % PERCPU_DEFER_WAKE))
		queue_work(percpu_defer_wq, &pc->work);
}

/*
 * Gives the current context an empty buffer, and the full one to a worker.
 * Returns what came of it: PERCPU_DEFER_ROTATIONS, or what there is to refuse
 * the push for. By the time the caller looks, the buffer may be full again, or
 * that of another CPU.
 */
static enum percpu_defer_stat percpu_defer_rotate(struct percpu_defer *pd)
{
	enum percpu_defer_stat ret = PERCPU_DEFER_ROTATIONS;
	struct percpu_defer_buf *buf;
	struct percpu_defer_cpu *pc;

	/* Again below: this spares pushes above the cap the pool of pages. */
	if (percpu_defer_estimate(pd) >= READ_ONCE(pd->cap))
		return PERCPU_DEFER_CAP;

	buf = percpu_defer_get_buf();
	if (!buf)
		return PERCPU_DEFER_NO_PAGE;
	buf->since = jiffies;

	preempt_disable();
	pc = this_cpu_ptr(pd->cpu);
	/*
	 * Here, because this is what percpu_defer_stop() waits for. Pairs with the
	 * release in __percpu_defer_start(): @pc is set up.
	 */
	if (!smp_load_acquire(&pd->on)) {
		ret = PERCPU_DEFER_OFF;
	} else if (!READ_ONCE(pc->buf[percpu_defer_context()])->room) {
		/* Otherwise another task was here meanwhile. */
		buf->max = percpu_defer_reserve(pd);
		buf->room = buf->max;
		if (buf->room) {
			percpu_defer_install(pc, buf);
			buf = NULL;
		} else {
			ret = PERCPU_DEFER_CAP;
		}
	}
	preempt_enable();

	if (buf)
		percpu_defer_put_buf(buf);
	return ret;
}

/* Pushes what fits in the current buffer. Returns how much that was. */
static unsigned int percpu_defer_append(struct percpu_defer *pd,
					const unsigned long *obj, unsigned int nr)
{
	struct percpu_defer_buf *buf;

	guard(preempt)();
	buf = this_cpu_read(pd->cpu->buf[percpu_defer_context()]);
	nr = min_t(unsigned long, nr, buf->room);
	if (nr) {
		buf->room -= nr;
		memcpy(buf->word + buf->room, obj, nr * sizeof(*obj));
	}
	return nr;
}

/*
 * Returns how many were pushed, the first ones. PERCPU_DEFER_ROTATIONS stands
 * for "all is well".
 */
static unsigned int percpu_defer_push_some(struct percpu_defer *pd,
					   const unsigned long *obj, unsigned int nr)
{
	enum percpu_defer_stat ret = percpu_defer_check(pd);
	unsigned int pushed = 0;

	if (ret == PERCPU_DEFER_PUSHED)
		ret = PERCPU_DEFER_ROTATIONS;
	while (ret == PERCPU_DEFER_ROTATIONS) {
		pushed += percpu_defer_append(pd, obj + pushed, nr - pushed);
		if (pushed == nr)
			return nr;
		ret = percpu_defer_rotate(pd);
	}
	percpu_defer_refuse(pd, ret);
	return pushed;
}

#ifdef CONFIG_KASAN
bool percpu_defer_poison(struct percpu_defer *pd, unsigned long obj)
{
	return !pd->size || kasan_mempool_poison_object((void *)obj);
}
EXPORT_SYMBOL_GPL(percpu_defer_poison);
#endif

static void percpu_defer_unpoison(struct percpu_defer *pd,
				  const unsigned long *obj, unsigned int nr)
{
	if (!IS_ENABLED(CONFIG_KASAN) || !pd->size)
		return;
	for (; nr; nr--, obj++)
		kasan_mempool_unpoison_object((void *)*obj, pd->size);
}

/* percpu_defer_push(), where the current buffer does not do. */
bool percpu_defer_push_slow(struct percpu_defer *pd, unsigned long obj)
{
	if (percpu_defer_push_some(pd, &obj, 1))
		return true;
	percpu_defer_unpoison(pd, &obj, 1);
	return false;
}
EXPORT_SYMBOL_GPL(percpu_defer_push_slow);

/* Poison the first objects, up to one that was pushed before. Return their number. */
VISIBLE_IF_KUNIT unsigned int percpu_defer_poison_many(struct percpu_defer *pd,
						       const unsigned long *obj,
						       unsigned int nr)
{
	unsigned int i;

	KUNIT_STATIC_STUB_REDIRECT(percpu_defer_poison_many, pd, obj, nr);

	for (i = 0; i < nr; i++)
		if (!percpu_defer_poison(pd, obj[i]))
			break;
	return i;
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_poison_many);

/**
 * percpu_defer_push_many - free objects later
 * @pd: the instance
 * @obj: the objects, see percpu_defer_push()
 * @nr: how many
 *
 * Context: as percpu_defer_push().
 * Return: how many were taken, the first ones of @obj. The caller frees the
 * others now.
 */
unsigned int percpu_defer_push_many(struct percpu_defer *pd,
				    const unsigned long *obj, unsigned int nr)
{
	unsigned int end, pushed = 0;

	while (pushed < nr) {
		end = pushed + percpu_defer_poison_many(pd, obj + pushed, nr - pushed);
		pushed += percpu_defer_push_some(pd, obj + pushed, end - pushed);
		percpu_defer_unpoison(pd, obj + pushed, end - pushed);
		if (pushed < end || end == nr)
			break;
		/* Pushed twice: freed once, as in percpu_defer_push(). */
		pushed++;
	}
	return pushed;
}
EXPORT_SYMBOL_GPL(percpu_defer_push_many);

static void percpu_defer_account(struct percpu_defer_cpu *pc, unsigned long nr,
				 ktime_t start)
{
	u64 ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	struct percpu_defer *pd = pc->pd;

	trace_percpu_defer_drain_end(pd, nr, ns);
	pc->drain_ns += ns;
	pc->drain_ns_max = max(pc->drain_ns_max, ns);
	this_cpu_add(pd->cpu->stat[PERCPU_DEFER_DRAINED], nr);
	percpu_counter_add_batch(&pd->pending, -(s64)nr, READ_ONCE(pd->batch));
}

static void percpu_defer_drain_buf(struct percpu_defer_cpu *pc,
				   struct percpu_defer_buf *buf)
{
	unsigned long *word = buf->word + buf->room;
	unsigned int nr = buf->max - buf->room;
	struct percpu_defer *pd = pc->pd;
	ktime_t start = ktime_get();

	trace_percpu_defer_drain_begin(pd, nr);
	if (nr) {
		percpu_defer_unpoison(pd, word, nr);
		pd->drain(pd, word, nr);
	}
	pc->drained++;
	percpu_defer_account(pc, nr, start);
	percpu_defer_put_buf(buf);
}

/* The oldest buffer that waits to be drained on a CPU. */
static struct percpu_defer_buf *percpu_defer_next(struct percpu_defer_cpu *pc)
{
	struct llist_node *node;

	if (!pc->draining)
		pc->draining = llist_reverse_order(llist_del_all(&pc->full));
	node = pc->draining;
	if (!node)
		return NULL;
	pc->draining = node->next;
	return llist_entry(node, struct percpu_defer_buf, node);
}

static unsigned long percpu_defer_scan(struct percpu_defer_cpu *pc, unsigned long *from,
				       unsigned long max, bool try)
{
	ktime_t start = ktime_get();
	unsigned long nr;

	trace_percpu_defer_drain_begin(pc->pd, 0);
	nr = pc->pd->scan(pc->pd, from, max, try);
	percpu_defer_account(pc, nr, start);
	return nr;
}

/*
 * Both hold the lock for one buffer at a time, or for about as much, so that a flush
 * need not wait for all that a worker has yet to do, which may have to wait for a CPU
 * itself.
 */
static void percpu_defer_drain_bufs(struct percpu_defer_cpu *pc)
{
	unsigned long until = atomic_long_read(&pc->queued);
	struct percpu_defer_buf *buf;

	do {
		scoped_guard(mutex, &pc->drain_lock) {
			/* Those that came later are not waited for. */
			buf = NULL;
			if ((long)(until - pc->drained) > 0)
				buf = percpu_defer_next(pc);
			if (buf)
				percpu_defer_drain_buf(pc, buf);
		}
		cond_resched();
	} while (buf);
}

static void percpu_defer_drain_dead(struct percpu_defer_cpu *pc)
{
	unsigned long from = 0;

	do {
		scoped_guard(mutex, &pc->drain_lock)
			percpu_defer_scan(pc, &from, PERCPU_DEFER_SCAN_MAX, false);
		cond_resched();
	} while (from != PERCPU_DEFER_SCANNED);
}

/* Drains what was handed over on one CPU; in index mode, on all. */
static void percpu_defer_drain_cpu(struct percpu_defer_cpu *pc)
{
	struct percpu_defer *pd = pc->pd;

	if (pd->scan || !llist_empty(&pc->full)) {
		unsigned long pending = percpu_defer_pending(pd);

		if (pending > READ_ONCE(pd->peak))
			WRITE_ONCE(pd->peak, pending);
	}
	if (pd->scan)
		percpu_defer_drain_dead(pc);
	else
		percpu_defer_drain_bufs(pc);
}

static void percpu_defer_work(struct work_struct *work)
{
	struct percpu_defer_cpu *pc = container_of(work, struct percpu_defer_cpu, work);

	percpu_defer_perturb();
	if (percpu_defer_held(pc->pd))
		return;
	WRITE_ONCE(pc->due, 0);
	percpu_defer_drain_cpu(pc);
}

/*
 * What the CPU has pushed is as old as it may get. A buffer may also be younger, if
 * an older one filled up since; draining it early does no harm.
 */
static void percpu_defer_aged(struct work_struct *work)
{
	struct percpu_defer_cpu *pc = container_of(to_delayed_work(work),
						   struct percpu_defer_cpu, aged);

	guard(preempt)();
	if (pc == this_cpu_ptr(pc->pd->cpu)) {
		if (percpu_defer_take(pc))
			queue_work(percpu_defer_wq, &pc->work);
	} else if (cpu_online(pc->cpu)) {
		/* It was offline, and has come back with buffers of its own. */
		queue_delayed_work_on(pc->cpu, percpu_defer_age_wq, &pc->aged, 1);
	}
}

static int percpu_defer_cpu_dead(unsigned int cpu, struct hlist_node *node)
{
	struct percpu_defer *pd = hlist_entry(node, struct percpu_defer, hotplug);
	struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

	cancel_delayed_work(&pc->aged);
	/* A flush must not look between the xchg() and the queueing. */
	guard(rcu)();
	if (percpu_defer_take(pc))
		queue_work(percpu_defer_wq, &pc->work);
	return 0;
}

/* Warn if the instance was never started, failed to start or is destroyed. */
static bool percpu_defer_started(struct percpu_defer *pd)
{
	enum percpu_defer_state state = READ_ONCE(pd->state);

	return !WARN(state != PERCPU_DEFER_STARTED, "percpu_defer %s: used %s\n",
		     pd->name, state == PERCPU_DEFER_NEW ? "before start" :
		     "after destroy");
}

static void __percpu_defer_flush(struct percpu_defer *pd)
{
	int cpu, i;

	guard(mutex)(&pd->flush_lock);
	trace_percpu_defer_flush(pd);

	if (pd->scan) {
		percpu_defer_drain_cpu(raw_cpu_ptr(pd->cpu));
		/*
		 * Wait for drains that cleared dirty bits before this scan: then
		 * all slots that were dead are claimed. Wait again: a new push to
		 * a word lets a drain whose lock the first pass had already left
		 * behind claim the word's older slots. Helpers never clear dirty
		 * bits, so two passes are enough.
		 */
		for (i = 0; i < 2; i++) {
			for_each_possible_cpu(cpu) {
				guard(mutex)(&per_cpu_ptr(pd->cpu, cpu)->drain_lock);
			}
		}
		return;
	}

	/*
	 * With no buffer installed since the last flush there is none to take,
	 * and none on its way from ->buf to ->full. A push tells after it has
	 * installed one, see percpu_defer_rotate().
	 */
	if (xchg(&pd->installed, 0)) {
		struct percpu_defer_buf *buf, *next;
		LLIST_HEAD(taken);

		for_each_possible_cpu(cpu) {
			struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

			for (i = 0; i < ARRAY_SIZE(pc->buf); i++) {
				buf = xchg(&pc->buf[i], PERCPU_DEFER_CLOSED);
				if (buf != PERCPU_DEFER_CLOSED)
					llist_add(&buf->node, &taken);
			}
		}

		percpu_defer_perturb();
		/* Expedited, as in lru_cache_disable(): somebody is waiting. */
		synchronize_rcu_expedited();

		/* It does not matter which CPU's drain gets them. */
		llist_for_each_entry_safe(buf, next, llist_del_all(&taken), node)
			percpu_defer_queue(raw_cpu_ptr(pd->cpu), buf);
	}

	for_each_possible_cpu(cpu)
		percpu_defer_drain_cpu(per_cpu_ptr(pd->cpu, cpu));
}

/**
 * percpu_defer_flush - drain everything that was pushed before
 * @pd: the instance, started
 *
 * Drains inline what no worker has begun, and waits for what is being drained.
 * Pushes that come meanwhile are not waited for.
 *
 * Context: may sleep, in object mode for a grace period, and for the locks that the
 * drain takes. Neither from a drain of @pd nor under a lock that it takes. From a
 * drain of another instance only if that was set up by another call of
 * percpu_defer_init() or the like: instances of one call are one class for lockdep.
 */
void percpu_defer_flush(struct percpu_defer *pd)
{
	if (percpu_defer_started(pd))
		__percpu_defer_flush(pd);
}
EXPORT_SYMBOL_GPL(percpu_defer_flush);

static void percpu_defer_unuse(struct percpu_defer *pd)
{
	if (atomic_dec_and_test(&pd->users))
		wake_up_var(&pd->users);
}

/*
 * Return the instance after @pd, or the first, which then cannot go away; let @pd go.
 * Not under the lock of the list, because drains may set up and destroy instances.
 */
static struct percpu_defer *percpu_defer_walk(struct percpu_defer *pd, bool try)
{
	struct percpu_defer *next = NULL;

	if (!try)
		down_read(&percpu_defer_list_lock);
	else if (!down_read_trylock(&percpu_defer_list_lock))
		goto unuse;
	next = list_next_entry(list_prepare_entry(pd, &percpu_defer_list, list), list);
	if (list_entry_is_head(next, &percpu_defer_list, list))
		next = NULL;
	else
		atomic_inc(&next->users);
	up_read(&percpu_defer_list_lock);
unuse:
	if (pd)
		percpu_defer_unuse(pd);
	return next;
}

/**
 * percpu_defer_flush_all - flush every instance
 *
 * Context: as percpu_defer_flush() for all instances there are.
 */
void percpu_defer_flush_all(void)
{
	struct percpu_defer *pd = NULL;

	while ((pd = percpu_defer_walk(pd, false)))
		__percpu_defer_flush(pd);
}
EXPORT_SYMBOL_GPL(percpu_defer_flush_all);

static unsigned long __percpu_defer_help(struct percpu_defer *pd, unsigned long max)
{
	struct percpu_defer_cpu *taken = NULL;
	unsigned long drained = 0, from = 0;
	int cpu;

	might_sleep();
	if (!pd->scan) {
		guard(preempt)();
		taken = this_cpu_ptr(pd->cpu);
		if (!percpu_defer_take(taken))
			taken = NULL;
	}

	for_each_possible_cpu(cpu) {
		struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);
		struct percpu_defer_buf *buf;

		if (drained >= max)
			break;
		if (!mutex_trylock(&pc->drain_lock))
			continue;
		/* The lock of one CPU will do to make a flush wait for us. */
		if (pd->scan && percpu_counter_sum_positive(&pd->pending))
			drained += percpu_defer_scan(pc, &from, max, true);
		while (!pd->scan && drained < max && (buf = percpu_defer_next(pc))) {
			drained += buf->max - buf->room;
			percpu_defer_drain_buf(pc, buf);
			cond_resched();
		}
		mutex_unlock(&pc->drain_lock);
		if (pd->scan)
			break;
	}
	/* A worker for what we leave; before, it would be quicker than we are. */
	if (taken)
		queue_work(percpu_defer_wq, &taken->work);
	return drained;
}

/**
 * percpu_defer_help - drain inline, without waiting for anybody
 * @pd: the instance, started
 * @max: how much will do
 *
 * For those who are short of what dead things hold: memory reclaim, and owners
 * that have reached a limit. Neither waits for a worker nor for a lock. Leaves
 * out what another drain has begun and, in object mode, what other CPUs have in
 * their current buffers.
 *
 * Context: process context, may sleep, from memory reclaim too. Not from a drain
 * of @pd.
 * Return: how many things it drained; may be more than @max by what is in a
 * buffer, or in a word of dead bits.
 */
unsigned long percpu_defer_help(struct percpu_defer *pd, unsigned long max)
{
	return percpu_defer_started(pd) ? __percpu_defer_help(pd, max) : 0;
}
EXPORT_SYMBOL_GPL(percpu_defer_help);

#ifdef CONFIG_PERCPU_DEFER_PERTURB
/* Let workers drain what they left while they were held, on any CPU. */
void percpu_defer_kick_all(void)
{
	struct percpu_defer *pd;
	int cpu;

	guard(rwsem_read)(&percpu_defer_list_lock);
	list_for_each_entry(pd, &percpu_defer_list, list)
		for_each_possible_cpu(cpu)
			queue_work(percpu_defer_wq, &per_cpu_ptr(pd->cpu, cpu)->work);
}

/* Wait for workers that began to drain before they were held. */
void percpu_defer_wait_workers(void)
{
	flush_workqueue(percpu_defer_wq);
}
#endif

/* For user space: "echo 1 >/sys/module/percpu_defer/parameters/flush". */
static int percpu_defer_flush_set(const char *val, const struct kernel_param *kp)
{
	bool flush;
	int err;

	err = kstrtobool(val, &flush);
	if (!err && flush)
		percpu_defer_flush_all();
	return err;
}

static const struct kernel_param_ops percpu_defer_flush_ops = {
	.set = percpu_defer_flush_set,
};
module_param_cb(flush, &percpu_defer_flush_ops, NULL, 0200);

/* Both are called when memory is short: rather help nobody than wait. */
static unsigned long percpu_defer_count(struct shrinker *shrink,
					struct shrink_control *sc)
{
	struct percpu_defer *pd;
	unsigned long nr = 0;

	if (!down_read_trylock(&percpu_defer_list_lock))
		return 0;
	list_for_each_entry(pd, &percpu_defer_list, list)
		nr += percpu_defer_pending(pd);
	up_read(&percpu_defer_list_lock);
	return nr;
}

static unsigned long percpu_defer_help_all(unsigned long max)
{
	struct percpu_defer *pd = NULL;
	unsigned long nr = 0;

	while ((pd = percpu_defer_walk(pd, true))) {
		if (nr >= max) {
			percpu_defer_unuse(pd);
			break;
		}
		nr += __percpu_defer_help(pd, max - nr);
	}
	return nr;
}

static unsigned long percpu_defer_shrink(struct shrinker *shrink,
					 struct shrink_control *sc)
{
	return percpu_defer_help_all(sc->nr_to_scan) ?: SHRINK_STOP;
}

VISIBLE_IF_KUNIT int percpu_defer_oom(struct notifier_block *nb,
				      unsigned long unused, void *freed)
{
	*(unsigned long *)freed += percpu_defer_help_all(ULONG_MAX);
	return NOTIFY_OK;
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_oom);

static struct notifier_block percpu_defer_oom_nb = {
	.notifier_call = percpu_defer_oom,
};

/* No push that began before succeeds any more, and what was pushed is drained. */
static void percpu_defer_stop(struct percpu_defer *pd)
{
	WRITE_ONCE(pd->on, false);
	/* Pushes that saw it on are over after this. */
	synchronize_rcu();
	__percpu_defer_flush(pd);
}

/**
 * percpu_defer_set_enabled - switch an instance on or off
 * @pd: the instance, started
 * @on: false: pushes return false from now on, and what is pending is drained
 *
 * Callers must not race with each other.
 *
 * Context: as percpu_defer_flush().
 */
void percpu_defer_set_enabled(struct percpu_defer *pd, bool on)
{
	if (!percpu_defer_started(pd))
		return;
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
 * eighth, or by one per CPU where that is more. After a change the former bound's
 * eighth counts until each CPU has pushed or drained again. In object mode, a CPU that has
 * nothing pending may be refused because the others have room left in their
 * buffers.
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

/**
 * percpu_defer_stat_sum - tell how often something happened
 * @pd: the instance
 * @what: see &enum percpu_defer_stat
 *
 * The counters are per CPU and read without a lock, so while work is going on
 * they need not add up.
 *
 * Context: any.
 * Return: how often, since initialisation.
 */
unsigned long percpu_defer_stat_sum(struct percpu_defer *pd,
				    enum percpu_defer_stat what)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(pd->cpu, cpu)->stat[what]);
	return sum;
}
EXPORT_SYMBOL_GPL(percpu_defer_stat_sum);

/* Makes the instance known under its name, if that is none of another's. */
static int percpu_defer_list_add(struct percpu_defer *pd)
{
	struct percpu_defer *other;

	if (!*pd->name || strchr(pd->name, '/') ||
	    !strcmp(pd->name, ".") || !strcmp(pd->name, "..")) {
		pr_err("'%s' is no name for an instance\n", pd->name);
		return -EINVAL;
	}

	guard(rwsem_write)(&percpu_defer_list_lock);
	list_for_each_entry(other, &percpu_defer_list, list) {
		if (!strcmp(other->name, pd->name)) {
			pr_err("there is an instance '%s' already\n", pd->name);
			return -EEXIST;
		}
	}
	list_add_tail(&pd->list, &percpu_defer_list);
	return 0;
}

static bool percpu_defer_list_trydel(struct percpu_defer *pd)
{
	guard(rwsem_write)(&percpu_defer_list_lock);
	/* Accesses of its last user come before its memory is freed. */
	if (atomic_read_acquire(&pd->users))
		return false;
	list_del(&pd->list);
	return true;
}

static void percpu_defer_list_del(struct percpu_defer *pd)
{
	while (!percpu_defer_list_trydel(pd))
		wait_var_event(&pd->users, !atomic_read(&pd->users));
}

VISIBLE_IF_KUNIT struct percpu_defer_cpu __percpu *percpu_defer_alloc_cpus(void)
{
	KUNIT_STATIC_STUB_REDIRECT(percpu_defer_alloc_cpus);

	return alloc_percpu(struct percpu_defer_cpu);
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_alloc_cpus);

VISIBLE_IF_KUNIT int percpu_defer_init_pending(struct percpu_defer *pd)
{
	KUNIT_STATIC_STUB_REDIRECT(percpu_defer_init_pending, pd);

	return percpu_counter_init(&pd->pending, 0, GFP_KERNEL);
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_init_pending);

int __percpu_defer_start(struct percpu_defer *pd, struct lock_class_key *key)
{
	int cpu, err;

	if (!percpu_defer_wq)
		return -ENODEV;
	if (WARN_ON(pd->state == PERCPU_DEFER_STARTED))
		return -EBUSY;

	/* What waits is memory, if compressed: half as many as there are pages. */
	percpu_defer_set_cap(pd, totalram_pages() / 2);
	pd->age = msecs_to_jiffies(PERCPU_DEFER_AGE_MS);
	pd->size = 0;
	WRITE_ONCE(pd->state, PERCPU_DEFER_NEW);
	pd->installed = 0;
	pd->peak = 0;
	atomic_set(&pd->users, 0);
	mutex_init(&pd->flush_lock);
	/* The drain of one instance may flush another. */
	lockdep_set_class_and_subclass(&pd->flush_lock, key, 1);

	for_each_possible_cpu(cpu) {
		struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

		/* Pushes look at ->buf, which stays closed until all is set up. */
		memset_after(pc, 0, buf);
		pc->pd = pd;
		pc->cpu = cpu;
		INIT_DELAYED_WORK(&pc->aged, percpu_defer_aged);
		init_llist_head(&pc->full);
		INIT_WORK(&pc->work, percpu_defer_work);
		mutex_init(&pc->drain_lock);
		/* The drain of one instance may flush another. */
		lockdep_set_class(&pc->drain_lock, key);
	}

	err = percpu_defer_init_pending(pd);
	if (err)
		return err;

	err = percpu_defer_list_add(pd);
	if (err)
		goto err_pending;

	err = cpuhp_state_add_instance_nocalls(percpu_defer_cpuhp, &pd->hotplug);
	if (err)
		goto err_list;

	percpu_defer_stat_add(pd);
	WRITE_ONCE(pd->state, PERCPU_DEFER_STARTED);
	/* Pairs with the acquire in percpu_defer_rotate(). */
	smp_store_release(&pd->on, true);
	return 0;

err_list:
	percpu_defer_list_del(pd);
err_pending:
	percpu_counter_destroy(&pd->pending);
	return err;
}
EXPORT_SYMBOL_GPL(__percpu_defer_start);

int percpu_defer_core_init(struct percpu_defer *pd, const char *name,
			   percpu_defer_drain_t drain, percpu_defer_scan_t scan,
			   struct lock_class_key *key)
{
	int cpu, err;

	pd->name = name;
	pd->drain = drain;
	pd->scan = scan;
	pd->on = false;
	pd->state = PERCPU_DEFER_NEW;
	pd->allocated = true;
	pd->cpu = percpu_defer_alloc_cpus();
	if (!pd->cpu)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

		pc->buf[0] = PERCPU_DEFER_CLOSED;
		pc->buf[1] = PERCPU_DEFER_CLOSED;
	}

	err = __percpu_defer_start(pd, key);
	if (err) {
		free_percpu(pd->cpu);
		pd->cpu = NULL;
	}
	return err;
}

int __percpu_defer_init(struct percpu_defer *pd, const char *name,
			percpu_defer_drain_t drain, struct lock_class_key *key)
{
	return percpu_defer_core_init(pd, name, drain, NULL, key);
}
EXPORT_SYMBOL_GPL(__percpu_defer_init);

/**
 * percpu_defer_destroy - drain an instance and release what it holds
 * @pd: the instance, initialised or started; or all zeros, or what failed to be
 *	initialised, to do nothing
 *
 * The owner stops its pushes first; one that comes later is refused with a
 * warning.
 *
 * Context: as percpu_defer_flush(); takes cpu_hotplug_lock.
 */
void percpu_defer_destroy(struct percpu_defer *pd)
{
	struct percpu_defer_cpu __percpu *own = pd->cpu;
	int cpu;

	if (!own || !percpu_defer_started(pd))
		return;
	percpu_defer_stat_remove(pd);
	WRITE_ONCE(pd->state, PERCPU_DEFER_DESTROYED);
	percpu_defer_stop(pd);
	cpuhp_state_remove_instance_nocalls(percpu_defer_cpuhp, &pd->hotplug);
	percpu_defer_list_del(pd);
	for_each_possible_cpu(cpu) {
		struct percpu_defer_cpu *pc = per_cpu_ptr(own, cpu);

		/* They may have been queued before the flush did their work. */
		cancel_delayed_work_sync(&pc->aged);
		cancel_work_sync(&pc->work);
	}
	WARN_ONCE(percpu_counter_sum(&pd->pending), "percpu_defer %s: %lld left behind\n",
		  pd->name, percpu_counter_sum(&pd->pending));
	percpu_counter_destroy(&pd->pending);

	if (!pd->allocated)
		return;
	/* Late pushes are a bug, but no reason to crash. */
	WRITE_ONCE(pd->cpu, &percpu_defer_nothing);
	synchronize_rcu();
	free_percpu(own);
}
EXPORT_SYMBOL_GPL(percpu_defer_destroy);

/* Who pushes wants to be quick: the workers give way, as much as ksmd does. */
static void __init percpu_defer_be_nice(void)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	if (attrs) {
		attrs->nice = 5;
		apply_workqueue_attrs(percpu_defer_wq, attrs);
		free_workqueue_attrs(attrs);
	}
}

static int __init percpu_defer_setup(void)
{
	unsigned int cpus = num_possible_cpus();
	struct percpu_defer_buf *buf;
	struct shrinker *shrinker;
	int ret;

	ret = cpuhp_setup_state_multi(CPUHP_BP_PREPARE_DYN, "lib/percpu_defer:dead",
				      NULL, percpu_defer_cpu_dead);
	if (ret < 0)
		return ret;
	percpu_defer_cpuhp = ret;

	percpu_defer_pages_max = max(4UL * cpus, totalram_pages() / 1024);
	while (percpu_defer_pool_nr < 2 * cpus) {
		buf = percpu_defer_alloc_buf(GFP_KERNEL);
		if (!buf)
			break;
		percpu_defer_put_buf(buf);
	}

	shrinker = shrinker_alloc(0, "percpu_defer");
	if (shrinker) {
		shrinker->count_objects = percpu_defer_count;
		shrinker->scan_objects = percpu_defer_shrink;
		/* Nobody will ever want garbage back. */
		shrinker->seeks = 0;
		shrinker_register(shrinker);
	}
	register_oom_notifier(&percpu_defer_oom_nb);
	percpu_defer_stat_setup();

	percpu_defer_age_wq = alloc_workqueue("percpu_defer_age", WQ_PERCPU |
					      WQ_MEM_RECLAIM, 0);
	if (!percpu_defer_age_wq)
		return -ENOMEM;
	percpu_defer_wq = alloc_workqueue("percpu_defer", WQ_UNBOUND |
					  WQ_MEM_RECLAIM | WQ_SYSFS, 0);
	if (!percpu_defer_wq)
		return -ENOMEM;
	percpu_defer_be_nice();
	return 0;
}
subsys_initcall(percpu_defer_setup);
