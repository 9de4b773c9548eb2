// SPDX-License-Identifier: GPL-2.0
/*
 * Test all operations of zswap while entries are pending.
 *
 * Each case puts memory into zswap, frees some of it, and runs an operation while the
 * drain of the dead entries is pending or running: see drain_gate.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/suspend_ioctls.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest.h"
#include "drain_gate.h"
#include "swap_region.h"
#include "swap_victim.h"
#include "zswap_swap.h"

#define KEPT_BYTES	(1024 * 1024UL)
#define FREED_BYTES	(10UL << 20)
/* Fits on the device only if slots of the freed region are reused. */
#define AGAIN_BYTES	(14UL << 20)
#define IMAGE_BYTES	(8UL << 20)
#define ZRAM_MB		16UL
#define POOL_MB		64UL
#define LIMIT_BYTES	(8UL << 20)
#define FEW_BYTES	(1024 * 1024UL)

#define CGROUPS		"/tmp/zswap_ops.cgroup"
#define GROUP		CGROUPS "/zswap_ops"
#define SECOND		CGROUPS "/zswap_ops_second"

static struct region kept, freed;

/* Swap out both regions and free one. Return false if drains are held but nothing is pending. */
static bool begin(void)
{
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	hold_drains();
	unmap(&freed);
	return !zswap_defers() || stays_pending(dead());
}

static unsigned long long stored(void)
{
	return zswap_number("stored_pages");
}

/* Return the number of bytes on the device, without the swap header. */
static unsigned long long on_device(void)
{
	return zram_usage().stored - page_size();
}

/* Check that nothing is pending, and that only @pages are stored, all of them in zswap. */
static bool only_stored(unsigned long long pages)
{
	release_drains();
	return becomes("dead entries", dead, 0) &
	       becomes("stored pages", stored, pages) &
	       becomes("bytes on the device", on_device, 0) &
	       zswap_is_sane(true);
}

static bool end(bool good)
{
	good &= only_stored(kept.pages);
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	return good & only_stored(0);
}

/* Number of pages in a hole, and between two holes. */
#define HOLE		8

static void make_holes(const struct region *r)
{
	for (size_t i = 0; i + HOLE <= r->pages; i += 2 * HOLE)
		madvise(r->memory + i * page_size(), HOLE * page_size(), MADV_DONTNEED);
}

static bool check_between_holes(const struct region *r)
{
	for (size_t i = HOLE; i + HOLE <= r->pages; i += 2 * HOLE)
		if (!check_pages(r, i, HOLE))
			return false;
	return true;
}

/*
 * Rewrite dead slots, which cancels their drain, and free some of them again. The dirty
 * bits of the first free still cover slots that are in use.
 */
static bool test_write(void)
{
	bool good = begin();
	unsigned long long before = zswap_counted("cancelled");
	struct region again = swapped_region(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);

	if (drains_held && zswap_counted("cancelled") == before) {
		ksft_print_msg("no slot was written before it was drained\n");
		good = false;
	}
	good &= zswap_is_sane(false);
	make_holes(&again);
	good &= zswap_is_sane(false);
	release_drains();
	good &= becomes("dead entries", dead, 0);
	good &= check_between_holes(&again);
	unmap(&again);
	return end(good);
}

/* Like test_write(), but zswap rejects the pages: check that no old entry is read. */
static bool test_refuse(void)
{
	bool good = begin();
	struct region again;

	good &= !write_zswap("enabled", "N");
	again = swapped_region(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);
	good &= !write_zswap("enabled", "Y");
	good &= check_pages(&again, 0, again.pages);
	unmap(&again);
	return end(good);
}

/* Have the shrinker scan everything twice; return false if that is not possible. */
static bool shrink(void)
{
	unsigned long nr = 2 * (KEPT_BYTES + FREED_BYTES) / page_size();
	struct stat root;

	if (access(SHRINKERS, F_OK))
		return false;
	if (stat(CGROUPS, &root))
		ksft_exit_fail_msg("%s: %s\n", CGROUPS, strerror(errno));
	zswap_scan(root.st_ino, nr);
	return zswap_scan(root.st_ino, nr);
}

/* Create zero-filled memory, which bypasses zswap, in slots that had entries in zswap. */
static struct region zeros(size_t size, size_t total)
{
	struct region r = { .pages = size / page_size() };

