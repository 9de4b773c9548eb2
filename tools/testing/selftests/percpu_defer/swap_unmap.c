// SPDX-License-Identifier: GPL-2.0
/*
 * Measure the duration of munmap() of swapped-out memory, the time until that memory is
 * free, and the total CPU time.
 *
 * usage: swap_unmap [-c CGROUP] [-r] [-s PAGES] [-f MEGABYTES] [-d SWITCH] PROCESSES
 *		     MEGABYTES [FILE]
 *
 * Each process fills MEGABYTES of memory, pages it out, and makes sure that all of it is in
 * swap. Then all processes unmap at the same time. FILE begins with a number that is back at
 * its initial value when everything is freed, such as mm_stat of a zram device in use as swap.
 * With -c, the processes enter CGROUP, whose memory.max should be below the amount that they
 * fill, write to their pages in random order, and have the kernel reclaim the pages that are
 * still in memory. Reclaim, not madvise(), then swaps the pages out one by one.
 * With -s, runs of PAGES pages are scattered in swap. With -f, each process becomes
 * SCHED_FIFO and first unmaps MEGABYTES of other swapped-out memory. On a single CPU no
 * worker can drain that memory, so the pending frees reach the cap.
 * Use -d for one process on one idle CPU with coarse CPU-time clocks: elapsed time counts
 * as CPU time. After munmap(), the process writes 0 to SWITCH, which drains inline. The
 * duration of this write counts as worker time. SWITCH may be "none" if there is no switch.
 * Print four durations in nanoseconds:
 *   the duration of munmap() in the slowest process,
 *   the time until everything was freed (without FILE, the duration of munmap()),
 *   the CPU time of munmap() in all processes,
 *   the CPU time of kernel workers until everything was freed,
 * and with -r the layout of the first process's pages in swap:
 *   the median and the 90th percentile of the lengths of runs, in pages,
 *   the number of pages in runs of 1, of 2 and 3, of 4 to 7, ..., of 512 and more.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "swap_cgroup.h"
#include "swap_measure.h"
#include "swap_runs.h"
#include "text_files.h"

#define MAX_PROCESSES	64
#define BACK_MS		10000
#define FIRST_TAIL	(2UL << 20)

/* Command-line arguments. */
static const char *cgroup;
static bool show_runs;
static size_t run_pages, first_size;
static const char *drain_switch;

/* Results of a process: times of munmap() and of an inline drain; layout of runs in swap. */
struct cost {
	uint64_t time, cpu, drain;
	struct runs runs;
};

/* Fill memory, and make sure that all of it is in swap. */
static char *swapped_out(size_t size)
{
	char *memory;

	if (cgroup)
		join_cgroup(cgroup);
	memory = filled(size, getpid());
	if (cgroup) {
		touch_at_random(memory, size / page_size(), getpid());
		reclaim_until(cgroup, first_size + size);
	}
	if (run_pages)
		page_out_in_runs(memory, size / page_size(), run_pages);
	/* With a cgroup or runs, at most a few pages remain to be paged out. */
	page_out_all(memory, first_size + size);
	return memory;
}

/* Create the swapped-out memory that -f unmaps first; return NULL without -f. */
static char *first_swapped_out(void)
{
	char *memory;

	if (!first_size)
		return NULL;
	memory = filled(first_size, getpid());
	page_out_all(memory, first_size);
	return memory;
}

/*
 * Unmap the memory of -f as SCHED_FIFO, which leaves no CPU time to workers. Unmap the last
 * pages one by one: after a long run is refused, single pages may still fit below the cap.
 */
static void unmap_first(char *memory)
{
	size_t tail = first_size < FIRST_TAIL ? first_size : FIRST_TAIL;
	char *end = memory + first_size;

	if (!memory)
		return;
	become_fifo(1);
	munmap(memory, first_size - tail);
	for (memory = end - tail; memory < end; memory += page_size())
		munmap(memory, page_size());
}

static void drain_inline(struct cost *cost)
{
	uint64_t start = now(CLOCK_MONOTONIC);

	cost->cpu = cost->time;
	if (!strcmp(drain_switch, "none"))
		return;
	if (write_file(drain_switch, "0"))
		err(1, "%s", drain_switch);
	cost->drain = now(CLOCK_MONOTONIC) - start;
	write_file(drain_switch, "1");
}

