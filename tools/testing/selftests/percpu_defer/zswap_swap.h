/* SPDX-License-Identifier: GPL-2.0 */
/* zswap in front of a zram device of our own, which takes what zswap does not. */
#ifndef ZSWAP_SWAP_H
#define ZSWAP_SWAP_H

#include <ctype.h>

#include "zram_swap.h"

#define ZSWAP_PARAMETERS	"/sys/module/zswap/parameters/"
#define ZSWAP_DEBUG		"/sys/kernel/debug/zswap/"

static struct zswap_parameter {
	const char *path;
	char before[64];
} zswap_parameter[] = {
	{ .path = ZSWAP_PARAMETERS "compressor" },
	{ .path = ZSWAP_PARAMETERS "max_pool_percent" },
	{ .path = ZSWAP_PARAMETERS "accept_threshold_percent" },
	{ .path = ZSWAP_PARAMETERS "shrinker_enabled" },
	/* Only where invalidation is deferred. */
	{ .path = ZSWAP_PARAMETERS "deferred_invalidate" },
	/* The last one, so that it is restored when the others are. */
	{ .path = ZSWAP_PARAMETERS "enabled" },
};

#define NR_PARAMETERS	ARRAY_SIZE(zswap_parameter)

/* Returns 0 or an errno. */
static inline int write_zswap(const char *parameter, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), ZSWAP_PARAMETERS "%s", parameter);
	return write_file(path, text);
}

static inline void zswap_begin(void)
{
	for (size_t i = 0; i < NR_PARAMETERS; i++) {
		struct zswap_parameter *p = zswap_parameter + i;
		FILE *file = fopen(p->path, "r");

		if (!file)
			continue;
		if (!fgets(p->before, sizeof(p->before), file))
			ksft_exit_fail_msg("cannot read %s\n", p->path);
		fclose(file);
	}
	if (write_zswap("enabled", "Y"))
		ksft_exit_skip("cannot enable zswap: in the kernel? root?\n");
	if (write_zswap("shrinker_enabled", "N") ||
	    write_zswap("max_pool_percent", "50"))
		ksft_exit_fail_msg("cannot set up zswap\n");
}

static inline void zswap_end(void)
{
	for (size_t i = 0; i < NR_PARAMETERS; i++)
		if (*zswap_parameter[i].before)
			write_file(zswap_parameter[i].path, zswap_parameter[i].before);
}

/* A number in zswap's debugfs folder; 0 if there is none. */
static inline unsigned long long zswap_number(const char *file)
{
	unsigned long long number = 0;
	char path[96];

	snprintf(path, sizeof(path), ZSWAP_DEBUG "%s", file);
	read_numbers(path, &number, 1);
	return number;
}

static inline bool zswap_defers(void)
{
	return !access(ZSWAP_DEBUG "dead_entries", F_OK);
}

#endif
