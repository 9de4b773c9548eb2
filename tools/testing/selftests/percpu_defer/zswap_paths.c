// SPDX-License-Identifier: GPL-2.0
/*
 * Test deferral in zswap on different paths of pages to and from swap.
 *
 * The paths include readahead from a rotational device, a swap file of several extents, tmpfs,
 * slots shared by processes, huge pages of which zswap can store only a part, and slots
 * freed during their writeback. Each case frees some of its memory, so that dead slots
 * are next to live slots. Each case runs twice: see drain_gate.h. The content of a page
 * identifies its address and generation.
 */
#define _GNU_SOURCE
#include <linux/fs.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest.h"
#include "drain_gate.h"
#include "swap_area.h"
#include "swap_devices.h"
#include "swap_region.h"
#include "zswap_swap.h"

#define AREA_MB		16UL
#define KEPT_BYTES	(1024 * 1024UL)
#define FREED_BYTES	(6UL << 20)
/* Fits in the area only if slots of the freed region are reused. */
#define AGAIN_BYTES	(10UL << 20)
#define STALE_BYTES	(1024 * 1024UL)
/* Minimum number of pages in memory that must have a stale entry in zswap. */
#define STALE_MIN	4
#define STALE_SECONDS	30
/* page-cluster: log2 of the number of pages read ahead; some systems set 0. */
#define READAHEAD	"3"
#define PIECE_MB	4UL
#define BETWEEN_BYTES	(1024 * 1024UL)
#define HUGE_BYTES	(2UL << 20)
#define HUGE_DIR	"/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/"
#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define SLOW_MS		50UL
#define SLOW_BYTES	(2UL << 20)
#define SLOW_PIECES	16
#define NR_FAULTING	4
#define CAP_MB		96UL

#define TOP_DIR		"/tmp/zswap_paths"
#define LOOP_DIR	TOP_DIR ".loop"
#define FILE_DIR	TOP_DIR ".disk"
#define MOUNTED		TOP_DIR ".mnt"
#define SWAP_FILE	MOUNTED "/swap"
#define CGROUPS		TOP_DIR ".cgroup"
#define GROUP		CGROUPS "/zswap_paths"

static struct region kept, freed;
/* Inode of GROUP; 0 until this process has entered it. */
static unsigned long long group_inode;
static bool cgroups_made, memory_enabled, file_mounted;
/* Swap device of most cases, and disk of test_file() and test_cap(). */
static struct loop loop, disk;

/* System setting, and its value before the first change; empty if not changed. */
static struct setting {
	const char *path;
	char before[64];
} page_cluster = { .path = "/proc/sys/vm/page-cluster" },
	fault_verbose = { .path = FAILSLAB "verbose" },
	fault_ignore_wait = { .path = FAILSLAB "ignore-gfp-wait" },
	huge_enabled = { .path = HUGE_DIR "enabled" };

/* Read a value, or the value in brackets from a list; return false if there is none. */
static bool read_setting(const char *path, char *value, int size)
{
	FILE *file = fopen(path, "r");
	char line[64] = "", *start;

	if (file) {
		if (!fgets(line, sizeof(line), file))
			*line = '\0';
		fclose(file);
	}
	start = strchr(line, '[');
	start = start ? start + 1 : line;
	start[strcspn(start, "]\n")] = '\0';
	snprintf(value, size, "%s", start);
	return *value;
}

static bool change(struct setting *s, const char *text)
{
	if (!*s->before && !read_setting(s->path, s->before, sizeof(s->before)))
		return false;
	return !write_file(s->path, text);
}

static bool restore(struct setting *s)
{
	bool good = !*s->before || !write_file(s->path, s->before);

	*s->before = '\0';
	return good;
}

static unsigned long long stored(void)
{
	return zswap_number("stored_pages");
}

static bool some_pending(void)
{
	return !zswap_defers() || stays_pending(dead());
}

/* Swap out both regions and free one. Return false if drains are held but nothing is pending. */
static bool begin(size_t size)
{
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(size, KEPT_BYTES + size);
	hold_drains();
	unmap(&freed);
	return some_pending();
}

/* Check that nothing is pending, and that only @pages are stored. */
static bool only_stored(unsigned long long pages)
{
	release_drains();
	return becomes("dead entries", dead, 0) &
	       becomes("stored pages", stored, pages) &
	       zswap_is_sane(true);
}

