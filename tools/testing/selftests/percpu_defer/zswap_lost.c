// SPDX-License-Identifier: GPL-2.0
/*
 * Check that content of freed slots does not stay in zswap or appear elsewhere.
 *
 * usage: zswap_lost [SECONDS [SEED]]
 *
 * On a swap device that is nearly full, processes of two users fill memory, page it
 * out and free it, in small and large pieces. They write content that identifies its
 * owner, the same content again, and zeros. In most rounds, so few slots are free that
 * freed slots are reused immediately. Meanwhile other processes flush zswap, drain it as
 * memory reclaim does, and have its shrinker write back. Each process must read the
 * content that it wrote. Each round has different random delays. After a round, every
 * entry must be in a slot that is dead or in use. After swapoff, zswap must be empty, and
 * the device must hold no data of the users.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest.h"
#include "drain_gate.h"
#include "swap_region.h"
#include "swap_workers.h"
#include "zswap_swap.h"

#define DEVICE_BYTES	(1024 * page_size())
#define LARGE_BYTES	(512 * page_size())
/* Size that leaves less room than the processes with small pieces need. */
#define KEPT_BYTES	(DEVICE_BYTES - SMALL_BYTES * (2 * NR_SMALL - 1))
#define SMALL_BYTES	(16 * page_size())
#define NR_PIECES	4
#define NR_SMALL	6
/* Time in which keep() occupies most slots. */
#define KEEP_US		500000
#define DWELL_US	10000
#define ZERO_BYTES	(16 * page_size())
#define ROUND_SECONDS	3
#define OTHER_USER	65534

static char *new_memory(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	madvise(memory, size, MADV_NOHUGEPAGE);
	return memory;
}

/* Shared flag: the processes of a round must end. */
static bool *stop;

