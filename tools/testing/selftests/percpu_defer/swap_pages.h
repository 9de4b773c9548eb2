/* SPDX-License-Identifier: GPL-2.0 */
/* Pages whose content tells where and when it was written. */
#ifndef SWAP_PAGES_H
#define SWAP_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Compresses to about a quarter: this much of a page is noise. */
#define NOISE_WORDS	96

static inline size_t page_size(void)
{
	static size_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

/* splitmix64: one multiplication chain, no two seeds alike. */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* What word @i of a page holds that was written at @page in @generation. */
static inline uint64_t page_word(const void *page, uint64_t generation,
				 size_t i)
{
	uint64_t seed = mix((uintptr_t)page ^ generation << 48);

	return i < NOISE_WORDS ? mix(seed + i) : seed;
}

static inline void fill_page(void *page, uint64_t generation)
{
	uint64_t *word = page;
	size_t i;

	for (i = 0; i < page_size() / sizeof(*word); i++)
		word[i] = page_word(page, generation, i);
}

/* Returns the first word that is not as it was written, or -1. */
static inline long check_page(const void *page, uint64_t generation)
{
	const uint64_t *word = page;
	size_t i;

	for (i = 0; i < page_size() / sizeof(*word); i++)
		if (word[i] != page_word(page, generation, i))
			return i;
	return -1;
}

#endif
