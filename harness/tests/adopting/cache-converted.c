// SPDX-License-Identifier: GPL-2.0
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/percpu_defer.h>

struct bar {
	struct bar *next;
	int users;
};

static struct bar *bars;
static struct kmem_cache *bar_cache, *other_cache;

static void bar_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	kmem_cache_free_bulk(bar_cache, nr, (void **)obj);
}

DEFINE_STATIC_PERCPU_DEFER(bar_defer, bar_drain);

void bar_clear(bool unused)
{
	struct bar *bar;

	while ((bar = bars)) {
		bars = bar->next;
		if (bar->users || unused) {
			if (!percpu_defer_push(&bar_defer, (unsigned long)bar))
				kmem_cache_free(bar_cache, bar);
		}
		else
			kmem_cache_free(other_cache, bar);
	}
}

int bar_init(bool empty)
{
	bar_cache = KMEM_CACHE(bar, 0);
	if (empty)
		return percpu_defer_start(&bar_defer);
	bars = kzalloc(sizeof(*bars), GFP_KERNEL);
	return percpu_defer_start(&bar_defer);
}

void bar_exit(void)
{
	bar_clear(true);
	percpu_defer_destroy(&bar_defer);
}
