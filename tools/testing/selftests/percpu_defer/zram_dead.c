// SPDX-License-Identifier: GPL-2.0
/*
 * Check that freed slots of a zram swap device are no longer visible, even while the free
 * of their content is still pending.
 *
 * Each case checks right after munmap(), while the drain of the slots is pending or
 * running: see drain_gate.h. The results must be the same on a kernel without deferral.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "kselftest.h"
#include "drain_gate.h"
#include "swap_gate.h"
#include "swap_region.h"
#include "zram_swap.h"

#define REGION_BYTES	(8UL << 20)
#define ZRAM_MB		12

/* Return the number of slots with content; do not count slot 0, which holds the header. */
static unsigned long slots_with_content(void)
{
	int fd = open(zram_dev, O_RDONLY | O_DIRECT);
	uint64_t *page = aligned_alloc(page_size(), page_size());
	unsigned long found = 0;
	off_t offset = (off_t)ZRAM_MB << 20;

	if (fd < 0 || !page)
		ksft_exit_fail_msg("cannot open %s\n", zram_dev);
	while ((offset -= page_size()) > 0) {
		if (pread(fd, page, page_size(), offset) != (ssize_t)page_size())
			ksft_exit_fail_msg("cannot read %s\n", zram_dev);
		found += page[0] || memcmp(page, page + 1, page_size() - 8);
	}
	close(fd);
	free(page);
	return found;
}

static bool test_read(void)
{
	struct region r = new_region(REGION_BYTES);
	unsigned long before = slots_with_content(), after;
	bool good;

	hold_drains();
	unmap(&r);
	good = stays_pending(pending());
	after = slots_with_content();
	good &= stays_pending(pending());
	good &= expect("slots with content before", before > 0, 1);
	return expect("slots with content", after, 0) && good;
}

static bool test_block_state(void)
{
	struct region r = new_region(REGION_BYTES);
	unsigned long lines = 0;
	char path[64], line[128];
	FILE *state;
	bool good;

	snprintf(path, sizeof(path), "/sys/kernel/debug/zram/zram%u/block_state",
		 zram_id);
	state = fopen(path, "r");
	hold_drains();
	unmap(&r);
	good = stays_pending(pending());
	if (!state) {
		skip_why = "no CONFIG_ZRAM_MEMORY_TRACKING";
		return good;
	}
	while (fgets(line, sizeof(line), state))
		lines++;
	fclose(state);
	good &= stays_pending(pending());
	/* Only the swap header is listed. */
	return expect("slots listed", lines, 1) && good;
}

static unsigned long long failed_writes(void)
{
	unsigned long long io[2];
	char path[64];

	zram_path(path, sizeof(path), "io_stat");
	if (read_numbers(path, io, 2) != 2)
		ksft_exit_fail_msg("cannot read %s\n", path);
	return io[1];
}

/* Set mem_limit such that only freed slots make room for new pages. */
static bool test_mem_limit(void)
{
	struct region first = new_region(REGION_BYTES), second;
	unsigned long long mm[3], failed = failed_writes();
	char path[64], limit[32];
	bool good;

	/* Fault @second in and wait for its slots to be freed, so that only @first is in swap. */
	second = new_region(REGION_BYTES / 2);
	check_pages(&second, 0, second.pages);
	good = becomes("pending", pending, 0);

	zram_path(path, sizeof(path), "mm_stat");
	if (read_numbers(path, mm, 3) != 3)
		ksft_exit_fail_msg("cannot read %s\n", path);
	snprintf(limit, sizeof(limit), "%llu", mm[2]);
	if (write_zram("mem_limit", limit))
		ksft_exit_fail_msg("cannot set mem_limit\n");

	hold_drains();
	/* Keep drains shorter than 250 ms, the time for which a write waits for them. */
	if (!drains_held && gate_exists())
		write_gate("max_us", "50");
	unmap(&first);
	good &= stays_pending(pending());
	good &= expect("paged out", page_out(second.memory, second.pages * page_size(),
					     second.pages * page_size()), 1);
	good &= expect("writes that failed", failed_writes() - failed, 0);
	release_drains();
	write_zram("mem_limit", "0");
	unmap(&second);
	return good;
}

/* Check without waiting that everything is freed. */
static bool all_freed(void)
{
	return expect("bytes left", zram_usage().stored, page_size());
}

