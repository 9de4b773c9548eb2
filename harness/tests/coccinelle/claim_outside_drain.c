// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct bar {
	struct percpu_defer_map map;
	spinlock_t lock;
	void *slot[64];
};

static bool bar_claim(struct bar *bar, unsigned long i)
{
	if (!percpu_defer_map_claim(&bar->map, i))
		return false;
	kfree(bar->slot[i]);
	bar->slot[i] = NULL;
	return true;
}

static unsigned long bar_drain_range(struct bar *bar, unsigned long i, unsigned long nr)
{
	unsigned long claimed = 0;

	spin_lock(&bar->lock);
	for (; nr; nr--)
		claimed += bar_claim(bar, i++);
	spin_unlock(&bar->lock);
	return claimed;
}

static unsigned long bar_drain(struct percpu_defer_map *map,
			       const struct percpu_defer_range *range,
			       unsigned int nr, bool try)
{
	struct bar *bar = container_of(map, struct bar, map);
	unsigned long claimed = 0;

	for (; nr; nr--, range++) {
		claimed += bar_drain_range(bar, range->first, range->nr);
		if (percpu_defer_map_claim(map, 0))
			claimed++;
	}
	return claimed;
}

static bool bar_take_back(struct bar *bar, unsigned long i)
{
	return percpu_defer_map_claim(&bar->map, i);		/* want: map_claim -> map_cancel */
}

void bar_write(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->lock);
	if (bar_take_back(bar, i))
		kfree(bar->slot[i]);
	bar->slot[i] = content;
	spin_unlock(&bar->lock);
}

void bar_write_other(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->lock);
	if (percpu_defer_map_claim(&bar->map, i))		/* want: map_claim -> map_cancel */
		kfree(bar->slot[i]);
	bar->slot[i] = content;
	spin_unlock(&bar->lock);
}

void bar_write_right(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->lock);
	if (percpu_defer_map_cancel(&bar->map, i))
		kfree(bar->slot[i]);
	bar->slot[i] = content;
	spin_unlock(&bar->lock);
}

/* What was refused is not dead, so a drain would leave it. */
void bar_free(struct bar *bar, unsigned long i)
{
	if (!percpu_defer_map_push(&bar->map, i, 1))
		bar_drain_range(bar, i, 1);			/* want: no patch */
}

#define KUNIT_EXPECT_FALSE(test, condition)	((void)(test), (void)(condition))

void bar_test(void *test, struct bar *bar)
{
	KUNIT_EXPECT_FALSE(test, percpu_defer_map_claim(&bar->map, 0));
}

int bar_init(struct bar *bar)
{
	return percpu_defer_map_init(&bar->map, "bar", 64, bar_drain);
}
