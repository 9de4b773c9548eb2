/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PERCPU_DEFER_H
#define _LINUX_PERCPU_DEFER_H

#include <linux/bitops.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

/* Maximum number of stripes of an instance, and thus of concurrent drains. */
#define PERCPU_DEFER_STRIPES	8

/* Private: part of an instance that is drained independently of the other parts. */
struct percpu_defer_stripe {
	struct delayed_work work;	/* drains all stripes; pushes arm only stripe[0].work */
	struct percpu_defer_core *core;
	bool running;			/* the work is executing */
	struct task_struct *drainer;
	struct mutex lock;		/* held while the stripe is drained */
} ____cacheline_aligned_in_smp;

/**
 * struct percpu_defer_core - common part of object and slot instances
 * @age: age bound in jiffies, at least 1. A drain begins when the bound expires. The default
 *	is 10 ms. The owner may change the bound between init and the first push
 */
struct percpu_defer_core {
	unsigned int age;
	/* private: */
	unsigned int state;
	long batch;		/* limit of a CPU's delta; LONG_MIN to refuse pushes */
	long cap;
	long early;		/* pending count at which a drain starts at once */
	struct percpu_defer_count __percpu *count;
	const struct percpu_defer_mode *mode;
	const char *name;
	struct shrinker *shrinker;
	struct list_head list;
	atomic_long_t drained;
	/* Written by pushes and cancels, about once per batch, and by drains. */
	atomic_long_t pending ____cacheline_aligned_in_smp;
	unsigned long deadline;		/* jiffies by which a drain must make progress */
	struct percpu_defer_stripe stripe[PERCPU_DEFER_STRIPES];
};

void percpu_defer_flush(struct percpu_defer_core *core);
unsigned long percpu_defer_reclaim(struct percpu_defer_core *core, unsigned long max);
void percpu_defer_drain_some(unsigned long max);
void percpu_defer_set_enabled(struct percpu_defer_core *core, bool on);
void percpu_defer_set_cap(struct percpu_defer_core *core, unsigned long cap);
long percpu_defer_pending(struct percpu_defer_core *core);

/* Private: lockdep classes of a call site that sets up instances. */
#define percpu_defer_key()	({ static struct lock_class_key __key[2]; __key; })

/* Private: a page of objects, filled from its end. @room is 0 when the page is full. */
struct percpu_defer_buf {
	unsigned long room;		/* number of free words, at the start of @word */
	unsigned int max;		/* value of @room when the page was empty */
	unsigned int cpu;
	unsigned long cookie;		/* grace period after which the page may be read */
	struct llist_node node;
	unsigned long word[];
};

/* Private: the pages that a CPU is filling. A missing page is a full placeholder, not NULL. */
struct percpu_defer_cpu {
	struct percpu_defer_buf *buf[2];	/* 0: tasks; 1: softirqs */
};

DECLARE_PER_CPU(struct percpu_defer_cpu, percpu_defer_none);	/* for instances not set up */

struct percpu_defer;

/**
 * typedef percpu_defer_drain_t - free objects
 * @pd: the instance that the objects were pushed to
 * @obj: the objects, each passed exactly once; the callback may overwrite the array
 * @nr: number of objects, at least 1, at most a page of words
 *
 * Context: process context, may sleep; one drain of @pd at a time. Must not push to @pd.
 * Also called from memory reclaim, so it must not wait for a lock under which memory is
 * allocated with direct reclaim.
 */
typedef void (*percpu_defer_drain_t)(struct percpu_defer *pd, unsigned long *obj,
				     unsigned int nr);

/**
 * struct percpu_defer - an instance for objects
 * @core: common part, for percpu_defer_flush() and similar functions
 */
struct percpu_defer {
	/* private: */
	unsigned long offset;	/* from &percpu_defer_none to @own; 0 while not set up */
	struct percpu_defer_cpu __percpu *own;
	percpu_defer_drain_t drain;
	struct llist_head bufs ____cacheline_aligned_in_smp;	/* pages to drain */
	unsigned long next;		/* jiffies at which the pages of all CPUs are queued */
	/* public: */
	struct percpu_defer_core core;
};

int __percpu_defer_init(struct percpu_defer *pd, const char *name,
			percpu_defer_drain_t drain, struct lock_class_key *key);
void percpu_defer_destroy(struct percpu_defer *pd);
bool percpu_defer_push_slow(struct percpu_defer *pd, unsigned long obj);

