/* SPDX-License-Identifier: GPL-2.0 */
/* Private zram device, used as swap with the highest priority. */
#ifndef ZRAM_SWAP_H
#define ZRAM_SWAP_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "swap_area.h"
#include "swap_pages.h"
#include "text_files.h"

static unsigned int zram_id;
static char zram_dev[32];

static inline void zram_path(char *path, size_t size, const char *file)
{
	snprintf(path, size, "/sys/block/zram%u/%s", zram_id, file);
}

static inline int write_zram(const char *file, const char *text)
{
	char path[64];

	zram_path(path, sizeof(path), file);
	return write_file(path, text);
}

static inline bool expect(const char *what, unsigned long long is,
			  unsigned long long wanted)
{
	if (is != wanted)
		ksft_print_msg("%s: %llu, not %llu\n", what, is, wanted);
	return is == wanted;
}

/* Maximum time to wait for a drain on a debug kernel. */
#define PATIENCE_MS	10000

static inline bool becomes(const char *what, unsigned long long (*number)(void),
			   unsigned long long wanted)
{
	int ms;

	for (ms = 0; number() != wanted && ms < PATIENCE_MS; ms++)
		usleep(1000);
	return expect(what, number(), wanted);
}

/* Return the number of pages in all zsmalloc pools, after folding the per-CPU counts. */
static inline unsigned long long zspages(void)
{
	write_file("/proc/sys/vm/stat_refresh", "1");
	return named_number("/proc/vmstat", "nr_zspages");
}

/* Wait until zspages() is back at @before: zsmalloc frees some pages from a worker. */
static inline bool zspages_return(unsigned long long before)
{
	return becomes("pages of zsmalloc", zspages, before);
}

struct usage {
	unsigned long long stored;	/* bytes, uncompressed */
	unsigned long long compressed;
	unsigned long long freed;	/* free notifications so far */
};

static inline struct usage zram_usage(void)
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

/* Get the path of the library's counters; return true if zram_set_size() has created them. */
static inline bool zram_counts(char *path, size_t size)
{
	snprintf(path, size, "/sys/kernel/debug/percpu_defer/zram%u", zram_id);
	return !access(path, F_OK);
}

/* Return the number of pending (dead) slots. */
static inline unsigned long long pending(void)
{
	char path[64];

	return zram_counts(path, sizeof(path)) ? named_number(path, "pending") : 0;
}

/* Return true if deferral is enabled, which is the default with CONFIG_PERCPU_DEFER. */
static inline bool defers(void)
{
	unsigned long long on;
	char path[64];

	zram_path(path, sizeof(path), "deferred_free");
	return read_numbers(path, &on, 1) == 1 && on;
}

/* Select the device that all other functions use. */
static inline void zram_select(unsigned int id)
{
	zram_id = id;
	snprintf(zram_dev, sizeof(zram_dev), "/dev/zram%u", zram_id);
}

static inline unsigned int zram_hot_add(void)
{
	unsigned long long id;

	if (read_numbers("/sys/class/zram-control/hot_add", &id, 1) != 1)
		ksft_exit_skip("cannot add a zram device; run as root, with CONFIG_ZRAM\n");
	zram_select(id);
	return id;
}

static inline void zram_set_size(unsigned long megabytes)
{
	char size[32];

	snprintf(size, sizeof(size), "%luM", megabytes);
	if (write_zram("disksize", size))
		ksft_exit_fail_msg("cannot set the size of %s\n", zram_dev);
}

static inline void zram_swapon(void)
{
	swap_area_on(zram_dev);
}

static inline void zram_swapoff(void)
{
	swap_area_off(zram_dev);
}

static inline void zram_add(unsigned long megabytes)
{
	zram_hot_add();
	zram_set_size(megabytes);
	zram_swapon();
}

static inline void zram_remove(void)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", zram_id);
	if (write_zram("reset", "1") ||
	    write_file("/sys/class/zram-control/hot_remove", id))
		ksft_exit_fail_msg("cannot remove %s\n", zram_dev);
}

#endif
