/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Linux 6.12 caches up to 64 freed slots per CPU. swapoff of any device, however small,
 * flushes the caches.
 */
#ifndef SWAP_SLOTS_H
#define SWAP_SLOTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "kselftest.h"
#include "swap_pages.h"

#define SMALL_DEVICE	"/dev/ram0"

static inline void make_small_swap(void)
{
	uint32_t header[65536 / sizeof(uint32_t)] = {};
	int fd = open(SMALL_DEVICE, O_RDWR);

	/* Header version and number of the last page. */
	header[256] = 1;
	header[257] = 15;
	memcpy((char *)header + page_size() - 10, "SWAPSPACE2", 10);
	if (fd < 0 || pwrite(fd, header, page_size(), 0) != (ssize_t)page_size() ||
	    fsync(fd))
		ksft_exit_fail_msg("cannot write to %s\n", SMALL_DEVICE);
	close(fd);
}

static inline void let_go_of_slots(void)
{
	static int made;

	if (!made++)
		make_small_swap();
	if (swapon(SMALL_DEVICE, 0) || swapoff(SMALL_DEVICE))
		ksft_exit_fail_msg("swap on %s: %s\n", SMALL_DEVICE, strerror(errno));
}

#endif
