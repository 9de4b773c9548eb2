// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

/* What it flushes by name is another instance. */
static void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
{
	percpu_defer_flush((struct percpu_defer *)*obj);
	percpu_defer_flush_all();				/* want */
}

DEFINE_STATIC_PERCPU_DEFER(foo_defer, foo_drain);

int foo_init(void)
{
	return percpu_defer_start(&foo_defer);
}
