// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <linux/percpu_defer.h>

struct foo {
	struct list_head list;
	void *data;
	int users;
};

static LIST_HEAD(foos);
static spinlock_t foo_lock;
static struct kmem_cache *foo_cache;

static void foo_free(struct foo *foo)
{
	kfree(foo->data);
	kmem_cache_free(foo_cache, foo);
}

static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	unsigned int i;

	/* Locks that each of them takes can be taken once for all, here. */
	for (i = 0; i < nr; i++)
		foo_free((void *)obj[i]);
}

DEFINE_STATIC_PERCPU_DEFER(foo_defer, foo_drain);

/* Many at once, under a lock that others want. */
void foo_clear(bool all)
{
	struct foo *foo, *next;

	spin_lock(&foo_lock);
	list_for_each_entry_safe(foo, next, &foos, list) {
		if (!all && foo->users) {
			foo->users--;
		} else {
			list_del(&foo->list);
			if (!percpu_defer_push(&foo_defer, (unsigned long)foo))
				foo_free(foo);
		}
	}
	spin_unlock(&foo_lock);
}

/* One only. */
void foo_drop(struct foo *foo)
{
	spin_lock(&foo_lock);
	list_del(&foo->list);
	spin_unlock(&foo_lock);
	foo_free(foo);
}

int __init foo_init(void)
{
	foo_cache = KMEM_CACHE(foo, 0);
	if (!foo_cache)
		return -ENOMEM;
	return percpu_defer_start(&foo_defer);
}

void __exit foo_exit(void)
{
	foo_clear(true);
	percpu_defer_destroy(&foo_defer);
	kmem_cache_destroy(foo_cache);
}
