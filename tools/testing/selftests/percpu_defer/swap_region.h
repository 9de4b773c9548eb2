/* SPDX-License-Identifier: GPL-2.0 */
/* Memory regions that record their expected content and can be paged out. */
#ifndef SWAP_REGION_H
#define SWAP_REGION_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kselftest.h"
#include "swap_pages.h"

struct region {
	char *memory;
	uint64_t *generation;
	size_t pages;
};

static inline bool check_pages(const struct region *r, size_t first, size_t nr)
{
	size_t i;

	for (i = first; i < first + nr; i++) {
		char *page = r->memory + i * page_size();
		long bad = check_page(page, r->generation[i]);

		if (bad < 0)
			continue;
		ksft_print_msg("page %zu, generation %llu: word %ld is %#llx, not %#llx\n",
			       i, (unsigned long long)r->generation[i], bad,
			       ((unsigned long long *)page)[bad],
			       (unsigned long long)page_word(page_seed(page, r->generation[i]),
							     bad));
		return false;
	}
	return true;
}

static inline void refill(struct region *r, size_t first, size_t nr)
{
	char *start = r->memory + first * page_size();
	size_t i;

	madvise(start, nr * page_size(), MADV_DONTNEED);
	for (i = first; i < first + nr; i++)
		fill_page(r->memory + i * page_size(), ++r->generation[i]);
	madvise(start, nr * page_size(), MADV_PAGEOUT);
}

static inline struct region new_region(size_t size)
{
	struct region r = { .pages = size / page_size() };

	r.memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r.generation = calloc(r.pages, sizeof(*r.generation));
	if (r.memory == MAP_FAILED || !r.generation)
		ksft_exit_fail_msg("no memory for a region of %zu bytes\n", size);
	madvise(r.memory, size, MADV_NOHUGEPAGE);
	refill(&r, 0, r.pages);
	return r;
}

/* Create a region and page it out, until @total bytes of this process are in swap. */
static inline struct region swapped_region(size_t size, size_t total)
{
	struct region r = new_region(size);

	if (!page_out(r.memory, size, total))
		ksft_exit_fail_msg("swap: holds only %zu of %zu bytes\n",
				   swapped_bytes(), total);
	return r;
}

static inline void unmap(struct region *r)
{
	munmap(r->memory, r->pages * page_size());
	free(r->generation);
}

#endif
