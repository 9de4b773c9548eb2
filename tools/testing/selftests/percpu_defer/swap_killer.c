// SPDX-License-Identifier: GPL-2.0
/*
 * Check whether a low-memory killer in user space kills a second process because the
 * memory of the first process is not free in time.
 *
 * usage: swap_killer MEGABYTES LOW EXTRA POLL POOL
 *
 * Each of two holders fills MEGABYTES of memory and pages it out. A grower locks an amount
 * of MemAvailable - LOW + ONE - MARGIN + EXTRA, where ONE is the memory that swap uses for
 * one holder, and MARGIN is 8 MB. The grower slows down when MemAvailable reaches
 * LOW + ONE/2. Meanwhile the parent polls MemAvailable every POLL milliseconds. If
 * MemAvailable is below LOW, the parent kills and reaps a holder.
 * LOW and EXTRA are in kilobytes. POOL is mm_stat of a zram device in use as swap, or
 * pool_total_size of zswap.
 * Print
 *   the number of holders that were killed,
 *   the number of OOM kills during the run,
 *   ONE in bytes.
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "swap_gate.h"
#include "swap_measure.h"
#include "swap_pool.h"

#define HOLDERS		2
#define MARGIN		(8ULL << 20)
/* 100 MB per second: one step per millisecond. */
#define SLOW_STEP	(100ULL << 10)
/* Number of polls by the parent after the last step. */
#define POLLS_AFTER	3

static size_t size;
static unsigned long long low, extra;
static unsigned long poll_ms;
static const char *pool;

static unsigned long long available(void)
{
	return named_number("/proc/meminfo", "MemAvailable:") << 10;
}

static unsigned long long kills(void)
{
	return named_number("/proc/vmstat", "oom_kill");
}

static void be_holder(const struct gate *gate)
{
	page_out_all(filled(size, 1), size);
	wait_at_gate(gate);
	_exit(0);
}

static void write_to(char *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += page_size())
		memory[i] = 1;
}

/* Lock memory as described above. Swap uses @one bytes for each holder. */
static void be_grower(const struct gate *gate, unsigned long long one)
{
	unsigned long long fast, all, done = 0;
	char *memory;

	wait_at_gate(gate);
	fast = available() - low - one / 2;
	all = fast + one / 2 + one - MARGIN + extra;
	if ((long long)fast < 0)
		errx(1, "LOW: exceeds the available memory; reduce it");
	memory = mmap(NULL, all + SLOW_STEP, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || mlock2(memory, all, MLOCK_ONFAULT))
		err(1, "cannot lock memory");
	fast -= fast % page_size();
	write_to(memory, fast);
	for (done = fast; done < all; done += SLOW_STEP) {
		usleep(1000);
		write_to(memory + done, SLOW_STEP);
	}
	/* Keep the memory until the parent has polled again. */
	usleep(poll_ms * (POLLS_AFTER + 1) * 1000);
	_exit(0);
}

/* Kill a holder whenever memory is low, until the grower exits. Return the number of kills. */
static int be_killer(const pid_t *holder, pid_t grower)
{
	int killed = 0, status;

	while (!waitpid(grower, &status, WNOHANG)) {
		usleep(poll_ms * 1000);
		if (killed == HOLDERS || available() >= low)
			continue;
		kill(holder[killed], SIGKILL);
		waitpid(holder[killed], NULL, 0);
		killed++;
	}
	if (status)
		errx(1, "the grower failed");
	return killed;
}

int main(int argc, char **argv)
{
	unsigned long long before, one, killed_by_kernel;
	struct gate holders[HOLDERS], growers;
	pid_t holder[HOLDERS], grower;
	int i, killed;

	if (argc != 6)
		errx(1, "usage: swap_killer MEGABYTES LOW EXTRA POLL POOL");
	size = parse_number(argv[1], 1 << 20) << 20;
	low = parse_number(argv[2], 1 << 30) << 10;
	extra = parse_number(argv[3], 1 << 20) << 10;
	poll_ms = parse_number(argv[4], 1000);
	pool = argv[5];
	write_text("/proc/self/oom_score_adj", "-1000");
	before = pool_bytes(pool);
	killed_by_kernel = kills();

	/* Start holders one by one, so that they do not share zspages. */
	for (i = 0; i < HOLDERS; i++) {
		holders[i] = new_gate();
		holder[i] = new_child();
		if (!holder[i])
			be_holder(&holders[i]);
		await_ready(&holders[i], 1);
	}
	one = (pool_bytes(pool) - before) / HOLDERS;

	growers = new_gate();
	grower = new_child();
	if (!grower)
		be_grower(&growers, one);
	await_ready(&growers, 1);
	open_gate(&growers);
	killed = be_killer(holder, grower);
	/* Open all gates before waiting: a later holder has inherited the earlier gates. */
	for (i = 0; i < HOLDERS; i++)
		open_gate(&holders[i]);
	for (i = killed; i < HOLDERS; i++)
		waitpid(holder[i], NULL, 0);
	printf("%d %llu %llu\n", killed, kills() - killed_by_kernel, one);
	settle(pool);
	return 0;
}
