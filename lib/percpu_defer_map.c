// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_defer, index mode: free what numbered slots hold.
 *
 * The dead bits are the truth; the dirty bits only say where to look. A push sets a
 * dead bit, and then the dirty bit of the word that it is in; a drain clears the dirty
 * bit, and then looks at the word. So a death that a drain does not see leaves a dirty
 * bit for the next one. What a drain sees may have been taken back, or drained, when
 * it comes to it: percpu_defer_map_claim() decides.
 *
 * That way there is nothing to run out of, whatever the pattern, and slots that died
 * one by one, in no order, come to the owner's drain side by side.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/export.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "percpu_defer.h"

/* BITS_TO_LONGS() overflows near ULONG_MAX; too much is no bug of ours. */
static unsigned long percpu_defer_map_words(unsigned long nr)
{
	return BIT_WORD(nr - 1) + 1;
}

/* What was read from the dead bits, and has yet to be given to the owner's drain. */
struct percpu_defer_sweep {
	struct percpu_defer_map *map;
	bool try;
	unsigned long drained;		/* slots, so far */
	unsigned long found;		/* slots in @range */
	unsigned int nr;		/* of @range */
	unsigned int max;
	struct percpu_defer_range *range;
	struct percpu_defer_range few[16];
	struct percpu_defer_buf *buf;	/* where @range is, unless in @few */
};

static void percpu_defer_sweep_begin(struct percpu_defer_sweep *sweep,
				     struct percpu_defer_map *map, bool try)
{
	sweep->map = map;
	sweep->try = try;
	sweep->drained = 0;
	sweep->found = 0;
	sweep->nr = 0;
	/* The more the owner sees at once, the better it can free in bulk. */
	sweep->buf = percpu_defer_get_buf();
	if (sweep->buf) {
		sweep->range = (struct percpu_defer_range *)sweep->buf->word;
		sweep->max = PERCPU_DEFER_WORDS * sizeof(long) / sizeof(*sweep->range);
	} else {
		sweep->range = sweep->few;
		sweep->max = ARRAY_SIZE(sweep->few);
	}
}

static void percpu_defer_sweep_drain(struct percpu_defer_sweep *sweep)
{
	/* Long enough for slots to be handed out, filled and freed again. */
	if (sweep->nr && !sweep->try)
		percpu_defer_perturb_sleep();
	if (sweep->nr)
		sweep->drained += sweep->map->drain(sweep->map, sweep->range,
						    sweep->nr, sweep->try);
	sweep->found = 0;
	sweep->nr = 0;
}

/* How many slots are drained, or about to be. */
static unsigned long percpu_defer_sweep_done(const struct percpu_defer_sweep *sweep)
{
	return sweep->drained + sweep->found;
}

/* Returns how many slots were drained. */
static unsigned long percpu_defer_sweep_end(struct percpu_defer_sweep *sweep)
{
	percpu_defer_sweep_drain(sweep);
	if (sweep->buf)
		percpu_defer_put_buf(sweep->buf);
	return sweep->drained;
}

/* Finds what is dead in a word. */
static void percpu_defer_sweep_word(struct percpu_defer_sweep *sweep,
				    unsigned long word)
{
	unsigned long dead = READ_ONCE(sweep->map->dead[word]), start, end;

	for_each_set_bitrange(start, end, &dead, BITS_PER_LONG) {
		unsigned long first = word * BITS_PER_LONG + start;
		struct percpu_defer_range *last = sweep->range + sweep->nr - 1;

		sweep->found += end - start;
		if (sweep->nr && last->first + last->nr == first) {
			last->nr += end - start;
			continue;
		}
		if (sweep->nr == sweep->max)
			percpu_defer_sweep_drain(sweep);
		sweep->range[sweep->nr].first = first;
		sweep->range[sweep->nr].nr = end - start;
		sweep->nr++;
	}
}

/*
 * Drains what is dead from word *@from of the dirty bits on, until that is @max or
 * all there is. Each of these words goes to one drain, so that several share the work.
 * Who only tries may leave something, so he leaves the dirty bits, too.
 */
static unsigned long percpu_defer_map_scan(struct percpu_defer *pd, unsigned long *from,
					   unsigned long max, bool try)
{
	struct percpu_defer_map *map = container_of(pd, struct percpu_defer_map, defer);
	unsigned long end = BITS_TO_LONGS(percpu_defer_map_words(map->nr));
	struct percpu_defer_sweep sweep;
	unsigned long dirty, bit;

	percpu_defer_sweep_begin(&sweep, map, try);
	for (; *from < end && percpu_defer_sweep_done(&sweep) < max; (*from)++) {
		dirty = READ_ONCE(map->dirty[*from]);
		if (!dirty)
			continue;
		/* And then the look at the dead bits: see percpu_defer_map_mark(). */
		percpu_defer_perturb();
		if (!try)
			dirty = xchg(&map->dirty[*from], 0);
		percpu_defer_perturb();
		for_each_set_bit(bit, &dirty, BITS_PER_LONG) {
			if (try && percpu_defer_sweep_done(&sweep) >= max)
				break;
			percpu_defer_sweep_word(&sweep, *from * BITS_PER_LONG + bit);
		}
	}
	if (*from == end)
		*from = PERCPU_DEFER_SCANNED;
	return percpu_defer_sweep_end(&sweep);
}

