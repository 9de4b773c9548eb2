// SPDX-License-Identifier: GPL-2.0
/*
 * Does all that zram can do get along with slots that wait to be freed?
 *
 * Each test keeps one region of memory in swap, frees another one, and does
 * something with the device while the slots of the latter wait for a drain, which
 * is kept from running. In the end the statistics must tell of what was kept and
 * nothing else, and what was kept must be as it was written.
 */
#define _GNU_SOURCE
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "kselftest.h"
#include "slow_drains.h"
#include "swap_region.h"
#include "zram_swap.h"

#define KEPT_BYTES	(2UL << 20)
#define FREED_BYTES	(20UL << 20)
/* With what is kept, more than the device has left. */
#define AGAIN_BYTES	(28UL << 20)
#define ZRAM_MB		32
#define BACKING_MB	32
#define RAW_MB		8
#define BLOCK		4096

#define PATIENCE_MS	10000

static struct region kept, freed;
static unsigned int swap_id, backing_id;
static bool can_write_back, can_recompress;

/* What mm_stat says, in this order. */
struct mm_stat {
	unsigned long long stored, compressed, used, limit, max_used, same,
			   compacted, huge, huge_since;
};

static struct mm_stat mm_stat(void)
{
	struct mm_stat mm;
	char path[64];

	zram_path(path, sizeof(path), "mm_stat");
	if (read_numbers(path, (unsigned long long *)&mm, 9) != 9)
		ksft_exit_fail_msg("cannot read %s\n", path);
	return mm;
}

/* Column @i of defer_stat; 0 where there is none, as nothing waits there. */
static unsigned long long defer_stat(int i)
{
	unsigned long long stat[5] = {};
	char path[64];

	zram_path(path, sizeof(path), "defer_stat");
	read_numbers(path, stat, 5);
	return stat[i];
}

static unsigned long long waiting(void)
{
	return defer_stat(0);
}

static bool defers(void)
{
	char path[64];

	zram_path(path, sizeof(path), "defer_stat");
	return !access(path, F_OK);
}

/* Both in swap, one of them freed. False if nothing of it waits to be drained. */
static bool begin(void)
{
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	slow_drains();
	unmap(&freed);
	return !defers() || waiting() > 0;
}

/* What a region has of pages that zram has a count of. */
static unsigned long long count(const struct region *r, bool (*kind)(uint64_t seed))
{
	unsigned long long found = 0;
	size_t i;

	for (i = 0; i < r->pages; i++)
		found += kind(page_seed(r->memory + i * page_size(), r->generation[i]));
	return found;
}

/* Nothing waits, nothing was missed, and only @r is stored, beside the header. */
static bool only_stored(const struct region *r, bool huge_elsewhere)
{
	unsigned long long debug[4] = {};
	struct mm_stat mm;
	char path[64];
	bool good;
	int ms;

	fast_drains();
	for (ms = 0; waiting() && ms < PATIENCE_MS; ms++)
		usleep(1000);

	mm = mm_stat();
	good = expect("waiting", waiting(), 0);
	good &= expect("pages stored", mm.stored / page_size(), r->pages + 1);
	good &= expect("same pages", mm.same, count(r, page_is_same));
	good &= expect("huge pages", mm.huge, huge_elsewhere ? 0 : count(r, page_is_huge));
	zram_path(path, sizeof(path), "debug_stat");
	/* "version: 1", and below it two numbers. */
	FILE *file = fopen(path, "r");

	if (!file || fscanf(file, "version: %llu %llu %llu", debug, debug + 1, debug + 2) != 3)
		ksft_exit_fail_msg("cannot read %s\n", path);
	fclose(file);
	return good & expect("missed frees", debug[2], 0);
}

static bool end(bool good)
{
	good = check_pages(&kept, 0, kept.pages) && good;
	unmap(&kept);
	return good;
}