static bool end(bool good)
{
	release_drains();
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	return only_stored(0) && good;
}

/* Return the number of pages that the kernel has read ahead so far. */
static unsigned long long read_ahead(void)
{
	return named_number("/proc/vmstat", "swap_ra");
}

/* Have the shrinker scan all entries of the cgroup twice. */
static bool shrink(void)
{
	zswap_scan(group_inode, 8192);
	return zswap_scan(group_inode, 8192);
}

/* Have the shrinker write back; return false if it cannot be called. */
static bool write_back(void)
{
	bool asked;

	write_zswap("shrinker_enabled", "Y");
	asked = shrink();
	write_zswap("shrinker_enabled", "N");
	return asked;
}

/*
 * Return true if a page is zero-filled. Zero-filled pages and holes have odd periods, and so
 * shift against the readahead windows, whose sizes are powers of 2.
 */
static bool is_zeros(size_t i, uint64_t generation)
{
	return (i + generation) % 5 < 2;
}

static bool is_hole(size_t i)
{
	return i % 7 < 3;
}

/* Write in place, so that pages that have a slot keep their slot. */
static void write_mixed(struct region *r, uint64_t generation)
{
	for (size_t i = 0; i < r->pages; i++) {
		char *page = r->memory + i * page_size();

		r->generation[i] = generation;
		if (is_zeros(i, generation))
			memset(page, 0, page_size());
		else
			fill_page(page, generation);
	}
}

static bool is_zero_page(const char *page)
{
	const uint64_t *word = (const uint64_t *)page;
	size_t i, nr = page_size() / sizeof(*word);

	for (i = 0; i < nr && !word[i]; i++)
		;
	if (i < nr)
		ksft_print_msg("word %zu of a zero-filled page is %#llx\n", i,
			       (unsigned long long)word[i]);
	return i == nr;
}

static bool check_mixed(const struct region *r, bool holes)
{
	for (size_t i = 0; i < r->pages; i++) {
		if (holes && is_hole(i))
			continue;
		if (!is_zeros(i, r->generation[i]) ? !check_pages(r, i, 1) :
		    !is_zero_page(r->memory + i * page_size()))
			return false;
	}
	return true;
}

static void out(const struct region *r, size_t total)
{
	if (!page_out(r->memory, r->pages * page_size(), total))
		ksft_exit_fail_msg("swap: holds only %zu of %zu bytes\n",
				   swapped_bytes(), total);
}

/* Read all pages, which leaves them in the swap cache, and their slots in use. */
static void read_all(const struct region *r)
{
	for (size_t i = 0; i < r->pages; i++)
		touch_page(r->memory + i * page_size());
}

/* Check that readahead restores no content of dead slots between live slots. */
static bool test_readahead(void)
{
	unsigned long long before = read_ahead();
	struct region r, again;
	bool good;

	good = begin(FREED_BYTES);
	r = new_region(FREED_BYTES);
	write_mixed(&r, 1);
	out(&r, KEPT_BYTES + FREED_BYTES);
	for (size_t i = 0; i < r.pages; i++)
		if (is_hole(i))
			madvise(r.memory + i * page_size(), page_size(), MADV_DONTNEED);
	good &= some_pending();
	good &= zswap_is_sane(false);
	good &= check_mixed(&r, true);
	if (read_ahead() == before) {
		ksft_print_msg("nothing was read ahead\n");
		good = false;
	}
	/* These pages fit in the area only if dead slots are reused. */
	again = new_region(AGAIN_BYTES - FREED_BYTES);
	write_mixed(&again, 2);
	madvise(r.memory, FREED_BYTES, MADV_PAGEOUT);
	madvise(again.memory, AGAIN_BYTES - FREED_BYTES, MADV_PAGEOUT);
	good &= zswap_is_sane(false);
	good &= check_mixed(&r, true);
	good &= check_mixed(&again, false);
	unmap(&r);
	unmap(&again);
	return end(good);
}

