// SPDX-License-Identifier: GPL-2.0
/*
 * Measure when compressed swap frees the memory of pages that a process has unmapped.
 *
 * usage: swap_memory [-c CGROUP] munmap|exit MEGABYTES POOL
 *
 * A process fills MEGABYTES of memory and pages it out. Then the process unmaps that memory,
 * or exits. POOL holds the memory usage of compressed swap: mm_stat of a zram device in use
 * as swap, or pool_total_size of zswap. With -c, the process enters CGROUP, whose memory.max
 * should be below MEGABYTES, and has the kernel swap its pages out in random order.
 * Print lines
 *   start TIME FREE POOL CHARGED
 *   returned TIME FREE POOL CHARGED
 *   at TIME FREE POOL CHARGED
 * with nanoseconds since the start of munmap() or exit(), and bytes of free memory, of
 * POOL, and of memory.current of the cgroup (0 without -c). "returned" is the time when
 * munmap(), or wait() for the exiting process, returned. An "at" line is printed for each
 * millisecond until POOL is back at its initial value.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "swap_cgroup.h"
#include "swap_gate.h"
#include "swap_measure.h"
#include "swap_pool.h"

#define SAMPLES		10000

struct moment {
	uint64_t time;
	unsigned long long free, pool, charged;
};

static struct moment sample[SAMPLES];
/* Samples taken by the child processes. */
static struct {
	struct moment start, returned;
} *shared;

/* Command-line arguments. */
static const char *cgroup, *pool;
static bool exits;
static size_t size;

static struct moment look(void)
{
	struct moment moment = { .time = now(CLOCK_MONOTONIC) };
	char path[256];

	moment.free = free_bytes();
	moment.pool = pool_bytes(pool);
	if (cgroup) {
		snprintf(path, sizeof(path), "%s/memory.current", cgroup);
		moment.charged = first_number(path);
	}
	return moment;
}

static void child(const struct gate *gate)
{
	char *memory;

	if (cgroup)
		join_cgroup(cgroup);
	memory = filled(size, 1);
	if (cgroup) {
		touch_at_random(memory, size / page_size(), 1);
		reclaim_until(cgroup, size);
	}
	page_out_all(memory, size);
	wait_at_gate(gate);

	shared->start = look();
	shared->start.time = now(CLOCK_MONOTONIC);
	if (!exits) {
		munmap(memory, size);
		shared->returned = look();
	}
	_exit(0);
}

/* Fork the child and wait for it, while the parent takes samples. */
static void keeper(const struct gate *gate)
{
	int status;

	if (!new_child())
		child(gate);
	leave_gate(gate);
	wait(&status);
	if (exits)
		shared->returned = look();
	_exit(status != 0);
}

/* Take samples until POOL is back at its initial value; return their number. */
static int watch(pid_t pid, unsigned long long before)
{
	uint64_t next = now(CLOCK_MONOTONIC);
	bool gone = false;
	int nr, status;

	for (nr = 0; nr < SAMPLES; nr++) {
		await_tick(&next);
		sample[nr] = look();
		if (!gone && waitpid(pid, &status, WNOHANG) == pid) {
			if (status)
				errx(1, "a process failed");
			gone = true;
		}
		if (gone && sample[nr].pool <= before)
			return nr + 1;
	}
	errx(1, "memory: not free after %d samples", SAMPLES);
}

static void print_moment(const char *name, const struct moment *moment)
{
	printf("%s %llu %llu %llu %llu\n", name,
	       (unsigned long long)(moment->time - shared->start.time), moment->free,
	       moment->pool, moment->charged);
}

static void parse(int argc, char **argv)
{
	static const char usage[] =
		"usage: swap_memory [-c CGROUP] munmap|exit MEGABYTES POOL";

	if (argc > 2 && !strcmp(argv[1], "-c")) {
		cgroup = argv[2];
		argc -= 2;
		argv += 2;
	}
	if (argc != 4)
		errx(1, usage);
	exits = !strcmp(argv[1], "exit");
	if (!exits && strcmp(argv[1], "munmap"))
		errx(1, usage);
	size = parse_number(argv[2], 1 << 20) << 20;
	pool = argv[3];
}

int main(int argc, char **argv)
{
	unsigned long long before;
	struct gate gate;
	int i, nr;
	pid_t pid;

	parse(argc, argv);
	gate = new_gate();
	shared = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	/* Sample on time: minimize timer slack, and avoid page faults. */
	prctl(PR_SET_TIMERSLACK, 1);
	memset(sample, 1, sizeof(sample));
	before = pool_bytes(pool);

	pid = new_child();
	if (!pid)
		keeper(&gate);
	await_ready(&gate, 1);
	open_gate(&gate);
	nr = watch(pid, before);

	print_moment("start", &shared->start);
	print_moment("returned", &shared->returned);
	for (i = 0; i < nr; i++)
		if (sample[i].time > shared->start.time)
			print_moment("at", sample + i);
	return 0;
}