static bool all_freed_soon(void)
{
	int ms;

	for (ms = 0; zram_usage().stored != page_size() && ms < PATIENCE_MS; ms++)
		usleep(1000);
	return all_freed();
}

static unsigned long long deferred_pages(void)
{
	unsigned long long pages;
	char path[64];

	zram_path(path, sizeof(path), "deferred_pages");
	if (read_numbers(path, &pages, 1) != 1)
		ksft_exit_fail_msg("cannot read %s\n", path);
	return pages;
}

static bool test_switch(void)
{
	struct region r;
	bool good;

	if (!defers()) {
		skip_why = "nothing is deferred";
		return true;
	}
	good = expect("error of an invalid value", write_zram("deferred_free", "maybe"), EINVAL);
	good &= !write_zram("deferred_free", "1");

	r = new_region(REGION_BYTES);
	hold_drains();
	unmap(&r);
	good &= stays_pending(pending());
	if (drains_held)
		good &= expect("deferred_pages", deferred_pages(), pending());
	good &= !write_zram("deferred_free", "0") && all_freed();
	good &= expect("deferred_pages", deferred_pages(), 0);

	r = new_region(REGION_BYTES);
	unmap(&r);
	good &= all_freed();
	return !write_zram("deferred_free", "1") && good;
}

/* Run swapoff, which reads slots in use, while other slots are pending. */
static bool test_swapoff(void)
{
	struct region kept = new_region(REGION_BYTES / 16);
	struct region freed = new_region(REGION_BYTES);
	bool good;

	hold_drains();
	unmap(&freed);
	zram_swapoff();
	good = stays_pending(pending());
	good &= expect("slots with content", slots_with_content(), 0);
	release_drains();
	good &= all_freed_soon();
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	zram_swapon();
	return good;
}

static void ignore(int signal)
{
}

/* Interrupt swapoff, which checks for signals after each process. */
static bool swapoff_is_interrupted(void)
{
	struct itimerval each = { { 0, 1000 }, { 0, 100 } }, none = {};
	struct sigaction action = { .sa_handler = ignore };
	bool interrupted;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &each, NULL);
	interrupted = swapoff(zram_dev) && errno == EINTR;
	setitimer(ITIMER_REAL, &none, NULL);
	return interrupted;
}

#define KEEPERS		8

/* Start processes with pages in swap, which they check when the gate opens. */
static struct gate start_keepers(void)
{
	struct gate gate = new_gate();
	int i;

	fflush(stdout);
	for (i = 0; i < KEEPERS; i++) {
		struct region r;

		if (new_child())
			continue;
		r = new_region(REGION_BYTES / 2 / KEEPERS);
		wait_at_gate(&gate);
		_exit(!check_pages(&r, 0, r.pages));
	}
	await_ready(&gate, KEEPERS);
	return gate;
}

static bool all_kept(const struct gate *gate)
{
	unsigned int good = 0, i;
	int status;

	open_gate(gate);
	for (i = 0; i < KEEPERS; i++)
		good += wait(&status) > 0 && !status;
	return expect("processes with the right content", good, KEEPERS);
}

/* Check that an interrupted swapoff leaves the device in use, and dead slots pending. */
static bool test_interrupted(void)
{
	/* Start the keepers first: forked later, they would share the slots of @freed. */
	struct gate gate = start_keepers();
	struct region freed = new_region(REGION_BYTES / 2);
	bool good;

	hold_drains();
	unmap(&freed);
	if (!swapoff_is_interrupted())
		ksft_exit_fail_msg("swapoff was not interrupted\n");
	good = stays_pending(pending());
	good &= all_kept(&gate);
	release_drains();
	return all_freed_soon() && good;
}

int main(void)
{
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	zram_add(ZRAM_MB);
	ksft_set_plan(2 * 6);

	run_twice(test_read, "freed slots read as zeros");
	run_twice(test_block_state, "freed slots are not in block_state");
	run_twice(test_mem_limit, "freed slots make room below mem_limit");
	run_twice(test_switch, "deferred_free frees at once when switched off");
	run_twice(test_swapoff, "no content is readable after swapoff");
	run_twice(test_interrupted, "an interrupted swapoff keeps all content");

	zram_swapoff();
	zram_remove();
	ksft_finished();
}
