/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PERCPU_DEFER_H
#define _LINUX_PERCPU_DEFER_H

#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/percpu_counter.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct percpu_defer_cpu;

/**
 * struct percpu_defer - the core of one instance
 * @cpu: what each CPU has of its own: current buffer, full buffers, worker
 * @cap: pushes return false while more is @pending, see percpu_defer_set_cap()
 * @batch: how far the cheap reading of @pending may be off, per CPU
 * @age: jiffies a partly filled buffer may wait for more before it is drained
 * @on: pushes are taken
 * @destroyed: a push now is a bug of the owner
 * @drain: frees what one buffer names; process context, may sleep
 * @rescan: frees what was pushed but not recorded; process context, may sleep
 * @name: for messages
 * @pending: what was pushed and neither drained nor cancelled yet
 * @installed: a CPU got a fresh buffer since the last flush
 * @unrecorded: a push was not recorded since the last @rescan
 * @flush_lock: serialises flushes
 * @node: link in the list of instances that CPU hotplug walks
 *
 * Embedded in the front that is used: &struct percpu_defer_map. Of the members
 * only @age is the owner's to write, between initialisation and the first push.
 */
struct percpu_defer {
	struct percpu_defer_cpu __percpu *cpu;
	unsigned long cap;
	s32 batch;
	unsigned int age;
	bool on;
	bool destroyed;
	void (*drain)(struct percpu_defer *pd, const unsigned long *word,
		      unsigned int nr);
	void (*rescan)(struct percpu_defer *pd);
	const char *name;

	/* written by pushes, so kept off the line that every push reads */
	struct percpu_counter pending ____cacheline_aligned_in_smp;
	bool installed;
	atomic_t unrecorded;
	struct mutex flush_lock;	/* one flush at a time */
	struct hlist_node node;
};

void percpu_defer_flush(struct percpu_defer *pd);
void percpu_defer_set_cap(struct percpu_defer *pd, unsigned long cap);
void percpu_defer_set_enabled(struct percpu_defer *pd, bool on);

/**
 * percpu_defer_pending - count what waits to be drained
 * @pd: the instance
 *
 * Sums over all CPUs, so it is not for a hot path.
 *
 * Context: any.
 * Return: how many pushed things were neither drained nor cancelled. Exact
 * while nobody pushes, cancels or drains.
 */
static inline unsigned long percpu_defer_pending(struct percpu_defer *pd)
{
	return percpu_counter_sum_positive(&pd->pending);
}

/**
 * struct percpu_defer_range - consecutive indices
 * @first: the first index
 * @nr: how many
 */
struct percpu_defer_range {
	unsigned long first;
	unsigned long nr;
};

struct percpu_defer_map;

/**
 * typedef percpu_defer_map_drain_t - free what dead indices hold
 * @map: the map
 * @range: ranges of indices that were dead when they were recorded
 * @nr: number of ranges
 *
 * For each index of each range: take the slot's lock, ask
 * percpu_defer_map_claim(), free the content if it said true, drop the lock. An
 * index may have been cancelled, drained or reused since, and it may appear
 * more than once; the claim sorts this out.
 *
 * Context: process context, may sleep on the owner's locks. Must not push to or
 * flush the same map. Several may run at once, for different ranges.
 */
typedef void (*percpu_defer_map_drain_t)(struct percpu_defer_map *map,
					 const struct percpu_defer_range *range,
					 unsigned int nr);

/**
 * struct percpu_defer_map - deferred freeing of what numbered slots hold
 * @defer: the core; pass it to percpu_defer_flush() and friends
 * @dead: one bit per index, set while its content waits to be freed
 * @nr: number of indices
 * @drain: frees the content of dead slots
 *
 * The thing to free stays in its slot. A push marks the slot dead and records
 * the range; a drain comes by later, claims the slot and frees the content. In
 * between the slot may be filled anew: its owner cancels the death first, under
 * the same slot lock the drain claims under, so that a late drain finds nothing
 * to claim. A bare queue of indices, without the dead bit, would free the new
 * content.
 */
struct percpu_defer_map {
	struct percpu_defer defer;
	unsigned long *dead;
	unsigned long nr;
	percpu_defer_map_drain_t drain;
};

int percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
			  unsigned long nr, percpu_defer_map_drain_t drain);
void percpu_defer_map_destroy(struct percpu_defer_map *map);
bool __must_check percpu_defer_map_push(struct percpu_defer_map *map,
					unsigned long first, unsigned long nr);

/**
 * percpu_defer_map_dead - is the content of a slot garbage?
 * @map: the map
 * @index: the slot
 *
 * Under the slot's lock a true stays true until the lock is dropped; a false
 * does not, because a push needs no slot lock.
 *
 * Context: any.
 * Return: true if @index was pushed, and neither cancelled nor claimed since.
 */
static inline bool percpu_defer_map_dead(const struct percpu_defer_map *map,
					 unsigned long index)
{
	return test_bit(index, map->dead);
}

/**
 * percpu_defer_map_claim - take over a dead slot in order to free its content
 * @map: the map
 * @index: the slot
 *
 * For the drain.
 *
 * Context: under the lock of slot @index.
 * Return: true exactly once per death: the caller frees the content. False if
 * the death was cancelled or another drain was faster: hands off.
 */
static inline bool __must_check percpu_defer_map_claim(struct percpu_defer_map *map,
						       unsigned long index)
{
	if (!test_bit(index, map->dead) ||
	    !test_and_clear_bit(index, map->dead))
		return false;
	percpu_counter_add_batch(&map->defer.pending, -1,
				 READ_ONCE(map->defer.batch));
	return true;
}

/**
 * percpu_defer_map_cancel - take a slot back from the drain
 * @map: the map
 * @index: the slot
 *
 * For whoever is about to fill slot @index, or to free it himself: from here on
 * no drain touches the slot, until the next push of @index. The slot was
 * allocated to the caller under the lock that @index was pushed under, so the
 * caller cannot miss that push.
 *
 * Context: under the lock of slot @index, before the new content can be seen.
 * Return: true if the slot was dead: the old content is the caller's to free.
 */
static inline bool percpu_defer_map_cancel(struct percpu_defer_map *map,
					   unsigned long index)
{
	return percpu_defer_map_claim(map, index);
}

#if IS_ENABLED(CONFIG_KUNIT)
struct percpu_defer_buf *percpu_defer_get_buf(gfp_t gfp);
#endif

#endif /* _LINUX_PERCPU_DEFER_H */