	r.memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r.memory == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	madvise(r.memory, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < r.pages; i++)
		r.memory[i * page_size()] = 0;
	if (!page_out(r.memory, size, total))
		ksft_exit_fail_msg("swap: holds only %zu of %zu bytes\n",
				   swapped_bytes(), total);
	return r;
}

static bool is_zero(const struct region *r)
{
	const uint64_t *word = (const uint64_t *)r->memory;
	size_t i, nr = r->pages * page_size() / sizeof(*word);

	for (i = 0; i < nr && !word[i]; i++)
		;
	if (i < nr)
		ksft_print_msg("word %zu is %#llx\n", i, (unsigned long long)word[i]);
	return i == nr;
}

/* Request writeback of everything. Clear *@asked if the shrinker cannot be called. */
static bool write_back(bool *asked)
{
	bool good = !write_zswap("shrinker_enabled", "Y");

	*asked = shrink();
	return !write_zswap("shrinker_enabled", "N") && good;
}

/* Request writeback; if drains are held, check that the shrinker finds dead entries. */
static bool shrink_dead(bool *asked)
{
	unsigned long long met = drains_held ? zswap_number("shrinker_dead_entries") : 0;
	bool good = write_back(asked);

	if (*asked && drains_held && zswap_number("shrinker_dead_entries") == met) {
		ksft_print_msg("the shrinker encountered no dead entry\n");
		good = false;
	}
	return good & stays_pending(dead());
}

static bool end_shrunk(bool good, bool asked)
{
	release_drains();
	/* The kept region may have been written back. */
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	if (!asked)
		skip_why = "no CONFIG_SHRINKER_DEBUG";
	return only_stored(0) && good;
}

/*
 * Reuse dead slots for zero-filled pages. Check that neither the shrinker nor a drain
 * restores the old content.
 */
static bool test_zeros(void)
{
	bool good = begin(), asked;
	struct region zero;

	good &= shrink_dead(&asked);
	zero = zeros(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);
	good &= zswap_is_sane(false);
	good &= write_back(&asked);
	good &= is_zero(&zero);
	unmap(&zero);
	return end_shrunk(good, asked);
}

/* Slots that hibernation allocates and writes directly, bypassing swap and zswap. */
struct image {
	int snapshot, device;
	char *page;
	off_t slot[IMAGE_BYTES / 4096];
	size_t pages;
};