static bool stopped(void)
{
	return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

/* Return a word that identifies page, owner and generation, and is never 0. */
static uint64_t canary(const char *page, uint64_t generation)
{
	return page_seed(page, generation << 24 ^ getpid()) | 1;
}

static void fill(char *memory, size_t size, uint64_t generation)
{
	for (char *page = memory; page < memory + size; page += page_size()) {
		uint64_t *word = (uint64_t *)page, seed = canary(page, generation);

		for (size_t i = 0; i < page_size() / sizeof(*word); i++)
			word[i] = seed;
		/* Add noise, so that compressed sizes differ. */
		for (size_t i = 0; i < (seed >> 8) % 16; i++)
			word[i] = mix(seed + i) | 1;
	}
}

/* Check the last word of each page, which identifies the content. */
static bool is_filled(const char *memory, size_t size, uint64_t generation)
{
	for (const char *page = memory; page < memory + size; page += page_size()) {
		uint64_t last = *(uint64_t *)(page + page_size() - sizeof(last));

		if (last == canary(page, generation))
			continue;
		ksft_print_msg("a page ends with %#llx, not %#llx\n",
			       (unsigned long long)last,
			       (unsigned long long)canary(page, generation));
		return false;
	}
	return true;
}

/*
 * Fill pieces in turn, each with the same content twice in a row. Check only some pieces: a
 * check swaps pages in, but most pages must be freed while they are swapped out.
 */
static void churn(size_t size, unsigned int pieces)
{
	char *memory = new_memory(pieces * size);
	uint64_t turn;

	for (turn = 0; !stopped(); turn++) {
		char *at = memory + turn % pieces * size;
		uint64_t again = turn / pieces;

		if (again && again % 4 == 0 && !is_filled(at, size, (again - 1) / 2))
			_exit(KSFT_FAIL);
		madvise(at, size, MADV_DONTNEED);
		fill(at, size, again / 2);
		madvise(at, size, MADV_PAGEOUT);
		/* Let frees accumulate: unlike stores, they do not wait for a drain. */
		usleep(mix(turn + getpid()) % DWELL_US);
	}
	_exit(KSFT_PASS);
}

/* Free many slots at a time. */
static void whole(void)
{
	churn(SMALL_BYTES, 1);
}

/* Free few slots at a time, but often. */
static void pieces(void)
{
	churn(SMALL_BYTES / NR_PIECES, NR_PIECES);
}

static void large(void)
{
	uint64_t turn;

	for (turn = 0; !stopped(); turn++) {
		char *memory = new_memory(LARGE_BYTES);

		fill(memory, LARGE_BYTES, turn);
		madvise(memory, LARGE_BYTES, MADV_PAGEOUT);
		if (!is_filled(memory, LARGE_BYTES / 8, turn))
			_exit(KSFT_FAIL);
		munmap(memory, LARGE_BYTES);
	}
	_exit(KSFT_PASS);
}

/* Occupy all but a few slots. */
static void keep(void)
{
	char *memory = new_memory(KEPT_BYTES);

	fill(memory, KEPT_BYTES, 0);
	while (!stopped()) {
		madvise(memory, KEPT_BYTES, MADV_PAGEOUT);
		sleep(1);
	}
	_exit(is_filled(memory, KEPT_BYTES, 0) ? KSFT_PASS : KSFT_FAIL);
}

/* Check as another user that zero-filled pages stay zero-filled. */
static void zeros(void)
{
	char *memory = new_memory(ZERO_BYTES);
	const uint64_t *word = (uint64_t *)memory;

	if (setgroups(0, NULL) || setgid(OTHER_USER) || setuid(OTHER_USER))
		ksft_exit_fail_msg("cannot become user %d\n", OTHER_USER);
	while (!stopped()) {
		memset(memory, 0, ZERO_BYTES);
		madvise(memory, ZERO_BYTES, MADV_PAGEOUT);
		for (size_t i = 0; i < ZERO_BYTES / sizeof(*word); i++) {
			if (!word[i])
				continue;
			ksft_print_msg("a zero-filled page holds %#llx\n",
				       (unsigned long long)word[i]);
			_exit(KSFT_FAIL);
		}
		madvise(memory, ZERO_BYTES, MADV_DONTNEED);
	}
	_exit(KSFT_PASS);
}

/* Inode of this process's cgroup, which identifies it to shrinkers; 0 if unknown. */
static unsigned long long own_group;

static void flush(void)
{
	unsigned int turn;

	for (turn = 0; !stopped(); turn++) {
		write_zswap("deferred_invalidate", "N");
		write_zswap("deferred_invalidate", "Y");
		usleep(turn % 8 * 1000);
	}
	_exit(KSFT_PASS);
}

static void write_back(void)
{
	while (!stopped()) {
		zswap_scan(own_group, 256);
		usleep(10000);
	}
	_exit(KSFT_PASS);
}

/* Drain as memory reclaim does: often, and without waiting. */
static void reclaim(void)
{
	while (!stopped()) {
		shrinker_scan("percpu_defer-zswap", 0, 256);
		usleep(1000);
	}
	_exit(KSFT_PASS);
}

static void start(void (*run)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!pid)
		run();
}

static bool run_round(bool full)
{
	bool good = true;
	int status, i;

	fflush(stdout);
	__atomic_store_n(stop, false, __ATOMIC_RELAXED);
	start(full ? keep : large);
	if (full)
		usleep(KEEP_US);
	for (i = 0; i < NR_SMALL; i++) {
		start(whole);
		start(pieces);
	}
	start(zeros);
	start(flush);
	start(write_back);
	start(reclaim);
	/* Begin the round here: on a debug kernel, starting the processes takes seconds. */
	sleep(ROUND_SECONDS);
	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	while (wait(&status) > 0)
		good &= !status;
	return good;
}

/* Return the number of bytes on the device, without the swap header. */
static unsigned long long bytes_on_device(void)
{
	return zram_usage().stored - page_size();
}

/* Number of slots drained, including those of instances that swapoff destroyed. */
static unsigned long long drained;

