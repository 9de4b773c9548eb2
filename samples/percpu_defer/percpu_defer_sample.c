// SPDX-License-Identifier: GPL-2.0
/*
 * How percpu_defer is used: in index mode for what is in slots that are freed, in
 * object mode for what is replaced in them. The module counts what is in use, and
 * does not load if something was freed twice, never, or in a slot filled anew.
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

/* From tasks and softirqs, with any locks held. */
static void sample_free(struct sample *sample)
{
	if (!samples_push(&samples_defer, sample))
		samples_free(&sample, 1);
}

static DEFINE_SPINLOCK(slots_lock);	/* of all slots; protects: */
static struct sample *slots[NR];
static DEFINE_SPINLOCK(used_lock);	/* taken before @slots_lock; protects: */
static unsigned int nr_used;		/* so many slots, the first ones */

/* Index mode: a slot may be filled anew. The claim, under its lock, tells. */
static unsigned long slots_drain(struct percpu_defer_map *map,
				 const struct percpu_defer_range *range,
				 unsigned int nr, bool try)
{
	unsigned long i, claimed = 0;

	for (; nr; nr--, range++) {
		for (i = range->first; i < range->first + range->nr; i++) {
			struct sample *sample = NULL;

			/* Called from reclaim, so who has the lock may need memory. */
			if (!try)
				spin_lock(&slots_lock);
			else if (!spin_trylock(&slots_lock))
				continue;
			if (percpu_defer_map_claim(map, i)) {
				swap(slots[i], sample);
				claimed++;
			}
			spin_unlock(&slots_lock);
			if (sample)
				samples_free(&sample, 1);
		}
		cond_resched();
	}
	return claimed;
}

static struct percpu_defer_map slots_dead;

/* Cancels first: the slot may be dead, and the drain must leave the new content. */
static void slot_set(unsigned int i, struct sample *sample)
{
	spin_lock(&slots_lock);
	percpu_defer_map_cancel(&slots_dead, i);
	swap(slots[i], sample);
	spin_unlock(&slots_lock);
	if (sample)
		sample_free(sample);
}

/* Under the lock that slots are allocated under: none is filled before the push. */
static void slots_free(void)
{
	guard(spinlock)(&used_lock);
	if (nr_used && percpu_defer_map_push(&slots_dead, 0, nr_used))
		nr_used = 0;
	while (nr_used)
		slot_set(--nr_used, NULL);
}

static int __init slots_fill(unsigned int nr)
{
	while (nr--) {
		/* Not under a lock that a drain takes, which reclaim may call. */
		struct sample *sample = kmem_cache_zalloc(samples, GFP_KERNEL);

		if (!sample)
			return -ENOMEM;
		atomic_inc(&nr_in_use);
		guard(spinlock)(&used_lock);
		slot_set(nr_used++, sample);
	}
	return 0;
}

/* A flush waits for drains: not to be called from one, or under a lock of theirs. */
static int __init expect_in_use(int nr)
{
	percpu_defer_flush(&slots_dead.defer);
	percpu_defer_flush(&samples_defer);
	if (atomic_read(&nr_in_use) == nr)
		return 0;
	pr_err("percpu_defer: %d in use, not %d\n", atomic_read(&nr_in_use), nr);
	return -EIO;
}

/* Fills slots again while they are dead. */
static int __init sample_run(void)
{
	int err = slots_fill(NR);

	slots_free();
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

static int __init sample_init(void)
{
	int err;

	samples = KMEM_CACHE(sample, 0);
	err = samples ? 0 : -ENOMEM;
	err = err ?: percpu_defer_init(&samples_defer, "sample-objects", samples_drain);
	err = err ?: percpu_defer_map_init(&slots_dead, "sample-slots", NR, slots_drain);
	/* KASAN tells of who uses a sample that waits. */
	samples_defer.size = sizeof(struct sample);
	/* So late that the slots are dead when they are filled again. */
	slots_dead.defer.age = 60 * HZ;
	err = err ?: sample_run();
	if (!err) {
		/* Again, with pushes that are refused. */
		percpu_defer_set_enabled(&slots_dead.defer, false);
		percpu_defer_set_enabled(&samples_defer, false);
		err = sample_run();
	}
	if (err)
		sample_exit();
	return err;
}

module_init(sample_init);
module_exit(sample_exit);

MODULE_DESCRIPTION("How percpu_defer is used");
MODULE_LICENSE("GPL");