/* Slots that swap takes again: their death is cancelled. */
static void test_write(void)
{
	bool good = begin();
	unsigned long long cancelled = defer_stat(3);
	struct region again = swapped_region(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);

	if (defers() && defer_stat(3) == cancelled) {
		ksft_print_msg("no slot was written before it was drained\n");
		good = false;
	}
	good = check_pages(&again, 0, again.pages) && good;
	unmap(&again);
	good = only_stored(&kept, false) && good;
	ksft_test_result(end(good), "write\n");
}

/* Counts the slots in block_state that have a flag. */
static unsigned long long count_flag(char flag)
{
	char path[64], line[128], flags[16];
	unsigned long long found = 0;
	FILE *state;

	snprintf(path, sizeof(path), "/sys/kernel/debug/zram/zram%u/block_state",
		 zram_id);
	state = fopen(path, "r");
	if (!state)
		return 0;
	while (fgets(line, sizeof(line), state))
		if (sscanf(line, "%*u %*s %15s", flags) == 1 && strchr(flags, flag))
			found++;
	fclose(state);
	return found;
}

/* With the header of the swap space, but without what takes no memory. */
static unsigned long long can_be_idle(const struct region *r)
{
	return r->pages + 1 - count(r, page_is_same);
}

static void test_idle(void)
{
	bool good = begin();

	good = !write_zram("idle", "all") && good;
	good &= expect("idle slots", count_flag('i'), can_be_idle(&kept));
	good = only_stored(&kept, false) && good;
	good &= expect("idle slots", count_flag('i'), can_be_idle(&kept));
	ksft_test_result(end(good), "idle\n");
}

static long uptime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

/* A slot is as old as its content, not as what was there before. */
static void test_access_time(void)
{
	bool good = begin();
	struct region again;
	char seconds[24];
	long start;
	int error;

	sleep(6);
	start = uptime();
	again = swapped_region(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);
	/* However long that took: half way back to when the others were written. */
	snprintf(seconds, sizeof(seconds), "%ld", uptime() - start + 3);
	error = write_zram("idle", seconds);
	if (error == EINVAL) {
		fast_drains();
		ksft_test_result_skip("access time: not tracked\n");
		unmap(&again);
		end(good);
		return;
	}
	good &= expect("idle slots", count_flag('i'), can_be_idle(&kept));
	good = check_pages(&again, 0, again.pages) && good;
	unmap(&again);
	good = only_stored(&kept, false) && good;
	ksft_test_result(end(good && !error), "access time\n");
}

/* What is stored on the backing device, in pages. */
static unsigned long long backed(void)
{
	unsigned long long bd[3];
	char path[64];

	zram_path(path, sizeof(path), "bd_stat");
	if (read_numbers(path, bd, 3) != 3)
		ksft_exit_fail_msg("cannot read %s\n", path);
	return bd[0] * 4096 / page_size();
}

static bool backed_soon(unsigned long long pages)
{
	int ms;

	for (ms = 0; backed() != pages && ms < PATIENCE_MS; ms++)
		usleep(1000);
	return expect("pages on the backing device", backed(), pages);
}

static void test_writeback(void)
{
	bool good = begin();
	unsigned long long huge = count(&kept, page_is_huge);

	if (!can_write_back) {
		fast_drains();
		ksft_test_result_skip("writeback\n");
		end(good);
		return;
	}
	/* Not those that are dead. */
	good = !write_zram("writeback", "type=huge") && good;
	good &= expect("pages on the backing device", backed(), huge);
	good = only_stored(&kept, true) && good;
	good = end(good);
	/* Reading has freed them, or unmapping. */
	good &= backed_soon(0);
	ksft_test_result(good, "writeback\n");
}

/* Slots that die while their content is on the backing device. */
static void test_written_back(void)
{
	bool good;

	if (!can_write_back) {
		ksft_test_result_skip("freed after writeback\n");
		return;
	}
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	good = !write_zram("writeback", "type=huge");
	good &= expect("pages on the backing device", backed(),
		       count(&kept, page_is_huge) + count(&freed, page_is_huge));
	slow_drains();
	unmap(&freed);
	good = only_stored(&kept, true) && good;
	good &= backed_soon(count(&kept, page_is_huge));
	good = end(good);
	good &= backed_soon(0);
	ksft_test_result(good, "freed after writeback\n");
}