static bool open_image(struct image *image)
{
	struct resume_swap_area area = {};
	struct stat device;

	image->snapshot = open("/dev/snapshot", O_RDONLY);
	if (image->snapshot < 0)
		return false;
	image->device = open(zram_dev, O_RDWR | O_DIRECT);
	if (image->device < 0 || fstat(image->device, &device))
		ksft_exit_fail_msg("%s: %s\n", zram_dev, strerror(errno));
	area.dev = device.st_rdev;
	if (ioctl(image->snapshot, SNAPSHOT_SET_SWAP_AREA, &area))
		ksft_exit_fail_msg("cannot hibernate: %s\n", strerror(errno));
	image->pages = IMAGE_BYTES / page_size();
	image->page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (image->page == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	return true;
}

static void write_image(struct image *image)
{
	for (size_t i = 0; i < image->pages; i++) {
		fill_page(image->page, i);
		if (ioctl(image->snapshot, SNAPSHOT_ALLOC_SWAP_PAGE, image->slot + i) ||
		    pwrite(image->device, image->page, page_size(),
			   image->slot[i]) != (ssize_t)page_size())
			ksft_exit_fail_msg("page %zu of the image: %s\n", i,
					   strerror(errno));
	}
}

static bool check_image(struct image *image)
{
	for (size_t i = 0; i < image->pages; i++) {
		if (pread(image->device, image->page, page_size(),
			  image->slot[i]) == (ssize_t)page_size() &&
		    check_page(image->page, i) < 0)
			continue;
		ksft_print_msg("page %zu of the image: wrong content\n", i);
		return false;
	}
	return true;
}

/* Close the image, which also frees its slots. */
static void close_image(struct image *image)
{
	munmap(image->page, page_size());
	close(image->device);
	close(image->snapshot);
}

/* Check that dead entries are not written back over a hibernation image. */
static bool test_hibernation(void)
{
	static struct image image;
	bool good = begin(), asked;

	if (!open_image(&image)) {
		skip_why = "no CONFIG_HIBERNATION";
		return end(good);
	}
	write_image(&image);
	/* The slots of the image must have no entries. */
	good &= zswap_is_sane(false);
	good &= shrink_dead(&asked);
	good &= check_image(&image);
	release_drains();
	good &= becomes("dead entries", dead, 0);
	good &= check_image(&image);
	close_image(&image);
	return end_shrunk(good, asked);
}

#define PM_TEST		"/sys/power/pm_test"

/* Issue a request, and report a failure. */
static bool snapshot_ioctl(int snapshot, unsigned long request, void *argument)
{
	if (!ioctl(snapshot, request, argument))
		return true;
	ksft_print_msg("/dev/snapshot: request %#lx: %s\n", request, strerror(errno));
	return false;
}

/* Allocate memory for an image; pm_test prevents the creation of the image itself. */
static bool prepare_image(int snapshot)
{
	bool good;
	int unused;

	good = snapshot_ioctl(snapshot, SNAPSHOT_FREEZE, NULL);
	good = good && snapshot_ioctl(snapshot, SNAPSHOT_CREATE_IMAGE, &unused);
	return snapshot_ioctl(snapshot, SNAPSHOT_UNFREEZE, NULL) && good;
}

/* atexit() handler: restore pm_test. */
static void end_pm_test(void)
{
	write_file(PM_TEST, "none");
}

/* Return true if all memory in use fits in an image, so that none is swapped out first. */
static bool image_fits(void)
{
	unsigned long long total = named_number("/proc/meminfo", "MemTotal:"), image;

	return read_numbers("/sys/power/image_size", &image, 1) == 1 &&
		(total - named_number("/proc/meminfo", "MemFree:")) * 1024 < image;
}

/* Check that dead entries are freed before memory is copied to an image. */
static bool test_image(void)
{
	int snapshot;
	bool good;

	if (access("/dev/snapshot", F_OK) || write_file(PM_TEST, "freezer")) {
		skip_why = "no CONFIG_HIBERNATION or CONFIG_PM_DEBUG";
		return true;
	}
	atexit(end_pm_test);
	if (!image_fits()) {
		skip_why = "more memory in use than image_size";
		return true;
	}
	snapshot = open("/dev/snapshot", O_RDONLY);
	if (snapshot < 0)
		ksft_exit_fail_msg("/dev/snapshot: %s\n", strerror(errno));
	good = begin();
	good &= prepare_image(snapshot);
	good &= expect("dead entries", dead(), 0);
	good &= expect("stored pages", stored(), kept.pages);
	close(snapshot);
	end_pm_test();
	return end(good);
}

/* Fill memory with incompressible content, and page it out. */
static char *swap_noise(size_t size, size_t total)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *word = (uint64_t *)memory;

	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	madvise(memory, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size / sizeof(*word); i++)
		word[i] = mix(i);
	if (!page_out(memory, size, total))
		ksft_exit_fail_msg("swap: holds only %zu of %zu bytes\n",
				   swapped_bytes(), total);
	return memory;
}

static bool some_pending(void)
{
	return !zswap_defers() || stays_pending(dead());
}

/* Store @size bytes twice: the second time, they fit only if dead entries are freed. */
static bool twice(size_t size)
{
	size_t total = swapped_bytes() + size;
	char *noise;
	bool good;

	noise = swap_noise(size, total);
	good = expect("bytes on the device at first", on_device(), 0);
	hold_drains();
	munmap(noise, size);
	good &= some_pending();
	noise = swap_noise(size, total);
	good &= expect("bytes on the device", on_device(), 0);
	munmap(noise, size);
	return good & only_stored(0);
}

static void resize(unsigned long mb)
{
	zram_swapoff();
	if (write_zram("reset", "1"))
		ksft_exit_fail_msg("cannot reset %s\n", zram_dev);
	zram_set_size(mb);
	zram_swapon();
}

/* Scale the test to the machine: max_pool_percent is a percentage of its memory. */
static bool test_pool_limit(void)
{
	size_t limit = named_number("/proc/meminfo", "MemTotal:") * 1024 / 100;
	unsigned long long helps = drains_held ? zswap_number("limit_helps") : 0;
	bool good;

	good = !write_zswap("max_pool_percent", "1");
	/* Leave room: objects are rounded up to the size of their class, and have handles. */
	limit -= limit / 10;
	limit -= limit % page_size();
	if (limit > POOL_MB << 20)
		limit = 0;
	if (limit) {
		resize(POOL_MB);
		good &= twice(limit);
		resize(ZRAM_MB);
	}
	good &= !write_zswap("max_pool_percent", "50");
	if (!limit)
		skip_why = "too much memory";
	if (limit && drains_held && zswap_number("limit_helps") == helps) {
		ksft_print_msg("the limit was not hit\n");
		good = false;
	}
	return good;
}

