/* SPDX-License-Identifier: GPL-2.0 */
/* How much memory compressed swap takes, how much is free, and how to watch that. */
#ifndef SWAP_POOL_H
#define SWAP_POOL_H

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "swap_measure.h"

/* Of mm_stat of a zram device its mem_used_total, of another file the only number. */
static inline unsigned long long pool_bytes(const char *path)
{
	const char *name = strrchr(path, '/');
	int i, number = name && !strcmp(name, "/mm_stat") ? 3 : 1;
	unsigned long long bytes = 0;
	FILE *file = fopen(path, "r");

	if (!file)
		err(1, "%s", path);
	for (i = 0; i < number; i++)
		if (fscanf(file, "%llu", &bytes) != 1)
			errx(1, "%s has no %d numbers", path, number);
	fclose(file);
	return bytes;
}

/*
 * MemFree, and what is free on the lists of CPUs. There may be many megabytes of that
 * when much was freed at once, and MemFree does not tell of them.
 */
static inline unsigned long long free_bytes(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	unsigned long long pages = 0, number;
	char line[128];

	if (!file)
		err(1, "/proc/zoneinfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " nr_free_pages %llu", &number) == 1 ||
		    sscanf(line, " count: %llu", &number) == 1)
			pages += number;
	fclose(file);
	return pages * page_size();
}

/* Longer than a drain takes. */
#define SETTLE_US	100000

/*
 * Wait until the pool stops shrinking, so that the next try starts at rest. It need not be
 * as small as before: other processes, and files of the root file system, may have been
 * swapped out when memory was short.
 */
static inline void settle(const char *path)
{
	unsigned long long before, stored = first_number(path);

	do {
		before = stored;
		usleep(SETTLE_US);
		stored = first_number(path);
	} while (stored < before);
}

/* Sleeps until the next millisecond after @time that is not over, and sets @time to it. */
static inline void await_tick(uint64_t *time)
{
	struct timespec until;
	uint64_t passed = now(CLOCK_MONOTONIC);

	do {
		*time += 1000000;
	} while (*time <= passed);
	until.tv_sec = *time / 1000000000;
	until.tv_nsec = *time % 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static inline void write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY);

	if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text))
		err(1, "cannot write to %s", path);
	close(file);
}

#endif
