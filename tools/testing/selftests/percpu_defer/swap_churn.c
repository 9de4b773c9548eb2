// SPDX-License-Identifier: GPL-2.0
/*
 * Measure the maximum amount of swap that an unprivileged process occupies while it frees
 * swapped-out memory on busy CPUs.
 *
 * usage: swap_churn MEGABYTES SECONDS SPINNERS FILE
 *
 * SPINNERS processes loop on each CPU. For SECONDS, another process, run by user nobody,
 * repeatedly fills MEGABYTES of memory, pages it out and unmaps it. FILE begins with the
 * amount stored in swap: mm_stat of a zram device in use as swap, or stored_pages of zswap.
 * Print
 *   the number of unmaps,
 *   the maximum of FILE minus its initial value,
 *   nanoseconds from the start of the last unmap until everything was freed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "swap_hogs.h"
#include "swap_measure.h"

#define NOBODY		65534
#define BACK_MS		20000

static size_t size;

static void become_nobody(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		err(1, "cannot become nobody");
}

static sig_atomic_t over;

static void end(int signal)
{
	(void)signal;
	__atomic_store_n(&over, 1, __ATOMIC_RELAXED);
}

struct result {
	unsigned long rounds;
	uint64_t start;		/* of the last unmap */
};

/* Free memory repeatedly until SIGTERM, then write the result to @fd. */
static void be_churner(int fd)
{
	struct result result = {};

	signal(SIGTERM, end);
	become_nobody();
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		char *memory = filled(size, result.rounds);

		madvise(memory, size, MADV_PAGEOUT);
		result.start = now(CLOCK_MONOTONIC);
		munmap(memory, size);
		result.rounds++;
	}
	if (write(fd, &result, sizeof(result)) != sizeof(result))
		err(1, "pipe");
	_exit(0);
}

/* Poll the number at the start of a file for @seconds; return its maximum. */
static unsigned long long watch(const char *path, unsigned long seconds)
{
	uint64_t end = now(CLOCK_MONOTONIC) + seconds * 1000000000ull;
	unsigned long long most = 0, number;

	while (now(CLOCK_MONOTONIC) < end) {
		number = first_number(path);
		if (number > most)
			most = number;
		usleep(1000);
	}
	return most;
}

int main(int argc, char **argv)
{
	unsigned long seconds, spinners, i;
	unsigned long long before, most;
	int go[2], results[2];
	struct result result;
	pid_t churner;

	if (argc != 5)
		errx(1, "usage: swap_churn MEGABYTES SECONDS SPINNERS FILE");
	size = parse_number(argv[1], 1 << 20) << 20;
	seconds = parse_number(argv[2], 3600);
	spinners = parse_number(argv[3], 64);
	before = first_number(argv[4]);
	if (pipe(go) || pipe(results))
		err(1, "pipe");
	for (i = 0; i < spinners; i++)
		make_hogs(false, go);
	churner = new_child();
	if (!churner) {
		close(go[1]);
		be_churner(results[1]);
	}
	/* Preempt the spinners: watch() must not wait for a CPU. */
	become_fifo(OWN_PRIORITY);
	close(go[0]);
	close(go[1]);

	most = watch(argv[4], seconds) - before;
	kill(churner, SIGTERM);
	if (read(results[0], &result, sizeof(result)) != sizeof(result))
		errx(1, "the process that frees memory failed");
	if (!wait_until_back(argv[4], before, BACK_MS))
		errx(1, "memory: not free after %d ms", BACK_MS);
	printf("%lu %llu %llu\n", result.rounds, most,
	       (unsigned long long)(now(CLOCK_MONOTONIC) - result.start));
	kill_hogs();
	return 0;
}
