// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_defer for objects.
 *
 * A push writes the object to a page of the local CPU. The fast path takes no lock and
 * uses no atomic operation; the slow path allocates the next page. A worker drains full
 * pages and pages that have reached the age bound.
 *
 * The difficult part is page ownership, because pushes take no lock. A push reads
 * percpu_defer_cpu.buf and appends to that page, with preemption disabled throughout. No
 * other push can write to the same page meanwhile: tasks and softirqs have separate pages,
 * softirqs do not nest, and pushes from hardirqs and NMIs are refused. Pages are removed
 * from ->buf only by xchg(), so exactly one context removes a page and queues it.
 *
 * A page removed on its own CPU, by a task or by the push that filled it, may be read at
 * once: no push to it can be in flight there. Any other page may be read only after a grace
 * period, because code that runs with preemption disabled is an RCU reader. For the same
 * reason, a flush does not miss a page that another CPU has removed but not queued yet.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/export.h>
#include <linux/kmemleak.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include "percpu_defer.h"

/* Interval between polls for the end of a grace period, in jiffies. */
#define PERCPU_DEFER_POLL	2UL

/* Placeholder for a missing page. It looks full and is never written to. */
#define PERCPU_DEFER_CLOSED	((struct percpu_defer_buf *)&percpu_defer_closed)
static const struct percpu_defer_buf percpu_defer_closed;

DEFINE_PER_CPU(struct percpu_defer_cpu, percpu_defer_none) = {
	{ PERCPU_DEFER_CLOSED, PERCPU_DEFER_CLOSED }
};

EXPORT_PER_CPU_SYMBOL_GPL(percpu_defer_none);

/* A spare page per CPU, or NULL. A push takes it before it allocates a page. */
static DEFINE_PER_CPU(struct percpu_defer_buf *, percpu_defer_spare);
unsigned long percpu_defer_some_spare;	/* any CPU may have a spare page */

/* Replace the spare page of a CPU with @buf, which may be NULL. Free the old page. */
static void percpu_defer_set_spare(unsigned int cpu, struct percpu_defer_buf *buf)
{
	/* Stale pointers would hide leaks from kmemleak. */
	if (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) && buf)
		memset(buf->word, 0, PERCPU_DEFER_WORDS * sizeof(*buf->word));
	buf = xchg(per_cpu_ptr(&percpu_defer_spare, cpu), buf);
	kmemleak_free(buf);
	free_page((unsigned long)buf);
}

/* Return an empty page, or NULL if none is available. Called with preemption disabled. */
VISIBLE_IF_KUNIT struct percpu_defer_buf *percpu_defer_get_buf(void)
{
	struct percpu_defer_buf *buf;
	struct page *page;

	KUNIT_STATIC_STUB_REDIRECT(percpu_defer_get_buf);

	buf = xchg(this_cpu_ptr(&percpu_defer_spare), NULL);
	if (buf)
		return buf;
	/* Not GFP_NOWAIT, which takes locks that sleep on PREEMPT_RT. */
	page = alloc_pages_nolock(0, NUMA_NO_NODE, 0);
	if (!page)
		return NULL;
	buf = page_address(page);
	buf->cpu = smp_processor_id();
	/* Let kmemleak find pending objects. */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		kmemleak_alloc(buf, PAGE_SIZE, 0, GFP_NOWAIT);
	return buf;
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_get_buf);

/* Free all spare pages. Return their approximate number. */
unsigned long percpu_defer_trim(void)
{
	int cpu;

	if (!xchg(&percpu_defer_some_spare, 0))
		return 0;
	for_each_possible_cpu(cpu)
		percpu_defer_set_spare(cpu, NULL);
	return num_online_cpus();
}
EXPORT_SYMBOL_IF_KUNIT(percpu_defer_trim);

/*
 * Queue the page that a CPU is filling, and let the CPU fill @next instead. @own is set if
 * that is this CPU and preemption is disabled, so that no push to the page is in flight.
 */