/* Report on @ready that all memory is in swap, wait until @go is closed, and unmap it. */
static void child(size_t size, int ready, int go, struct cost *cost)
{
	char *first = first_swapped_out(), *memory = swapped_out(size), byte = 0;
	uint64_t start, start_cpu;

	if (show_runs)
		cost->runs = swap_runs(memory, size / page_size());
	if (write(ready, &byte, 1) != 1)
		errx(1, "parent: exited");
	/* Let the parent see end-of-file if another process fails. */
	close(ready);
	if (read(go, &byte, 1) != 0)
		errx(1, "parent: exited");
	unmap_first(first);
	start_cpu = now(CLOCK_THREAD_CPUTIME_ID);
	start = now(CLOCK_MONOTONIC);
	munmap(memory, size);
	cost->time = now(CLOCK_MONOTONIC) - start;
	cost->cpu = now(CLOCK_THREAD_CPUTIME_ID) - start_cpu;
	if (drain_switch)
		drain_inline(cost);
	exit(0);
}

static const char usage[] =
	"usage: swap_unmap [-c CGROUP] [-r] [-s PAGES] [-f MB] [-d SWITCH] PROCESSES MB [FILE]";

/* Parse the options; return the number of arguments that they take. */
static int parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:rs:f:d:")) != -1) {
		switch (option) {
		case 'c':
			cgroup = optarg;
			break;
		case 'r':
			show_runs = true;
			break;
		case 's':
			run_pages = parse_number(optarg, 1 << 18);
			break;
		case 'f':
			first_size = parse_number(optarg, 1 << 20) << 20;
			break;
		case 'd':
			drain_switch = optarg;
			break;
		default:
			errx(1, usage);
		}
	}
	return optind - 1;
}

static void print_runs(const struct runs *runs)
{
	int i;

	printf(" %lu %lu", runs->median, runs->percentile90);
	for (i = 0; i < NR_RUN_SIZES; i++)
		printf(" %lu", runs->pages[i]);
}

int main(int argc, char **argv)
{
	int ready[2], go[2], status, options = parse_options(argc, argv);
	uint64_t start, workers, back, slowest = 0, cpu = 0;
	unsigned long long before = 0;
	unsigned long processes, i;
	const char *path;
	struct cost *cost;
	size_t size;
	char byte;

	argc -= options;
	argv += options;
	if (argc != 3 && argc != 4)
		errx(1, usage);
	path = argv[3];
	processes = parse_number(argv[1], MAX_PROCESSES);
	size = parse_number(argv[2], 1 << 20) << 20;
	if (path)
		before = first_number(path);

	cost = mmap(NULL, processes * sizeof(*cost), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cost == MAP_FAILED || pipe(ready) || pipe(go))
		err(1, "setup");
	/* Poll FILE on time: minimize timer slack. */
	prctl(PR_SET_TIMERSLACK, 1);

	for (i = 0; i < processes; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			close(ready[0]);
			close(go[1]);
			child(size, ready[1], go[0], cost + i);
		}
	}
	close(ready[1]);
	close(go[0]);

	for (i = 0; i < processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			errx(1, "a process failed");
	workers = workers_cpu();
	start = now(CLOCK_MONOTONIC);
	close(go[1]);

	while (wait(&status) > 0)
		if (status)
			errx(1, "a process failed");
	if (path && !wait_until_back(path, before, BACK_MS))
		errx(1, "memory: not free after %d ms", BACK_MS);
	back = now(CLOCK_MONOTONIC) - start;
	/* Wait: the last worker may still be running. */
	usleep(5000);
	workers = drain_switch ? cost->drain : workers_cpu() - workers;

	for (i = 0; i < processes; i++) {
		cpu += cost[i].cpu;
		if (cost[i].time > slowest)
			slowest = cost[i].time;
	}
	if (!path)
		back = slowest;
	printf("%llu %llu %llu %llu", (unsigned long long)slowest,
	       (unsigned long long)back, (unsigned long long)cpu,
	       (unsigned long long)workers);
	if (show_runs)
		print_runs(&cost->runs);
	putchar('\n');
	return 0;
}
