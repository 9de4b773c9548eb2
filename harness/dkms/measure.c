// SPDX-License-Identifier: GPL-2.0
/*
 * Measure the duration of munmap() of memory in swap on zram on this machine, and the time
 * until all of the memory is free, as in test 1 of the RFC "mm/zsmalloc: per-cpu deferred
 * free to accelerate swap entry release".
 *
 * usage: zram_measure [MEGABYTES]     default: 256
 *
 * Needs no privileges. Refuses to run if swap other than zram would be used, or if memory
 * is short. Changes no system settings. If memory still runs short, the OOM killer selects
 * this process first.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "swap_measure.h"
#include "text_files.h"

#define RUNS		7
#define BACK_MS		10000
/* Amount of memory, and of swap, that must stay free. */
#define SPARE_KB	(128 * 1024UL)

struct swap {
	char path[64];
	unsigned long free_kb;
	int priority;
};

/* Return the swap space that will be used next. */
static struct swap first_swap(void)
{
	struct swap first = { .priority = INT32_MIN }, one;
	unsigned long size, used;
	char line[512];
	FILE *file = fopen("/proc/swaps", "r");

	if (!file)
		err(1, "/proc/swaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %*s %lu %lu %d", one.path, &size, &used,
			   &one.priority) != 4)
			continue;
		one.free_kb = size - used;
		if (one.priority > first.priority && one.free_kb)
			first = one;
	}
	fclose(file);
	return first;
}

/* Return the name of the zram device, e.g. "zram0"; exit if @kb kilobytes do not fit. */
static const char *usable_zram(unsigned long kb)
{
	static struct swap swap;
	unsigned long available;

	swap = first_swap();
	if (swap.priority == INT32_MIN)
		errx(1, "no swap is enabled; enable swap on zram");
	if (strncmp(swap.path, "/dev/zram", 9))
		errx(1, "swap would go to %s, not to zram; give zram the highest priority",
		     swap.path);
	if (swap.free_kb < kb + SPARE_KB)
		errx(1, "%s: %lu MB are free, %lu are needed; give fewer MEGABYTES", swap.path,
		     swap.free_kb / 1024, (kb + SPARE_KB) / 1024);
	available = named_number("/proc/meminfo", "MemAvailable:");
	/* The pages and, in the worst case, as much compressed data. */
	if (available < 2 * kb + SPARE_KB)
		errx(1, "%lu MB of memory are available, %lu are needed; give fewer MEGABYTES",
		     available / 1024, (2 * kb + SPARE_KB) / 1024);
	return swap.path + 5;
}

static void print_versions(const char *device)
{
	struct utsname system;
	char version[64] = "";
	FILE *file = fopen("/sys/module/percpu_defer/version", "r");

	uname(&system);
	if (file && fgets(version, sizeof(version), file))
		version[strcspn(version, "\n")] = '\0';
	printf("Linux %s, %s, ", system.release, device);
	if (*version)
		printf("percpu_defer %s\n", version);
	else
		printf("%s\n", access("/sys/module/percpu_defer", F_OK) ?
		       "without percpu_defer" : "percpu_defer in the kernel");
}

static void print_times(const char *what, uint64_t *ns)
{
	sort_numbers(ns, RUNS);
	printf("%s %.2f ms (%.2f-%.2f)\n", what, ns[RUNS / 2] / 1e6, ns[0] / 1e6,
	       ns[RUNS - 1] / 1e6);
}

int main(int argc, char **argv)
{
	unsigned long mb = argc > 1 ? parse_number(argv[1], 1 << 16) : 256;
	uint64_t unmap[RUNS], back[RUNS], start;
	size_t size = mb << 20;
	const char *device;
	char path[96];
	int i;

	if (argc > 2)
		errx(1, "usage: zram_measure [MEGABYTES]");
	write_file("/proc/self/oom_score_adj", "1000");
	prctl(PR_SET_TIMERSLACK, 1);
	device = usable_zram(size / 1024);
	print_versions(device);
	snprintf(path, sizeof(path), "/sys/block/%s/mm_stat", device);
	for (i = 0; i < RUNS; i++) {
		unsigned long long before;
		char *memory;

		usable_zram(size / 1024);
		before = first_number(path);
		memory = filled(size, i);
		page_out_all(memory, size);
		start = now(CLOCK_MONOTONIC);
		munmap(memory, size);
		unmap[i] = now(CLOCK_MONOTONIC) - start;
		/* Allow for pages that other tasks swapped out meanwhile. */
		if (!wait_until_back(path, before + size / 100, BACK_MS))
			errx(1, "memory: not free after %d s; stop other tasks that swap",
			     BACK_MS / 1000);
		back[i] = now(CLOCK_MONOTONIC) - start;
		if (back[i] < unmap[i])
			back[i] = unmap[i];
	}
	printf("%lu MB, median of %d runs (min-max):\n", mb, RUNS);
	print_times("munmap      ", unmap);
	print_times("all is freed", back);
	return 0;
}
