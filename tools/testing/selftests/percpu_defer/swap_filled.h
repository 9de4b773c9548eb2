/* SPDX-License-Identifier: GPL-2.0 */
/* Fill swap quickly: several threads fill memory and page it out. */
#ifndef SWAP_FILLED_H
#define SWAP_FILLED_H

#include <err.h>
#include <pthread.h>
#include <sys/mman.h>

#include "swap_measure.h"

#define FILLERS		8

struct part {
	pthread_t thread;
	char *memory;
	size_t size;
};

static inline void *page_out_part(void *argument)
{
	struct part *part = argument;

	fill(part->memory, part->size, 1);
	madvise(part->memory, part->size, MADV_PAGEOUT);
	return NULL;
}

static inline char *swapped_out(size_t size)
{
	struct part part[FILLERS];
	char *memory = new_memory(size);
	int i;

	for (i = 0; i < FILLERS; i++) {
		part[i].size = size / FILLERS;
		part[i].memory = memory + i * part[i].size;
		if (pthread_create(&part[i].thread, NULL, page_out_part, part + i))
			errx(1, "cannot create a thread");
	}
	for (i = 0; i < FILLERS; i++)
		pthread_join(part[i].thread, NULL);
	page_out_all(memory, size);
	return memory;
}

#endif
