// SPDX-License-Identifier: GPL-2.0
/*
 * Check whether the OOM killer runs while compressed swap is about to free memory.
 *
 * usage: swap_oom [-c CGROUP] MEGABYTES LEFT EXTRA POOL
 *
 * Two victims together fill MEGABYTES of memory and page it out. Then the parent locks
 * memory until only LEFT kilobytes are free in the machine or, with -c, in the cgroup that
 * all processes enter. The parent kills the victims. As soon as they have exited, two other
 * processes lock and write to as much memory as swap had used for the victims, plus
 * EXTRA kilobytes. POOL holds the memory usage of compressed swap: mm_stat of a zram device
 * in use as swap, or pool_total_size of zswap.
 * Print
 *   the number of OOM kills during the run,
 *   the number of these OOM kills in the cgroup,
 *   the number of bytes that the other processes needed,
 *   nanoseconds from the exit of the victims to that of the other processes.
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "swap_cgroup.h"
#include "swap_gate.h"
#include "swap_measure.h"
#include "swap_pool.h"

#define PROCESSES	2
/* Number of pages written between two reads of the free memory, which are slow. */
#define PAGES_PER_CHECK	64

/* Command-line arguments. */
static const char *cgroup, *pool;
static size_t size;
static unsigned long long keep, extra;

static unsigned long long cgroup_number(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", cgroup, name);
	return first_number(path);
}

/* Return the number of OOM kills so far. */
static unsigned long long kills(void)
{
	return named_number("/proc/vmstat", "oom_kill");
}

static unsigned long long cgroup_kills(void)
{
	char path[256];

	if (!cgroup)
		return 0;
	snprintf(path, sizeof(path), "%s/memory.events", cgroup);
	return named_number(path, "oom_kill");
}

static unsigned long long left(void)
{
	unsigned long long max, current;

	if (!cgroup)
		return free_bytes();
	max = cgroup_number("memory.max");
	current = cgroup_number("memory.current");
	return max > current ? max - current : 0;
}

/* Map memory whose pages are locked when they are first written to. */
static char *locked(size_t bytes)
{
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mlock2(memory, bytes, MLOCK_ONFAULT))
		err(1, "cannot lock memory");
	return memory;
}

/* Lock memory until at most LEFT kilobytes are free. */
static void take_memory(void)
{
	size_t step = PAGES_PER_CHECK * page_size(), offset, bytes = left();
	char *memory = locked(bytes);

	for (offset = 0; offset + step <= bytes && left() > keep; offset += step)
		for (size_t i = 0; i < step; i += page_size())
			memory[offset + i] = 1;
}

static void be_victim(const struct gate *gate)
{
	page_out_all(filled(size / PROCESSES, 1), size / PROCESSES);
	wait_at_gate(gate);
}

static void be_other(const struct gate *gate, size_t bytes)
{
	char *memory = locked(bytes);
	size_t offset;

	/* Unlike the parent, this process may be killed. */
	write_text("/proc/self/oom_score_adj", "0");
	wait_at_gate(gate);
	for (offset = 0; offset < bytes; offset += page_size())
		memory[offset] = 1;
	_exit(0);
}

static void parse(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "-c")) {
		cgroup = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc != 5)
		errx(1, "usage: swap_oom [-c CGROUP] MEGABYTES LEFT EXTRA POOL");
	size = parse_number(argv[1], 1 << 20) << 20;
	keep = parse_number(argv[2], 1 << 20) << 10;
	extra = parse_number(argv[3], 1 << 20) << 10;
	pool = argv[4];
}

int main(int argc, char **argv)
{
	unsigned long long before, needed, killed, killed_here;
	struct gate victims, others;
	pid_t victim[PROCESSES];
	uint64_t start;
	int i;

	parse(argc, argv);
	write_text("/proc/self/oom_score_adj", "-1000");
	if (cgroup)
		join_cgroup(cgroup);
	before = pool_bytes(pool);
	killed = kills();
	killed_here = cgroup_kills();

	victims = new_gate();
	for (i = 0; i < PROCESSES; i++) {
		victim[i] = new_child();
		if (!victim[i])
			be_victim(&victims);
	}
	await_ready(&victims, PROCESSES);
	needed = pool_bytes(pool) - before + extra;
	others = new_gate();
	for (i = 0; i < PROCESSES; i++)
		if (!new_child())
			be_other(&others, needed / PROCESSES);
	await_ready(&others, PROCESSES);
	take_memory();

	for (i = 0; i < PROCESSES; i++)
		kill(victim[i], SIGKILL);
	for (i = 0; i < PROCESSES; i++)
		waitpid(victim[i], NULL, 0);
	start = now(CLOCK_MONOTONIC);
	open_gate(&others);
	while (wait(NULL) > 0)
		;
	printf("%llu %llu %llu %llu\n", kills() - killed, cgroup_kills() - killed_here,
	       needed, (unsigned long long)(now(CLOCK_MONOTONIC) - start));
	settle(pool);
	return 0;
}
