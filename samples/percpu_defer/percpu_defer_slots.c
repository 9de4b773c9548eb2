// SPDX-License-Identifier: GPL-2.0
/*
 * Example of percpu_defer for slots: a table whose frees are deferred.
 *
 * Clearing a range only marks its slots dead, in a few instructions. Dead slots read as
 * empty and may be refilled. A drain frees their content.
 */
#include <linux/module.h>
#include <linux/percpu_defer.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#define NR_SLOTS	1024

static struct {
	spinlock_t lock;	/* protects text; held to claim and cancel, not to push */
	char *text;
} table[NR_SLOTS];

/* The allocator lock: held while slots are allocated, filled or cleared. */
static DEFINE_MUTEX(table_mutex);
static struct percpu_defer_map table_defer;

static void table_drain(struct percpu_defer_map *map, struct percpu_defer_iter *iter)
{
	unsigned long index;

	while (percpu_defer_map_next(iter, &index)) {
		char *text = NULL;

		/* In reclaim, do not wait for a lock holder that may wait for memory. */
		if (!iter->try)
			spin_lock(&table[index].lock);
		else if (!spin_trylock(&table[index].lock))
			continue;
		/* Claim first: only a successful claim ensures that the slot is dead. */
		if (percpu_defer_map_claim(iter))
			swap(text, table[index].text);
		spin_unlock(&table[index].lock);
		kfree(text);
	}
}

static int table_set(unsigned int index, const char *text)
{
	char *new = kstrdup(text, GFP_KERNEL);

	if (!new)
		return -ENOMEM;
	guard(mutex)(&table_mutex);
	scoped_guard(spinlock, &table[index].lock) {
		/* Cancel, so that no drain frees the old or the new content of the slot. */
		percpu_defer_map_cancel(&table_defer, index);
		swap(new, table[index].text);
	}
	kfree(new);
	return 0;
}

static bool table_is_set(unsigned int index)
{
	guard(spinlock)(&table[index].lock);
	return table[index].text && !percpu_defer_map_dead(&table_defer, index);
}

static void table_clear(unsigned int first, unsigned int nr)
{
	char *text;

	/* No slot can be filled before the push, because fills hold this mutex. */
	guard(mutex)(&table_mutex);
	if (percpu_defer_map_push(&table_defer, first, nr))
		return;
	/* The push was refused, for example at the cap: free the slots now. */
	for (; nr; nr--, first++) {
		text = NULL;
		scoped_guard(spinlock, &table[first].lock) {
			percpu_defer_map_cancel(&table_defer, first);
			swap(text, table[first].text);
		}
		kfree(text);
	}
}

static int __init table_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < NR_SLOTS; i++)
		spin_lock_init(&table[i].lock);
	/* The fourth argument is 1 because each slot has its own lock. */
	err = percpu_defer_map_init(&table_defer, "sample-table", NR_SLOTS, 1, table_drain);
	if (err)
		return err;
	for (i = 0; !err && i < NR_SLOTS; i++)
		err = table_set(i, "old");
	table_clear(0, NR_SLOTS);
	for (i = 0; !err && i < NR_SLOTS; i += 2)
		err = table_set(i, "new");
	pr_info("sample-table: slot 0 is %s, slot 1 is %s\n",
		table_is_set(0) ? "set" : "empty", table_is_set(1) ? "set" : "empty");
	if (!err)
		return 0;
	table_clear(0, NR_SLOTS);
	percpu_defer_map_destroy(&table_defer);
	return err;
}
module_init(table_init);

static void __exit table_exit(void)
{
	table_clear(0, NR_SLOTS);
	/* No push can follow. */
	percpu_defer_map_destroy(&table_defer);
}
module_exit(table_exit);

MODULE_DESCRIPTION("Example of percpu_defer for slots");
MODULE_LICENSE("GPL");