/* Write pages out to their slots again, zero-filled or with other content. */
static bool test_rewrite(void)
{
	bool good = begin(FREED_BYTES), asked = true;
	struct region r = new_region(FREED_BYTES);
	uint64_t generation;

	for (generation = 1; generation <= 6; generation++) {
		write_mixed(&r, generation);
		out(&r, KEPT_BYTES + FREED_BYTES);
		good &= zswap_is_sane(false);
		if (generation % 2)
			asked &= write_back();
		read_all(&r);
		good &= check_mixed(&r, false);
	}
	if (!asked)
		skip_why = "no CONFIG_SHRINKER_DEBUG";
	unmap(&r);
	return end(good);
}

static struct {
	const struct region *r;
	size_t page;
	bool stop;
} touch;

/* Touch the page that is being paged out, at random moments. */
static void *touch_pages(void *unused)
{
	const struct region *r = touch.r;
	uint64_t turn;

	for (turn = 0; !__atomic_load_n(&touch.stop, __ATOMIC_RELAXED); turn++) {
		size_t i = __atomic_load_n(&touch.page, __ATOMIC_RELAXED);

		for (uint64_t wait = mix(turn) % 20000; wait; wait--)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
		touch_page(r->memory + i * page_size());
	}
	return unused;
}

/*
 * Return the number of pages in memory that have an entry because a fault found them
 * during their store. Readahead must be off: pages that were read ahead count as
 * swapped, but have no entry.
 */
static unsigned long long count_stale(void)
{
	unsigned long long pages, swapped = swapped_bytes() / page_size();

	pages = stored();
	return pages > swapped ? pages - swapped : 0;
}

/* Like count_stale(), but first free the pending entries of pages that were loaded. */
static unsigned long long count_settled(void)
{
	write_zswap("deferred_invalidate", "N");
	write_zswap("deferred_invalidate", "Y");
	return count_stale();
}

