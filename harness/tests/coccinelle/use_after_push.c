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

static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	for (; nr; nr--)
		kfree((void *)*obj++);
}

DEFINE_STATIC_PERCPU_DEFER(foo_defer, foo_drain);
DEFINE_PERCPU_DEFER_PUSH(foo_push, struct foo)

size_t foo_free_size(struct foo *foo)
{
	if (!foo_push(&foo_defer, foo))
		kfree(foo);
	return foo->size;					/* want */
}

size_t foo_free_size_right(struct foo *foo)
{
	size_t size = foo->size;

	if (!foo_push(&foo_defer, foo)) {
		size += foo->size;
		kfree(foo);
	}
	pr_info("freed %p\n", foo);
	return size + sizeof(foo->size);
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

void pool_free_right(struct pool *pool, struct foo *foo)
{
	pool->used -= foo->size;
	if (percpu_defer_push(&pool->defer, (unsigned long)foo)) {
		foo = NULL;
		return;
	}
	kfree(foo);
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

void pool_free_list(struct pool *pool, struct list_head *list)
{
	struct foo *foo, *next;

	list_for_each_entry(foo, list, list) {			/* want: it goes on with foo */
		pool->used -= foo->size;
		if (!percpu_defer_push(&pool->defer, (unsigned long)foo))
			kfree(foo);
	}
	list_for_each_entry_safe(foo, next, list, list) {
		list_del(&foo->list);
		if (!percpu_defer_push(&pool->defer, (unsigned long)foo))
			kfree(foo);
	}
}

void pool_free_one(struct pool *pool, struct list_head *list)
{
	struct foo *foo;

	list_for_each_entry(foo, list, list) {
		list_del(&foo->list);
		if (!percpu_defer_push(&pool->defer, (unsigned long)foo))
			kfree(foo);
		break;
	}
}

void pool_free_array(struct pool *pool, struct foo **foo, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!percpu_defer_push(&pool->defer, (unsigned long)foo[i]))
			kfree(foo[i]);
	for (i = 0; i < nr; i++) {
		if (!percpu_defer_push(&pool->defer, (unsigned long)foo[i]))
			kfree(foo[i]);
		foo[i]->next = NULL;				/* want */
	}
}
