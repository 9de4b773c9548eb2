// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_defer for the content of numbered slots.
 *
 * The dead bits are authoritative; the two levels above them only show where to look. A
 * push sets a dead bit, then the dirty bit of that word, then the summary bit of that word
 * of dirty bits, each unless already set. A drain clears a summary bit, then a word of dirty
 * bits, and then reads the dead bits. Setting or clearing a bit is a full barrier; finding
 * a bit set is an acquire. So if a drain misses a dead slot, the dirty and summary bits of
 * that slot are set, and the work is armed. A push must always test both levels, because a
 * set dirty bit does not imply that the summary bit is still set.
 *
 * A push cannot run out of memory, because it allocates nothing. A drain finds the slots of
 * a stripe in ascending order. It may free only a slot that it has claimed, because a slot
 * that it sees dead may be cancelled before it holds the slot lock. Two drains never scan
 * the same word of dirty bits (4096 slots on 64-bit): each word belongs to one stripe.
 */
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "percpu_defer.h"

/*
 * Mark words of dead bits for a drain: set their dirty bits, then the summary bit, each
 * unless already set. If another push has set the dirty bits, the summary bit must be read
 * after them.
 *
 * The caller has issued a full barrier, or is a drain and holds the stripe lock. Only the
 * context that sets the summary bit needs to arm the work, because the work clears
 * WORK_STRUCT_PENDING, then the summary bit, and then reads the levels below.
 */
static void percpu_defer_map_mark(struct percpu_defer_map *map, unsigned long block,
				  unsigned long words)
{
	unsigned long *dirty = map->dirty + block, *summary = map->summary + BIT_WORD(block);

	percpu_defer_perturb();
	/* Pairs with set_mask_bits() in another push. */
	if (words & ~smp_load_acquire(dirty))
		set_mask_bits(dirty, 0, words);
	percpu_defer_perturb();
	if (!test_bit_acquire(block % BITS_PER_LONG, summary) &&
	    !test_and_set_bit(block % BITS_PER_LONG, summary))
		percpu_defer_arm(&map->core);
}

/* Slow path of percpu_defer_map_next(): find a word of dead bits that is not 0. */
bool percpu_defer_map_next_word(struct percpu_defer_iter *iter)
{
	struct percpu_defer_map *map = iter->map;
	const unsigned long mask = (~0UL / 0xff) << (iter->stripe - map->core.stripe);
	unsigned long bits, word = iter->word - map->dead;

	if (iter->claimed)
		percpu_defer_alive(&map->core);
	if (iter->offered) {
		percpu_defer_map_mark(map, BIT_WORD(word), BIT_MASK(word));
		iter->offered = 0;
		iter->max -= !!iter->max;	/* limit the slot locks that reclaim tries */
	}
	while (!iter->dead) {
		if (iter->claimed >= iter->max || !(iter->dirty || iter->next < map->blocks))
			return false;
		if (iter->dirty) {
			word = (iter->next - 1) * BITS_PER_LONG + __ffs(iter->dirty);
			iter->dirty &= iter->dirty - 1;
			iter->first = word * BITS_PER_LONG;
			iter->word = map->dead + word;
			iter->dead = READ_ONCE(*iter->word);
			cond_resched();
			continue;
		}
		word = BIT_WORD(iter->next);
		bits = READ_ONCE(map->summary[word]) & mask &
			(~0UL << (iter->next % BITS_PER_LONG));
		iter->next = word * BITS_PER_LONG + (bits ? __ffs(bits) + 1 : BITS_PER_LONG);
		if (!bits)
			continue;
		/* Full barriers: see the top of the file. */
		percpu_defer_perturb();
		test_and_clear_bit(__ffs(bits), map->summary + word);
		iter->dirty = xchg(map->dirty + iter->next - 1, 0);
		percpu_defer_perturb();
	}
	return true;
}
EXPORT_SYMBOL_GPL(percpu_defer_map_next_word);

static unsigned long percpu_defer_map_drain(struct percpu_defer_stripe *stripe,
					    unsigned long max, enum percpu_defer_drain how)
{
	struct percpu_defer_map *map = container_of(stripe->core, struct percpu_defer_map, core);
	struct percpu_defer_iter iter = {
		.map = map,
		.word = map->dead,
		.stripe = stripe,
		.max = max,
		.try = how == PERCPU_DEFER_TRY,
	};

	if (!percpu_defer_map_next_word(&iter))
		return 0;
	/* In test builds, let slots be allocated, filled and freed again meanwhile. */
	if (!iter.try)
		percpu_defer_perturb_sleep();
	map->drain(map, &iter);

	/* Mark the words that the drain left. */
	if (iter.offered | iter.dead)
		iter.dirty |= BIT_MASK(iter.word - map->dead);
	if (iter.dirty)
		percpu_defer_map_mark(map, iter.next - 1, iter.dirty);
	if (iter.next < map->blocks)
		percpu_defer_arm(&map->core);
	return iter.claimed;
}

static const struct percpu_defer_mode percpu_defer_map_mode = {
	.stripes = PERCPU_DEFER_STRIPES,
	.drain = percpu_defer_map_drain,
};

