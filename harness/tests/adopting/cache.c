// SPDX-License-Identifier: GPL-2.0
#include <linux/list.h>
#include <linux/slab.h>

struct bar {
	struct bar *next;
	int users;
};

static struct bar *bars;
static struct kmem_cache *bar_cache, *other_cache;

void bar_clear(bool unused)
{
	struct bar *bar;

	while ((bar = bars)) {
		bars = bar->next;
		if (bar->users || unused)
			kmem_cache_free(bar_cache, bar);
		else
			kmem_cache_free(other_cache, bar);
	}
}

int bar_init(bool empty)
{
	bar_cache = KMEM_CACHE(bar, 0);
	if (empty)
		return 0;
	bars = kzalloc(sizeof(*bars), GFP_KERNEL);
	return 0;
}

void bar_exit(void)
{
	bar_clear(true);
}