/* Page the region out until there are enough stale entries; return their number. */
static unsigned long long make_stale(const struct region *r)
{
	time_t end = time(NULL) + STALE_SECONDS;
	pthread_t thread;

	touch.r = r;
	touch.stop = false;
	if (pthread_create(&thread, NULL, touch_pages, NULL))
		ksft_exit_fail_msg("cannot create a thread\n");
	do {
		for (size_t i = 0; i < r->pages; i++) {
			__atomic_store_n(&touch.page, i, __ATOMIC_RELAXED);
			madvise(r->memory + i * page_size(), page_size(), MADV_PAGEOUT);
		}
	} while ((count_stale() < STALE_MIN || count_settled() < STALE_MIN) &&
		 time(NULL) < end);
	__atomic_store_n(&touch.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return count_settled();
}

/*
 * Check that the stale entry of a page is freed if the page is zero-filled on its next
 * writeout: the shrinker would write the entry back over the zeros. A fault can find a page
 * in the swap cache while the page is being stored. The page then stays in memory, and its
 * entry stays in zswap.
 */
static bool test_stale(void)
{
	unsigned long long found;
	bool good = true, asked;
	struct region r;

	if (!change(&page_cluster, "0"))
		ksft_exit_fail_msg("cannot write to %s\n", page_cluster.path);
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	r = new_region(STALE_BYTES);
	found = make_stale(&r);
	ksft_print_msg("%llu pages have an entry and are in memory\n", found);

	good &= check_pages(&r, 0, r.pages);
	hold_drains();
	for (size_t i = 0; i < r.pages; i++)
		memset(r.memory + i * page_size(), 0, page_size());
	out(&r, KEPT_BYTES + STALE_BYTES);
	good &= zswap_is_sane(false);
	release_drains();
	good &= becomes("stored pages", stored, kept.pages);
	asked = write_back();
	for (size_t i = 0; i < r.pages; i++)
		good &= is_zero_page(r.memory + i * page_size());
	unmap(&r);
	good &= change(&page_cluster, READAHEAD);
	if (found < STALE_MIN)
		skip_why = "no fault hit a page during its store";
	else if (!asked)
		skip_why = "no CONFIG_SHRINKER_DEBUG";
	return end(good);
}

static void write_piece(const char *path, size_t bytes)
{
	int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	static char page[65536];
	size_t done;

	if (file < 0)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	for (done = 0; done < bytes; done += page_size())
		if (write(file, page, page_size()) != (ssize_t)page_size())
			ksft_exit_fail_msg("cannot write to %s\n", path);
	if (fsync(file))
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	close(file);
}

/* Return true if two extents are at least @bytes apart. Indirect blocks leave smaller gaps. */
static bool has_jump(const char *path, long bytes)
{
	int file = open(path, O_RDONLY), size, block, last = 0;
	bool found = false;
	off_t blocks;

	if (file < 0 || ioctl(file, FIGETBSZ, &size))
		ksft_exit_fail_msg("%s: %s\n", path, strerror(errno));
	blocks = lseek(file, 0, SEEK_END) / size;
	for (off_t i = 0; i < blocks; i++) {
		block = i;
		if (ioctl(file, FIBMAP, &block) || !block)
			ksft_exit_fail_msg("%s: no block %lld\n", path, (long long)i);
		found |= last && labs((long)block - last) >= bytes / size;
		last = block;
	}
	close(file);
	return found;
}

/* Enable a swap file of several extents; return false if mke2fs fails. */
static bool swap_file_on(void)
{
	char command[80];

	snprintf(command, sizeof(command), "mke2fs -F -b 4096 %s >/dev/null 2>&1", disk.dev);
	if (system(command))
		return false;
	file_mounted = !mkdir(MOUNTED, 0700);
	if (!file_mounted || mount(disk.dev, MOUNTED, "ext2", 0, NULL))
		ksft_exit_fail_msg(MOUNTED ": %s\n", strerror(errno));
	write_piece(SWAP_FILE, PIECE_MB << 20);
	write_piece(MOUNTED "/between", BETWEEN_BYTES);
	write_piece(SWAP_FILE, PIECE_MB << 20);
	swap_area_on(SWAP_FILE);
	return true;
}

static void swap_file_off(void)
{
	swap_area_off(SWAP_FILE);
	if (umount(MOUNTED) || rmdir(MOUNTED))
		ksft_exit_fail_msg(MOUNTED ": %s\n", strerror(errno));
	file_mounted = false;
}

/*
 * Check that writeback goes to the sector of the slot, and that dead slots are recorded by
 * their offset: offsets in a swap file are not sectors.
 */
static bool test_file(void)
{
	size_t size = (2 * PIECE_MB - 3) << 20;
	bool good, asked;
	struct region r;

	loop_add(&disk, FILE_DIR, 4 * PIECE_MB);
	if (!swap_file_on()) {
		skip_why = "no mke2fs";
		loop_remove(&disk);
		return true;
	}
	good = expect("jumps in the swap file", has_jump(SWAP_FILE, BETWEEN_BYTES), 1);
	good &= begin(size);
	r = new_region(size);
	write_mixed(&r, 1);
	out(&r, KEPT_BYTES + size);
	good &= zswap_is_sane(false);
	asked = write_back();
	for (size_t i = 0; i < r.pages; i++)
		if (is_hole(i))
			madvise(r.memory + i * page_size(), page_size(), MADV_DONTNEED);
	good &= zswap_is_sane(false);
	good &= check_mixed(&r, true);
	unmap(&r);
	good = end(good);
	swap_file_off();
	loop_remove(&disk);
	if (!asked)
		skip_why = "no CONFIG_SHRINKER_DEBUG";
	return good;
}

/* Map a file in tmpfs. */
static struct region file_region(int file, size_t size)
{
	struct region r = { .pages = size / page_size() };

	r.memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	r.generation = calloc(r.pages, sizeof(*r.generation));
	if (r.memory == MAP_FAILED || !r.generation)
		ksft_exit_fail_msg("no memory for a file of %zu bytes\n", size);
	return r;
}

static bool are_stored(size_t pages)
{
	return stored() >= pages;
}

/* Fill a file and page it out. Count stored pages: VmSwap excludes pages of files. */
static void file_out(struct region *r, uint64_t generation, size_t pages)
{
	for (size_t i = 0; i < r->pages; i++) {
		r->generation[i] = generation;
		fill_page(r->memory + i * page_size(), generation);
	}
	if (!page_out_until(r->memory, r->pages * page_size(), are_stored, pages))
		ksft_exit_fail_msg("only %llu of %zu pages are stored\n", stored(), pages);
}

/* Punch holes in a tmpfs file and truncate it, which frees slots without a page table. */
static bool test_tmpfs(void)
{
	int file = memfd_create("zswap_paths", 0);
	size_t size = page_size();
	struct region r;
	bool good;

	if (file < 0 || ftruncate(file, FREED_BYTES))
		ksft_exit_fail_msg("no file in tmpfs: %s\n", strerror(errno));
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	r = file_region(file, FREED_BYTES);
	file_out(&r, 1, kept.pages + r.pages);
	hold_drains();
	for (size_t i = 0; i < r.pages / 2; i++)
		if (is_hole(i) && fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					    i * size, size))
			ksft_exit_fail_msg("fallocate: %s\n", strerror(errno));
	good = some_pending();
	good &= zswap_is_sane(false);
	for (size_t i = 0; i < r.pages / 2; i++)
		good &= is_hole(i) ? is_zero_page(r.memory + i * size) :
				     check_pages(&r, i, 1);
	/* The second half is still in swap. */
	good &= !ftruncate(file, FREED_BYTES / 4 * 3);
	good &= check_pages(&r, r.pages / 2, r.pages / 4);
	good &= !ftruncate(file, FREED_BYTES);
	for (size_t i = 0; i < r.pages; i++) {
		r.generation[i] = 2;
		fill_page(r.memory + i * size, 2);
	}
	madvise(r.memory, FREED_BYTES, MADV_PAGEOUT);
	good &= zswap_is_sane(false);
	good &= check_pages(&r, 0, r.pages);
	good &= !ftruncate(file, 0);
	unmap(&r);
	close(file);
	return end(good);
}

