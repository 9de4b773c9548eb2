// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct percpu_defer defer;
	struct percpu_defer_map map;
	struct xarray tree;
	spinlock_t lock;
	struct mutex mutex;
	int full;
};

void foo_locked(struct foo *foo)
{
	unsigned long flags;

	spin_lock(&foo->lock);
	percpu_defer_flush(&foo->defer.core);			/* want */
	spin_unlock(&foo->lock);
	percpu_defer_flush(&foo->defer.core);

	spin_lock_irqsave(&foo->lock, flags);
	if (foo->full)
		percpu_defer_reclaim(&foo->map.core, 64);	/* want */
	spin_unlock_irqrestore(&foo->lock, flags);

	spin_lock_bh(&foo->lock);
	percpu_defer_drain_some(64);				/* want */
	spin_unlock_bh(&foo->lock);

	xa_lock(&foo->tree);
	percpu_defer_set_enabled(&foo->defer.core, false);	/* want */
	xa_unlock(&foo->tree);
}

void foo_right(struct foo *foo)
{
	mutex_lock(&foo->mutex);
	percpu_defer_flush(&foo->defer.core);
	mutex_unlock(&foo->mutex);

	spin_lock(&foo->lock);
	while (foo->full) {
		spin_unlock(&foo->lock);
		percpu_defer_reclaim(&foo->defer.core, 64);
		spin_lock(&foo->lock);
	}
	spin_unlock(&foo->lock);
	percpu_defer_destroy(&foo->defer);
}
