// SPDX-License-Identifier: GPL-2.0
/*
 * Does memory in zram swap keep its content when slots are reused at once?
 *
 * usage: swap_reuse [SECONDS [PROCESSES [MEGABYTES [ZRAM_MEGABYTES]]]]
 *
 * Processes fill memory with a pattern made of address and generation, page it
 * out to a zram that is too small for all, check it, free it and fill it again.
 * A drain that frees a slot after it was written again shows as a page of
 * zeros. Takes a zram device of its own and gives it back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest.h"
#include "swap_pages.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

/* Freed and filled at one go: a few swap clusters at the most. */
#define MAX_CHUNK	1024

static unsigned int zram_id;
static char zram_dev[32];

static void zram_path(char *path, size_t size, const char *file)
{
	snprintf(path, size, "/sys/block/zram%u/%s", zram_id, file);
}

/* Returns 0 or an errno. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t done;
	int error = 0;

	if (fd < 0)
		return errno;
	done = write(fd, text, strlen(text));
	if (done != (ssize_t)strlen(text))
		error = done < 0 ? errno : EIO;
	close(fd);
	return error;
}

static int write_zram(const char *file, const char *text)
{
	char path[64];

	zram_path(path, sizeof(path), file);
	return write_file(path, text);
}

/* Reads the numbers of a statistics file; returns how many. */
static int read_numbers(const char *path, unsigned long long *number, int max)
{
	FILE *file = fopen(path, "r");
	int n = 0;

	if (!file)
		return 0;
	while (n < max && fscanf(file, "%llu", number + n) == 1)
		n++;
	fclose(file);
	return n;
}

struct usage {
	unsigned long long stored;	/* bytes, uncompressed */
	unsigned long long compressed;
	unsigned long long freed;	/* notifications so far */
};

static struct usage zram_usage(void)
{
	unsigned long long mm[2] = {}, io[4] = {};
	char path[64];

	zram_path(path, sizeof(path), "mm_stat");
	if (read_numbers(path, mm, 2) != 2)
		ksft_exit_fail_msg("cannot read %s\n", path);
	zram_path(path, sizeof(path), "io_stat");
	if (read_numbers(path, io, 4) != 4)
		ksft_exit_fail_msg("cannot read %s\n", path);
	return (struct usage) { mm[0], mm[1], io[3] };
}

static void make_swap(void)
{
	union {
		struct {
			char boot[1024];
			uint32_t version, last_page, nr_badpages;
		} info;
		char page[65536];
	} header = {};
	off_t size;
	int fd = open(zram_dev, O_RDWR);

	if (fd < 0)
		ksft_exit_fail_msg("cannot open %s\n", zram_dev);
	size = lseek(fd, 0, SEEK_END);
	header.info.version = 1;
	header.info.last_page = size / page_size() - 1;
	memcpy(header.page + page_size() - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, &header, page_size(), 0) != (ssize_t)page_size() || fsync(fd))
		ksft_exit_fail_msg("cannot write to %s\n", zram_dev);
	close(fd);
}

static void zram_add(unsigned long megabytes)
{
	unsigned long long id;
	char size[32];

	if (read_numbers("/sys/class/zram-control/hot_add", &id, 1) != 1)
		ksft_exit_skip("cannot add a zram device: zram? root?\n");
	zram_id = id;
	snprintf(zram_dev, sizeof(zram_dev), "/dev/zram%u", zram_id);
	snprintf(size, sizeof(size), "%luM", megabytes);
	if (write_zram("disksize", size))
		ksft_exit_fail_msg("cannot set the size of %s\n", zram_dev);
	make_swap();
	/* The highest priority, so that other swap is left alone. */
	if (swapon(zram_dev, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK))
		ksft_exit_fail_msg("swapon %s: %s\n", zram_dev, strerror(errno));
}

static void zram_remove(void)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", zram_id);
	if (write_zram("reset", "1") ||
	    write_file("/sys/class/zram-control/hot_remove", id))
		ksft_exit_fail_msg("cannot remove %s\n", zram_dev);
}

struct region {
	char *memory;
	uint64_t *generation;
	size_t pages;
};