/* Start a process that waits until @go is closed, and then checks @r unless it is NULL. */
static pid_t start_sharer(const struct region *r, int *go)
{
	int pipe_end[2];
	pid_t child;
	char byte;

	fflush(stdout);
	if (pipe(pipe_end))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	child = fork();
	if (child < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!child) {
		close(pipe_end[1]);
		if (read(pipe_end[0], &byte, 1))
			_exit(KSFT_FAIL);
		_exit(!r || check_pages(r, 0, r->pages) ? KSFT_PASS : KSFT_FAIL);
	}
	close(pipe_end[0]);
	*go = pipe_end[1];
	return child;
}

static bool end_sharer(pid_t child, int go)
{
	int status;

	close(go);
	return waitpid(child, &status, 0) == child && !status;
}

/* Check that a slot dies with its last user, and not before. */
static bool test_shared(void)
{
	unsigned long long before;
	struct region r;
	bool good = true;
	pid_t child;
	int go;

	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	r = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	hold_drains();
	child = start_sharer(NULL, &go);
	good &= end_sharer(child, go);
	good &= expect("dead entries", drains_held ? dead() : 0, 0);
	good &= expect("stored pages", stored(), kept.pages + r.pages);

	child = start_sharer(&r, &go);
	/* This leaves half of the pages with one user more than the other half. */
	munmap(r.memory, FREED_BYTES / 2);
	good &= expect("dead entries", drains_held ? dead() : 0, 0);
	good &= check_pages(&r, r.pages / 2, r.pages / 2);
	munmap(r.memory + FREED_BYTES / 2, FREED_BYTES / 2);
	good &= end_sharer(child, go);
	free(r.generation);

	r = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	good &= zswap_is_sane(false);
	child = start_sharer(NULL, &go);
	before = drains_held ? dead() : 0;
	unmap(&r);
	good &= expect("dead entries", drains_held ? dead() : 0, before);
	good &= end_sharer(child, go);
	good &= some_pending();
	return end(good);
}

static unsigned long long unlinked_number(const char *name)
{
	return named_number("/sys/kernel/debug/percpu_defer/zswap_unlinked", name);
}

/* Have several processes each fault in a part of a region. */
static bool fault_in(const struct region *r)
{
	size_t nr = r->pages / NR_FAULTING;
	bool good = true;
	int status, i;

	fflush(stdout);
	for (i = 0; i < NR_FAULTING; i++)
		if (!fork())
			_exit(check_pages(r, i * nr, nr) ? KSFT_PASS : KSFT_FAIL);
	for (i = 0; i < NR_FAULTING; i++)
		good &= wait(&status) > 0 && !status;
	return good;
}

/*
 * Check that pending entries of loaded pages do not exceed their cap, even if several
 * processes fault at once. Such entries are deferred as objects, whose cap is lower than
 * that of slots.
 */
