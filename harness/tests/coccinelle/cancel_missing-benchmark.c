// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

/* No lock, no content: nothing to cancel, and nothing to report. */
unsigned long bench_drain(struct percpu_defer_map *map,
			  const struct percpu_defer_range *range,
			  unsigned int nr, bool try)
{
	return percpu_defer_map_claim(map, range->first);
}

bool bench_push(struct percpu_defer_map *map)
{
	return percpu_defer_map_push(map, 0, 1);
}
