/* SPDX-License-Identifier: GPL-2.0 */
/* Pages whose content identifies their address and generation. */
#ifndef SWAP_PAGES_H
#define SWAP_PAGES_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define PAGEOUT_TRIES	200

static inline size_t page_size(void)
{
	static size_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

/* splitmix64: a bijection, so that different seeds yield different values. */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static inline uint64_t page_seed(const void *page, uint64_t generation)
{
	return mix((uintptr_t)page ^ generation << 48);
}

/* Return true for one page in sixteen, which is filled with a single word. */
static inline bool page_is_same(uint64_t seed)
{
	return seed % 16 == 0;
}

/* Return true for one page in sixteen, which is incompressible. */
static inline bool page_is_huge(uint64_t seed)
{
	return seed % 16 == 1;
}

/*
 * Return the number of noise words at the start of a page. The number differs between pages
 * that are neither same-filled nor huge. These pages compress to a quarter on average, and
 * to different sizes, as real pages do.
 */
static inline size_t noise_words(uint64_t seed)
{
	if (page_is_same(seed))
		return 0;
	if (page_is_huge(seed))
		return page_size() / sizeof(seed);
	return 32 + (seed >> 8) % 192;
}

/* Return the value of word @i of a page. */
static inline uint64_t page_word(uint64_t seed, size_t i)
{
	return i < noise_words(seed) ? mix(seed + i) : seed;
}

/* Fill a page. Do not use page_word(), which would slow down most tests. */
static inline void fill_page(void *page, uint64_t generation)
{
	uint64_t *word = page, seed = page_seed(page, generation);
	size_t words = page_size() / sizeof(*word), noise = noise_words(seed), i;

	for (i = 0; i < noise; i++)
		word[i] = mix(seed + i);
	for (; i < words; i++)
		word[i] = seed;
}

/* Return the index of the first word with a wrong value, or -1. */
static inline long check_page(const void *page, uint64_t generation)
{
	uint64_t seed = page_seed(page, generation);
	const uint64_t *word = page;
	size_t i;

	for (i = 0; i < page_size() / sizeof(*word); i++)
		if (word[i] != page_word(seed, i))
			return i;
	return -1;
}

/* Read a page, which faults it in if it is swapped out. */
static inline char touch_page(const char *page)
{
	return __atomic_load_n(page, __ATOMIC_RELAXED);
}

/* Return the number in a line "NAME NUMBER" of a file; exit if there is none. */
static inline unsigned long long named_number(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	unsigned long long number;
	bool found = false;
	char line[256], is[64];

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%63s %llu", is, &number) == 2 && !strcmp(is, name);
	if (!found) {
		printf("Bail out! %s: no line '%s NUMBER'\n", path, name);
		exit(1);
	}
	fclose(file);
	return number;
}

/* Return the number of bytes of this process that are in swap. */
static inline size_t swapped_bytes(void)
{
	return named_number("/proc/self/status", "VmSwap:") * 1024;
}

/*
 * Page out until @done(@total) is true; return false after PAGEOUT_TRIES tries. A page in
 * the LRU batch of a CPU cannot be paged out. Run madvise() on each CPU in turn, because it
 * empties only the batch of the CPU that it runs on.
 */
static inline bool page_out_until(void *memory, size_t size,
				  bool (*done)(size_t total), size_t total)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), tries;
	cpu_set_t all, one;
	bool out = false;

	sched_getaffinity(0, sizeof(all), &all);
	for (tries = 0; !out && tries < PAGEOUT_TRIES; tries++) {
		CPU_ZERO(&one);
		CPU_SET(tries % cpus, &one);
		if (tries)
			sched_setaffinity(0, sizeof(one), &one);
		madvise(memory, size, MADV_PAGEOUT);
		out = done(total);
	}
	sched_setaffinity(0, sizeof(all), &all);
	return out;
}

static inline bool are_swapped(size_t bytes)
{
	return swapped_bytes() >= bytes;
}

static inline bool page_out(void *memory, size_t size, size_t total)
{
	return page_out_until(memory, size, are_swapped, total);
}

#endif
