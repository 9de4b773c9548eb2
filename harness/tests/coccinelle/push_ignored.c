// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	int id;
};

static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	for (; nr; nr--)
		kfree((void *)*obj++);
}

DEFINE_STATIC_PERCPU_DEFER(foo_defer, foo_drain);
DEFINE_PERCPU_DEFER_PUSH(foo_push, struct foo)

/* No push of ours. */
bool foo_stack_push(struct foo *foo);

static bool foo_hand_over(struct foo *foo)
{
	if (!foo)
		return true;
	return foo_push(&foo_defer, foo);
}

static int foo_count(struct foo *foo)
{
	if (!foo_push(&foo_defer, foo))
		kfree(foo);
	return 1;
}

void foo_leak(struct foo *foo, struct percpu_defer_map *map)
{
	percpu_defer_push(&foo_defer, (unsigned long)foo);	/* want */
	(void)percpu_defer_push(&foo_defer, (unsigned long)foo); /* want */
	percpu_defer_push_many(&foo_defer, (unsigned long *)foo, 4); /* want */
	percpu_defer_map_push(map, 0, 4);			/* want */
	foo_push(&foo_defer, foo);				/* want */
	foo_hand_over(foo);					/* want */
	foo_stack_push(foo);
	foo_count(foo);
}

void foo_stored(struct foo *foo)
{
	bool taken;

	taken = foo_push(&foo_defer, foo);			/* want */
	taken = foo_hand_over(foo);
	if (!taken)
		kfree(foo);
}

void foo_never_read(struct percpu_defer_map *map)
{
	bool taken __maybe_unused = percpu_defer_map_push(map, 0, 1); /* want */

	pr_info("pushed\n");
}

bool foo_tell(struct foo *foo)
{
	bool taken = foo_hand_over(foo);

	pr_info("pushed\n");
	return taken;
}

void foo_free(struct foo *foo, unsigned long *obj, unsigned int nr)
{
	unsigned int pushed = percpu_defer_push_many(&foo_defer, obj, nr);

	for (; pushed < nr; pushed++)
		kfree((void *)obj[pushed]);
	if (!foo_push(&foo_defer, foo))
		kfree(foo);
	while (nr && percpu_defer_push(&foo_defer, obj[nr - 1]))
		nr--;
}
