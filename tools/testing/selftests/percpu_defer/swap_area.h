/* SPDX-License-Identifier: GPL-2.0 */
/* Swap areas on devices and in files. */
#ifndef SWAP_AREA_H
#define SWAP_AREA_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "kselftest.h"
#include "swap_pages.h"

/* Write the header of a swap area that fills the file or device. */
static inline void make_swap_area(const char *path)
{
	union {
		struct {
			char boot[1024];
			uint32_t version, last_page, nr_badpages;
		} info;
		char page[65536];
	} header = {};
	off_t size;
	int fd = open(path, O_RDWR);

	if (fd < 0)
		ksft_exit_fail_msg("cannot open %s\n", path);
	size = lseek(fd, 0, SEEK_END);
	header.info.version = 1;
	header.info.last_page = size / page_size() - 1;
	memcpy(header.page + page_size() - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, &header, page_size(), 0) != (ssize_t)page_size() || fsync(fd))
		ksft_exit_fail_msg("cannot write to %s\n", path);
	close(fd);
}

static inline void swap_area_on(const char *path)
{
	make_swap_area(path);
	/* Use the highest priority, so that no other swap area is used. */
	if (swapon(path, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK))
		ksft_exit_fail_msg("swapon %s: %s\n", path, strerror(errno));
}

static inline void swap_area_off(const char *path)
{
	if (swapoff(path))
		ksft_exit_fail_msg("swapoff %s: %s\n", path, strerror(errno));
}

#endif
