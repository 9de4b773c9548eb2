// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct bar {
	struct percpu_defer_map map;
	spinlock_t lock;
	void *array[64];
};

unsigned long bar_drain(struct percpu_defer_map *map,
			const struct percpu_defer_range *range,
			unsigned int nr, bool try)
{
	struct bar *bar = container_of(map, struct bar, map);
	unsigned long claimed;

	spin_lock(&bar->lock);
	claimed = percpu_defer_map_claim(map, range->first);
	spin_unlock(&bar->lock);
	return claimed;
}

void bar_write(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->lock);
	bar->array[i] = content;
	spin_unlock(&bar->lock);
}

void bar_free(struct bar *bar, unsigned long i)
{
	if (percpu_defer_map_push(&bar->map, i, 1))		/* want */
		return;
	spin_lock(&bar->lock);
	kfree(bar->array[i]);
	spin_unlock(&bar->lock);
}
