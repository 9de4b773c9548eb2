// SPDX-License-Identifier: GPL-2.0
/*
 * What does it cost to swap out into slots that were just freed?
 *
 * usage: swap_again MEGABYTES MILLISECONDS
 *
 * Fills the swap space with that much memory, unmaps it, waits so long, and pages
 * out as much again. The swap space should have room for little more: then that
 * goes into the same slots, which have been emptied by then or have not. Prints
 * the CPU time of the second time in nanoseconds.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "swap_pages.h"

static uint64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static char *filled(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t offset;

	if (memory == MAP_FAILED)
		err(1, "mmap");
	madvise(memory, size, MADV_NOHUGEPAGE);
	for (offset = 0; offset < size; offset += page_size())
		fill_page(memory + offset, 1);
	return memory;
}

static unsigned long parse_number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || value > 1 << 20)
		errx(1, "not a number up to %d: %s", 1 << 20, text);
	return value;
}

int main(int argc, char **argv)
{
	char *first, *second;
	unsigned long pause;
	uint64_t start;
	size_t size;

	if (argc != 3)
		errx(1, "usage: swap_again MEGABYTES MILLISECONDS");
	size = parse_number(argv[1]) << 20;
	pause = parse_number(argv[2]);

	first = filled(size);
	if (!page_out(first, size, size))
		errx(1, "memory does not go to swap: is it large enough?");
	second = filled(size);
	munmap(first, size);
	usleep(pause * 1000);

	start = cpu_time();
	if (!page_out(second, size, size))
		errx(1, "memory does not go to swap: is it large enough?");
	printf("%llu\n", (unsigned long long)(cpu_time() - start));
	return 0;
}
