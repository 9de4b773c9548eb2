// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct slot {
	spinlock_t lock;
	void *content;
	int reads;
};

struct bar {
	struct percpu_defer_map map;
	struct slot slot[64];
	spinlock_t lock;
	void *array[64];
};

static void bar_forget(struct bar *bar, unsigned long i)
{
	percpu_defer_map_cancel(&bar->map, i);
	kfree(bar->slot[i].content);
	bar->slot[i].content = NULL;
}

void bar_write(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->slot[i].lock);
	bar_forget(bar, i);
	bar->slot[i].content = content;
	spin_unlock(&bar->slot[i].lock);
}

void bar_exchange(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->slot[i].lock);
	kfree(bar->slot[i].content);
	bar->slot[i].content = content;				/* want */
	spin_unlock(&bar->slot[i].lock);
}

void bar_exchange_guarded(struct bar *bar, unsigned long i, void *content)
{
	guard(spinlock)(&bar->slot[i].lock);
	bar->slot[i].content = content;				/* want */
}

void bar_write_array(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->lock);
	if (percpu_defer_map_cancel(&bar->map, i))
		kfree(bar->array[i]);
	bar->array[i] = content;
	spin_unlock(&bar->lock);
}

void bar_exchange_array(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->lock);
	bar->array[i] = content;				/* want */
	spin_unlock(&bar->lock);
}

void bar_read(struct bar *bar, unsigned long i)
{
	spin_lock(&bar->slot[i].lock);
	bar->slot[i].reads = 1;
	spin_unlock(&bar->slot[i].lock);
}

void bar_write_live(struct bar *bar, unsigned long i, void *content)
{
	spin_lock(&bar->slot[i].lock);
	if (!percpu_defer_map_dead(&bar->map, i))
		bar->slot[i].content = content;
	spin_unlock(&bar->slot[i].lock);
}

void bar_free(struct bar *bar, unsigned long i)
{
	if (percpu_defer_map_push(&bar->map, i, 1))
		return;
	spin_lock(&bar->slot[i].lock);
	kfree(bar->slot[i].content);
	bar->slot[i].content = NULL;
	spin_unlock(&bar->slot[i].lock);
}