static void percpu_defer_queue(struct percpu_defer *pd, unsigned int cpu, int context,
			       struct percpu_defer_buf *next, bool own)
{
	struct percpu_defer_buf *buf = xchg(&per_cpu_ptr(pd->own, cpu)->buf[context], next);

	percpu_defer_perturb();
	if (buf == PERCPU_DEFER_CLOSED)
		return;
	buf->cookie = own ? get_completed_synchronize_rcu() : start_poll_synchronize_rcu();
	/* A full barrier: see percpu_defer_arm(). */
	llist_add(&buf->node, &pd->bufs);
	percpu_defer_arm(&pd->core);
}

/*
 * Queue the pages that CPUs are filling. The stripe lock is held, so a flush does not miss
 * a page that a drain has removed but not queued yet.
 */
static void percpu_defer_queue_all(struct percpu_defer *pd)
{
	int cpu, i;

	for_each_possible_cpu(cpu)
		for (i = 0; i < 2; i++)
			if (READ_ONCE(per_cpu_ptr(pd->own, cpu)->buf[i]) != PERCPU_DEFER_CLOSED)
				percpu_defer_queue(pd, cpu, i, PERCPU_DEFER_CLOSED, false);
}

/* Slow path of percpu_defer_push(), outside tasks or if the page is full or missing. */
bool percpu_defer_push_slow(struct percpu_defer *pd, unsigned long obj)
{
	unsigned int context = !!in_serving_softirq(), cpu;
	struct percpu_defer_core *core = &pd->core;
	struct percpu_defer_buf *buf;
	long nr;

	if (in_nmi() || in_hardirq())
		return percpu_defer_refuse(core, PERCPU_DEFER_REFUSED_CONTEXT);

	/* An RCU read-side section: percpu_defer_collect() waits for it. */
	guard(preempt)();
	if (READ_ONCE(core->state) != PERCPU_DEFER_ON)
		return percpu_defer_refuse(core, PERCPU_DEFER_REFUSED_OFF);
	buf = this_cpu_read(pd->own->buf[context]);
	percpu_defer_perturb();
	if (buf->room) {
		/* Either in a softirq, or the fast path saw another page or another CPU. */
		buf->word[--buf->room] = obj;
		return true;
	}
	cpu = smp_processor_id();
	/* Reserve at most this CPU's share of the cap. */
	nr = clamp_t(long, READ_ONCE(core->cap) / num_possible_cpus(), 1, PERCPU_DEFER_WORDS);
	if (!percpu_defer_add(core, nr)) {
		/* Cap reached or drain overdue: queue the page of this CPU. */
		percpu_defer_queue(pd, cpu, context, PERCPU_DEFER_CLOSED, true);
		return false;
	}
	buf = percpu_defer_get_buf();
	if (!buf) {
		percpu_defer_sub(core, nr);
		return percpu_defer_refuse(core, PERCPU_DEFER_REFUSED_PAGE);
	}
	buf->max = nr;
	buf->room = nr - 1;
	buf->word[buf->room] = obj;
	percpu_defer_queue(pd, cpu, context, buf, true);
	percpu_defer_arm(core);
	/* If disabled meanwhile, queue the page. xchg() pairs with percpu_defer_collect(). */
	if (unlikely(READ_ONCE(core->state) != PERCPU_DEFER_ON))
		percpu_defer_queue(pd, cpu, context, PERCPU_DEFER_CLOSED, true);
	return true;
}
EXPORT_SYMBOL_GPL(percpu_defer_push_slow);

/* Queue the pages of all CPUs, and wait until all queued pages may be read. */
static void percpu_defer_collect(struct percpu_defer_core *core, bool stop)
{
	struct percpu_defer *pd = container_of(core, struct percpu_defer, core);
	unsigned long cookie;

	scoped_guard(mutex, &core->stripe->lock) {
		/* Either percpu_defer_push_slow() sees the new ->state, or its page is found. */
		smp_mb();
		percpu_defer_queue_all(pd);
	}
	cookie = get_state_synchronize_rcu();
	/* A poll may miss a grace period that overlaps an expedited one. */
	do
		synchronize_rcu();
	while (!stop && !poll_state_synchronize_rcu(cookie));
}

