// SPDX-License-Identifier: GPL-2.0
/*
 * Does all that zswap can do get along with entries that wait to be freed?
 *
 * Each test puts memory into zswap, frees some of it, and does something while the
 * entries of that wait for a drain, which is kept from running.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/suspend_ioctls.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest.h"
#include "slow_drains.h"
#include "swap_region.h"
#include "zswap_swap.h"

#define KEPT_BYTES	(2UL << 20)
#define FREED_BYTES	(20UL << 20)
/* With what is kept, more than the device has left. */
#define AGAIN_BYTES	(28UL << 20)
#define IMAGE_BYTES	(16UL << 20)
#define ZRAM_MB		32UL
#define POOL_MB		64UL
#define LIMIT_BYTES	(8UL << 20)

#define PATIENCE_MS	10000
#define CGROUPS		"/tmp/zswap_ops.cgroup"
#define GROUP		CGROUPS "/zswap_ops"

static struct region kept, freed;

static unsigned long long dead(void)
{
	return zswap_number("dead_entries");
}

/* Both in zswap, one of them freed. False if nothing of it waits to be drained. */
static bool begin(void)
{
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	slow_drains();
	unmap(&freed);
	return !zswap_defers() || dead() > 0;
}

static bool becomes(const char *what, unsigned long long (*number)(void),
		    unsigned long long wanted)
{
	int ms;

	for (ms = 0; number() != wanted && ms < PATIENCE_MS; ms++)
		usleep(1000);
	return expect(what, number(), wanted);
}

static unsigned long long stored(void)
{
	return zswap_number("stored_pages");
}

/* What zswap refused or wrote back, or hibernation wrote, besides the header. */
static unsigned long long on_device(void)
{
	return zram_usage().stored - page_size();
}

/* Nothing waits, and only @pages are stored, in zswap. */
static bool only_stored(unsigned long long pages)
{
	fast_drains();
	return becomes("dead entries", dead, 0) &
	       becomes("stored pages", stored, pages) &
	       becomes("bytes on the device", on_device, 0);
}

static bool end(bool good)
{
	good &= only_stored(kept.pages);
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	return good & only_stored(0);
}

/* Slots of which zswap took the entry back from the drain, on all swap devices. */
static unsigned long long cancelled(void)
{
	DIR *instances = opendir("/sys/kernel/debug/percpu_defer");
	unsigned long long nr = 0;
	struct dirent *entry;
	char path[320];

	while (instances && (entry = readdir(instances))) {
		if (strncmp(entry->d_name, "zswap", 5) || !isdigit(entry->d_name[5]))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/debug/percpu_defer/%s",
			 entry->d_name);
		nr += named_number(path, "cancelled");
	}
	if (instances)
		closedir(instances);
	return nr;
}

/* So many pages are freed, so many are not, and so on. */
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
 * Slots that swap takes again: their death is cancelled. What was recorded when
 * they died names them still, among those that have died again since.
 */
static void test_write(void)
{
	bool good = begin();
	unsigned long long before = cancelled();
	struct region again = swapped_region(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);

	if (zswap_defers() && cancelled() == before) {
		ksft_print_msg("no slot was written before it was drained\n");
		good = false;
	}
	make_holes(&again);
	fast_drains();
	good &= becomes("dead entries", dead, 0);
	good &= check_between_holes(&again);
	unmap(&again);
	ksft_test_result(end(good), "write\n");
}

/* As above, but zswap does not take them: what it had must not be read. */
static void test_refuse(void)
{
	bool good = begin();
	struct region again;

	good &= !write_zswap("enabled", "N");
	again = swapped_region(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);
	good &= !write_zswap("enabled", "Y");
	good &= check_pages(&again, 0, again.pages);
	unmap(&again);
	ksft_test_result(end(good), "write while disabled\n");
}

/* Asks zswap's shrinker, and nobody else's, to look at everything, twice. */
static bool shrink(void)
{
	DIR *shrinkers = opendir("/sys/kernel/debug/shrinker");
	struct dirent *entry;
	char path[320], request[64];
	struct stat root;
	bool done = false;
	int pass;

	if (!shrinkers)
		return false;
	if (stat(CGROUPS, &root))
		ksft_exit_fail_msg("%s: %s\n", CGROUPS, strerror(errno));
	snprintf(request, sizeof(request), "%lu 0 %lu", (unsigned long)root.st_ino,
		 2 * (KEPT_BYTES + FREED_BYTES) / page_size());
	while ((entry = readdir(shrinkers))) {
		if (strncmp(entry->d_name, "mm-zswap", 8))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/debug/shrinker/%s/scan",
			 entry->d_name);
		for (pass = 0; pass < 2; pass++)
			done = !write_file(path, request);
	}
	closedir(shrinkers);
	return done;
}

