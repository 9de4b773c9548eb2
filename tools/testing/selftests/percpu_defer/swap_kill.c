// SPDX-License-Identifier: GPL-2.0
/*
 * Measure when the memory of killed processes is available again.
 *
 * usage: swap_kill [-m] [-f] PROCESSES SWAPPED RESIDENT ALLOCATED POOL
 *
 * Each process has SWAPPED megabytes in swap and RESIDENT megabytes in memory. A killer
 * process sends SIGKILL to all of them. With -m, it then calls process_mrelease() for
 * each. With -f, it then waits until all have exited, and flushes deferred frees. The wait is
 * needed because process_mrelease() does not wait for an exit that already frees memory.
 * Finally the killer writes to ALLOCATED megabytes of new memory. POOL holds the memory usage
 * of compressed swap: mm_stat of a zram device in use as swap, or pool_total_size of zswap.
 * Print nanoseconds from the first SIGKILL until
 *   kill() and process_mrelease() had returned and, with -f, the processes had exited,
 *   nearly all of their resident memory was free,
 *   the parent's wait() had returned for all of them,
 *   POOL was back at its initial value,
 * and
 *   the duration and the CPU time of the flush, both 0 without -f,
 *   the time to allocate and write to the new memory.
 * The parent polls every millisecond. The killer measures its times exactly.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "swap_gate.h"
#include "swap_measure.h"
#include "swap_pool.h"

#define MAX_PROCESSES	16
#define POLLS		20000
/* Part of the freed memory that may be allocated again, for example for page tables. */
#define MISSED(bytes)	((bytes) / 32)

/* Command-line arguments. */
static bool release;
static bool flush;
static const char *pool;
static int processes;
static size_t swapped, resident, allocated;

static int victim[MAX_PROCESSES];

/* Results of the killer. */
static struct {
	uint64_t start, killed, flush, flush_cpu, allocation;
	size_t taken;
} *shared;

static void be_victim(const struct gate *gate)
{
	char *memory = filled(swapped, 1);

	page_out_all(memory, swapped);
	filled(resident, 1);
	wait_at_gate(gate);
}

static void kill_all(void)
{
	struct pollfd gone = { .events = POLLIN };
	int i;

	for (i = 0; i < processes; i++)
		if (syscall(SYS_pidfd_send_signal, victim[i], SIGKILL, NULL, 0))
			err(1, "pidfd_send_signal");
	for (i = 0; release && i < processes; i++)
		if (syscall(SYS_process_mrelease, victim[i], 0) && errno != ESRCH)
			err(1, "process_mrelease");
	for (i = 0; flush && i < processes; i++) {
		gone.fd = victim[i];
		if (poll(&gone, 1, -1) != 1)
			err(1, "poll");
	}
}