static bool test_cap(void)
{
	unsigned long long cap, refused;
	struct region r;
	size_t size;
	bool good;

	if (!zswap_defers()) {
		skip_why = "nothing is deferred";
		return true;
	}
	cap = unlinked_number("cap");
	refused = unlinked_number("refused");
	size = (cap + cap / 2) * page_size();
	size -= size % (NR_FAULTING * page_size());
	if (size > CAP_MB / 2 << 20) {
		skip_why = "too much memory";
		return true;
	}
	loop_add(&disk, FILE_DIR, CAP_MB);
	swap_area_on(disk.dev);
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	r = swapped_region(size, KEPT_BYTES + size);
	hold_drains();
	good = fault_in(&r);
	/* percpu_defer_set_cap() allows an excess of an eighth, or 1 per CPU if that is more. */
	if (drains_held) {
		good &= expect("objects above the cap",
			       unlinked_number("pending") > cap + cap / 8 + NR_FAULTING, 0);
		good &= expect("no object was refused",
			       unlinked_number("refused") == refused, 0);
		good &= expect("entries of loaded pages above the cap",
			       stored() > kept.pages + cap + cap / 8 + NR_FAULTING, 0);
	}
	unmap(&r);
	good = end(good);
	swap_area_off(disk.dev);
	loop_remove(&disk);
	return good;
}

/* Open fault injection for allocations of this thread; return -1 if not supported. */
static int open_fault(void)
{
	if (!change(&fault_verbose, "0") || !change(&fault_ignore_wait, "N"))
		return -1;
	return open("/proc/thread-self/fail-nth", O_RDWR);
}

static void fail_nth(int fault, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fault, text, length, 0) != length)
		ksft_exit_fail_msg("fail-nth: %s\n", strerror(errno));
}

/* Return the number of stores that failed in an allocation or compression. */
static unsigned long long rejected(void)
{
	return zswap_number("reject_kmemcache_fail") + zswap_number("reject_alloc_fail") +
	       zswap_number("reject_compress_fail");
}

/* Return the number of huge pages that zswap has stored as a whole. */
static unsigned long long huge_stored(void)
{
	unsigned long long nr = 0;

	read_numbers(HUGE_DIR "stats/zswpout", &nr, 1);
	return nr;
}

static struct region huge_region(void)
{
	struct region r = { .pages = HUGE_BYTES / page_size() };
	char *memory = mmap(NULL, 2 * HUGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	r.generation = calloc(r.pages, sizeof(*r.generation));
	if (memory == MAP_FAILED || !r.generation)
		ksft_exit_fail_msg("no memory for a huge page\n");
	r.memory = memory + HUGE_BYTES - (uintptr_t)memory % HUGE_BYTES;
	munmap(memory, r.memory - memory);
	munmap(r.memory + HUGE_BYTES, memory + HUGE_BYTES - r.memory);
	madvise(r.memory, HUGE_BYTES, MADV_HUGEPAGE);
	return r;
}

/* Map a new huge page, and page it out while allocation @nth fails (0: none). */
static void huge_out(struct region *r, int fault, unsigned int nth)
{
	madvise(r->memory, HUGE_BYTES, MADV_DONTNEED);
	for (size_t i = 0; i < r->pages; i++)
		fill_page(r->memory + i * page_size(), ++r->generation[i]);
	fail_nth(fault, nth);
	madvise(r->memory, HUGE_BYTES, MADV_PAGEOUT);
	fail_nth(fault, 0);
}

/* Page out huge pages; fail a different allocation each time. */
static bool fail_stores(struct region *r, size_t nr, int fault)
{
	unsigned long long fails = rejected();
	bool good = true;

	for (unsigned int nth = 8; nth < 1200; nth += nth / 4) {
		struct region *one = r + nth % nr;

		huge_out(one, fault, nth);
		good &= zswap_is_sane(false);
		good &= check_pages(one, 0, one->pages);
	}
	return expect("no store failed", rejected() == fails, 0) && good;
}

/* Check that the entries already stored are freed if the store of a huge page fails. */
static bool test_huge(void)
{
	unsigned long long whole = huge_stored(), before;
	struct region r[3];
	bool good;
	int fault;

	if (access(huge_enabled.path, F_OK)) {
		skip_why = "no huge pages";
		return true;
	}
	fault = open_fault();
	if (fault < 0) {
		skip_why = "no CONFIG_FAILSLAB";
		return restore(&fault_verbose) & restore(&fault_ignore_wait);
	}
	if (!change(&huge_enabled, "madvise"))
		ksft_exit_fail_msg("cannot write to %s\n", huge_enabled.path);
	good = only_stored(0);
	before = zspages();
	good &= begin(FREED_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		r[i] = huge_region();
		huge_out(r + i, fault, 0);
	}
	if (huge_stored() == whole)
		skip_why = "no huge page was stored as a whole";
	else
		good &= fail_stores(r, ARRAY_SIZE(r), fault);
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		good &= check_pages(r + i, 0, r[i].pages);
		unmap(r + i);
	}
	close(fault);
	good &= restore(&huge_enabled);
	good &= restore(&fault_verbose) & restore(&fault_ignore_wait);
	good = end(good);
	return becomes("pages of zsmalloc", zspages, before) && good;
}