/* Check that freed slots leave no data. Call this before new stores can overwrite data. */
static bool nothing_left(void)
{
	bool good = true;
	int ms;

	/* Do not flush: a flush would hide a missing wakeup of the worker. */
	for (ms = 0; ms < DRAIN_TRIES && dead(); ms++)
		usleep(10000);
	good &= expect("dead", dead(), 0);
	good &= zswap_is_sane(false);
	/* Skip swapoff after a failure: the check cannot find orphans without their tree. */
	if (!good)
		return false;
	drained += zswap_counted("drained");

	if (swapoff(zram_dev))
		ksft_exit_fail_msg("swapoff: %s\n", strerror(errno));
	/* Entries of loaded pages, and slots of zram itself, may still be pending. */
	for (ms = 0; ms < DRAIN_TRIES && (zswap_number("stored_pages") || pending() ||
					  bytes_on_device()); ms++)
		usleep(10000);
	good &= expect("pages stored", zswap_number("stored_pages"), 0);
	good &= expect("incompressible pages",
		       zswap_number("stored_incompressible_pages"), 0);
	good &= expect("bytes on the device", bytes_on_device(), 0);
	good &= expect("pending", pending(), 0);
	if (!access(ZSWAP_DEBUG "check", F_OK)) {
		good &= expect("entries", named_number(ZSWAP_DEBUG "check", "entries"), 0);
		good &= expect("on LRUs", named_number(ZSWAP_DEBUG "check", "lru"), 0);
	}
	zram_swapon();
	return good;
}

/* Get this process's cgroup as "0::PATH", or "" if cgroup v2 was never mounted. */
static void own_group_path(char *path, int size)
{
	FILE *file = fopen("/proc/self/cgroup", "r");

	while (file && fgets(path, size, file) && strncmp(path, "0::", 3))
		*path = '\0';
	if (file)
		fclose(file);
	path[strcspn(path, "\n")] = '\0';
}

static void find_own_group(void)
{
	static const char at[] = "/tmp/zswap_lost.cgroup";
	char line[256] = "", path[sizeof(at) + sizeof(line)];
	struct stat group;

	if (mkdir(at, 0755))
		return;
	if (!mount("none", at, "cgroup2", 0, NULL)) {
		own_group_path(line, sizeof(line));
		snprintf(path, sizeof(path), "%s%s", at, *line ? line + 3 : "");
		if (!stat(path, &group))
			own_group = group.st_ino;
		umount(at);
	}
	rmdir(at);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + argument(argc, argv, 1, 60);
	unsigned long seed = argument(argc, argv, 2, 1), rounds = 0;
	unsigned long long written_back;
	bool read_well = true, left_nothing = true;
	char text[24];

	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	zswap_begin();
	if (zswap_number("stored_pages"))
		ksft_exit_skip("zswap: pages are stored; run swapoff -a first\n");
	zram_add(DEVICE_BYTES >> 20);
	if (write_zswap("shrinker_enabled", "Y"))
		ksft_exit_fail_msg("cannot enable the shrinker\n");
	find_own_group();
	stop = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (stop == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	ksft_set_plan(3);
	written_back = zswap_number("written_back_pages");

	do {
		snprintf(text, sizeof(text), "%lu", seed + rounds);
		perturb(text);
		read_well &= run_round(rounds % 4);
		perturb(NULL);
		left_nothing &= nothing_left();
		rounds++;
	} while (read_well && left_nothing && time(NULL) < end);

	written_back = zswap_number("written_back_pages") - written_back;
	ksft_print_msg("%lu rounds from seed %lu, %llu pages written back\n", rounds, seed,
		       written_back);
	ksft_test_result(read_well, "pages keep the content of their owner\n");
	if (zswap_defers())
		left_nothing &= expect("slots that were drained", drained > 0, 1);
	ksft_test_result(left_nothing, "freed slots leave no data\n");
	if (own_group && !access(SHRINKERS, F_OK))
		ksft_test_result(written_back > 0, "pages were written back\n");
	else
		ksft_test_result_skip("pages were written back: no %s\n",
				      own_group ? "CONFIG_SHRINKER_DEBUG" : "cgroup v2");

	zram_swapoff();
	zram_remove();
	ksft_finished();
}
