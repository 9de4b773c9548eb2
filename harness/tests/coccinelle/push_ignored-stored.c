// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

/* No push of ours. */
bool foo_push(void *foo);

void foo_free(struct percpu_defer *pd, void *foo)
{
	bool taken __maybe_unused;

	taken = percpu_defer_push(pd, (unsigned long)foo);	/* want */
	foo_push(foo);
}