static bool in_group(const char *group, bool (*test)(size_t argument), size_t argument)
{
	char path[96], pid[16];
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		snprintf(pid, sizeof(pid), "%d", getpid());
		snprintf(path, sizeof(path), "%s/cgroup.procs", group);
		if (write_file(path, pid))
			_exit(KSFT_FAIL);
		status = test(argument) ? KSFT_PASS : KSFT_FAIL;
		fflush(stdout);
		_exit(status);
	}
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

static bool test_group_limit(void)
{
	char limit[32];
	bool good;

	snprintf(limit, sizeof(limit), "%lu", LIMIT_BYTES);
	good = !write_file(GROUP "/memory.zswap.max", limit);
	good &= in_group(GROUP, twice, LIMIT_BYTES - LIMIT_BYTES / 8);
	good &= !write_file(GROUP "/memory.zswap.max", "max");
	return good;
}

/* Like twice(), but for memory.max, against which pending entries count. */
static bool with_memory_max(size_t size)
{
	char *noise = swap_noise(size, size), *memory;
	char limit[32];
	bool good;

	snprintf(limit, sizeof(limit), "%zu", size + size / 2);
	good = !write_file(GROUP "/memory.max", limit);
	good &= !write_file(GROUP "/memory.swap.max", "0");
	hold_drains();
	munmap(noise, size);
	good &= some_pending();
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	munmap(memory, size);
	return good & only_stored(0);
}

/* Check that lowering memory.max below the size of the dead entries frees them. */
static bool below_dead_entries(size_t size)
{
	char *noise = swap_noise(size, size);
	char limit[32];
	bool good;

	good = !write_file(GROUP "/memory.swap.max", "0");
	hold_drains();
	munmap(noise, size);
	good &= some_pending();
	snprintf(limit, sizeof(limit), "%zu", size / 2);
	good &= !write_file(GROUP "/memory.max", limit);
	return good & only_stored(0);
}

static bool in_little_memory(bool (*test)(size_t size))
{
	bool good = in_group(GROUP, test, LIMIT_BYTES);

	good &= !write_file(GROUP "/memory.max", "max");
	good &= !write_file(GROUP "/memory.swap.max", "max");
	/* The child may have been killed while it held the drains. */
	release_drains();
	return good;
}

static bool test_group_memory(void)
{
	return in_little_memory(with_memory_max);
}

static bool test_group_lowered(void)
{
	return in_little_memory(below_dead_entries);
}

static unsigned long long charged(void)
{
	unsigned long long bytes;

	if (read_numbers(GROUP "/memory.zswap.current", &bytes, 1) != 1)
		ksft_exit_fail_msg("cannot read memory.zswap.current\n");
	return bytes;
}

static unsigned long long all_charged(void)
{
	return charged() >= LIMIT_BYTES;
}

/* Store @size bytes; check that LIMIT_BYTES are charged after per-CPU counts are folded. */
static bool once(size_t size)
{
	swap_noise(size, size);
	return becomes("bytes charged", all_charged, 1);
}

/* Free slots in a cgroup that may not use zswap: check that few empty slots are pushed. */
static bool once_unstored(size_t size)
{
	char *memory = swap_noise(size, size);
	unsigned long long before = dead(), after;
	bool good = expect("bytes charged", charged(), 0);

	munmap(memory, size);
	after = dead();
	if (after <= before + size / page_size() / 2)
		return good;
	ksft_print_msg("dead slots: %llu, then %llu after empty ones were freed\n", before, after);
	return false;
}

static unsigned long long dying_groups(void)
{
	return named_number(CGROUPS "/cgroup.stat", "nr_dying_descendants");
}

/* Check that a removed cgroup does not stay pinned after a drain of its dead entries. */
static bool test_group_removed(void)
{
	unsigned long long before = dying_groups();
	bool good = in_group(GROUP, once, LIMIT_BYTES);

	good &= becomes("bytes charged for zswap", charged, 0);
	hold_drains();
	good &= in_group(GROUP, once, LIMIT_BYTES);
	good &= some_pending();
	good &= !rmdir(GROUP);
	good &= some_pending();
	release_drains();
	good &= becomes("dying groups", dying_groups, before);
	good &= only_stored(0);
	good &= !mkdir(GROUP, 0755);
	return good;
}

