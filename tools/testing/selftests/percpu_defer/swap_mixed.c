// SPDX-License-Identifier: GPL-2.0
/*
 * Measure the cost of a fixed amount of mixed work in cgroups with too little memory.
 *
 * usage: swap_mixed CGROUP PROCESSES LIVES MEGABYTES FILE
 *
 * In each of PROCESSES cgroups (CGROUP0, CGROUP1, and so on), LIVES processes run one after
 * the other. Each process fills MEGABYTES of memory, uses it in random order, frees and
 * refills half of it, uses all of it again, and exits. memory.max of the cgroups makes the
 * processes swap. A process swaps nearly the same amount in each run, because processes that
 * run at the same time do not share a cgroup. The program fails at the first page with
 * wrong content. Without address randomisation, the work is the same in each run. FILE
 * begins with a number that is back at its initial value when everything is freed, such as
 * mm_stat of a zram device in use as swap.
 * Print durations in nanoseconds:
 *   the time until the last process had exited,
 *   the time until everything was freed,
 *   the CPU time of the processes in user mode, and in the kernel,
 *   the CPU time of kernel workers until everything was freed,
 * and the numbers of pages written to and read from devices, stored in and loaded from zswap.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kselftest.h"
#include "swap_cgroup.h"
#include "swap_measure.h"

#define MAX_PROCESSES	64
#define BACK_MS		10000

/* Counters in /proc/vmstat. */
static const char *const counter[] = { "pswpout", "pswpin", "zswpout", "zswpin" };

#define NR_COUNTERS	ARRAY_SIZE(counter)

/* Increment the first word of a random page, @pages times; exit if a word is wrong. */
static void use(char *memory, size_t pages, uint16_t *used, uint64_t seed)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		size_t page = mix(seed + i) % pages;
		uint64_t *word = (uint64_t *)(memory + page * page_size());

		if (*word != page_word(page_seed(word, 1), 0) + used[page])
			errx(1, "page %zu: wrong content", page);
		++*word;
		used[page]++;
	}
}

static void live(size_t size, uint64_t seed)
{
	size_t pages = size / page_size();
	uint16_t *used = calloc(pages, sizeof(*used));
	char *memory = filled(size, 1);

	if (!used)
		err(1, "no memory");
	use(memory, pages, used, seed);
	madvise(memory, size / 2, MADV_DONTNEED);
	fill(memory, size / 2, 1);
	memset(used, 0, pages / 2 * sizeof(*used));
	use(memory, pages, used, mix(seed));
	exit(0);
}

static void wait_for_all(void)
{
	int status;

	while (wait(&status) > 0)
		if (status)
			errx(1, "a process failed");
}

static void run_lives(const char *cgroup, unsigned long number, unsigned long lives,
		      size_t size)
{
	unsigned long life;
	char path[128];

	snprintf(path, sizeof(path), "%s%lu", cgroup, number);
	join_cgroup(path);
	for (life = 0; life < lives; life++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			live(size, mix(number << 32 | life));
		wait_for_all();
	}
	exit(0);
}

static void read_counters(uint64_t *value)
{
	size_t i;

	for (i = 0; i < NR_COUNTERS; i++)
		value[i] = named_number("/proc/vmstat", counter[i]);
}

static unsigned long long nanoseconds(struct timeval time)
{
	return time.tv_sec * 1000000000ull + time.tv_usec * 1000ull;
}

int main(int argc, char **argv)
{
	uint64_t first[NR_COUNTERS], last[NR_COUNTERS];
	uint64_t start, took, back, workers;
	unsigned long processes, lives, i;
	unsigned long long before;
	struct rusage usage;
	size_t size;

	if (argc != 6)
		errx(1, "usage: swap_mixed CGROUP PROCESSES LIVES MEGABYTES FILE");
	processes = parse_number(argv[2], MAX_PROCESSES);
	lives = parse_number(argv[3], 1000);
	size = parse_number(argv[4], 1 << 20) << 20;
	before = first_number(argv[5]);

	read_counters(first);
	workers = workers_cpu();
	start = now(CLOCK_MONOTONIC);
	for (i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			run_lives(argv[1], i, lives, size);
	}
	wait_for_all();
	took = now(CLOCK_MONOTONIC) - start;
	if (!wait_until_back(argv[5], before, BACK_MS))
		errx(1, "memory: not free after %d ms", BACK_MS);
	back = now(CLOCK_MONOTONIC) - start;
	/* Wait: the last worker may still be running. */
	usleep(5000);
	workers = workers_cpu() - workers;
	read_counters(last);
	getrusage(RUSAGE_CHILDREN, &usage);

	printf("%llu %llu %llu %llu %llu", (unsigned long long)took,
	       (unsigned long long)back, nanoseconds(usage.ru_utime),
	       nanoseconds(usage.ru_stime), (unsigned long long)workers);
	for (i = 0; i < NR_COUNTERS; i++)
		printf(" %llu", (unsigned long long)(last[i] - first[i]));
	putchar('\n');
	return 0;
}