/**
 * percpu_defer_init - set up an instance for objects
 * @_pd: the instance, &struct percpu_defer; zeroed before its first use
 * @_name: name in messages and in debugfs, not empty; must stay valid as long as @_pd
 * @_drain: function that frees objects, &typedef percpu_defer_drain_t
 *
 * Context: process context, may sleep. Must not be called in a drain, or under a lock that
 * any drain takes.
 * Return: 0, -ENOMEM, or -EINVAL if @_name is empty or @_pd is in use.
 */
#define percpu_defer_init(_pd, _name, _drain) \
	__percpu_defer_init(_pd, _name, _drain, percpu_defer_key())

/**
 * percpu_defer_push - defer freeing an object
 * @pd: the instance
 * @obj: the object, a pointer or any other word
 *
 * On success, @pd owns the object and passes it to the drain exactly once. May allocate a
 * page without waiting, and may start a worker.
 *
 * Context: process or softirq context, interrupts on or off, under any locks except those
 * that a wakeup or the page allocator takes: runqueue, timer base, worker pool and zone
 * locks. Does not sleep. Refused in hardirq and NMI context.
 * Return: true on success. False if the caller must free the object because the push is
 * refused: @pd is disabled, its cap is reached, its drain is overdue, no page is available,
 * or the context is wrong.
 */
static __always_inline bool __must_check
percpu_defer_push(struct percpu_defer *pd, unsigned long obj)
{
	const unsigned int not_task = NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET;
	struct percpu_defer_cpu __percpu *cpu;
	struct percpu_defer_buf *buf;
	unsigned long room;

	preempt_disable();
	cpu = (void __percpu *)&percpu_defer_none + READ_ONCE(pd->offset);
	buf = this_cpu_read(cpu->buf[0]);
	if (likely(!((unsigned int)preempt_count() & not_task) &&
		   !check_sub_overflow(buf->room, 1UL, &room))) {
		buf->room = room;
		buf->word[room] = obj;
		preempt_enable();
		return true;
	}
	preempt_enable();
	return percpu_defer_push_slow(pd, obj);
}

struct percpu_defer_map;
struct percpu_defer_iter;

/**
 * typedef percpu_defer_map_drain_t - free the content of dead slots
 * @map: the map
 * @iter: for percpu_defer_map_next() and percpu_defer_map_claim()
 *
 * The callback must run this loop to its end, in this order, or a flush may miss slots::
 *
 *	while (percpu_defer_map_next(iter, &first)) {
 *		if (!iter->try)
 *			lock_slots(first);
 *		else if (!trylock_slots(first))
 *			continue;
 *		claimed = percpu_defer_map_claim(iter);
 *		for_each_set_bit(i, &claimed, BITS_PER_LONG)
 *			take_content(first + i);
 *		unlock_slots(first);
 *	}
 *
 * Context: process context, may sleep on slot locks. May run on several CPUs at once. In
 * percpu_defer_reclaim() and the shrinker, @iter->try is set, and locked slots stay dead.
 */
typedef void (*percpu_defer_map_drain_t)(struct percpu_defer_map *map,
					 struct percpu_defer_iter *iter);

/**
 * struct percpu_defer_map - an instance for the content of numbered slots
 * @core: common part, for percpu_defer_flush() and similar functions
 *
 * The content stays in its slot. A push marks the slot dead; a drain later claims the slot
 * and frees the content. A slot may be filled again in between if its owner first cancels
 * the deferred free, under the lock that the drain holds when it claims slots.
 */
struct percpu_defer_map {
	/* private: */
	unsigned long *dead;
	unsigned long *dirty;		/* a bit for each word of @dead */
	unsigned long *summary;		/* a bit for each word of @dirty */
	unsigned long blocks;		/* number of words of @dirty */
	unsigned long nr;		/* number of slots; 0 before init and after destroy */
	unsigned long align;		/* mask to round down to the first slot of a lock */
	unsigned long group;		/* mask of slots that share a lock, from bit 0 */
	percpu_defer_map_drain_t drain;
	/* public: */
	struct percpu_defer_core core;
};

int __percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
			    unsigned long nr, unsigned int slots_per_lock,
			    percpu_defer_map_drain_t drain, struct lock_class_key *key);
void percpu_defer_map_destroy(struct percpu_defer_map *map);
bool __must_check percpu_defer_map_push(struct percpu_defer_map *map,
					unsigned long first, unsigned long nr);
bool __percpu_defer_map_cancel(struct percpu_defer_map *map, unsigned long index);
bool percpu_defer_map_next_word(struct percpu_defer_iter *iter);