/*
 * Check that neither removal of a cgroup nor stores in a cgroup whose memory.zswap.max is 0
 * free the dead entries of other cgroups.
 */
static bool test_others_dead(void)
{
	bool good = begin();
	unsigned long long before = dead();

	good &= !mkdir(SECOND, 0755);
	good &= !rmdir(SECOND);
	good &= stays_pending(dead() == before);

	good &= !write_file(GROUP "/memory.zswap.max", "0");
	good &= in_group(GROUP, once_unstored, FEW_BYTES);
	good &= !write_file(GROUP "/memory.zswap.max", "max");
	/* Reused slots are no longer dead. */
	good &= stays_pending(dead() + FEW_BYTES / page_size() >= before);
	release_drains();
	good &= becomes("bytes on the device", on_device, 0);
	return end(good);
}

/* zswap counters in memory.stat of a cgroup; all of them are in bytes. */
struct charges {
	unsigned long long bytes, pages, incompressible;
};

static struct charges charges(const char *group)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/memory.stat", group);
	return (struct charges) {
		named_number(path, "zswap"), named_number(path, "zswapped"),
		named_number(path, "zswap_incomp"),
	};
}

static bool expect_charges(const char *group, struct charges wanted)
{
	struct charges is = charges(group);

	return expect("bytes charged", is.bytes, wanted.bytes) &
	       expect("pages charged", is.pages, wanted.pages) &
	       expect("incompressible pages charged", is.incompressible,
		      wanted.incompressible);
}

/*
 * Wait until memory.stat shows @pages, which is in bytes. memory.stat lags some seconds
 * behind the per-CPU counts.
 */
static struct charges charges_of(const char *group, unsigned long long pages)
{
	int ms;

	for (ms = 0; charges(group).pages != pages && ms < PATIENCE_MS; ms++)
		usleep(1000);
	return charges(group);
}

static bool no_charges(const char *group)
{
	struct charges none = {}, is = charges(group);
	int ms;

	for (ms = 0; memcmp(&is, &none, sizeof(is)) && ms < PATIENCE_MS; ms++) {
		usleep(1000);
		is = charges(group);
	}
	return expect_charges(group, none);
}

/* Memory whose pages alternate between two cgroups, so that each batch has both. */
static char *shared;

static bool touch_own(size_t first)
{
	for (size_t i = first; i < LIMIT_BYTES / page_size(); i += 2)
		fill_page(shared + i * page_size(), 1);
	return true;
}

static bool are_stored(size_t pages)
{
	return stored() >= pages;
}

