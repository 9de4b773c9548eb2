// SPDX-License-Identifier: GPL-2.0
/*
 * Test all operations of zram while slots are pending.
 *
 * Each case keeps one region of memory in swap, frees another region, and runs an operation
 * on the device while the drain of the freed slots is pending or running: see
 * drain_gate.h. At the end, the statistics must show only the kept region, and its content
 * must be unchanged.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "kselftest.h"
#include "drain_gate.h"
#include "swap_devices.h"
#include "swap_region.h"
#include "swap_victim.h"
#include "zram_swap.h"

#define KEPT_BYTES	(512 * 1024UL)
#define FREED_BYTES	(5UL << 20)
/* Fits on the device only if slots of the freed region are reused. */
#define AGAIN_BYTES	(7UL << 20)
#define ZRAM_MB		8
/* Too small for the kept region, the freed region and MORE_BYTES together. */
#define BACKING_MB	6
#define MORE_BYTES	(2UL << 20)
/* Duration of a write to the slow backing device. */
#define SLOW_MS		10
#define BUSY_BYTES	(2UL << 20)
#define PIECE_PAGES	16
#define RAW_MB		4
#define BLOCK		4096

static struct region kept, freed;
static unsigned int swap_id, backing_id;
static bool can_write_back, can_recompress;

/* Values of mm_stat, in this order. */
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

/* Return the number of slots whose drain zram cancelled; 0 in the second run. */
static unsigned long long cancelled(void)
{
	char path[64];

	zram_counts(path, sizeof(path));
	return drains_held ? named_number(path, "cancelled") : 0;
}

/* Swap out both regions and free one. Return false if drains are held but nothing is pending. */
static bool begin(void)
{
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	hold_drains();
	unmap(&freed);
	return !defers() || stays_pending(pending());
}

/* Return the number of pages of a region for which @kind is true. */
static unsigned long long count(const struct region *r, bool (*kind)(uint64_t seed))
{
	unsigned long long found = 0;
	size_t i;

	for (i = 0; i < r->pages; i++)
		found += kind(page_seed(r->memory + i * page_size(), r->generation[i]));
	return found;
}

/*
 * Check that no free is pending or was missed, and that only @r and the header are stored.
 * @huge_elsewhere: huge pages of @r are on the backing device.
 */
