// SPDX-License-Identifier: GPL-2.0
/*
 * Measure the latency of page faults that swap a page in.
 *
 * usage: swap_in MEGABYTES
 *
 * Fill MEGABYTES of memory, page it out, and write to each page in turn.
 * Print the median and the 99th percentile of the fault latency in nanoseconds.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>

#include "swap_measure.h"

int main(int argc, char **argv)
{
	size_t size, pages, i;
	uint64_t *took;
	char *memory;

	if (argc != 2 || atol(argv[1]) <= 0)
		errx(1, "usage: swap_in MEGABYTES");
	size = (size_t)atol(argv[1]) << 20;
	pages = size / page_size();
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	took = calloc(pages, sizeof(*took));
	if (memory == MAP_FAILED || !took)
		err(1, "no memory");
	madvise(memory, size, MADV_NOHUGEPAGE);
	/* Disable readahead: swap in one page per fault. */
	madvise(memory, size, MADV_RANDOM);
	/* Fault the array in now, not between the measured faults. */
	memset(took, 0xff, pages * sizeof(*took));
	for (i = 0; i < pages; i++)
		fill_page(memory + i * page_size(), 1);
	if (!page_out(memory, size, size))
		errx(1, "swap: holds only %zu of %zu bytes; enlarge it",
		     swapped_bytes(), size);

	for (i = 0; i < pages; i++) {
		uint64_t start = now(CLOCK_MONOTONIC);

		memory[i * page_size()]++;
		took[i] = now(CLOCK_MONOTONIC) - start;
	}
	sort_numbers(took, pages);
	printf("%llu %llu\n", (unsigned long long)took[pages / 2],
	       (unsigned long long)took[pages * 99 / 100]);
	return 0;
}
