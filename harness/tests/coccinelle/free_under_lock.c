// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct list_head list;
	void *data;
	int users;
};

struct pool {
	spinlock_t lock, other;
	rwlock_t tree;
	struct list_head foos;
	struct foo *slot[64];
	struct xarray tags;
	struct mutex mutex;
};

static struct kmem_cache *foo_cache;

static void foo_free(struct foo *foo)
{
	kfree(foo->data);
	kmem_cache_free(foo_cache, foo);
}

static void foo_put_unlocked(struct pool *pool, struct foo *foo)
{
	spin_unlock(&pool->lock);
	kfree(foo);
	spin_lock(&pool->lock);
}

/* Takes what it is given, whatever its name. */
static void foo_release_note(struct foo *foo)
{
	pr_info("released\n");
}

void pool_empty(struct pool *pool)
{
	struct foo *foo, *next;
	unsigned long flags;
	int i;

	spin_lock(&pool->lock);
	list_for_each_entry_safe(foo, next, &pool->foos, list) {
		list_del(&foo->list);
		kfree(foo->data);				/* want */
		foo_free(foo);					/* want */
	}
	spin_unlock(&pool->lock);

	spin_lock_irqsave(&pool->lock, flags);
	for (i = 0; i < 64; i++)
		kfree(pool->slot[i]);				/* want */
	spin_unlock_irqrestore(&pool->lock, flags);

	write_lock_bh(&pool->tree);
	do {
		put_page(pool->slot[--i]->data);		/* want */
	} while (i);
	write_unlock_bh(&pool->tree);

	xa_lock(&pool->tags);
	for (i = 0; i < 64; i++)
		kfree(pool->slot[i]);				/* want */
	xa_unlock(&pool->tags);

	i = 0;
	raw_spin_lock(&pool->other);
	while (i < 64) {
		if (pool->slot[i]->users)
			__free_page(pool->slot[i]->data);	/* want */
		i++;
	}
	raw_spin_unlock(&pool->other);
}

void pool_empty_guarded(struct pool *pool)
{
	int i;

	scoped_guard(spinlock_bh, &pool->lock) {
		for (i = 0; i < 64; i++)
			foo_free(pool->slot[i]);		/* want */
		kfree(pool->slot[0]);
	}
	for (i = 0; i < 64; i++)
		kfree(pool->slot[i]);
	if (pool->slot[0]) {
		guard(spinlock)(&pool->lock);
		for (i = 0; i < 64; i++)
			kfree(pool->slot[i]);			/* want */
	}
	for (i = 0; i < 64; i++)
		kfree(pool->slot[i]);
}

void pool_guard_each(struct pool *pool)
{
	int i, j;

	for (i = 0; i < 64; i++) {
		guard(spinlock)(&pool->lock);
		kfree(pool->slot[i]);
	}
	for (i = 0; i < 64; i++) {
		if (pool->slot[i]) {
			guard(spinlock)(&pool->lock);
			pool->slot[i]->users = 0;
		}
		for (j = 0; j < 64; j++)
			kfree(pool->slot[j]);
	}
	for (i = 0; i < 64; i++)
		scoped_guard(spinlock, &pool->lock) {
			kfree(pool->slot[i]);
		}
}

/* Each under a lock of its own, or with none. */
void pool_right(struct pool *pool)
{
	struct foo *foo, *next;
	LIST_HEAD(dead);
	int i;

	for (i = 0; i < 64; i++) {
		spin_lock(&pool->lock);
		foo_free(pool->slot[i]);
		spin_unlock(&pool->lock);
	}

	spin_lock(&pool->lock);
	list_splice_init(&pool->foos, &dead);
	kfree(pool->slot[0]);
	spin_unlock(&pool->lock);
	list_for_each_entry_safe(foo, next, &dead, list)
		foo_free(foo);

	spin_lock(&pool->lock);
	while (i--) {
		foo_release_note(pool->slot[i]);
		foo_put_unlocked(pool, pool->slot[i]);
	}
	for (i = 0; i < 64; i++) {
		spin_unlock(&pool->lock);
		kfree(pool->slot[i]);
		spin_lock(&pool->lock);
	}
	spin_unlock(&pool->lock);

	mutex_lock(&pool->mutex);
	for (i = 0; i < 64; i++)
		kfree(pool->slot[i]);
	mutex_unlock(&pool->mutex);
}

void pool_shrink(struct pool *pool)
{
	int i;

	for (i = 0; i < 64; i++) {
		spin_lock(&pool->lock);
		while (pool->slot[i]->users--)
			put_page(pool->slot[i]->data);		/* want */
		spin_unlock(&pool->lock);
	}
}
