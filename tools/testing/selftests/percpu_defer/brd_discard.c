// SPDX-License-Identifier: GPL-2.0
/*
 * Are discarded pages of a RAM disk gone for everybody at once, even while the driver
 * has yet to free them, and is what is written to them afterwards there to stay?
 *
 * usage: brd_discard [SECONDS]
 *
 * On a kernel that frees at once the same must hold.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "swap_pages.h"
#include "text_files.h"

#define DISK		"/dev/ram1"
#define PAGES_USED	"/sys/kernel/debug/ramdisk_pages/ram1"
#define SWITCH		"/sys/module/brd/parameters/deferred_discard"
#define FLUSH		"/sys/module/percpu_defer/parameters/flush"
#define SECTOR		512
#define MAX_PAGES	1024UL

static int disk;
static size_t pages;
static char *page;
/* What each page holds: zeros, if 0. */
static uint64_t generation[MAX_PAGES];

static unsigned long pages_used(void)
{
	unsigned long long used;

	if (read_numbers(PAGES_USED, &used, 1) != 1)
		ksft_exit_fail_msg("cannot read " PAGES_USED "\n");
	return used;
}

static void discard(size_t first, size_t nr)
{
	uint64_t range[2] = { first * page_size(), nr * page_size() };

	if (ioctl(disk, BLKDISCARD, range))
		ksft_exit_fail_msg("BLKDISCARD: %s\n", strerror(errno));
	memset(generation + first, 0, nr * sizeof(*generation));
}

/* Words that tell when they were written, and where to. */
static uint64_t word(size_t i, size_t number)
{
	return mix(i << 32 | generation[i]) + number;
}

static void write_page(size_t i, uint64_t what)
{
	uint64_t *words = (uint64_t *)page;
	size_t number;

	generation[i] = what;
	for (number = 0; number < page_size() / sizeof(*words); number++)
		words[number] = word(i, number);
	if (pwrite(disk, page, page_size(), i * page_size()) != (ssize_t)page_size())
		ksft_exit_fail_msg("cannot write page %zu\n", i);
}

static bool all_zeros(const char *memory, size_t size)
{
	return !memory[0] && !memcmp(memory, memory + 1, size - 1);
}

static bool page_is_right(size_t i)
{
	const uint64_t *words = (uint64_t *)page;
	size_t number;

	if (pread(disk, page, page_size(), i * page_size()) != (ssize_t)page_size())
		ksft_exit_fail_msg("cannot read page %zu\n", i);
	if (!generation[i])
		return all_zeros(page, page_size());
	for (number = 0; number < page_size() / sizeof(*words); number++)
		if (words[number] != word(i, number))
			return false;
	return true;
}

static bool all_right(void)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		if (page_is_right(i))
			continue;
		ksft_print_msg("page %zu is not %s\n", i,
			       generation[i] ? "what was written" : "zeros");
		return false;
	}
	return true;
}

static void write_all(uint64_t what)
{
	size_t i;

	for (i = 0; i < pages; i++)
		write_page(i, what);
}

static void test_read(void)
{
	write_all(1);
	discard(0, pages);
	ksft_test_result(all_right(), "discarded pages read as zeros\n");
}

/* Less than a page: what was there must not show up again. */
static void test_part(void)
{
	bool good = true;
	size_t i;

	write_all(2);
	discard(0, pages);
	memset(page, 0x55, SECTOR);
	for (i = 0; i < pages; i++)
		if (pwrite(disk, page, SECTOR, i * page_size() + SECTOR) != SECTOR)
			ksft_exit_fail_msg("cannot write a sector\n");
	for (i = 0; i < pages && good; i++) {
		if (pread(disk, page, page_size(), i * page_size()) !=
		    (ssize_t)page_size())
			ksft_exit_fail_msg("cannot read page %zu\n", i);
		good = page[SECTOR] == 0x55 && all_zeros(page, SECTOR) &&
		       all_zeros(page + 2 * SECTOR, page_size() - 2 * SECTOR);
	}
	ksft_test_result(good, "a sector in a discarded page has zeros around it\n");
	discard(0, pages);
}

static void test_back(void)
{
	write_all(3);
	discard(0, pages);
	write_file(FLUSH, "1");
	ksft_test_result(!pages_used(), "nothing is used after a discard and a flush\n");
}

static void test_off(void)
{
	const char *name = "without deferred_discard, a discard frees\n";

	write_all(4);
	if (write_file(SWITCH, "N")) {
		ksft_test_result_skip("%s", name);
		return;
	}
	/* Some are dead since before. */
	write_file(SWITCH, "Y");
	discard(0, pages / 2);
	write_file(SWITCH, "N");
	discard(0, pages);
	ksft_test_result(!pages_used(), "%s", name);
	write_file(SWITCH, "Y");
}

/* Discards and writes at random, with time for drains now and then. */
static void test_reuse(time_t seconds)
{
	time_t end = time(NULL) + seconds;
	uint64_t random = getpid(), what = 5;
	bool good = true;

	write_all(what);
	while (good && time(NULL) < end) {
		size_t first, nr, i;

		random = mix(random);
		first = random % pages;
		nr = 1 + (random >> 20) % (pages - first);
		discard(first, nr);
		what++;
		for (i = first; i < first + nr; i++)
			if (mix(random + i) % 2)
				write_page(i, what);
		usleep(random >> 40 & 0x3fff);
		good = all_right();
	}
	ksft_test_result(good, "what is written to discarded pages stays\n");
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
	uint64_t bytes = 0;

	ksft_print_header();
	disk = open(DISK, O_RDWR | O_DIRECT);
	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &bytes))
		ksft_exit_skip("needs " DISK "\n");
	pages = bytes / page_size();
	if (pages > MAX_PAGES)
		pages = MAX_PAGES;
	page = aligned_alloc(page_size(), page_size());
	if (!page || !pages)
		ksft_exit_fail_msg("cannot begin\n");
	ksft_set_plan(5);

	test_read();
	test_part();
	test_back();
	test_off();
	test_reuse(seconds);

	discard(0, pages);
	ksft_finished();
}