/**
 * percpu_defer_map_init - set up an instance for slots
 * @_map: the instance, &struct percpu_defer_map; zeroed before its first use
 * @_name: name in messages and in debugfs, not empty; must stay valid as long as @_map
 * @_nr: number of slots, numbered from 0
 * @_slots_per_lock: number of consecutive slots that share a lock, starting at a multiple
 *	of that number; a power of 2, at most BITS_PER_LONG
 * @_drain: function that frees the content of slots, &typedef percpu_defer_map_drain_t
 *
 * Context: process context, may sleep. Must not be called in a drain, or under a lock that
 * any drain takes.
 * Return: 0, -ENOMEM, or -EINVAL if @_name is empty, @_nr is 0 or above LONG_MAX,
 * @_slots_per_lock is invalid, or @_map is in use.
 */
#define percpu_defer_map_init(_map, _name, _nr, _slots_per_lock, _drain) \
	__percpu_defer_map_init(_map, _name, _nr, _slots_per_lock, _drain, percpu_defer_key())

/**
 * percpu_defer_map_dead - test whether a slot is dead
 * @map: the map
 * @index: the slot
 *
 * Context: any, between init and destroy. Under the slot lock, a dead slot stays dead. A
 * live slot may still become dead, because a push does not take that lock. Without the
 * lock, a drain may be freeing the content of a slot that is not dead.
 * Return: true if @index was pushed, and neither cancelled nor claimed since.
 */
static inline bool percpu_defer_map_dead(const struct percpu_defer_map *map, unsigned long index)
{
	/* Index within a word, because some architectures take the bit number as an int. */
	return test_bit(index % BITS_PER_LONG, map->dead + BIT_WORD(index));
}

/**
 * percpu_defer_map_cancel - cancel the deferred free of a slot
 * @map: the map
 * @index: the slot
 *
 * Call this function before filling the slot, or freeing its content outside a drain. No
 * drain touches the slot until it is pushed again. The caller must own the slot, which
 * must have been allocated under the lock that pushes hold, so that no late push is possible.
 *
 * Context: under the slot lock, before new content is visible. Also while the slot cannot be
 * pushed or filled, before that lock is taken to free the content.
 * Return: true if the slot was dead. Any old content belongs to the caller in either case.
 */
static inline bool percpu_defer_map_cancel(struct percpu_defer_map *map, unsigned long index)
{
	return percpu_defer_map_dead(map, index) && __percpu_defer_map_cancel(map, index);
}

/**
 * struct percpu_defer_iter - position of a drain in its map
 * @try: acquire slot locks only by trylock
 */
struct percpu_defer_iter {
	bool try;
	/* private: */
	struct percpu_defer_map *map;
	unsigned long max;		/* number of slots after which to stop */
	unsigned long claimed;		/* number of slots claimed so far */
	struct percpu_defer_stripe *stripe;
	unsigned long next;		/* next word of map->dirty to scan */
	unsigned long dirty;		/* unscanned bits of the word before @next */
	unsigned long *word;		/* current word of dead bits */
	unsigned long first;		/* first slot of @word */
	unsigned long dead;		/* bits of @word that have not been offered */
	unsigned long offered;		/* bits of @word to claim now */
	unsigned int shift;		/* bit of the first slot under the lock */
};

/**
 * percpu_defer_map_next - find dead slots that share a lock
 * @iter: the iterator passed to the drain
 * @first: set to the first slot under that lock
 *
 * Slots found earlier but not claimed stay dead; another drain finds them.
 *
 * Context: in a drain, under no slot lock.
 * Return: true if slots were found, false if the drain is done.
 */
static inline bool percpu_defer_map_next(struct percpu_defer_iter *iter, unsigned long *first)
{
	if ((iter->offered || !iter->dead) && !percpu_defer_map_next_word(iter))
		return false;
	iter->shift = __ffs(iter->dead) & iter->map->align;
	iter->offered = iter->dead & (iter->map->group << iter->shift);
	iter->dead ^= iter->offered;
	*first = iter->first + iter->shift;
	return true;
}

/**
 * percpu_defer_map_claim - claim dead slots to free their content
 * @iter: the iterator, after percpu_defer_map_next() has returned true
 *
 * Read slots only after the claim, because they may be live before. A claimed slot may be
 * empty.
 *
 * Context: in a drain, under the lock of the slots that percpu_defer_map_next() found.
 * Return: mask of the claimed slots; bit 0 is the first slot under the lock.
 */
static inline unsigned long percpu_defer_map_claim(struct percpu_defer_iter *iter)
{
	unsigned long claimed = set_mask_bits(iter->word, iter->offered, 0) & iter->offered;

	iter->offered = 0;
	iter->claimed += hweight_long(claimed);
	return claimed >> iter->shift;
}

#endif /* _LINUX_PERCPU_DEFER_H */
