// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct list_head list;
	struct foo *next;
	size_t size;
};

struct pool {
	struct percpu_defer defer;
	size_t used;
};

size_t foo_free_size(struct pool *pool, struct foo *foo)
{
	if (!percpu_defer_push(&pool->defer, (unsigned long)foo))
		kfree(foo);
	return foo->size;					/* want */
}

size_t foo_free_size_right(struct pool *pool, struct foo *foo)
{
	size_t size = foo->size;

	if (!percpu_defer_push(&pool->defer, (unsigned long)foo)) {
		size += foo->size;
		kfree(foo);
	}
	return size + sizeof(*foo);
}

void pool_free(struct pool *pool, struct foo *foo)
{
	if (percpu_defer_push(&pool->defer, (unsigned long)foo)) {
		pool->used -= foo->size;			/* want */
		return;
	}
	pool->used -= foo->size;
	kfree(foo);
}

void pool_free_twice(struct pool *pool, struct foo *foo)
{
	if (!percpu_defer_push(&pool->defer, (unsigned long)foo))
		pr_info("full\n");
	kfree(foo);						/* want */
}

void pool_free_chain(struct pool *pool, struct foo *foo)
{
	while (foo) {
		if (!percpu_defer_push(&pool->defer, (unsigned long)foo))
			kfree(foo);
		foo = foo->next;				/* want */
	}
}

void pool_free_chain_right(struct pool *pool, struct foo *foo)
{
	struct foo *next;

	for (; foo; foo = next) {
		next = foo->next;
		if (!percpu_defer_push(&pool->defer, (unsigned long)foo))
			kfree(foo);
	}
}
