/* SPDX-License-Identifier: GPL-2.0 */
/* zswap with a private zram device for the pages that zswap rejects or writes back. */
#ifndef ZSWAP_SWAP_H
#define ZSWAP_SWAP_H

#include <ctype.h>
#include <dirent.h>

#include "drain_gate.h"
#include "zram_swap.h"

#define ZSWAP_PARAMETERS	"/sys/module/zswap/parameters/"
#define ZSWAP_DEBUG		"/sys/kernel/debug/zswap/"
#define SHRINKERS		"/sys/kernel/debug/shrinker"

static struct zswap_parameter {
	const char *path;
	char before[64];
} zswap_parameter[] = {
	{ .path = ZSWAP_PARAMETERS "compressor" },
	{ .path = ZSWAP_PARAMETERS "max_pool_percent" },
	{ .path = ZSWAP_PARAMETERS "accept_threshold_percent" },
	{ .path = ZSWAP_PARAMETERS "shrinker_enabled" },
	/* Missing in an unmodified kernel. */
	{ .path = ZSWAP_PARAMETERS "deferred_invalidate" },
	/* Restored after all others. */
	{ .path = ZSWAP_PARAMETERS "enabled" },
};

#define NR_PARAMETERS	ARRAY_SIZE(zswap_parameter)

/* Set a parameter; return 0 or an errno. */
static inline int write_zswap(const char *parameter, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), ZSWAP_PARAMETERS "%s", parameter);
	return write_file(path, text);
}

static inline bool zswap_defers(void)
{
	return !access(ZSWAP_DEBUG "dead_entries", F_OK) &&
		!access("/sys/kernel/debug/percpu_defer", F_OK);
}

static pid_t zswap_user;

/* atexit() handler: restore the settings, but not when a child exits. */
static void zswap_end(void)
{
	if (getpid() != zswap_user)
		return;
	for (size_t i = 0; i < NR_PARAMETERS; i++)
		if (*zswap_parameter[i].before)
			write_file(zswap_parameter[i].path, zswap_parameter[i].before);
}

/* Enable zswap, without its shrinker, until the process ends. */
static inline void zswap_begin(void)
{
	zswap_user = getpid();
	atexit(zswap_end);
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
		ksft_exit_skip("cannot enable zswap; run as root, with CONFIG_ZSWAP\n");
	if (write_zswap("shrinker_enabled", "N") ||
	    write_zswap("max_pool_percent", "50"))
		ksft_exit_fail_msg("cannot set up zswap\n");
	/* A kernel that can hold drains must have these files: do not skip. */
	if (gate_exists() && (!zswap_defers() || access(ZSWAP_DEBUG "check", F_OK)))
		ksft_exit_fail_msg("no " ZSWAP_DEBUG "dead_entries or check\n");
}

/* Return a number from zswap's debugfs directory. */
static inline unsigned long long zswap_number(const char *file)
{
	unsigned long long number;
	char path[96];

	snprintf(path, sizeof(path), ZSWAP_DEBUG "%s", file);
	if (read_numbers(path, &number, 1) != 1)
		ksft_exit_fail_msg("cannot read %s\n", path);
	return number;
}

/* Return the sum of a library counter over all swap devices. */
static inline unsigned long long zswap_counted(const char *what)
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
		nr += named_number(path, what);
	}
	if (instances)
		closedir(instances);
	return nr;
}

/*
 * Have each shrinker whose name begins with @name scan @nr objects of the cgroup with inode
 * @group; 0 means no cgroup. Return false if the scan is not possible.
 */
static inline bool shrinker_scan(const char *name, unsigned long long group, unsigned long nr)
{
	DIR *shrinkers = opendir(SHRINKERS);
	char path[320], request[64];
	struct dirent *entry;
	bool done = false;

	snprintf(request, sizeof(request), "%llu 0 %lu", group, nr);
	while (shrinkers && (entry = readdir(shrinkers))) {
		if (strncmp(entry->d_name, name, strlen(name)))
			continue;
		snprintf(path, sizeof(path), SHRINKERS "/%s/scan", entry->d_name);
		done = !write_file(path, request);
	}
	if (shrinkers)
		closedir(shrinkers);
	return done;
}

/* Have zswap's shrinker scan @nr entries of the cgroup with inode @group. */
static inline bool zswap_scan(unsigned long long group, unsigned long nr)
{
	return shrinker_scan("mm-zswap", group, nr);
}

/* Return the number of dead slots, with or without an entry. */
static inline unsigned long long dead(void)
{
	return zswap_defers() ? zswap_number("dead_entries") : 0;
}

/*
 * Check that every entry is in a slot that is either in use or dead, but not both. If
 * @quiet is set, nothing is pending: also check that every entry on an LRU is in a tree.
 * Return true without CONFIG_PERCPU_DEFER_PERTURB, which provides the check.
 */
static inline bool zswap_is_sane(bool quiet)
{
	static const char check[] = ZSWAP_DEBUG "check";
	unsigned long long orphans, both, strays;

	if (access(check, F_OK))
		return true;
	orphans = named_number(check, "orphans");
	both = named_number(check, "dead_in_use");
	strays = named_number(check, "strays");
	return expect("orphans", orphans, 0) & expect("dead in use", both, 0) &
	       (!quiet || expect("strays", strays, 0));
}

#endif