static void test_recompress(void)
{
	bool good = begin();
	struct mm_stat before;

	if (!can_recompress) {
		fast_drains();
		ksft_test_result_skip("recompress\n");
		end(good);
		return;
	}
	before = mm_stat();
	good = !write_zram("recompress", "algo=deflate") && good;
	if (mm_stat().compressed >= before.compressed) {
		ksft_print_msg("nothing got smaller\n");
		good = false;
	}
	good = only_stored(&kept, false) && good;
	ksft_test_result(end(good), "recompress\n");
}

static void test_compact(void)
{
	bool good = begin();

	good = !write_zram("compact", "1") && good;
	good &= expect("waiting", waiting(), 0);
	good = only_stored(&kept, false) && good;
	ksft_test_result(end(good), "compact\n");
}

/* For a look at the device itself. Swap has it open, too. */
static int open_raw(void)
{
	int fd = open(zram_dev, O_RDWR | O_DIRECT);

	if (fd < 0)
		ksft_exit_fail_msg("cannot open %s\n", zram_dev);
	return fd;
}

static void discard(int fd, uint64_t first, uint64_t pages)
{
	uint64_t range[2] = { first * page_size(), pages * page_size() };

	if (ioctl(fd, BLKDISCARD, range))
		ksft_exit_fail_msg("BLKDISCARD: %s\n", strerror(errno));
}

/* Frees at once, also what waits; only not what a drain is at. */
static void test_discard(void)
{
	unsigned long long cancelled;
	bool good = begin();
	int fd = open_raw();

	unmap(&kept);
	cancelled = defer_stat(3);
	discard(fd, 1, ((uint64_t)ZRAM_MB << 20) / page_size() - 1);
	close(fd);
	if (defers() && defer_stat(3) == cancelled) {
		ksft_print_msg("no slot was discarded before it was drained\n");
		good = false;
	}
	freed = (struct region) {};
	good &= only_stored(&freed, false);
	ksft_test_result(good, "discard\n");
}

/* Blocks, which may be parts of pages, of what is dead. */
static void test_partial(void)
{
	uint64_t *block = aligned_alloc(BLOCK, BLOCK);
	off_t offset = (off_t)ZRAM_MB << 20;
	unsigned long long found = 0;
	bool good = begin();
	int fd = open_raw();

	unmap(&kept);
	while ((offset -= BLOCK) >= (off_t)page_size()) {
		if (pread(fd, block, BLOCK, offset) != BLOCK)
			ksft_exit_fail_msg("cannot read %s\n", zram_dev);
		found += block[0] || memcmp(block, block + 1, BLOCK - 8);
	}
	close(fd);
	free(block);
	good &= expect("blocks with content", found, 0);
	freed = (struct region) {};
	good &= only_stored(&freed, false);
	ksft_test_result(good, "read of blocks\n");
}

/* Two devices at once, of one priority. */
static void test_several(void)
{
	struct region a, b;
	bool good = true;
	int other;

	other = zram_hot_add();
	zram_set_size(ZRAM_MB);
	zram_swapon();
	a = swapped_region(AGAIN_BYTES / 2, AGAIN_BYTES / 2);
	b = swapped_region(AGAIN_BYTES / 2, AGAIN_BYTES);
	slow_drains();
	unmap(&a);
	good &= expect("devices in use", mm_stat().stored > page_size(), 1);
	good = check_pages(&b, 0, b.pages) && good;
	unmap(&b);
	fast_drains();
	zram_swapoff();
	good &= expect("bytes stored", mm_stat().stored, page_size());
	zram_remove();
	zram_select(swap_id);
	freed = (struct region) {};
	good &= only_stored(&freed, false);
	ksft_print_msg("zram%u and zram%u\n", swap_id, other);
	ksft_test_result(good, "several devices\n");
}

