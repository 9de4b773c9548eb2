// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

/* In the first interface of the library, callers could claim any slot. */
unsigned int claim_of_old(struct percpu_defer_map *map, struct xa_state *xas,
			  unsigned long end, void **entry)
{
	unsigned int nr = 0;
	void *found;

	xas_for_each(xas, found, end - 1) {			/* want */
		if (!percpu_defer_map_claim(map, xas->xa_index))
			continue;
		entry[nr++] = found;
	}
	return nr;
}

unsigned int claim_one_of_old(struct percpu_defer_map *map, struct xarray *tree,
			      unsigned long i)
{
	void *found = xa_load(tree, i);				/* want */

	if (!percpu_defer_map_claim(map, i))
		return 0;
	kfree(found);
	return 1;
}

unsigned int claim(struct percpu_defer_iter *iter, struct xa_state *xas, void **entry)
{
	unsigned long claimed = percpu_defer_map_claim(iter), i;
	unsigned int nr = 0;

	xas_load(xas);
	for_each_set_bit(i, &claimed, 64) {
		while (xas->xa_index < i)
			xas_next(xas);
		entry[nr++] = xas_store(xas, NULL);
	}
	return nr;
}

void claim_then_look(struct percpu_defer_iter *iter, struct xarray *tree)
{
	void *found = xa_load(tree, 0);

	if (!found)
		return;
	if (percpu_defer_map_claim(iter)) {
		found = xa_load(tree, 0);
		kfree(found);
	}
}

void look_claim_all(struct percpu_defer_iter *iter, struct xarray *tree, unsigned long i)
{
	void *found = xa_load(tree, i);				/* want */

	if (percpu_defer_map_claim(iter) & 1)
		kfree(found);
}