/* Memory full of zeros, which never comes by zswap, in slots that did. */
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
		ksft_exit_fail_msg("only %zu of %zu bytes went to swap\n",
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

/* Does it meet what is dead? @asked: whether it could be asked to look. */
static bool shrink_dead(bool *asked)
{
	unsigned long long met = zswap_number("shrinker_dead_entries");
	bool good = !write_zswap("shrinker_enabled", "Y");

	*asked = shrink();
	good &= !write_zswap("shrinker_enabled", "N");
	if (*asked && zswap_defers() && zswap_number("shrinker_dead_entries") == met) {
		ksft_print_msg("the shrinker met no dead entry\n");
		good = false;
	}
	return good;
}

static void end_shrunk(bool good, bool asked, const char *name)
{
	fast_drains();
	/* What was kept may be written back now. */
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	good &= only_stored(0);
	if (asked || !good)
		ksft_test_result(good, "%s\n", name);
	else
		ksft_test_result_skip("%s: no CONFIG_SHRINKER_DEBUG\n", name);
}

/* What the shrinker finds dead must not come back. */
static void test_zeros(void)
{
	bool good = begin(), asked;
	struct region zero = zeros(AGAIN_BYTES, KEPT_BYTES + AGAIN_BYTES);

	good &= shrink_dead(&asked);
	good &= is_zero(&zero);
	unmap(&zero);
	end_shrunk(good, asked, "zeros");
}

/* Slots that hibernation takes, to write to them past swap and zswap. */
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
		ksft_print_msg("page %zu of the image is not as written\n", i);
		return false;
	}
	return true;
}

/* Gives the slots back, too. */
static void close_image(struct image *image)
{
	munmap(image->page, page_size());
	close(image->device);
	close(image->snapshot);
}

/* What is dead must not be written where an image of hibernation is. */
static void test_hibernation(void)
{
	static struct image image;
	bool good = begin(), asked;

	if (!open_image(&image)) {
		if (end(good))
			ksft_test_result_skip("hibernation: no CONFIG_HIBERNATION\n");
		else
			ksft_test_result_fail("hibernation\n");
		return;
	}
	write_image(&image);
	good &= shrink_dead(&asked);
	good &= check_image(&image);
	fast_drains();
	good &= becomes("dead entries", dead, 0);
	good &= check_image(&image);
	close_image(&image);
	end_shrunk(good, asked, "hibernation");
}

/* Fills memory with what does not compress, and swaps it out. */
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
		ksft_exit_fail_msg("only %zu of %zu bytes went to swap\n",
				   swapped_bytes(), total);
	return memory;
}

static bool some_wait(void)
{
	if (!zswap_defers() || dead())
		return true;
	ksft_print_msg("nothing waits\n");
	return false;
}