static bool only_stored(const struct region *r, bool huge_elsewhere)
{
	unsigned long long debug[4] = {};
	struct mm_stat mm;
	char path[64];
	bool good;
	int ms;

	release_drains();
	for (ms = 0; pending() && ms < PATIENCE_MS; ms++)
		usleep(1000);

	mm = mm_stat();
	good = expect("pending", pending(), 0);
	good &= expect("pages stored", mm.stored / page_size(), r->pages + 1);
	good &= expect("same pages", mm.same, count(r, page_is_same));
	good &= expect("huge pages", mm.huge, huge_elsewhere ? 0 : count(r, page_is_huge));
	zram_path(path, sizeof(path), "debug_stat");
	/* Format: "version: 1", then two numbers. */
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

/* Rewrite dead slots, which cancels their drain. */
static bool test_write(void)
{
	bool good = begin();
	unsigned long long before = cancelled();
	struct region again = swapped_region(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);

	if (drains_held && cancelled() == before) {
		ksft_print_msg("no slot was written before it was drained\n");
		good = false;
	}
	good = check_pages(&again, 0, again.pages) && good;
	unmap(&again);
	good = only_stored(&kept, false) && good;
	return end(good);
}

/* Return the number of slots in block_state that have @flag. */
static unsigned long long count_flag(char flag)
{
	char path[64], line[128], flags[16];
	unsigned long long found = 0;
	FILE *state;

	snprintf(path, sizeof(path), "/sys/kernel/debug/zram/zram%u/block_state",
		 zram_id);
	state = fopen(path, "r");
	if (!state)
		ksft_exit_fail_msg("cannot read %s\n", path);
	while (fgets(line, sizeof(line), state))
		if (sscanf(line, "%*u %*s %15s", flags) == 1 && strchr(flags, flag))
			found++;
	fclose(state);
	return found;
}

/* Return the number of slots that use memory: include the swap header, exclude same pages. */
static unsigned long long can_be_idle(const struct region *r)
{
	return r->pages + 1 - count(r, page_is_same);
}

static bool test_idle(void)
{
	bool good = begin();

	good = !write_zram("idle", "all") && good;
	good &= expect("idle slots", count_flag('i'), can_be_idle(&kept));
	good &= stays_pending(pending());
	good = only_stored(&kept, false) && good;
	good &= expect("idle slots", count_flag('i'), can_be_idle(&kept));
	return end(good);
}

static long uptime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

/* Check that the age of a slot is that of its new content. */
static bool test_access_time(void)
{
	bool good = begin();
	struct region again;
	char seconds[24];
	long start;
	int error;

	sleep(6);
	start = uptime();
	again = swapped_region(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);
	/* Set the limit to 3 s before the start of the second write, after the first write. */
	snprintf(seconds, sizeof(seconds), "%ld", uptime() - start + 3);
	error = write_zram("idle", seconds);
	if (error == EINVAL) {
		release_drains();
		skip_why = "no CONFIG_ZRAM_TRACK_ENTRY_ACTIME";
		unmap(&again);
		return end(good);
	}
	good &= expect("idle slots", count_flag('i'), can_be_idle(&kept));
	good = check_pages(&again, 0, again.pages) && good;
	unmap(&again);
	good = only_stored(&kept, false) && good;
	return end(good && !error);
}

/* Return the number of pages stored on the backing device. */
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
	return becomes("pages on the backing device", backed, pages);
}

static bool test_writeback(void)
{
	bool good = begin();
	unsigned long long huge = count(&kept, page_is_huge);

	if (!can_write_back) {
		skip_why = "no CONFIG_ZRAM_WRITEBACK";
		release_drains();
		return end(good);
	}
	/* Dead slots must not be written back. */
	good = !write_zram("writeback", "type=huge") && good;
	good &= expect("pages on the backing device", backed(), huge);
	good = only_stored(&kept, true) && good;
	good = end(good);
	/* Reads or the unmap have freed the blocks. */
	good &= backed_soon(0);
	return good;
}

/* Free slots whose content is on the backing device. */
static bool test_written_back(void)
{
	bool good;

	if (!can_write_back) {
		skip_why = "no CONFIG_ZRAM_WRITEBACK";
		return true;
	}
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	good = !write_zram("writeback", "type=huge");
	good &= expect("pages on the backing device", backed(),
		       count(&kept, page_is_huge) + count(&freed, page_is_huge));
	hold_drains();
	unmap(&freed);
	good &= stays_pending(pending());
	good = only_stored(&kept, true) && good;
	good &= backed_soon(count(&kept, page_is_huge));
	good = end(good);
	good &= backed_soon(0);
	return good;
}

/*
 * Check that writeback flushes if it finds no free block. Dead slots keep their blocks on
 * the backing device until they are drained, which leaves too little room for writeback.
 */
static bool test_full_backing(void)
{
	struct region more;
	bool good;

	if (!can_write_back) {
		skip_why = "no CONFIG_ZRAM_WRITEBACK";
		return true;
	}
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	good = !write_zram("idle", "all");
	good &= !write_zram("writeback", "type=idle");
	/* Create this region before slots are dead, so that it does not reuse them. */
	more = swapped_region(MORE_BYTES, KEPT_BYTES + FREED_BYTES + MORE_BYTES);
	hold_drains();
	unmap(&freed);
	good &= stays_pending(pending());
	good &= !write_zram("idle", "all");
	good &= !write_zram("writeback", "type=idle");
	good &= expect("pages on the backing device", backed(),
		       can_be_idle(&kept) - 1 + can_be_idle(&more));
	good = check_pages(&more, 0, more.pages) && good;
	unmap(&more);
	release_drains();
	good = end(good);
	/* The swap header stays on the backing device. */
	return backed_soon(1) && good;
}

