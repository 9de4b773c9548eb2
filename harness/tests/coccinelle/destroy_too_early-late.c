// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct percpu_defer defer;
	struct timer_list timer;
};

static void foo_timeout(struct timer_list *timer)
{
	struct foo *foo = container_of(timer, struct foo, timer);

	if (!percpu_defer_push(&foo->defer, 1))
		pr_info("full\n");
}

void foo_init(struct foo *foo)
{
	timer_setup(&foo->timer, foo_timeout, 0);
}

/* What is called later does not push. */
void foo_exit(struct foo *foo)
{
	percpu_defer_destroy(&foo->defer);
	timer_delete_sync(&foo->timer);				/* want */
	kfree(foo);
}