static bool has_shrunk;

static void *shrink_all(void *unused)
{
	write_back();
	__atomic_store_n(&has_shrunk, true, __ATOMIC_RELEASE);
	return unused;
}

static unsigned long long written_back(void)
{
	return zswap_number("written_back_pages");
}

/* Wait until more than @pages pages have been written back, or until writeback ends. */
static void wait_written(unsigned long long pages)
{
	while (written_back() <= pages && !__atomic_load_n(&has_shrunk, __ATOMIC_ACQUIRE))
		usleep(100);
}

/* Drop clean pages, so that they have to be read from the device. */
static void drop_cached(void)
{
	/* Ignore errors: the write fails if less than 64 MB are reclaimed. */
	write_file(GROUP "/memory.reclaim", "64M");
}

static size_t slow_piece(const struct region *r)
{
	return r->pages < SLOW_PIECES ? 1 : r->pages / SLOW_PIECES;
}

/* Return the number of pages of the piece at @first; the last piece may be shorter. */
static size_t piece_pages(const struct region *r, size_t first)
{
	size_t piece = slow_piece(r);

	return first + piece > r->pages ? r->pages - first : piece;
}

/*
 * Free every other piece of @r as soon as writeback has reached it. Writeback reaches the
 * first piece when more than @start pages have been written. Writeback skips the remainder
 * of a freed piece, so it reaches the next piece to free after the piece in between. Return
 * the number of pieces freed while writes were in flight.
 */
static unsigned int free_pieces(struct region *r, unsigned long long start)
{
	size_t piece = slow_piece(r), first;
	unsigned int met = 0;
	bool busy;

	for (first = 0; first < r->pages; first += 2 * piece) {
		wait_written(start);
		busy = slow_in_flight();
		madvise(r->memory + first * page_size(),
			piece_pages(r, first) * page_size(), MADV_DONTNEED);
		met += busy && slow_in_flight();
		start = written_back() + piece;
	}
	return met;
}

/* Free slots while zswap writes them back, before their writes complete. */
static bool test_written(void)
{
	unsigned long long before = written_back();
	pthread_t thread;
	struct region r;
	bool good;

	if (access("/sys/kernel/debug/shrinker", F_OK)) {
		skip_why = "no CONFIG_SHRINKER_DEBUG";
		return true;
	}
	good = begin(FREED_BYTES);
	r = swapped_region(SLOW_BYTES, KEPT_BYTES + SLOW_BYTES);
	has_shrunk = false;
	if (pthread_create(&thread, NULL, shrink_all, NULL))
		ksft_exit_fail_msg("cannot create a thread\n");
	/* On the LRU, @r follows the kept pages and dead entries; dead entries are not written. */
	good &= expect("no piece was freed while writes were in flight",
		       free_pieces(&r, before + kept.pages) == 0, 0);
	pthread_join(thread, NULL);
	good &= zswap_is_sane(false);
	for (size_t i = 0; i < r.pages; i += 2 * slow_piece(&r))
		refill(&r, i, piece_pages(&r, i));
	good &= check_pages(&r, 0, r.pages);
	drop_cached();
	good &= check_pages(&r, 0, r.pages);
	unmap(&r);
	good &= expect("no page was written back", written_back() == before, 0);
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	/* Swapoff also swaps in other pages of this process that were reclaimed. */
	swap_area_off(SLOW_DEV);
	good &= only_stored(0);
	swap_area_on(SLOW_DEV);
	return good;
}

