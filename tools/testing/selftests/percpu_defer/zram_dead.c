// SPDX-License-Identifier: GPL-2.0
/*
 * Are freed slots of a zram swap device gone for everybody at once, even while
 * zram has yet to free what they hold?
 *
 * Each test looks right after munmap(), while the slots wait for their drain,
 * which is kept from running. On a kernel that frees at once the same must hold.
 */
#define _GNU_SOURCE
#include "kselftest.h"
#include "slow_drains.h"
#include "swap_region.h"
#include "zram_swap.h"

#define REGION_BYTES	(32UL << 20)
#define ZRAM_MB		48

/* Counts the slots that do not read as zeros; the first has the swap header. */
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

static void test_read(void)
{
	struct region r = new_region(REGION_BYTES);
	unsigned long before = slots_with_content(), after;

	slow_drains();
	unmap(&r);
	after = slots_with_content();
	fast_drains();
	if (!before || after)
		ksft_print_msg("%lu slots have content, %lu had\n", after, before);
	ksft_test_result(before && !after, "freed slots read as zeros\n");
}

static void test_block_state(void)
{
	const char *name = "freed slots are not in block_state\n";
	struct region r = new_region(REGION_BYTES);
	unsigned long lines = 0;
	char path[64], line[128];
	FILE *state;

	snprintf(path, sizeof(path), "/sys/kernel/debug/zram/zram%u/block_state",
		 zram_id);
	state = fopen(path, "r");
	slow_drains();
	unmap(&r);
	if (!state) {
		fast_drains();
		ksft_test_result_skip("%s", name);
		return;
	}
	while (fgets(line, sizeof(line), state))
		lines++;
	fclose(state);
	fast_drains();
	if (lines != 1)
		ksft_print_msg("%lu slots listed, not 1\n", lines);
	ksft_test_result(lines == 1, "%s", name);
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

/* What is freed makes room for what comes, if only just. */
static void test_mem_limit(void)
{
	struct region first = new_region(REGION_BYTES), second;
	unsigned long long mm[3], failed = failed_writes();
	char path[64], limit[32];

	/* In memory, and all freed in swap, so that nothing but @first is. */
	second = new_region(REGION_BYTES / 2);
	check_pages(&second, 0, second.pages);
	usleep(200000);

	zram_path(path, sizeof(path), "mm_stat");
	if (read_numbers(path, mm, 3) != 3)
		ksft_exit_fail_msg("cannot read %s\n", path);
	snprintf(limit, sizeof(limit), "%llu", mm[2]);
	if (write_zram("mem_limit", limit))
		ksft_exit_fail_msg("cannot set mem_limit\n");

	slow_drains();
	unmap(&first);
	madvise(second.memory, second.pages * page_size(), MADV_PAGEOUT);
	failed = failed_writes() - failed;
	fast_drains();
	if (failed)
		ksft_print_msg("%llu writes failed\n", failed);
	ksft_test_result(!failed, "freed slots make room below mem_limit\n");

	write_zram("mem_limit", "0");
	unmap(&second);
}

/* With slow drains, only what is not put off is gone at once. */
static bool all_freed(void)
{
	struct usage left = zram_usage();

	if (left.stored != page_size())
		ksft_print_msg("%llu bytes are left\n", left.stored);
	return left.stored == page_size();
}

static void test_switch(void)
{
	struct region r;

	ksft_test_result(write_zram("deferred_free", "maybe") == EINVAL &&
			 !write_zram("deferred_free", "1"),
			 "deferred_free takes 0 and 1 and refuses nonsense\n");

	r = new_region(REGION_BYTES);
	slow_drains();
	unmap(&r);
	ksft_test_result(!write_zram("deferred_free", "0") && all_freed(),
			 "switching deferred_free off frees what is pending\n");
	fast_drains();

	r = new_region(REGION_BYTES);
	slow_drains();
	unmap(&r);
	ksft_test_result(all_freed(), "without deferred_free, munmap frees\n");
	fast_drains();
	write_zram("deferred_free", "1");
}

static void test_flush(void)
{
	static const char flush[] = "/sys/module/percpu_defer/parameters/flush";
	struct region r;

	ksft_test_result(write_file(flush, "maybe") == EINVAL && !write_file(flush, "0"),
			 "flush takes 0 and 1 and refuses nonsense\n");

	r = new_region(REGION_BYTES);
	slow_drains();
	unmap(&r);
	ksft_test_result(!write_file(flush, "1") && all_freed(),
			 "flush frees what is pending\n");
	fast_drains();
}

/*
 * Swapoff reads what is in use and frees it, and finishes what was freed before.
 */
static void test_swapoff(void)
{
	struct region kept = new_region(REGION_BYTES / 16);
	struct region freed = new_region(REGION_BYTES);

	slow_drains();
	unmap(&freed);
	zram_swapoff();
	ksft_test_result(all_freed(), "nothing is pending after swapoff\n");
	fast_drains();
	ksft_test_result(check_pages(&kept, 0, kept.pages),
			 "content survives swapoff\n");
}

int main(void)
{
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	make_hogs();
	zram_add(ZRAM_MB);
	ksft_set_plan(10);

	test_read();
	test_block_state();
	test_mem_limit();
	test_switch();
	test_flush();
	test_swapoff();

	zram_remove();
	kill_hogs();
	ksft_finished();
}
