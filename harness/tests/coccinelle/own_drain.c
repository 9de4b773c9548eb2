// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct pool {
	struct percpu_defer defer;
	struct percpu_defer_map map;
	struct percpu_defer_map *other;
};

static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	for (; nr; nr--, obj++)
		if (!percpu_defer_push(pd, *obj))		/* want */
			kfree((void *)*obj);
	percpu_defer_flush(&pd->core);				/* want */
}

/* A drain may push to another instance, or flush it. */
static void pool_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	struct pool *pool = container_of(pd, struct pool, defer);

	for (; nr; nr--, obj++)
		if (!percpu_defer_map_push(&pool->map, *obj, 1) &&
		    !percpu_defer_push(&pool->defer, *obj))	/* want */
			kfree((void *)*obj);
	percpu_defer_flush(&pool->map.core);
	percpu_defer_set_enabled(&pool->defer.core, false);	/* want */
}

static void pool_drain_slots(struct percpu_defer_map *map, struct percpu_defer_iter *iter)
{
	unsigned long i;

	while (percpu_defer_map_next(iter, &i))
		if (percpu_defer_map_claim(iter))
			take(i);
	percpu_defer_map_destroy(map);				/* want */
}

/* This function is not a drain, so it may push and flush. */
void pool_free(struct percpu_defer *pd, unsigned long obj)
{
	if (!percpu_defer_push(pd, obj))
		percpu_defer_flush(&pd->core);
}

int pool_init(struct pool *pool, struct percpu_defer *foo)
{
	return percpu_defer_init(&pool->defer, "pool", pool_drain) ?:
	       percpu_defer_init(foo, "foo", foo_drain) ?:
	       percpu_defer_map_init(&pool->map, "slots", 64, 1, pool_drain_slots);
}