/* Enter a private cgroup: the shrinker and memory.reclaim act on a single cgroup. */
static void enter_group(void)
{
	static const char control[] = CGROUPS "/cgroup.subtree_control";
	struct stat group;
	char enabled[64];

	cgroups_made = !mkdir(CGROUPS, 0755);
	if (!cgroups_made)
		ksft_exit_fail_msg(CGROUPS ": %s\n", strerror(errno));
	if (mount("none", CGROUPS, "cgroup2", 0, NULL))
		ksft_exit_skip("no cgroup v2: %s\n", strerror(errno));
	read_setting(control, enabled, sizeof(enabled));
	if (!strstr(enabled, "memory")) {
		if (write_file(control, "+memory"))
			ksft_exit_skip("no memory controller in cgroup v2\n");
		memory_enabled = true;
	}
	if ((mkdir(GROUP, 0755) && errno != EEXIST) || stat(GROUP, &group) ||
	    write_file(GROUP "/cgroup.procs", "0"))
		ksft_exit_fail_msg(GROUP ": cannot enter it\n");
	group_inode = group.st_ino;
}

/* Leave and remove the cgroup. Kill waiting children first, or the cgroup stays busy. */
static void leave_group(void)
{
	if (group_inode && !write_file(CGROUPS "/cgroup.procs", "0") &&
	    !write_file(GROUP "/cgroup.kill", "1"))
		while (wait(NULL) > 0)
			;
	rmdir(GROUP);
	if (memory_enabled)
		write_file(CGROUPS "/cgroup.subtree_control", "-memory");
	umount(CGROUPS);
	rmdir(CGROUPS);
}

static pid_t undo_pid;

/* atexit() handler: undo all changes, but not when a child exits. */
static void undo(void)
{
	struct loop *loops[] = { &loop, &disk };

	if (getpid() != undo_pid)
		return;
	if (file_mounted) {
		swapoff(SWAP_FILE);
		umount(MOUNTED);
		rmdir(MOUNTED);
	}
	for (size_t i = 0; i < ARRAY_SIZE(loops); i++) {
		if (*loops[i]->dev)
			swapoff(loops[i]->dev);
		loop_undo(loops[i]);
	}
	if (slow.made)
		swapoff(SLOW_DEV);
	slow_undo();
	restore(&page_cluster);
	restore(&fault_verbose);
	restore(&fault_ignore_wait);
	restore(&huge_enabled);
	if (cgroups_made)
		leave_group();
	zswap_end();
}

static bool test_missing(void)
{
	skip_why = "no CONFIG_BLK_DEV_NULL_BLK";
	return true;
}

static void run_slow(void)
{
	bool exists = slow_add(AREA_MB, SLOW_MS);

	if (exists)
		swap_area_on(SLOW_DEV);
	run_twice(exists ? test_huge : test_missing, "huge pages stored in part");
	run_twice(exists ? test_written : test_missing, "freed during writeback");
	if (!exists)
		return;
	swap_area_off(SLOW_DEV);
	slow_remove();
}

int main(void)
{
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	undo_pid = getpid();
	atexit(undo);
	zswap_begin();
	if (stored())
		ksft_exit_skip("zswap: pages are stored; run swapoff -a first\n");
	if (access("/dev/loop-control", F_OK))
		ksft_exit_skip("no CONFIG_BLK_DEV_LOOP\n");
	enter_group();
	if (!change(&page_cluster, READAHEAD))
		ksft_exit_fail_msg("cannot write to %s\n", page_cluster.path);
	ksft_set_plan(2 * 9);

	loop_add(&loop, LOOP_DIR, AREA_MB);
	loop_set_rotational(&loop);
	swap_area_on(loop.dev);
	run_twice(test_readahead, "readahead over dead slots");
	run_twice(test_rewrite, "slots written out again");
	run_twice(test_stale, "zeros over stored pages");
	run_twice(test_tmpfs, "holes in tmpfs");
	run_twice(test_shared, "shared slots");
	swap_area_off(loop.dev);
	loop_remove(&loop);
	run_twice(test_file, "swap file of several extents");
	run_twice(test_cap, "loads above the cap");
	run_slow();

	ksft_finished();
}
