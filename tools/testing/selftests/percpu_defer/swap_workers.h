/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that free and fill memory in swap, and check it, while others disturb. */
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

/* At most this part of the memory is freed and filled at one go. */
#define MIN_CHUNKS	10
/* Of 10 ms: how long a debug kernel may take to drain all there is, when busy. */
#define DRAIN_TRIES	1000

/* Exits with 0 if every page was as written, each time. */
static inline void worker(size_t size, time_t end)
{
	struct region r = new_region(size);
	uint64_t random = getpid();

	/* Folios that are swapped out as one, too. */
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
 * Ends all workers when the first one fails. Returns whether none did. @disturb,
 * which exits at @end, runs in a process of its own.
 */
static inline bool run_workers(unsigned long processes, size_t size, time_t end,
			       void (*disturb)(time_t end))
{
	bool good = true;
	unsigned long i;
	int status;

	/* What is buffered must not be printed by each child again. */
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
		ksft_exit_fail_msg("not a number: %s\n", argv[i]);
	return value;
}

#endif