static void percpu_defer_map_free(struct percpu_defer_map *map)
{
	kvfree(map->dead);
	kvfree(map->dirty);
	map->dead = NULL;
	map->dirty = NULL;
}

int __percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
			    unsigned long nr, percpu_defer_map_drain_t drain,
			    struct lock_class_key *key)
{
	unsigned long words = percpu_defer_map_words(nr);
	int err;

	if (!nr)
		return -EINVAL;

	map->nr = nr;
	map->drain = drain;
	map->dead = kvcalloc(words, sizeof(long), GFP_KERNEL | __GFP_NOWARN);
	map->dirty = kvcalloc(BITS_TO_LONGS(words), sizeof(long),
			      GFP_KERNEL | __GFP_NOWARN);
	err = -ENOMEM;
	if (map->dead && map->dirty)
		err = percpu_defer_core_init(&map->defer, name, NULL,
					     percpu_defer_map_scan, key);
	if (err)
		percpu_defer_map_free(map);
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
	percpu_defer_map_free(map);
}
EXPORT_SYMBOL_GPL(percpu_defer_map_destroy);

/*
 * A word has got dead bits, by an atomic operation that returned something: a full
 * barrier before this look at the dirty bit, which pairs with that of the xchg() in
 * percpu_defer_map_scan(). If the bit is set, the drain that clears it sees the death.
 */
static void percpu_defer_map_mark(struct percpu_defer_map *map, unsigned long word)
{
	unsigned long *dirty = map->dirty + BIT_WORD(word);

	percpu_defer_perturb();
	if (!test_bit(word % BITS_PER_LONG, dirty))
		set_bit(word % BITS_PER_LONG, dirty);
}

/* Sets the dead bits of a range. Returns how many were not set before. */
static unsigned long percpu_defer_map_kill(struct percpu_defer_map *map,
					   unsigned long first, unsigned long nr)
{
	unsigned long word = BIT_WORD(first), start = first % BITS_PER_LONG;
	unsigned long died = 0;

	/* Most of the time, where memory was reclaimed page by page. */
	if (nr == 1) {
		died = !test_and_set_bit(start, map->dead + word);
		percpu_defer_map_mark(map, word);
		return died;
	}

	for (; nr; word++, start = 0) {
		unsigned long len = min(nr, BITS_PER_LONG - start);
		unsigned long mask = GENMASK(start + len - 1, start);

		died += hweight_long(mask & ~set_mask_bits(map->dead + word, 0, mask));
		percpu_defer_map_mark(map, word);
		nr -= len;
	}
	return died;
}

/**
 * percpu_defer_map_push - defer freeing the content of some slots
 * @map: the map
 * @first: the first index
 * @nr: how many
 *
 * Marks the slots dead and leaves their content to a drain. An index that is
 * dead already may be pushed again. Takes no memory.
 *
 * Context: as percpu_defer_push(), under the lock that keeps the indices from being
 * allocated anew.
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
	/* Before the bits are set, so that pending >= number of dead slots. */
	percpu_counter_add_batch(&pd->pending, nr, READ_ONCE(pd->batch));
	/* data_race(): an estimate is enough, and percpu_counter writes are plain. */
	if (unlikely(data_race(percpu_counter_read_positive(&pd->pending)) >
		     READ_ONCE(pd->cap))) {
		percpu_counter_add_batch(&pd->pending, -(s64)nr, READ_ONCE(pd->batch));
		return percpu_defer_refuse(pd, PERCPU_DEFER_CAP);
	}

	percpu_defer_perturb();
	died = percpu_defer_map_kill(map, first, nr);
	percpu_defer_perturb();
	if (died != nr)
		percpu_counter_add_batch(&pd->pending, (s64)died - (s64)nr,
					 READ_ONCE(pd->batch));
	this_cpu_add(pd->cpu->stat[PERCPU_DEFER_PUSHED], died);
	/* After the bits: a drain that disarms this CPU sees them. */
	if (!this_cpu_read(pd->cpu->armed))
		percpu_defer_arm(pd);
	return true;
}
EXPORT_SYMBOL_GPL(percpu_defer_map_push);
