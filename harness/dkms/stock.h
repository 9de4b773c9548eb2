/* SPDX-License-Identifier: GPL-2.0 */
/* What zram needs and the zsmalloc of a stock kernel, which is built in, does not have. */
#ifndef PERCPU_DEFER_STOCK_H
#define PERCPU_DEFER_STOCK_H

#include <linux/atomic.h>
#include <linux/zsmalloc.h>

#define ZS_BULK_MIN	8
#define ZS_BULK_MAX	1024

static inline void zs_free_bulk(struct zs_pool *pool, unsigned long *handles, unsigned int nr)
{
	while (nr--)
		zs_free(pool, *handles++);
}

#endif
