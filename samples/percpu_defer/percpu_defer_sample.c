// SPDX-License-Identifier: GPL-2.0
/*
 * How percpu_defer is used: in index mode when slots are freed, in object mode when
 * one gets other content. Does not load if something was freed twice or never.
 */
#include <linux/module.h>
#include <linux/percpu_defer.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define NR	1000

struct sample {
	unsigned long content[4];
};

static struct kmem_cache *samples;
static atomic_t nr_in_use;

/* In bulk: for all of them, one atomic operation and one call of the allocator. */
static void samples_free(struct sample **sample, unsigned int nr)
{
	atomic_sub(nr, &nr_in_use);
	kmem_cache_free_bulk(samples, nr, (void **)sample);
}

/* Object mode: nobody can find what was pushed, so there is nothing to ask. */
static void samples_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	samples_free((struct sample **)obj, nr);
}

static struct percpu_defer samples_defer;
DEFINE_PERCPU_DEFER_PUSH(samples_push, struct sample)
static struct percpu_defer_map slots_dead;
static DEFINE_SPINLOCK(slots_lock);
static struct sample *slots[NR];
static unsigned int nr_used;		/* so many slots, the first ones */

/* Index mode: a slot may be filled anew. The claim, under its lock, tells. */
static unsigned long slots_drain(struct percpu_defer_map *map,
				 const struct percpu_defer_range *range,
				 unsigned int nr, bool try)
{
	unsigned long i, claimed = 0;

	for (; nr; nr--, range++) {
		/* Called from reclaim, so who has the lock may need memory. */
		if (!try)
			spin_lock(&slots_lock);
		else if (!spin_trylock(&slots_lock))
			continue;
		for (i = range->first; i < range->first + range->nr; i++) {
			if (!percpu_defer_map_claim(map, i))
				continue;
			samples_free(&slots[i], !!slots[i]);	/* one, if all is right */
			slots[i] = NULL;
			claimed++;
		}
		spin_unlock(&slots_lock);
		cond_resched();
	}
	return claimed;
}

/* Under slots_lock. The slot may be dead; the drain must leave the new content. */
static void slot_set(unsigned int i, struct sample *sample)
{
	percpu_defer_map_cancel(&slots_dead, i);
	swap(slots[i], sample);
	if (sample && !samples_push(&samples_defer, sample))
		samples_free(&sample, 1);
}

/* The lock is that of slot_set(), too: no slot is filled before the push. */
static void slots_free(void)
{
	guard(spinlock)(&slots_lock);
	if (nr_used && percpu_defer_map_push(&slots_dead, 0, nr_used))
		nr_used = 0;
	while (nr_used)
		slot_set(--nr_used, NULL);
}

static int __init slots_fill(unsigned int nr)
{
	while (nr--) {
		/* Not under the lock: a drain takes it, which reclaim may call. */
		struct sample *sample = kmem_cache_zalloc(samples, GFP_KERNEL);

		if (!sample)
			return -ENOMEM;
		atomic_inc(&nr_in_use);
		guard(spinlock)(&slots_lock);
		slot_set(nr_used++, sample);
	}
	return 0;
}

/* A flush waits for drains: not to be called from one, or under a lock of theirs. */
static int __init expect_in_use(int nr)
{
	percpu_defer_flush(&slots_dead.defer);
	percpu_defer_flush(&samples_defer);
	return atomic_read(&nr_in_use) == nr ? 0 : -EIO;
}

static int __init sample_run(void)
{
	int err = slots_fill(NR);

	slots_free();	/* and fill some again while they are dead */
	err = err ?: slots_fill(NR / 2) ?: expect_in_use(NR / 2);
	slots_free();
	return err ?: expect_in_use(0);
}

/* Nobody pushes any more. */
static void sample_exit(void)
{
	percpu_defer_map_destroy(&slots_dead);
	percpu_defer_destroy(&samples_defer);
	kmem_cache_destroy(samples);
}
module_exit(sample_exit);

static int __init sample_init(void)
{
	int err, on;

	samples = KMEM_CACHE(sample, 0);
	err = samples ? 0 : -ENOMEM;
	err = err ?: percpu_defer_init(&samples_defer, "sample-objects", samples_drain);
	err = err ?: percpu_defer_map_init(&slots_dead, "sample-slots", NR, slots_drain);
	samples_defer.size = sizeof(struct sample);	/* for KASAN */
	slots_dead.defer.age = 60 * HZ;	/* not before the slots are filled again */
	/* The second time, pushes are refused. */
	for (on = 1; !err && on >= 0; on--) {
		percpu_defer_set_enabled(&slots_dead.defer, on);
		percpu_defer_set_enabled(&samples_defer, on);
		err = sample_run();
	}
	if (err)
		sample_exit();
	return err;
}
module_init(sample_init);
MODULE_DESCRIPTION("How percpu_defer is used");
MODULE_LICENSE("GPL");
