// SPDX-License-Identifier: GPL-2.0
/*
 * Measure munmap() of swapped-out memory, and the work that it defers, while all CPUs
 * are busy.
 *
 * usage: swap_busy MEGABYTES none|other|fifo MILLISECONDS FILE
 *
 * Fill MEGABYTES of memory, page it out, and unmap it while each CPU runs a hog, a process
 * that loops. Hogs have normal priority ("other") or SCHED_FIFO priority ("fifo"); "none"
 * means no hogs. With "fifo", this process has a higher SCHED_FIFO priority than the hogs.
 * Hogs are killed when everything is freed, or after MILLISECONDS. FILE begins with a number
 * that is back at its initial value when everything is freed, such as mm_stat of a zram
 * device in use as swap.
 * Print four durations in nanoseconds:
 *   the duration of munmap(),
 *   the time from the start of munmap() until everything was freed,
 *   the CPU time of munmap(),
 *   the CPU time of kernel workers until everything was freed,
 * and the difference between FILE and its initial value
 *   when munmap() returned,
 *   when the hogs were killed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "swap_filled.h"
#include "swap_hogs.h"
#include "swap_measure.h"

#define BACK_MS		10000
#define HOG_US		100000

/* Unmap, and wait until everything is freed: first with hogs, then without. */
static void measure(char *memory, size_t size, unsigned long milliseconds,
		    const char *path, unsigned long long before)
{
	unsigned long long left, held;
	uint64_t start, took, back, cpu;
	uint64_t workers = workers_cpu();

	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	start = now(CLOCK_MONOTONIC);
	munmap(memory, size);
	took = now(CLOCK_MONOTONIC) - start;
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	left = first_number(path) - before;

	wait_until_back(path, before, milliseconds);
	held = first_number(path) - before;
	kill_hogs();
	if (!wait_until_back(path, before, BACK_MS))
		errx(1, "memory: not free after %d ms", BACK_MS);
	back = now(CLOCK_MONOTONIC) - start;
	/* Wait: the last worker may still be running. */
	usleep(5000);
	workers = workers_cpu() - workers;

	printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)took,
	       (unsigned long long)back, (unsigned long long)cpu,
	       (unsigned long long)workers, left, held);
}

int main(int argc, char **argv)
{
	unsigned long long before;
	unsigned long hold;
	char *memory;
	size_t size;
	bool fifo;
	int go[2];

	if (argc != 5)
		errx(1, "usage: swap_busy MEGABYTES none|other|fifo MILLISECONDS FILE");
	size = parse_number(argv[1], 1 << 20) << 20;
	fifo = !strcmp(argv[2], "fifo");
	hold = parse_number(argv[3], 1000000);
	before = first_number(argv[4]);

	if (pipe(go))
		err(1, "pipe");
	if (fifo || !strcmp(argv[2], "other"))
		make_hogs(fifo, go);
	else if (strcmp(argv[2], "none"))
		errx(1, "invalid hogs '%s'; use none, other or fifo", argv[2]);
	memory = swapped_out(size);

	/* Poll FILE on time: minimize timer slack. */
	prctl(PR_SET_TIMERSLACK, 1);
	if (fifo)
		become_fifo(OWN_PRIORITY);
	close(go[0]);
	close(go[1]);
	/* Let the hogs run before the measurement. */
	usleep(HOG_US);
	measure(memory, size, hold, argv[4], before);
	return 0;
}
