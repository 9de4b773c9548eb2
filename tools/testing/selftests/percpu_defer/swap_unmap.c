// SPDX-License-Identifier: GPL-2.0
/*
 * How long does munmap() of swapped-out memory take?
 *
 * usage: swap_unmap PROCESSES MEGABYTES
 *
 * Each process fills that much memory, pages it out, and makes sure that all of
 * it is in swap. Then all unmap at once. Prints the nanoseconds that munmap()
 * took in the slowest of them. Needs swap space that is ready.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "swap_pages.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define MAX_PROCESSES	64
#define PAGEOUT_TRIES	200

/* How much of this process is in swap. */
static size_t swapped_bytes(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	size_t kilobytes = 0;
	char line[128];

	if (!status)
		err(1, "/proc/self/status");
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "VmSwap: %zu kB", &kilobytes) == 1)
			break;
	fclose(status);
	return kilobytes * 1024;
}

/*
 * A page that waits in the LRU batch of some CPU cannot be paged out; madvise()
 * empties the batch of the CPU it runs on, so it is called on each.
 */
static void page_out(char *memory, size_t size)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), tries;
	cpu_set_t all, one;

	sched_getaffinity(0, sizeof(all), &all);
	for (tries = 0; tries < PAGEOUT_TRIES; tries++) {
		CPU_ZERO(&one);
		CPU_SET(tries % cpus, &one);
		if (tries)
			sched_setaffinity(0, sizeof(one), &one);
		if (madvise(memory, size, MADV_PAGEOUT))
			err(1, "madvise(MADV_PAGEOUT)");
		if (swapped_bytes() < size)
			continue;
		sched_setaffinity(0, sizeof(all), &all);
		return;
	}
	errx(1, "only %zu of %zu bytes went to swap: is it large enough?",
	     swapped_bytes(), size);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Tells on @ready that its memory is in swap, waits for @go to be closed. */
static void child(size_t size, int ready, int go, uint64_t *took)
{
	uint64_t start;
	size_t offset;
	char *memory, byte = 0;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	madvise(memory, size, MADV_NOHUGEPAGE);
	for (offset = 0; offset < size; offset += page_size())
		fill_page(memory + offset, getpid());
	page_out(memory, size);

	if (write(ready, &byte, 1) != 1)
		errx(1, "the parent is gone");
	/* When all have closed it, the parent knows that no more will come. */
	close(ready);
	if (read(go, &byte, 1) != 0)
		errx(1, "the parent is gone");
	start = now();
	munmap(memory, size);
	*took = now() - start;
	exit(0);
}

static unsigned long parse_number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > max)
		errx(1, "not a number from 1 to %lu: %s", max, text);
	return value;
}

int main(int argc, char **argv)
{
	unsigned long processes, i;
	uint64_t *took, slowest = 0;
	int ready[2], go[2], status;
	size_t size;
	char byte;

	if (argc != 3)
		errx(1, "usage: swap_unmap PROCESSES MEGABYTES");
	processes = parse_number(argv[1], MAX_PROCESSES);
	size = parse_number(argv[2], 1 << 20) << 20;

	took = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (took == MAP_FAILED || pipe(ready) || pipe(go))
		err(1, "setup");

	for (i = 0; i < processes; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			close(ready[0]);
			close(go[1]);
			child(size, ready[1], go[0], took + i);
		}
	}
	close(ready[1]);
	close(go[0]);

	for (i = 0; i < processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			errx(1, "a process failed");
	close(go[1]);

	while (wait(&status) > 0)
		if (status)
			errx(1, "a process failed");
	for (i = 0; i < processes; i++)
		if (took[i] > slowest)
			slowest = took[i];
	printf("%llu\n", (unsigned long long)slowest);
	return 0;
}
