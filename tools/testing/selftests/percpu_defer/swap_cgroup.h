/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that the kernel swaps out because of a cgroup v2 limit or memory.reclaim. */
#ifndef SWAP_CGROUP_H
#define SWAP_CGROUP_H

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "swap_pages.h"

#define RECLAIM_TRIES	20

static inline bool write_cgroup(const char *cgroup, const char *name, const char *text)
{
	char path[256];
	bool good;
	int file;

	snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	file = open(path, O_WRONLY);
	if (file < 0)
		err(1, "%s", path);
	good = write(file, text, strlen(text)) == (ssize_t)strlen(text);
	close(file);
	return good;
}

static inline void join_cgroup(const char *cgroup)
{
	if (!write_cgroup(cgroup, "cgroup.procs", "0"))
		err(1, "cannot enter %s", cgroup);
}

/* Write to a random page, @pages times; @seed selects the pages. */
static inline void touch_at_random(char *memory, size_t pages, uint64_t seed)
{
	size_t i;

	for (i = 0; i < pages; i++)
		memory[mix(seed + i) % pages * page_size()]++;
}

/* Have the kernel reclaim until about @total bytes of this process are in swap. */
static inline void reclaim_until(const char *cgroup, size_t total)
{
	char amount[64];
	int tries;

	/* Retry: reclaim may stop early, or take memory of other processes in the cgroup. */
	for (tries = 0; swapped_bytes() < total && tries < RECLAIM_TRIES; tries++) {
		snprintf(amount, sizeof(amount), "%zu swappiness=max",
			 total - swapped_bytes());
		write_cgroup(cgroup, "memory.reclaim", amount);
	}
}

#endif