/* Twice, so that content is replaced: that is freed later, too. */
static bool write_raw(void)
{
	uint64_t *page = aligned_alloc(page_size(), page_size());
	off_t end = (off_t)RAW_MB << 20, offset;
	int fd = open_raw(), pass;
	size_t word;
	bool good;

	for (pass = 0; pass < 2; pass++) {
		for (offset = 0; offset < end; offset += page_size()) {
			fill_page(page, offset + pass);
			if (pwrite(fd, page, page_size(), offset) != (ssize_t)page_size())
				ksft_exit_fail_msg("cannot write to %s\n", zram_dev);
		}
	}

	/* And a block of the last one: it is read, changed, and replaced. */
	memset(page, 'x', BLOCK);
	if (pwrite(fd, page, BLOCK, end - BLOCK) != BLOCK ||
	    pread(fd, page, page_size(), end - page_size()) != (ssize_t)page_size())
		ksft_exit_fail_msg("cannot write to %s\n", zram_dev);
	word = page_size() / sizeof(*page);
	good = page[word - 1] == page[word - BLOCK / sizeof(*page)];
	for (word -= BLOCK / sizeof(*page); word--; )
		good &= page[word] == page_word(page_seed(page, end - page_size() + 1), word);
	close(fd);
	free(page);
	return good;
}

static void test_reset(void)
{
	bool good;

	zram_hot_add();
	zram_set_size(RAW_MB);
	slow_drains();
	good = write_raw();
	good &= !write_zram("reset", "1");
	good &= expect("bytes stored", mm_stat().stored, 0);
	good &= expect("bytes used", mm_stat().used, 0);

	/* A smaller one: nothing of the larger one may be left. */
	zram_set_size(1);
	good &= expect("bytes stored", mm_stat().stored, 0);
	good &= !write_zram("reset", "1");
	zram_set_size(RAW_MB);
	good &= write_raw();
	fast_drains();
	ksft_test_result(good, "reset\n");
}

/* Of the device that test_reset() has left behind. */
static void test_hot_remove(void)
{
	char id[16];
	bool good;

	slow_drains();
	good = write_raw();
	snprintf(id, sizeof(id), "%u", zram_id);
	good &= !write_file("/sys/class/zram-control/hot_remove", id);
	fast_drains();
	zram_select(swap_id);
	ksft_test_result(good, "hot_remove\n");
}

static void test_unload(void)
{
	const char *name = "unloading the module\n";
	bool good;

	/* Neither file is there if zram is built in. */
	if (access("/sys/module/zram/initstate", F_OK)) {
		ksft_test_result_skip("%s", name);
		return;
	}
	zram_hot_add();
	zram_set_size(RAW_MB);
	slow_drains();
	good = write_raw();
	good &= !syscall(SYS_delete_module, "zram", 0);
	fast_drains();
	good &= !system("modprobe zram");
	ksft_test_result(good, "%s", name);
}

static void set_up(void)
{
	char path[32];

	backing_id = zram_hot_add();
	zram_set_size(BACKING_MB);
	snprintf(path, sizeof(path), "/dev/zram%u", backing_id);

	swap_id = zram_hot_add();
	can_write_back = !write_zram("backing_dev", path);
	can_recompress = !write_zram("recomp_algorithm", "algo=deflate priority=1");
	zram_set_size(ZRAM_MB);
	zram_swapon();
}

static void tear_down(void)
{
	zram_swapoff();
	zram_remove();
	zram_select(backing_id);
	zram_remove();
}

int main(void)
{
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	make_hogs();
	set_up();
	ksft_set_plan(13);

	test_write();
	test_idle();
	test_access_time();
	test_writeback();
	test_written_back();
	test_recompress();
	test_compact();
	test_discard();
	test_partial();
	test_several();
	test_reset();
	test_hot_remove();
	tear_down();
	test_unload();

	kill_hogs();
	ksft_finished();
}