static int writeback_error;
static bool writeback_over;

static void *write_back_idle(void *unused)
{
	writeback_error = write_zram("writeback", "type=idle");
	__atomic_store_n(&writeback_over, true, __ATOMIC_RELEASE);
	return unused;
}

/*
 * Free every other piece of a region while all of it is written back, and refill the pieces.
 * Return the number of pieces that were freed between the first and the last write.
 */
static unsigned int free_meanwhile(struct region *r)
{
	size_t size = PIECE_PAGES * page_size(), i;
	unsigned int nr = 0;
	pthread_t thread;

	writeback_over = false;
	if (write_zram("idle", "all") || pthread_create(&thread, NULL, write_back_idle, NULL))
		ksft_exit_fail_msg("cannot start writeback\n");
	/* Do not poll bd_stat, which blocks until the writeback is over. */
	while (!slow_in_flight() && !__atomic_load_n(&writeback_over, __ATOMIC_ACQUIRE))
		;
	for (i = 0; i < r->pages; i += 2 * PIECE_PAGES) {
		madvise(r->memory + i * page_size(), size, MADV_DONTNEED);
		nr += !__atomic_load_n(&writeback_over, __ATOMIC_ACQUIRE);
	}
	pthread_join(thread, NULL);
	for (i = 0; i < r->pages; i += 2 * PIECE_PAGES)
		refill(r, i, PIECE_PAGES);
	return writeback_error ? 0 : nr;
}

static unsigned long long slots_written_back(void)
{
	return count_flag('w');
}

/*
 * Free slots during their writeback, before the write completes. The drain or the write
 * completion, whichever is later, must free the block.
 */
static bool on_slow_backing(void)
{
	unsigned int turn, freed_meanwhile = 0;
	struct region busy;
	bool good = begin();

	/* Write everything back, so that only @busy is written back below. */
	good &= !write_zram("idle", "all") && !write_zram("writeback", "type=idle");
	busy = swapped_region(BUSY_BYTES, KEPT_BYTES + BUSY_BYTES);
	for (turn = 0; turn < 3; turn++)
		freed_meanwhile += free_meanwhile(&busy);
	/* With random delays, the writeback may end before a piece is freed. */
	if (drains_held || !gate_exists())
		good &= expect("no piece was freed during writeback", !freed_meanwhile, 0);
	release_drains();
	good &= becomes("pending", pending, 0);
	good &= becomes("slots written back", slots_written_back, backed());
	good &= check_pages(&busy, 0, busy.pages);
	unmap(&busy);
	good &= end(true);
	good &= becomes("pending", pending, 0);
	/*
	 * Only the swap header may remain. Without deferral, slots locked by writeback are not
	 * freed (miss_free).
	 */
	return expect("pages left on the backing device", defers() && backed() > 1, 0) && good;
}

/* Values for compressed_writeback and writeback_batch_size; NULL keeps the defaults. */
static const char *write_compressed, *batch_size;

static bool test_freed_meanwhile(void)
{
	bool good;

	if (!can_write_back || !slow_add(BACKING_MB, SLOW_MS)) {
		skip_why = "no CONFIG_ZRAM_WRITEBACK or CONFIG_BLK_DEV_NULL_BLK";
		return true;
	}
	zram_swapoff();
	zram_hot_add();
	good = !write_zram("backing_dev", SLOW_DEV);
	if (write_compressed)
		good &= !write_zram("compressed_writeback", write_compressed) &&
			!write_zram("writeback_batch_size", batch_size);
	zram_set_size(ZRAM_MB);
	zram_swapon();
	good &= on_slow_backing();
	zram_swapoff();
	zram_remove();
	slow_remove();
	zram_select(swap_id);
	zram_swapon();
	return good;
}

