/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs of pages with consecutive swap offsets: measure their lengths, and create runs of
 * a given length. Swap frees the pages of a run with one call.
 */
#ifndef SWAP_RUNS_H
#define SWAP_RUNS_H

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "swap_measure.h"

#define NR_RUN_SIZES	10

struct runs {
	unsigned long median, percentile90;
	/* Number of pages in runs of 1, of 2 and 3, of 4 to 7, ..., of 512 and more. */
	unsigned long pages[NR_RUN_SIZES];
};

/* Bits of a /proc/PID/pagemap entry: swapped; swap type and offset; lowest bit of the offset. */
#define PAGEMAP_SWAPPED	0x4000000000000000ull
#define PAGEMAP_PLACE	0x007fffffffffffffull
#define PAGEMAP_OFFSET	0x20ull

/* Page out every other run before the others, so that adjacent runs do not merge in swap. */
static inline void page_out_in_runs(char *memory, size_t pages, size_t length)
{
	size_t half, page;

	if (pages % length)
		errx(1, "%zu pages: not a multiple of the run length, %zu", pages, length);
	for (half = 0; half < 2; half++)
		for (page = half * length; page < pages; page += 2 * length)
			madvise(memory + page * page_size(), length * page_size(),
				MADV_PAGEOUT);
}

static inline uint64_t *read_pagemap(const void *memory, size_t pages)
{
	uint64_t *entry = malloc(pages * sizeof(*entry));
	size_t size = pages * sizeof(*entry), done = 0;
	off_t start = (uintptr_t)memory / page_size() * sizeof(*entry);
	int file = open("/proc/self/pagemap", O_RDONLY);

	if (!entry || file < 0)
		err(1, "pagemap");
	while (done < size) {
		ssize_t got = pread(file, (char *)entry + done, size - done,
				    start + done);

		if (got <= 0)
			err(1, "cannot read pagemap");
		done += got;
	}
	close(file);
	return entry;
}

static inline struct runs swap_runs(const void *memory, size_t pages)
{
	uint64_t *entry = read_pagemap(memory, pages);
	uint64_t *run = calloc(pages, sizeof(*run));
	struct runs runs = {};
	size_t i, nr = 0;

	if (!run)
		err(1, "no memory");
	for (i = 0; i < pages; i++) {
		if (!(entry[i] & PAGEMAP_SWAPPED))
			continue;
		if (!i || !(entry[i - 1] & PAGEMAP_SWAPPED) ||
		    (entry[i] & PAGEMAP_PLACE) !=
		    (entry[i - 1] & PAGEMAP_PLACE) + PAGEMAP_OFFSET)
			nr++;
		run[nr - 1]++;
	}
	if (!nr)
		errx(1, "pagemap: no swap offsets; run as root");
	sort_numbers(run, nr);
	runs.median = run[nr / 2];
	runs.percentile90 = run[nr * 9 / 10];
	for (i = 0; i < nr; i++) {
		uint64_t left = run[i];
		int size = 0;

		while ((left /= 2) && size < NR_RUN_SIZES - 1)
			size++;
		runs.pages[size] += run[i];
	}
	free(run);
	free(entry);
	return runs;
}

#endif
