// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct percpu_defer defer;
	struct timer_list timer;
	spinlock_t lock;
	int full;
};

struct foo foos[4];

/* The only guard ends before. */
void foo_guarded(struct foo *foo)
{
	if (foo->full) {
		guard(spinlock)(&foo->lock);
		foo->full = 0;
	}
	percpu_defer_help(&foo->defer, 64);
}

void foo_scoped(struct foo *foo)
{
	scoped_guard(spinlock, &foo->lock) {
		percpu_defer_help(&foo->defer, 64);		/* want */
	}
}

static void foo_timeout(struct timer_list *timer)
{
	percpu_defer_flush(&foos[0].defer);			/* want */
}

void foo_init(struct foo *foo)
{
	timer_setup(&foo->timer, foo_timeout, 0);
}