/* Write to new memory; shared->taken shows the progress to the parent. */
static void allocate(void)
{
	char *memory = mmap(NULL, allocated, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t offset;

	if (memory == MAP_FAILED)
		err(1, "mmap");
	for (offset = 0; offset < allocated; offset += page_size()) {
		memory[offset] = 1;
		__atomic_store_n(&shared->taken, offset, __ATOMIC_RELAXED);
	}
}

static bool is_on(const char *path)
{
	FILE *file = fopen(path, "r");
	int c = file ? getc(file) : EOF;

	if (file)
		fclose(file);
	return c == '1' || c == 'Y';
}

/* Disable deferral where it is enabled, which drains, and enable it again. */
static void flush_all(void)
{
	glob_t found = {};
	size_t i;

	glob("/sys/block/zram*/deferred_free", 0, NULL, &found);
	glob("/sys/module/zswap/parameters/deferred_invalidate", GLOB_APPEND, NULL, &found);
	for (i = 0; i < found.gl_pathc; i++) {
		if (!is_on(found.gl_pathv[i]))
			continue;
		write_text(found.gl_pathv[i], "0");
		write_text(found.gl_pathv[i], "1");
	}
	globfree(&found);
}

static void be_killer(const struct gate *gate)
{
	uint64_t start, cpu;

	wait_at_gate(gate);
	shared->start = now(CLOCK_MONOTONIC);
	kill_all();
	shared->killed = now(CLOCK_MONOTONIC);

	if (flush) {
		cpu = now(CLOCK_THREAD_CPUTIME_ID);
		flush_all();
		shared->flush_cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
		shared->flush = now(CLOCK_MONOTONIC) - shared->killed;
	}
	start = now(CLOCK_MONOTONIC);
	allocate();
	shared->allocation = now(CLOCK_MONOTONIC) - start;
	_exit(0);
}

/* Times at which the parent saw a condition become true. */
struct seen {
	uint64_t resident, waited, back;
};

/* Record when @what was first true. Read the clock now: evaluating @what may have blocked. */
static void see(uint64_t *when, bool what)
{
	if (what && !*when)
		*when = now(CLOCK_MONOTONIC);
}

/* Poll until the processes have exited and all of their memory is free. */
static struct seen watch(pid_t killer, unsigned long long free, unsigned long long before)
{
	uint64_t next = now(CLOCK_MONOTONIC);
	size_t all = processes * resident;
	int i, left = processes + 1, status;
	struct seen seen = {};
	bool killing = true;
	pid_t pid;

	for (i = 0; i < POLLS; i++) {
		await_tick(&next);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			left--;
			if (pid == killer)
				killing = false;
			if (pid == killer && status)
				errx(1, "the killer failed");
		}
		see(&seen.waited, left == killing);
		see(&seen.resident,
		    free_bytes() + __atomic_load_n(&shared->taken, __ATOMIC_RELAXED) >=
		    free + all - MISSED(all));
		see(&seen.back, pool_bytes(pool) <= before);
		if (!left && seen.resident && seen.back)
			return seen;
	}
	errx(1, "memory: not free after %d polls", POLLS);
}

static void parse(int argc, char **argv)
{
	static const char usage[] =
		"usage: swap_kill [-m] [-f] PROCESSES SWAPPED RESIDENT ALLOCATED POOL";
	int option;

	while ((option = getopt(argc, argv, "mf")) != -1) {
		if (option == 'm')
			release = true;
		else if (option == 'f')
			flush = true;
		else
			errx(1, usage);
	}
	argv += optind;
	if (argc - optind != 5)
		errx(1, usage);
	processes = parse_number(argv[0], MAX_PROCESSES);
	swapped = parse_number(argv[1], 1 << 20) << 20;
	resident = parse_number(argv[2], 1 << 20) << 20;
	allocated = parse_number(argv[3], 1 << 20) << 20;
	pool = argv[4];
}

static void make_victims(const struct gate *gate)
{
	pid_t pid;
	int i;

	for (i = 0; i < processes; i++) {
		pid = new_child();
		if (!pid)
			be_victim(gate);
		victim[i] = syscall(SYS_pidfd_open, pid, 0);
		if (victim[i] < 0)
			err(1, "pidfd_open");
	}
}

int main(int argc, char **argv)
{
	unsigned long long before, free;
	struct gate victims, killing;
	struct seen seen;
	pid_t killer;

	parse(argc, argv);
	shared = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	shared->taken = 0;
	before = pool_bytes(pool);
	victims = new_gate();
	make_victims(&victims);
	await_ready(&victims, processes);

	killing = new_gate();
	killer = new_child();
	if (!killer)
		be_killer(&killing);
	await_ready(&killing, 1);
	/* Poll on time: minimize timer slack. */
	prctl(PR_SET_TIMERSLACK, 1);
	free = free_bytes();
	open_gate(&killing);
	seen = watch(killer, free, before);

	printf("%llu %llu %llu %llu %llu %llu %llu\n",
	       (unsigned long long)(shared->killed - shared->start),
	       (unsigned long long)(seen.resident - shared->start),
	       (unsigned long long)(seen.waited - shared->start),
	       (unsigned long long)(seen.back - shared->start),
	       (unsigned long long)shared->flush, (unsigned long long)shared->flush_cpu,
	       (unsigned long long)shared->allocation);
	return 0;
}
