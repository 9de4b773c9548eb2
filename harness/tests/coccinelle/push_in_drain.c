// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct foo *parent;
	int users;
};

struct pool {
	struct percpu_defer defer;
	struct percpu_defer_map map;
};

static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr);
DEFINE_STATIC_PERCPU_DEFER(foo_defer, foo_drain);
DEFINE_PERCPU_DEFER_PUSH(foo_push, struct foo)

static void other_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr);
DEFINE_STATIC_PERCPU_DEFER(other_defer, other_drain);

/* Called from the drain, and by others. */
static void foo_put(struct foo *foo)
{
	if (--foo->users)
		return;
	if (!foo_push(&foo_defer, foo))				/* want */
		kfree(foo);
}

static void foo_release(struct foo *foo)
{
	if (foo->parent)
		foo_put(foo->parent);
	kfree(foo);
}

static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	unsigned int left = 0, i;

	for (i = 0; i < nr; i++) {
		struct foo *foo = (struct foo *)obj[i];

		if (foo->users)
			obj[left++] = obj[i];
		else
			foo_release(foo);
	}
	/* Try again later? */
	if (percpu_defer_push_many(pd, obj, left) < left)	/* want */
		pr_info("lost\n");
}

/* Of one instance to another. */
static void other_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	for (; nr; nr--, obj++)
		if (!percpu_defer_push(&foo_defer, *obj))
			foo_release((struct foo *)*obj);
}

static void pool_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	struct pool *pool = container_of(pd, struct pool, defer);

	for (; nr; nr--, obj++)
		if (!percpu_defer_map_push(&pool->map, *obj, 1) &&
		    !percpu_defer_push(&pool->defer, *obj))	/* want */
			kfree((void *)*obj);
}

static unsigned long pool_drain_slots(struct percpu_defer_map *map,
				      const struct percpu_defer_range *range,
				      unsigned int nr, bool try)
{
	if (percpu_defer_map_push(map, range->first, 1))	/* want */
		nr--;
	return nr;
}

void foo_free(struct foo *foo)
{
	if (!foo_push(&foo_defer, foo))
		foo_release(foo);
}

int pool_init(struct pool *pool)
{
	return percpu_defer_init(&pool->defer, "pool", pool_drain) ?:
	       percpu_defer_map_init(&pool->map, "slots", 64, pool_drain_slots);
}
