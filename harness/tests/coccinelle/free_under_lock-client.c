// SPDX-License-Identifier: GPL-2.0
#include <linux/percpu_defer.h>

static struct percpu_defer foo_defer;
static spinlock_t lock;

void foo_free(void **foo, unsigned int nr)
{
	spin_lock(&lock);
	for (; nr; nr--, foo++)
		if (!percpu_defer_push(&foo_defer, (unsigned long)*foo))
			kfree(*foo);
	spin_unlock(&lock);
}
