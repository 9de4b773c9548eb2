// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_defer, index mode: free what numbered slots hold.
 *
 * The dead bits are the truth; the records in the buffers only say where to
 * look. So a record may be lost (then the bits are searched), may be old, and
 * may name what another one names too: percpu_defer_map_claim() decides.
 */
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "percpu_defer.h"

/* How many words of a bitmap a scan reads between two chances to be preempted. */
#define PERCPU_DEFER_SCAN_WORDS	1024

/* A range takes this many words of a buffer. */
#define PERCPU_DEFER_RANGE_WORDS \
	(sizeof(struct percpu_defer_range) / sizeof(unsigned long))

static unsigned long percpu_defer_map_drain_ranges(struct percpu_defer_map *map,
						   const struct percpu_defer_range *range,
						   unsigned int nr, bool try)
{
	unsigned long drained = map->drain(map, range, nr, try);

	this_cpu_add(map->defer.cpu->stat[PERCPU_DEFER_DRAINED], drained);
	percpu_counter_add_batch(&map->defer.pending, -(s64)drained,
				 READ_ONCE(map->defer.batch));
	return drained;
}

static void percpu_defer_map_drain(struct percpu_defer *pd,
				   unsigned long *word, unsigned int nr)
{
	percpu_defer_map_drain_ranges(container_of(pd, struct percpu_defer_map, defer),
				      (const struct percpu_defer_range *)word,
				      nr / PERCPU_DEFER_RANGE_WORDS, false);
}

/*
 * Drains what is dead, until that is @max. Records that name the same will find
 * nothing to claim.
 */
static unsigned long percpu_defer_map_scan(struct percpu_defer *pd,
					   unsigned long max, bool try)
{
	struct percpu_defer_map *map =
		container_of(pd, struct percpu_defer_map, defer);
	struct percpu_defer_range range[16];
	unsigned long i, first, end, words = BIT_WORD(map->nr - 1) + 1;
	unsigned long found = 0, drained = 0;
	unsigned int nr = 0;

	for (i = 0; i < words && drained + found < max; i++) {
		unsigned long dead = READ_ONCE(map->dead[i]);

		for_each_set_bitrange(first, end, &dead, BITS_PER_LONG) {
			range[nr].first = i * BITS_PER_LONG + first;
			range[nr].nr = end - first;
			found += end - first;
			if (++nr < ARRAY_SIZE(range))
				continue;
			drained += percpu_defer_map_drain_ranges(map, range, nr, try);
			found = 0;
			nr = 0;
		}
		if (!(i % PERCPU_DEFER_SCAN_WORDS))
			cond_resched();
	}
	if (nr)
		drained += percpu_defer_map_drain_ranges(map, range, nr, try);
	return drained;
}

int __percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
			    unsigned long nr, percpu_defer_map_drain_t drain,
			    struct lock_class_key *key)
{
	int err;

	if (!nr)
		return -EINVAL;

	map->nr = nr;
	map->drain = drain;
	/* BITS_TO_LONGS() overflows near ULONG_MAX; too much is no bug of ours. */
	map->dead = kvcalloc(BIT_WORD(nr - 1) + 1, sizeof(long),
			     GFP_KERNEL | __GFP_NOWARN);
	if (!map->dead)
		return -ENOMEM;

	err = percpu_defer_core_init(&map->defer, name, percpu_defer_map_drain,
				     percpu_defer_map_scan,
				     PERCPU_DEFER_RANGE_WORDS, key);
	if (err) {
		kvfree(map->dead);
		map->dead = NULL;
	}
	return err;
}
EXPORT_SYMBOL_GPL(__percpu_defer_map_init);

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

/* Joins the range with the last one of this CPU, or appends it. False: no room. */
static bool percpu_defer_map_append(struct percpu_defer *pd,
				    unsigned long first, unsigned long nr)
{
	struct percpu_defer_range *range;
	struct percpu_defer_buf *buf;

	guard(preempt)();
	buf = this_cpu_read(pd->cpu->buf[percpu_defer_context()]);
	/* A buffer fills from its end, so this is what came last. */
	range = (struct percpu_defer_range *)(buf->word + buf->room);
	if (buf->room != buf->max) {
		if (range->first + range->nr == first) {
			range->nr += nr;
			return true;
		}
		if (first + nr == range->first) {
			range->first = first;
			range->nr += nr;
			return true;
		}
	}
	if (buf->room < PERCPU_DEFER_RANGE_WORDS)
		return false;
	buf->room -= PERCPU_DEFER_RANGE_WORDS;
	range--;
	range->first = first;
	range->nr = nr;
	return true;
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
	enum percpu_defer_stat ret;
	unsigned long died;

	if (WARN_ON_ONCE(!nr || nr > map->nr || first > map->nr - nr))
		return false;

	/* From the look at ->on to the end: see percpu_defer_stop(). */
	guard(rcu)();

	ret = percpu_defer_check(pd);
	if (unlikely(ret != PERCPU_DEFER_PUSHED))
		return percpu_defer_refuse(pd, ret);
	/* An estimate, against writes that are not marked. */
	if (unlikely(data_race(percpu_counter_read_positive(&pd->pending)) + nr >
		     READ_ONCE(pd->cap)))
		return percpu_defer_refuse(pd, PERCPU_DEFER_CAP);

	died = percpu_defer_map_kill(map, first, nr);
	percpu_counter_add_batch(&pd->pending, died, READ_ONCE(pd->batch));
	this_cpu_add(pd->cpu->stat[PERCPU_DEFER_PUSHED], died);

	while (!percpu_defer_map_append(pd, first, nr)) {
		if (percpu_defer_rotate(pd) != PERCPU_DEFER_ROTATIONS) {
			percpu_defer_unrecorded(pd);
			break;
		}
	}
	return true;
}
EXPORT_SYMBOL_GPL(percpu_defer_map_push);