int __percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
			    unsigned long nr, unsigned int slots_per_lock,
			    percpu_defer_map_drain_t drain, struct lock_class_key *key)
{
	unsigned long words = BITS_TO_LONGS(nr), blocks = BITS_TO_LONGS(words);
	int err;

	/* percpu_defer_map_next_word() scans every eighth bit of a summary word. */
	BUILD_BUG_ON(PERCPU_DEFER_STRIPES != 8);
	if (WARN_ON_ONCE(!nr || nr > LONG_MAX || !is_power_of_2(slots_per_lock) ||
			 slots_per_lock > BITS_PER_LONG) ||
	    !percpu_defer_is_new(&map->core, name))
		return -EINVAL;
	map->dead = kvcalloc(words + blocks + BITS_TO_LONGS(blocks), sizeof(long),
			     GFP_KERNEL | __GFP_NOWARN);
	if (!map->dead)
		return -ENOMEM;
	map->dirty = map->dead + words;
	map->summary = map->dirty + blocks;
	map->blocks = blocks;
	map->align = -(unsigned long)slots_per_lock;
	map->group = ~0UL >> (BITS_PER_LONG - slots_per_lock);
	map->drain = drain;
	err = percpu_defer_core_init(&map->core, name, &percpu_defer_map_mode, key);
	if (err)
		kvfree(map->dead);
	else
		WRITE_ONCE(map->nr, nr);
	return err;
}
EXPORT_SYMBOL_GPL(__percpu_defer_map_init);

/**
 * percpu_defer_map_destroy - drain a map and free its resources
 * @map: the map
 *
 * The owner must stop its pushes first; a later push is refused with a warning. The map
 * must not be used in any other way afterwards.
 *
 * Context: as percpu_defer_drain_some(); may sleep for a grace period.
 */
void percpu_defer_map_destroy(struct percpu_defer_map *map)
{
	if (!percpu_defer_usable(&map->core))
		return;
	WRITE_ONCE(map->nr, 0);
	percpu_defer_core_destroy(&map->core);
	kvfree(map->dead);
}
EXPORT_SYMBOL_GPL(percpu_defer_map_destroy);

/* Slow path of percpu_defer_map_cancel(). */
bool __percpu_defer_map_cancel(struct percpu_defer_map *map, unsigned long index)
{
	if (WARN_ON_ONCE(index >= map->nr) ||
	    !test_and_clear_bit(index % BITS_PER_LONG, map->dead + BIT_WORD(index)))
		return false;
	percpu_defer_perturb();
	this_cpu_inc(map->core.count->cancelled);
	percpu_defer_sub(&map->core, 1);
	return true;
}
EXPORT_SYMBOL_GPL(__percpu_defer_map_cancel);

/* Finish a push that found the slot dead, or a level above it clear. Enable preemption. */
static noinline bool percpu_defer_map_finish(struct percpu_defer_map *map,
					     unsigned long word, bool again)
{
	percpu_defer_map_mark(map, BIT_WORD(word), BIT_MASK(word));
	percpu_defer_sub(&map->core, again);
	preempt_enable();
	return true;
}

static noinline bool percpu_defer_map_push_slow(struct percpu_defer_map *map,
						unsigned long first, unsigned long nr)
{
	unsigned long word = BIT_WORD(first), shift = first % BITS_PER_LONG;
	unsigned long again = 0, len, mask;
	struct percpu_defer_core *core = &map->core;

	/* An RCU read-side section: a flush that stops pushes waits for it. */
	guard(preempt)();
	if (READ_ONCE(core->state) != PERCPU_DEFER_ON)
		return percpu_defer_refuse(core, PERCPU_DEFER_REFUSED_OFF);
	if (WARN_ON_ONCE(!nr || nr > map->nr || first > map->nr - nr))
		return false;
	if (preempt_count() & (NMI_MASK | HARDIRQ_MASK))
		return percpu_defer_refuse(core, PERCPU_DEFER_REFUSED_CONTEXT);
	if (!percpu_defer_add(core, nr))
		return false;
	for (; nr; nr -= len, word++, shift = 0) {
		len = min(nr, BITS_PER_LONG - shift);
		mask = (~0UL >> (BITS_PER_LONG - len)) << shift;
		again += hweight_long(set_mask_bits(map->dead + word, 0, mask) & mask);
		percpu_defer_map_mark(map, BIT_WORD(word), BIT_MASK(word));
	}
	if (again)
		percpu_defer_sub(core, again);
	return true;
}

/**
 * percpu_defer_map_push - defer freeing the content of slots
 * @map: the map
 * @first: the first slot
 * @nr: number of slots, at least 1
 *
 * Mark the slots dead. A drain frees their content. A dead slot may be pushed again.
 * Allocates nothing. Disables preemption for the whole range. Warns if the range is empty
 * or not within the map.
 *
 * Context: as percpu_defer_push(), under the lock that keeps the slots from being
 * allocated again.
 * Return: true on success. False if the caller must free the content because the push is
 * refused: @map is disabled, its cap is reached, its drain is overdue, or the context or
 * the range is wrong.
 */
bool percpu_defer_map_push(struct percpu_defer_map *map, unsigned long first,
			   unsigned long nr)
{
	unsigned long word = BIT_WORD(first), block = BIT_WORD(word);
	struct percpu_defer_core *core = &map->core;
	bool again;

	/* Fast path, without function calls: a single slot with both levels above it set. */
	if (nr != 1)
		return percpu_defer_map_push_slow(map, first, nr);
	preempt_disable();
	if (first >= READ_ONCE(map->nr))
		goto slow;
	if (unlikely(this_cpu_inc_return(core->count->delta) >= READ_ONCE(core->batch) ||
		     preempt_count() & (NMI_MASK | HARDIRQ_MASK))) {
		this_cpu_dec(core->count->delta);
		goto slow;
	}
	again = test_and_set_bit(first % BITS_PER_LONG, map->dead + word);
	if (unlikely(again || !test_bit_acquire(word % BITS_PER_LONG, map->dirty + block) ||
		     !test_bit_acquire(block % BITS_PER_LONG, map->summary + BIT_WORD(block))))
		return percpu_defer_map_finish(map, word, again);
	preempt_enable();
	return true;
slow:
	preempt_enable();
	return percpu_defer_map_push_slow(map, first, nr);
}
EXPORT_SYMBOL_GPL(percpu_defer_map_push);
