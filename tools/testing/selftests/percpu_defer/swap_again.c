// SPDX-License-Identifier: GPL-2.0
/*
 * Measure the cost of swapping out to slots that were just freed.
 *
 * usage: swap_again [-z] MEGABYTES MILLISECONDS
 *
 * Page out MEGABYTES of memory, unmap it, wait for MILLISECONDS, and page out the same
 * amount again. The swap space should be only slightly larger than MEGABYTES, so that the
 * second pageout reuses the slots of the first, which may still be pending. With -z, the
 * second pageout is of zero-filled pages, which the swap core does not write to the device.
 * Print the CPU time of the second pageout in nanoseconds.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "swap_measure.h"

static char *zeros(size_t size)
{
	char *memory = new_memory(size);

	memset(memory, 0, size);
	return memory;
}

int main(int argc, char **argv)
{
	char *first, *second;
	unsigned long pause;
	uint64_t start;
	bool is_zero;
	size_t size;

	is_zero = argc > 1 && !strcmp(argv[1], "-z");
	argc -= is_zero;
	argv += is_zero;
	if (argc != 3)
		errx(1, "usage: swap_again [-z] MEGABYTES MILLISECONDS");
	size = parse_number(argv[1], 1 << 20) << 20;
	pause = strcmp(argv[2], "0") ? parse_number(argv[2], 1 << 20) : 0;

	first = filled(size, 1);
	if (!page_out(first, size, size))
		errx(1, "swap: memory was not paged out; enlarge the swap space");
	second = is_zero ? zeros(size) : filled(size, 1);
	munmap(first, size);
	usleep(pause * 1000);

	start = now(CLOCK_PROCESS_CPUTIME_ID);
	if (!page_out(second, size, size))
		errx(1, "swap: memory was not paged out; enlarge the swap space");
	printf("%llu\n", (unsigned long long)(now(CLOCK_PROCESS_CPUTIME_ID) - start));
	return 0;
}