static bool test_freed_compressed(void)
{
	char path[64];
	bool good;

	zram_path(path, sizeof(path), "compressed_writeback");
	if (access(path, F_OK)) {
		skip_why = "no compressed_writeback";
		return true;
	}
	write_compressed = "1";
	/* Differs from the default, and is smaller than the number of pages. */
	batch_size = "100";
	good = test_freed_meanwhile();
	write_compressed = NULL;
	return good;
}

static bool test_recompress(void)
{
	bool good = begin();
	struct mm_stat before;

	if (!can_recompress) {
		skip_why = "no CONFIG_ZRAM_MULTI_COMP";
		release_drains();
		return end(good);
	}
	before = mm_stat();
	good = !write_zram("recompress", "algo=deflate") && good;
	if (mm_stat().compressed >= before.compressed) {
		ksft_print_msg("recompression saved no memory\n");
		good = false;
	}
	good &= stays_pending(pending());
	good = only_stored(&kept, false) && good;
	return end(good);
}

static bool test_compact(void)
{
	bool good = begin();

	good = !write_zram("compact", "1") && good;
	good &= expect("pending", pending(), 0);
	good = only_stored(&kept, false) && good;
	return end(good);
}

/* Open the device itself, which may also be in use as swap. */
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

/* Discard pending slots, which frees those that no drain has claimed. */
static bool test_discard(void)
{
	unsigned long long before;
	bool good = begin();
	int fd;

	unmap(&kept);
	/* Other processes may have slots on this device: run swapoff first. */
	zram_swapoff();
	fd = open_raw();
	before = cancelled();
	discard(fd, 1, ((uint64_t)ZRAM_MB << 20) / page_size() - 1);
	close(fd);
	if (drains_held && cancelled() == before) {
		ksft_print_msg("no slot was discarded before it was drained\n");
		good = false;
	}
	zram_swapon();
	freed = (struct region) {};
	good &= only_stored(&freed, false);
	return good;
}

/* Read dead slots block by block; a block may be smaller than a page. */
static bool test_partial(void)
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
	good &= stays_pending(pending());
	freed = (struct region) {};
	good &= only_stored(&freed, false);
	return good;
}

/* Use two devices of the same priority at once. */
static bool test_several(void)
{
	struct region a, b;
	bool good = true;
	int other, ms;

	other = zram_hot_add();
	zram_set_size(ZRAM_MB);
	zram_swapon();
	a = swapped_region(AGAIN_BYTES / 2, AGAIN_BYTES / 2);
	b = swapped_region(AGAIN_BYTES / 2, AGAIN_BYTES);
	hold_drains();
	unmap(&a);
	good &= expect("devices in use", mm_stat().stored > page_size(), 1);
	good = check_pages(&b, 0, b.pages) && good;
	unmap(&b);
	release_drains();
	zram_swapoff();
	for (ms = 0; pending() && ms < PATIENCE_MS; ms++)
		usleep(1000);
	good &= expect("bytes stored", mm_stat().stored, page_size());
	zram_remove();
	zram_select(swap_id);
	freed = (struct region) {};
	good &= only_stored(&freed, false);
	ksft_print_msg("zram%u and zram%u\n", swap_id, other);
	return good;
}

static bool nothing_waits(void)
{
	return expect("pending", pending(), 0);
}

/* Check that process_mrelease() frees all memory, including swap, before it returns. */
static bool test_release(void)
{
	bool good;

	if (!access("/sys/module/percpu_defer/initstate", F_OK)) {
		skip_why = "the library is a module, which process_mrelease() does not call";
		return true;
	}
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	good = release_victim(&kept, FREED_BYTES, nothing_waits);
	good &= only_stored(&kept, false);
	return end(good);
}

/* Write to the device twice: the second pass replaces content, which is freed at once. */
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

	/* Write one block of the last page, which is read, modified and replaced. */
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