static bool check_pages(const struct region *r, size_t first, size_t nr)
{
	size_t i;

	for (i = first; i < first + nr; i++) {
		char *page = r->memory + i * page_size();
		long bad = check_page(page, r->generation[i]);

		if (bad < 0)
			continue;
		ksft_print_msg("page %zu, generation %llu: word %ld is %#llx, not %#llx\n",
			       i, (unsigned long long)r->generation[i], bad,
			       ((unsigned long long *)page)[bad],
			       (unsigned long long)page_word(page, r->generation[i], bad));
		return false;
	}
	return true;
}

static void refill(struct region *r, size_t first, size_t nr)
{
	char *start = r->memory + first * page_size();
	size_t i;

	madvise(start, nr * page_size(), MADV_DONTNEED);
	for (i = first; i < first + nr; i++)
		fill_page(r->memory + i * page_size(), ++r->generation[i]);
	madvise(start, nr * page_size(), MADV_PAGEOUT);
}

static struct region new_region(size_t size)
{
	struct region r = { .pages = size / page_size() };

	r.memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r.generation = calloc(r.pages, sizeof(*r.generation));
	if (r.memory == MAP_FAILED || !r.generation)
		ksft_exit_fail_msg("no memory for a region of %zu bytes\n", size);
	madvise(r.memory, size, MADV_NOHUGEPAGE);
	refill(&r, 0, r.pages);
	return r;
}

/* Exits with 0 if every page was as written, each time. */
static void worker(size_t size, time_t end)
{
	struct region r = new_region(size);
	uint64_t random = getpid();

	while (time(NULL) < end) {
		size_t nr, first;

		random = mix(random);
		nr = 1 + random % MAX_CHUNK;
		first = (random >> 32) % (r.pages - nr);
		if (!check_pages(&r, first, nr))
			_exit(KSFT_FAIL);
		refill(&r, first, nr);
	}
	_exit(check_pages(&r, 0, r.pages) ? KSFT_PASS : KSFT_FAIL);
}

/* Ends all workers when the first one fails. Returns whether none did. */
static bool run_workers(unsigned long processes, size_t size, time_t end)
{
	bool good = true;
	unsigned long i;
	int status;

	/* What is buffered must not be printed by each child again. */
	fflush(stdout);
	for (i = 0; i < processes; i++) {
		pid_t pid = fork();

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

/* Is, within a second, no more stored than there was at the start? */
static bool usage_returns(const struct usage *start)
{
	struct usage now;
	int i;

	for (i = 0; i < 100; i++) {
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

static void test_switch(size_t size)
{
	ksft_test_result(write_zram("deferred_free", "maybe") == EINVAL &&
			 !write_zram("deferred_free", "1"),
			 "deferred_free takes 0 and 1 and refuses nonsense\n");
	ksft_test_result(!write_zram("deferred_free", "0") &&
			 run_workers(1, size, time(NULL) + 2) &&
			 !write_zram("deferred_free", "1"),
			 "content survives with deferred_free off\n");
}

/* Swapoff reads all slots and frees them, the last ones just before it ends. */
static void test_swapoff(size_t size, const struct usage *start)
{
	struct region r = new_region(size);
	bool was_stored = zram_usage().stored > start->stored;

	if (swapoff(zram_dev))
		ksft_exit_fail_msg("swapoff: %s\n", strerror(errno));
	ksft_test_result(was_stored && zram_usage().stored == start->stored,
			 "nothing is pending after swapoff\n");
	ksft_test_result(check_pages(&r, 0, r.pages),
			 "content survives swapoff\n");
}

static unsigned long argument(int argc, char **argv, int i, unsigned long otherwise)
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
	if (size / page_size() <= MAX_CHUNK)
		ksft_exit_fail_msg("give each process more than %zu MB\n",
				   MAX_CHUNK * page_size() >> 20);
	/* The workers are killed as a group, which is not the caller's. */
	setpgid(0, 0);
	zram_add(zram_mb);
	ksft_set_plan(7);
	start = zram_usage();

	test_switch(size);

	began = time(NULL);
	ksft_test_result(run_workers(processes, size, began + seconds),
			 "content survives the reuse of slots\n");
	ksft_print_msg("%lu processes of %zu MB on %lu MB of zram, %ld s, %llu slots freed\n",
		       processes, size >> 20, zram_mb, (long)(time(NULL) - began),
		       zram_usage().freed - start.freed);
	ksft_test_result(zram_usage().freed - start.freed > 2 * slots,
			 "slots were reused\n");
	ksft_test_result(usage_returns(&start),
			 "all is freed within a second of the exit\n");
	test_swapoff(size, &start);
	zram_remove();
	ksft_finished();
}
