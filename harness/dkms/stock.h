/* SPDX-License-Identifier: GPL-2.0 */
/* Bulk free for zram on a stock kernel, whose built-in zsmalloc lacks it. */
#ifndef PERCPU_DEFER_STOCK_H
#define PERCPU_DEFER_STOCK_H

#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/zsmalloc.h>

#define ZS_BULK_MIN	8
#define ZS_BULK_MAX	1024

static inline void zs_free_bulk(struct zs_pool *pool, unsigned long *handles, unsigned int nr)
{
	while (nr--)
		zs_free(pool, *handles++);
}

/* DKMS does not replace a module with a module of the same version. */
MODULE_VERSION(PERCPU_DEFER_VERSION);

#endif