/* Check the charges of two cgroups whose pages differ in kind and size. */
static bool test_charges(void)
{
	unsigned long long pages = LIMIT_BYTES / page_size();
	struct charges first, second;
	bool good = true;

	shared = mmap(NULL, LIMIT_BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	good &= !mkdir(SECOND, 0755);
	good &= in_group(GROUP, touch_own, 0);
	good &= in_group(SECOND, touch_own, 1);
	/* Map all pages: madvise() pages out only mapped ones. */
	for (size_t i = 0; i < pages; i++)
		touch_page(shared + i * page_size());
	page_out_until(shared, LIMIT_BYTES, are_stored, pages);
	good &= expect("stored pages", stored(), pages);

	first = charges_of(GROUP, LIMIT_BYTES / 2);
	second = charges_of(SECOND, LIMIT_BYTES / 2);
	good &= expect("pages charged", first.pages, LIMIT_BYTES / 2);
	good &= expect("pages charged", second.pages, LIMIT_BYTES / 2);
	good &= expect("charges that differ", first.bytes != second.bytes, 1);
	hold_drains();
	munmap(shared, LIMIT_BYTES);
	good &= stays_pending(dead());
	if (drains_held && zswap_defers()) {
		good &= expect_charges(GROUP, first);
		good &= expect_charges(SECOND, second);
	}
	release_drains();
	good &= no_charges(GROUP);
	good &= no_charges(SECOND);
	/* Also free a long run of incompressible pages of one cgroup. */
	good &= in_group(GROUP, once, LIMIT_BYTES);
	good &= no_charges(GROUP);
	good &= only_stored(0);
	return !rmdir(SECOND) && good;
}

/* Return the number of zswap's zsmalloc pools: each has a shrinker with its name. */
static unsigned long long pools(void)
{
	DIR *shrinkers = opendir(SHRINKERS);
	unsigned long long nr = 0;
	struct dirent *entry;

	while (shrinkers && (entry = readdir(shrinkers)))
		nr += !strncmp(entry->d_name, "mm-zspool:zswap", 15);
	if (shrinkers)
		closedir(shrinkers);
	return nr;
}

/* Check that a change of the compressor frees the old pool, whose last entries are dead. */
static bool test_compressor(void)
{
	unsigned long long before = pools();
	bool good;

	if (access(SHRINKERS, F_OK)) {
		skip_why = "no CONFIG_SHRINKER_DEBUG";
		return true;
	}
	good = begin();
	good &= expect("some pool", before > 0, 1);

	unmap(&kept);
	good &= !write_zswap("compressor", "deflate");
	good &= expect("dead entries", dead(), 0);
	good &= becomes("pools", pools, before);
	release_drains();
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	good &= !write_file(zswap_parameter[0].path, zswap_parameter[0].before);
	good = end(good);
	/* The pool of the kept region is freed some time after its last entry. */
	return becomes("pools", pools, before) && good;
}

static bool test_switch(void)
{
	bool good = begin();

	if (!zswap_defers()) {
		skip_why = "nothing is deferred";
		return end(good);
	}
	good &= write_zswap("deferred_invalidate", "perhaps") == EINVAL;
	good &= stays_pending(dead());
	good &= !write_zswap("deferred_invalidate", "N");
	good &= expect("dead entries", dead(), 0);
	good &= expect("stored pages", stored(), kept.pages);

	release_drains();
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	unmap(&freed);
	good &= expect("stored pages", stored(), kept.pages);
	good &= !write_zswap("deferred_invalidate", "Y");
	return end(good);
}

static bool nothing_is_dead(void)
{
	return expect("dead entries", dead(), 0);
}

/* Check that process_mrelease() frees all memory, including swap, before it returns. */
static bool test_release(void)
{
	bool good;

	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	good = release_victim(&kept, FREED_BYTES, nothing_is_dead);
	return end(good);
}

/* Replace the device with a smaller device while dead entries are pending. */
static bool test_swapoff(void)
{
	bool good = begin();

	/* Entries freed by page faults are also pending. */
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	zram_swapoff();
	good &= expect("stored pages", stored(), 0);
	good &= !write_zram("reset", "1");
	zram_set_size(ZRAM_MB / 2);
	zram_swapon();
	release_drains();
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	good = end(good);
	resize(ZRAM_MB);
	return good;
}

static void set_up(void)
{
	zram_add(ZRAM_MB);
	zswap_begin();
	if (zswap_number("stored_pages"))
		ksft_exit_skip("zswap: pages are stored; run swapoff -a first\n");
	/* Refuse an existing path: it may be a link created by another user. */
	if (mkdir(CGROUPS, 0755))
		ksft_exit_fail_msg(CGROUPS ": %s; remove it\n", strerror(errno));
	if (mount("none", CGROUPS, "cgroup2", 0, NULL) ||
	    write_file(CGROUPS "/cgroup.subtree_control", "+memory") ||
	    (mkdir(GROUP, 0755) && errno != EEXIST))
		ksft_exit_fail_msg("no memory cgroups\n");
}

static void tear_down(void)
{
	zram_swapoff();
	zram_remove();
	rmdir(GROUP);
	umount(CGROUPS);
	rmdir(CGROUPS);
}

int main(void)
{
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	set_up();
	ksft_set_plan(2 * 16);

	run_twice(test_write, "write");
	run_twice(test_refuse, "write while disabled");
	run_twice(test_zeros, "zeros");
	run_twice(test_hibernation, "hibernation");
	run_twice(test_image, "hibernation image");
	run_twice(test_pool_limit, "max_pool_percent");
	run_twice(test_group_limit, "memory.zswap.max");
	run_twice(test_group_memory, "memory.max");
	run_twice(test_group_lowered, "memory.max below the dead entries");
	run_twice(test_group_removed, "removed cgroup");
	run_twice(test_others_dead, "dead entries of other cgroups");
	run_twice(test_charges, "charges of two cgroups");
	run_twice(test_compressor, "compressor");
	run_twice(test_switch, "deferred_invalidate");
	run_twice(test_release, "process_mrelease");
	run_twice(test_swapoff, "swapoff");
	tear_down();

	ksft_finished();
}