/* A process of its own: memory twice, of which the limit would let in one only. */
static bool twice(size_t size)
{
	size_t total = swapped_bytes() + size;
	char *noise;
	bool good;

	noise = swap_noise(size, total);
	good = expect("bytes on the device at first", on_device(), 0);
	slow_drains();
	munmap(noise, size);
	good &= some_wait();
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

/* In the size of the machine: max_pool_percent is one of its memory. */
static void test_pool_limit(void)
{
	size_t limit = named_number("/proc/meminfo", "MemTotal:") * 1024 / 100;
	unsigned long long helps = zswap_number("limit_helps");
	bool good;

	good = !write_zswap("max_pool_percent", "1");
	/* Objects have their class's size, and handles. */
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
	if (!limit) {
		ksft_test_result_skip("max_pool_percent: too much memory\n");
		return;
	}
	if (zswap_defers() && zswap_number("limit_helps") == helps) {
		ksft_print_msg("the limit was not hit\n");
		good = false;
	}
	ksft_test_result(good, "max_pool_percent\n");
}

static bool in_group(bool (*test)(size_t size), size_t size)
{
	char pid[16];
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		snprintf(pid, sizeof(pid), "%d", getpid());
		if (write_file(GROUP "/cgroup.procs", pid))
			_exit(KSFT_FAIL);
		status = test(size) ? KSFT_PASS : KSFT_FAIL;
		fflush(stdout);
		_exit(status);
	}
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

static void test_group_limit(void)
{
	char limit[32];
	bool good;

	snprintf(limit, sizeof(limit), "%lu", LIMIT_BYTES);
	good = !write_file(GROUP "/memory.zswap.max", limit);
	good &= in_group(twice, LIMIT_BYTES - LIMIT_BYTES / 8);
	good &= !write_file(GROUP "/memory.zswap.max", "max");
	ksft_test_result(good, "memory.zswap.max\n");
}

/* The same, with a limit of all its memory: what waits is charged, too. */
static bool in_its_place(size_t size)
{
	char *noise = swap_noise(size, size), *memory;
	char limit[32];
	bool good;

	snprintf(limit, sizeof(limit), "%zu", size + size / 2);
	good = !write_file(GROUP "/memory.max", limit);
	good &= !write_file(GROUP "/memory.swap.max", "0");
	slow_drains();
	munmap(noise, size);
	good &= some_wait();
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	munmap(memory, size);
	return good & only_stored(0);
}

static void test_group_memory(void)
{
	bool good = in_group(in_its_place, LIMIT_BYTES);

	good &= !write_file(GROUP "/memory.max", "max");
	good &= !write_file(GROUP "/memory.swap.max", "max");
	/* If the other process was killed. */
	fast_drains();
	ksft_test_result(good, "memory.max\n");
}

static bool once(size_t size)
{
	swap_noise(size, size);
	return true;
}

static unsigned long long dying_groups(void)
{
	return named_number(CGROUPS "/cgroup.stat", "nr_dying_descendants");
}

static unsigned long long charged(void)
{
	unsigned long long bytes = 0;

	read_numbers(GROUP "/memory.zswap.current", &bytes, 1);
	return bytes;
}

/* Its entries die with its last process, and must not keep it. */
static void test_group_removed(void)
{
	unsigned long long before = dying_groups();
	bool good = in_group(once, LIMIT_BYTES);

	good &= becomes("bytes charged for zswap", charged, 0);
	good &= in_group(once, LIMIT_BYTES);
	good &= !rmdir(GROUP);
	good &= becomes("dying groups", dying_groups, before);
	good &= only_stored(0);
	good &= !mkdir(GROUP, 0755);
	ksft_test_result(good, "removed cgroup\n");
}

/* zswap's pools are those of zsmalloc that are not zram's. */
static unsigned long long pools(void)
{
	DIR *instances = opendir("/sys/kernel/debug/percpu_defer");
	unsigned long long nr = 0;
	struct dirent *entry;

	while (instances && (entry = readdir(instances)))
		nr += !strncmp(entry->d_name, "zsmalloc-zswap", 14);
	if (instances)
		closedir(instances);
	return nr;
}

/* The old pool goes with its last entry, which is one that is dead. */
static void test_compressor(void)
{
	bool good = begin();
	unsigned long long before = pools();

	unmap(&kept);
	good &= !write_zswap("compressor", "deflate");
	good &= expect("dead entries", dead(), 0);
	good &= becomes("pools", pools, before);
	fast_drains();
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	good &= !write_file(zswap_parameter[0].path, zswap_parameter[0].before);
	ksft_test_result(end(good), "compressor\n");
}

static void test_switch(void)
{
	bool good = begin();

	if (!zswap_defers()) {
		fast_drains();
		end(good);
		ksft_test_result_skip("deferred_invalidate\n");
		return;
	}
	good &= write_zswap("deferred_invalidate", "perhaps") == EINVAL;
	good &= expect("nonsense changed nothing", dead() > 0, 1);
	good &= !write_zswap("deferred_invalidate", "N");
	good &= expect("dead entries", dead(), 0);
	good &= expect("stored pages", stored(), kept.pages);

	fast_drains();
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	unmap(&freed);
	good &= expect("stored pages", stored(), kept.pages);
	good &= !write_zswap("deferred_invalidate", "Y");
	ksft_test_result(end(good), "deferred_invalidate\n");
}

/* Another device of another size takes its place, with dead entries waiting. */
static void test_swapoff(void)
{
	bool good = begin();

	/* What is freed in a page fault waits, too. */
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	zram_swapoff();
	good &= expect("stored pages", stored(), 0);
	good &= !write_zram("reset", "1");
	zram_set_size(ZRAM_MB / 2);
	zram_swapon();
	fast_drains();
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	good = end(good);
	resize(ZRAM_MB);
	ksft_test_result(good, "swapoff\n");
}

static void set_up(void)
{
	mkdir(CGROUPS, 0755);
	if (mount("none", CGROUPS, "cgroup2", 0, NULL))
		ksft_exit_skip("cannot mount cgroup2\n");
	if (write_file(CGROUPS "/cgroup.subtree_control", "+memory") ||
	    (mkdir(GROUP, 0755) && errno != EEXIST))
		ksft_exit_skip("no memory cgroups\n");
	zswap_begin();
	zram_add(ZRAM_MB);
}

static void tear_down(void)
{
	zram_swapoff();
	zram_remove();
	zswap_end();
	rmdir(GROUP);
	umount(CGROUPS);
	rmdir(CGROUPS);
}

int main(void)
{
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	make_hogs();
	set_up();
	ksft_set_plan(11);

	test_write();
	test_refuse();
	test_zeros();
	test_hibernation();
	test_pool_limit();
	test_group_limit();
	test_group_memory();
	test_group_removed();
	test_compressor();
	test_switch();
	test_swapoff();
	tear_down();

	kill_hogs();
	ksft_finished();
}