/* Return the number of zsmalloc pages after the frees of the previous case are done. */
static unsigned long long zspages_settled(void)
{
	unsigned long long is = zspages(), was = is + 1;
	int i;

	for (i = 0; is != was && i < 100; i++) {
		was = is;
		usleep(200000);
		is = zspages();
	}
	return is;
}

/*
 * Set up a device that is no longer used as swap, with pending slots and slots that were
 * written afterwards.
 */
static bool leave_pending(void)
{
	bool good;

	zram_add(2 * RAW_MB);
	freed = swapped_region(3 * RAW_MB / 2 << 20, 3 * RAW_MB / 2 << 20);
	hold_drains();
	unmap(&freed);
	zram_swapoff();
	good = write_raw();
	return stays_pending(pending()) && good;
}

static bool instance_exists(void)
{
	char path[64];

	return zram_counts(path, sizeof(path));
}

static bool test_reset(void)
{
	unsigned long long before = zspages_settled();
	bool good = leave_pending();

	good &= expect("instances", instance_exists(), defers());
	good &= !write_zram("reset", "1");
	good &= expect("instances", instance_exists(), 0);
	good &= zspages_return(before);

	/* Set up a smaller device: nothing of the larger device may be left. */
	zram_set_size(1);
	good &= expect("bytes stored", mm_stat().stored, 0);
	good &= expect("pending", pending(), 0);
	good &= !write_zram("reset", "1");
	zram_set_size(RAW_MB);
	good &= write_raw();
	zram_remove();
	return zspages_return(before) && good;
}

static bool test_hot_remove(void)
{
	unsigned long long before = zspages_settled();
	bool good = leave_pending();
	char id[16];

	snprintf(id, sizeof(id), "%u", zram_id);
	good &= !write_file("/sys/class/zram-control/hot_remove", id);
	good &= expect("instances", instance_exists(), 0);
	return zspages_return(before) && good;
}

/* Return true if a zram device is in use: unloading would destroy its content. */
static bool zram_is_used(void)
{
	DIR *devices = opendir("/sys/block");
	unsigned long long used = 0, one;
	struct dirent *entry;
	char path[320];

	while (devices && (entry = readdir(devices))) {
		snprintf(path, sizeof(path), "/sys/block/%s/initstate", entry->d_name);
		if (!strncmp(entry->d_name, "zram", 4))
			used += read_numbers(path, &one, 1) == 1 && one;
	}
	if (devices)
		closedir(devices);
	return used;
}

static bool test_unload(void)
{
	unsigned long long before = zspages_settled();
	bool good;

	/* The file does not exist if zram is built in. */
	if (access("/sys/module/zram/initstate", F_OK)) {
		skip_why = "zram is built in";
		return true;
	}
	if (zram_is_used()) {
		skip_why = "other zram devices are in use";
		return true;
	}
	good = leave_pending();
	good &= !syscall(SYS_delete_module, "zram", 0);
	good &= expect("instances", instance_exists(), 0);
	good &= zspages_return(before);
	good &= !system("modprobe zram");
	return good;
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
	if (gate_exists() && !defers())
		ksft_exit_fail_msg("no deferred_free\n");
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
	set_up();
	ksft_set_plan(2 * 17);

	run_twice(test_write, "write");
	run_twice(test_idle, "idle");
	run_twice(test_access_time, "access time");
	run_twice(test_writeback, "writeback");
	run_twice(test_written_back, "freed after writeback");
	run_twice(test_freed_meanwhile, "freed during writeback");
	run_twice(test_freed_compressed, "freed during compressed writeback");
	run_twice(test_recompress, "recompress");
	run_twice(test_full_backing, "backing device full of dead slots");
	run_twice(test_compact, "compact");
	run_twice(test_discard, "discard");
	run_twice(test_partial, "read of blocks");
	run_twice(test_several, "several devices");
	run_twice(test_release, "process_mrelease");
	tear_down();
	run_twice(test_reset, "reset");
	run_twice(test_hot_remove, "hot_remove");
	run_twice(test_unload, "unloading the module");

	ksft_finished();
}
