/* SPDX-License-Identifier: GPL-2.0 */
/* Memory used by compressed swap, free memory, and helpers to sample both. */
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

/* Return mem_used_total if the file is mm_stat of a zram device, else the first number. */
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
			errx(1, "%s: fewer than %d numbers", path, number);
	fclose(file);
	return bytes;
}

/*
 * Return MemFree plus the free pages on per-CPU lists. After large frees, these lists can
 * hold many megabytes, which MemFree does not include.
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

/* Polling interval: longer than a drain takes. */
#define SETTLE_US	100000

/*
 * Wait until the number at the start of a file stops falling, so that no drain disturbs the
 * next run. The number may stay above its initial value: other processes, and files of the
 * root file system, may have been swapped out when memory was short.
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

/* Advance @time by whole milliseconds to a time in the future, and sleep until then. */
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
