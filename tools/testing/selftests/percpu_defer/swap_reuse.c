// SPDX-License-Identifier: GPL-2.0
/*
 * Check that memory in zram swap keeps its content when slots are reused immediately.
 *
 * usage: swap_reuse [SECONDS [PROCESSES [MEGABYTES [ZRAM_MEGABYTES]]]]
 *
 * Processes fill memory with a pattern made of address and generation, page it out to a
 * zram device that is too small for all of it, check it, free it and fill it again.
 * Meanwhile zsmalloc and the page allocator compact memory, and deferral is disabled and
 * enabled. A page reads as zeros if a drain frees a slot that was written again.
 * Add a zram device, and remove it at the end.
 */
#define _GNU_SOURCE
#include "kselftest.h"
#include "swap_workers.h"
#include "zram_swap.h"

/* Compact zsmalloc and memory, and disable and enable deferral. */
static void disturber(time_t end)
{
	bool on = defers();

	while (time(NULL) < end) {
		write_file("/proc/sys/vm/compact_memory", "1");
		write_zram("compact", "1");
		usleep(100000);
		if (on && (write_zram("deferred_free", "0") || write_zram("deferred_free", "1")))
			_exit(KSFT_FAIL);
	}
	_exit(KSFT_PASS);
}

/* Wait until the usage is back at its initial value; return false on timeout. */
static bool usage_returns(const struct usage *start)
{
	struct usage now;
	int i;

	for (i = 0; i < DRAIN_TRIES; i++) {
		now = zram_usage();
		if (now.stored == start->stored &&
		    now.compressed == start->compressed)
			return true;
		usleep(10000);
	}
	ksft_print_msg("%llu bytes stored, %llu at the start\n", now.stored,
		       start->stored);
	return false;
}

int main(int argc, char **argv)
{
	unsigned long seconds = argument(argc, argv, 1, 60);
	unsigned long processes = argument(argc, argv, 2, 3);
	size_t size = argument(argc, argv, 3, 40) << 20;
	unsigned long zram_mb = argument(argc, argv, 4, 96);
	unsigned long long slots = ((unsigned long long)zram_mb << 20) / page_size();
	struct usage start;
	time_t began;

	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (size / page_size() < MIN_CHUNKS)
		ksft_exit_fail_msg("MEGABYTES: too small; give at least %d pages\n", MIN_CHUNKS);
	/* Leave the parent's process group: run_workers() signals its own group. */
	setpgid(0, 0);
	zram_add(zram_mb);
	ksft_set_plan(3);
	start = zram_usage();

	began = time(NULL);
	ksft_test_result(run_workers(processes, size, began + seconds, disturber),
			 "content survives the reuse of slots\n");
	ksft_print_msg("%lu processes of %zu MB on %lu MB of zram, %ld s, %llu slots freed\n",
		       processes, size >> 20, zram_mb, (long)(time(NULL) - began),
		       zram_usage().freed - start.freed);
	ksft_test_result(zram_usage().freed - start.freed > slots,
			 "slots were reused\n");
	ksft_test_result(usage_returns(&start),
			 "all slots are freed after exit\n");

	zram_swapoff();
	zram_remove();
	ksft_finished();
}
