// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct pool {
	struct percpu_defer defer;
	struct percpu_defer_map map;
	unsigned long used, limit;
};

static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr);
DEFINE_STATIC_PERCPU_DEFER(foo_defer, foo_drain);

static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	for (; nr; nr--)
		kfree((void *)*obj++);
	percpu_defer_set_enabled(pd, true);
	percpu_defer_set_enabled(pd, false);			/* want */
}

/* A drain may flush another instance. */
static void pool_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	for (; nr; nr--)
		kfree((void *)*obj++);
	percpu_defer_flush(&foo_defer);
}

static void pool_limit(struct pool *pool)
{
	if (pool->used > pool->limit)
		percpu_defer_help(&pool->map.defer, 64);	/* want */
	percpu_defer_flush(&foo_defer);
	percpu_defer_flush(&pool->map.defer);			/* want */
	percpu_defer_flush_all();				/* want */
}

static unsigned long pool_drain_slots(struct percpu_defer_map *map,
				      const struct percpu_defer_range *range,
				      unsigned int nr, bool try)
{
	struct pool *pool = container_of(map, struct pool, map);

	pool_limit(pool);
	if (!pool->used)
		percpu_defer_map_destroy(map);			/* want */
	return nr;
}

void pool_exit(struct pool *pool)
{
	percpu_defer_flush_all();
	percpu_defer_destroy(&pool->defer);
	percpu_defer_map_destroy(&pool->map);
	percpu_defer_set_enabled(&foo_defer, false);
}

int pool_init(struct pool *pool)
{
	return percpu_defer_init(&pool->defer, "pool", pool_drain) ?:
	       percpu_defer_map_init(&pool->map, "slots", 64, pool_drain_slots);
}
