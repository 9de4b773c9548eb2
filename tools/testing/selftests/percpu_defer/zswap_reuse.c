// SPDX-License-Identifier: GPL-2.0
/*
 * Check that memory in zswap keeps its content when slots are reused immediately.
 *
 * usage: zswap_reuse [SECONDS [PROCESSES [MEGABYTES [ZRAM_MEGABYTES]]]]
 *
 * Processes fill memory with a pattern made of address and generation, page it out,
 * check it, free it and fill it again. Meanwhile another process changes the compressor,
 * the limit and the switches of zswap, runs shrinkers, toggles huge pages and a CPU, and
 * replaces one of the swap devices. Pages that zswap rejects or writes back go to private
 * zram devices, which are removed at the end.
 */
#define _GNU_SOURCE
#include "kselftest.h"
#include "swap_workers.h"
#include "zswap_swap.h"

#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define CPU		"/sys/devices/system/cpu/cpu1/online"
/* Minimum size of the device that is replaced. */
#define OTHER_MB	24
/* Maximum time for which the limit is 0. */
#define LIMIT_MS	3000

static unsigned int main_id, other_id;

static void off_and_on(const char *path, useconds_t time, const char *off,
		       const char *on)
{
	write_file(path, off);
	usleep(time);
	write_file(path, on);
}

/* Request writeback of everything until some pages have been written back. */
static void lower_limit(void)
{
	unsigned long long before = zswap_number("written_back_pages");

	write_zswap("max_pool_percent", "0");
	for (int i = 0; i < LIMIT_MS && zswap_number("written_back_pages") == before; i++)
		usleep(1000);
	write_zswap("max_pool_percent", "50");
}

/*
 * Lower the limit until pages are written back. On a slow machine, random changes of the
 * limit are rare, and mostly happen while nothing is stored.
 */
static void write_some_back(time_t end)
{
	unsigned long long before = zswap_number("written_back_pages");

	while (time(NULL) < end && zswap_number("written_back_pages") == before) {
		if (zswap_number("stored_pages"))
			lower_limit();
		usleep(10000);
	}
}

/* Replace the second device with a device of random size. */
static void change_device(uint64_t random)
{
	zram_select(other_id);
	if (!swapoff(zram_dev)) {
		if (write_zram("reset", "1"))
			ksft_exit_fail_msg("cannot reset %s\n", zram_dev);
		zram_set_size(OTHER_MB + random % OTHER_MB);
		zram_swapon();
	}
	zram_select(main_id);
}

static void disturb(time_t end)
{
	static const char * const compressor[] = { "lzo", "lzo-rle", "deflate" };
	uint64_t random = getpid();

	write_some_back(end);
	while (time(NULL) < end) {
		useconds_t time = 1000 + random % 50000;

		random = mix(random);
		switch ((random >> 32) % 9) {
		case 0:
			write_zswap("compressor", compressor[(random >> 40) % 3]);
			break;
		case 1:
			lower_limit();
			break;
		case 2:
			off_and_on(ZSWAP_PARAMETERS "enabled", time, "N", "Y");
			break;
		case 3:
			off_and_on(ZSWAP_PARAMETERS "deferred_invalidate", time, "N", "Y");
			break;
		case 4:
			off_and_on(THP "enabled", time, "never", "always");
			break;
		case 5:
			off_and_on(CPU, time, "0", "1");
			break;
		case 6:
			change_device(random >> 40);
			break;
		case 7:
			write_file("/proc/sys/vm/compact_memory", "1");
			break;
		default:
			/* Run all shrinkers, as memory pressure does. */
			write_zswap("shrinker_enabled", "Y");
			write_file("/proc/sys/vm/drop_caches", "2");
			write_zswap("shrinker_enabled", "N");
		}
		usleep(time);
	}
	_exit(KSFT_PASS);
}

static struct {
	const char *path;
	char before[16];
} huge[] = {
	{ .path = THP "enabled" },
	/* Some machines have no huge pages of this size. */
	{ .path = THP "hugepages-64kB/enabled" },
};

#define NR_HUGE	ARRAY_SIZE(huge)

static void huge_begin(void)
{
	for (size_t i = 0; i < NR_HUGE; i++) {
		FILE *file = fopen(huge[i].path, "r");
		char line[64] = "", *chosen;

		if (!file)
			continue;
		/* The current value is in brackets. */
		chosen = fgets(line, sizeof(line), file) ? strchr(line, '[') : NULL;
		if (chosen)
			sscanf(chosen, "[%15[^]]", huge[i].before);
		fclose(file);
		write_file(huge[i].path, "always");
	}
}

static void huge_end(void)
{
	for (size_t i = 0; i < NR_HUGE; i++)
		if (*huge[i].before)
			write_file(huge[i].path, huge[i].before);
}

/* Return the number of slots in use on all swap devices. */
static unsigned long long slots_in_use(void)
{
	return (named_number("/proc/meminfo", "SwapTotal:") -
		named_number("/proc/meminfo", "SwapFree:")) * 1024 / page_size();
}

/*
 * Wait until the number of stored pages is at most the number of slots in use. A few slots
 * may stay in use: if a page was locked when its process exited, swap keeps the slot until
 * reclaim frees it.
 */
static bool all_freed(void)
{
	unsigned long long stored = 0, used = 0;

	for (int i = 0; i < DRAIN_TRIES; i++) {
		stored = zswap_number("stored_pages");
		used = slots_in_use();
		if (stored <= used)
			return true;
		usleep(10000);
	}
	ksft_print_msg("%llu pages are stored, %llu slots are in use, %llu are dead\n",
		       stored, used, dead());
	return false;
}

int main(int argc, char **argv)
{
	unsigned long seconds = argument(argc, argv, 1, 60);
	unsigned long processes = argument(argc, argv, 2, 3);
	size_t size = argument(argc, argv, 3, 40) << 20;
	unsigned long zram_mb = argument(argc, argv, 4, 96);
	unsigned long long written_back;

	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (size / page_size() < MIN_CHUNKS)
		ksft_exit_fail_msg("MEGABYTES: too small; give at least %d pages\n", MIN_CHUNKS);
	/* Leave the parent's process group: run_workers() signals its own group. */
	setpgid(0, 0);
	huge_begin();
	zswap_begin();
	zram_add(OTHER_MB);
	other_id = zram_id;
	zram_add(zram_mb);
	main_id = zram_id;
	written_back = zswap_number("written_back_pages");
	ksft_set_plan(3);

	ksft_test_result(run_workers(processes, size, time(NULL) + seconds, disturb),
			 "content survives the reuse of slots\n");
	ksft_print_msg("%lu processes of %zu MB, %lu s: %llu pages written back\n",
		       processes, size >> 20, seconds,
		       zswap_number("written_back_pages") - written_back);
	if (zswap_defers())
		ksft_print_msg("the shrinker found %llu dead entries; %llu drains at a limit\n",
			       zswap_number("shrinker_dead_entries"),
			       zswap_number("limit_helps"));
	ksft_test_result(zswap_number("written_back_pages") > written_back,
			 "pages were written back\n");
	ksft_test_result(all_freed(), "all slots are freed after exit\n");

	write_file(CPU, "1");
	huge_end();
	zram_swapoff();
	zram_remove();
	zram_select(other_id);
	zram_swapoff();
	zram_remove();
	ksft_finished();
}