static unsigned long percpu_defer_drain(struct percpu_defer_stripe *stripe,
					unsigned long max, enum percpu_defer_drain how)
{
	struct percpu_defer *pd = container_of(stripe->core, struct percpu_defer, core);
	unsigned long nr = 0, again = 0, begin = jiffies;
	struct percpu_defer_buf *buf, *next;
	int i;

	if (how == PERCPU_DEFER_TRY) {
		guard(preempt)();
		for (i = 0; i < 2; i++)
			percpu_defer_queue(pd, smp_processor_id(), i, PERCPU_DEFER_CLOSED, true);
	} else {
		percpu_defer_perturb_sleep();
	}
	/* If the drain started early, skip the pages that CPUs are filling. */
	if (pd->next - begin - 1 < pd->core.age) {
		again = pd->next - begin;
	} else {
		pd->next = begin + pd->core.age;
		percpu_defer_queue_all(pd);
	}
	llist_for_each_entry_safe(buf, next, llist_del_all(&pd->bufs), node) {
		cond_resched();
		if (nr >= max || (how != PERCPU_DEFER_STOP &&
				  !poll_state_synchronize_rcu(buf->cookie))) {
			llist_add(&buf->node, &pd->bufs);
			again = PERCPU_DEFER_POLL;
			continue;
		}
		pd->drain(pd, buf->word + buf->room, buf->max - buf->room);
		nr += buf->max - buf->room;
		percpu_defer_sub(&pd->core, buf->room);
		percpu_defer_alive(&pd->core);
		percpu_defer_set_spare(buf->cpu, buf);
		/* Set the flag last, or percpu_defer_trim() could clear it and miss the page. */
		WRITE_ONCE(percpu_defer_some_spare, 1);
	}
	/* If @max stopped the drain, the work is already armed, possibly to run at once. */
	if (again && nr < max && (how == PERCPU_DEFER_WAIT || how == PERCPU_DEFER_SHARE)) {
		/* Request another grace period, because a poll may miss one. */
		start_poll_synchronize_rcu();
		percpu_defer_hurry(&pd->core, again - min(again, jiffies - begin));
	}
	return nr;
}

static const struct percpu_defer_mode percpu_defer_mode = {
	.stripes = 1,
	.collect = percpu_defer_collect,
	.drain = percpu_defer_drain,
};

int __percpu_defer_init(struct percpu_defer *pd, const char *name,
			percpu_defer_drain_t drain, struct lock_class_key *key)
{
	int cpu, err;

	if (!percpu_defer_is_new(&pd->core, name))
		return -EINVAL;
	pd->own = alloc_percpu(struct percpu_defer_cpu);
	if (!pd->own)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		memset_p((void **)per_cpu_ptr(pd->own, cpu)->buf, PERCPU_DEFER_CLOSED, 2);
	init_llist_head(&pd->bufs);
	pd->next = jiffies;
	pd->drain = drain;
	err = percpu_defer_core_init(&pd->core, name, &percpu_defer_mode, key);
	if (err)
		free_percpu(pd->own);
	else	/* Pairs with the address dependency in percpu_defer_push(). */
		smp_store_release(&pd->offset, (unsigned long)pd->own -
				  (unsigned long)&percpu_defer_none);
	return err;
}
EXPORT_SYMBOL_GPL(__percpu_defer_init);

/**
 * percpu_defer_destroy - drain an instance and free its resources
 * @pd: the instance
 *
 * The owner must stop its pushes first; a later push is refused with a warning.
 *
 * Context: as percpu_defer_drain_some(); may sleep for a grace period.
 */
void percpu_defer_destroy(struct percpu_defer *pd)
{
	if (!percpu_defer_usable(&pd->core))
		return;
	WRITE_ONCE(pd->offset, 0);
	percpu_defer_core_destroy(&pd->core);
	free_percpu(pd->own);
	/* If this was the last instance, no shrinker is left to free the spare pages. */
	percpu_defer_trim();
}
EXPORT_SYMBOL_GPL(percpu_defer_destroy);
