// SPDX-License-Identifier: GPL-2.0
/*
 * How long does it take to discard what a RAM disk holds, when is that memory back,
 * and what does it cost in all?
 *
 * usage: brd_measure MEGABYTES
 *
 * Fills that much of /dev/ram0 and discards it. Prints in nanoseconds:
 *   what the discard took,
 *   from the start until the disk held no pages,
 *   the CPU time of the discard,
 *   the CPU time of kernel workers until then,
 *   what a second discard took together with writing all anew right after it,
 *   what it took to discard once more what is not there.
 */
#define _GNU_SOURCE
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "swap_measure.h"

#define DISK		"/dev/ram0"
#define PAGES_USED	"/sys/kernel/debug/ramdisk_pages/ram0"
#define CHUNK		(1024UL << 10)
#define BACK_MS		10000

static int disk;
static size_t size;

/* Returns what it took. */
static uint64_t write_all(const char *chunk)
{
	uint64_t start = now(CLOCK_MONOTONIC);
	size_t offset;

	for (offset = 0; offset < size; offset += CHUNK)
		if (pwrite(disk, chunk, CHUNK, offset) != (ssize_t)CHUNK)
			err(1, "cannot write to " DISK);
	return now(CLOCK_MONOTONIC) - start;
}

static uint64_t discard_all(void)
{
	uint64_t range[2] = { 0, size }, start = now(CLOCK_MONOTONIC);

	if (ioctl(disk, BLKDISCARD, range))
		err(1, "BLKDISCARD");
	return now(CLOCK_MONOTONIC) - start;
}

static void wait_for_all(void)
{
	if (!wait_until_back(PAGES_USED, 0, BACK_MS))
		errx(1, "not all is back after %d ms", BACK_MS);
}

int main(int argc, char **argv)
{
	uint64_t start, workers, time, back, cpu, again, empty;
	char *chunk;

	if (argc != 2)
		errx(1, "usage: brd_measure MEGABYTES");
	size = parse_number(argv[1], 1 << 20) << 20;
	disk = open(DISK, O_RDWR | O_DIRECT);
	if (disk < 0)
		err(1, DISK);
	chunk = filled(CHUNK, 1);
	/* Look in time, not when it suits the timer. */
	prctl(PR_SET_TIMERSLACK, 1);

	discard_all();
	wait_for_all();
	write_all(chunk);
	workers = workers_cpu();
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	start = now(CLOCK_MONOTONIC);
	time = discard_all();
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wait_for_all();
	back = now(CLOCK_MONOTONIC) - start;
	/* The last worker may still be on its way to sleep. */
	usleep(5000);
	workers = workers_cpu() - workers;
	empty = discard_all();
	wait_for_all();

	write_all(chunk);
	again = discard_all();
	again += write_all(chunk);
	discard_all();
	wait_for_all();
	printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)time,
	       (unsigned long long)back, (unsigned long long)cpu,
	       (unsigned long long)workers, (unsigned long long)again,
	       (unsigned long long)empty);
	return 0;
}
