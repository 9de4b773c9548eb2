/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that free, fill and check memory in swap while another process interferes. */
#ifndef SWAP_WORKERS_H
#define SWAP_WORKERS_H

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "swap_region.h"

/* Minimum number of chunks of a region; at most one chunk is freed and filled at a time. */
#define MIN_CHUNKS	10
/* Maximum number of 10 ms waits until a busy debug kernel has drained everything. */
#define DRAIN_TRIES	1000

/* Free, fill and check memory until @end; exit with 0 if all content was correct. */
static inline void worker(size_t size, time_t end)
{
	struct region r = new_region(size);
	uint64_t random = getpid();

	/* Include large folios, which are swapped out as a whole. */
	madvise(r.memory, size, MADV_HUGEPAGE);
	while (time(NULL) < end) {
		size_t nr, first;

		random = mix(random);
		nr = 1 + random % (r.pages / MIN_CHUNKS);
		first = (random >> 32) % (r.pages - nr);
		if (!check_pages(&r, first, nr))
			_exit(KSFT_FAIL);
		refill(&r, first, nr);
	}
	_exit(check_pages(&r, 0, r.pages) ? KSFT_PASS : KSFT_FAIL);
}

/*
 * Run workers, and terminate all of them when one fails; return true if none failed.
 * @disturb runs in another process, and exits at @end.
 */
static inline bool run_workers(unsigned long processes, size_t size, time_t end,
			       void (*disturb)(time_t end))
{
	bool good = true;
	unsigned long i;
	int status;

	/* Children must not print buffered output again. */
	fflush(stdout);
	for (i = 0; i <= processes; i++) {
		pid_t pid = fork();

		if (!pid && !i)
			disturb(end);
		if (!pid)
			worker(size, end);
		if (pid < 0)
			ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	}
	while (wait(&status) > 0) {
		if (!status || !good)
			continue;
		good = false;
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
	}
	signal(SIGTERM, SIG_DFL);
	return good;
}

static inline unsigned long argument(int argc, char **argv, int i,
				     unsigned long otherwise)
{
	unsigned long value;
	char *end;

	if (i >= argc)
		return otherwise;
	value = strtoul(argv[i], &end, 10);
	if (*end || !value)
		ksft_exit_fail_msg("invalid number '%s'\n", argv[i]);
	return value;
}

#endif
