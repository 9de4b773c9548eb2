/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PERCPU_DEFER_H
#define _LINUX_PERCPU_DEFER_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/llist.h>
#include <linux/lockdep_types.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/percpu_counter.h>
#include <linux/preempt.h>
#include <linux/types.h>
#include <linux/workqueue.h>

/* Private: one page. Filled from its end, so that one test is for "full". */
struct percpu_defer_buf {
	unsigned long room;		/* words still free, the first ones */
	unsigned long max;		/* words it was given out with */
	unsigned long since;		/* when, in jiffies */
	struct llist_node node;
	unsigned long word[];
};

/* Private: stands where there is no buffer; it is always full. */
extern const struct percpu_defer_buf percpu_defer_closed;

/**
 * enum percpu_defer_stat - what an instance counts
 * @PERCPU_DEFER_PUSHED: things that it took; in object mode counted when their
 *	page is given to a worker
 * @PERCPU_DEFER_DRAINED: things that it freed
 * @PERCPU_DEFER_ROTATIONS: object mode: pages that were taken into use
 * @PERCPU_DEFER_OFF: pushes refused because the instance is switched off
 * @PERCPU_DEFER_CAP: pushes refused because more than the cap is pending
 * @PERCPU_DEFER_NO_PAGE: object mode: pushes refused because there was no page
 * @PERCPU_DEFER_CONTEXT: pushes refused because of hardirq or NMI
 * @PERCPU_DEFER_CANCELLED: index mode: cancelled slots, counted in test builds only
 * @PERCPU_DEFER_NR_STATS: how many there are
 */
enum percpu_defer_stat {
	PERCPU_DEFER_PUSHED,
	PERCPU_DEFER_DRAINED,
	PERCPU_DEFER_ROTATIONS,
	PERCPU_DEFER_OFF,
	PERCPU_DEFER_CAP,
	PERCPU_DEFER_NO_PAGE,
	PERCPU_DEFER_CONTEXT,
	PERCPU_DEFER_CANCELLED,
	PERCPU_DEFER_NR_STATS,
};

/* Private: the life of an instance. All zeros is new. */
enum percpu_defer_state {
	PERCPU_DEFER_NEW,
	PERCPU_DEFER_STARTED,
	PERCPU_DEFER_DESTROYED,
};

struct percpu_defer;

/* Private: random delay in test builds. */
#ifdef CONFIG_PERCPU_DEFER_PERTURB
void percpu_defer_perturb(void);
#else
static inline void percpu_defer_perturb(void) { }
#endif

/* Private: what each CPU has of its own. */
struct percpu_defer_cpu {
	struct percpu_defer_buf *buf[2];	/* tasks fill one, softirqs one */
	unsigned long since[2];			/* when they came, in jiffies */
	bool armed;				/* index mode: since[0] is when */
	unsigned long due;	/* index mode: and when, of what @work is to drain */
	unsigned long stat[PERCPU_DEFER_NR_STATS];
	struct percpu_defer *pd;
	unsigned int cpu;
	struct delayed_work aged;	/* bounds the age of what was pushed */
	struct llist_head full;		/* buffers to be drained */
	atomic_long_t queued;		/* so many came there so far */
	struct work_struct work;	/* drains them */
	struct mutex drain_lock;	/* held while one is drained; protects: */
	struct llist_node *draining;	/* the oldest of them, in order */
	unsigned long drained;		/* so many went so far */
	u64 drain_ns;
	u64 drain_ns_max;
};

/**
 * typedef percpu_defer_drain_t - free objects
 * @pd: the instance they were pushed to
 * @obj: the objects, each exactly once; the array may be written to
 * @nr: how many
 *
 * Context: process context, may sleep. Must neither push to @pd nor flush it.
 * Also called from memory reclaim, so it must not wait for a lock that somebody
 * holds while he allocates memory. Several may run at once.
 */
typedef void (*percpu_defer_drain_t)(struct percpu_defer *pd,
				     unsigned long *obj, unsigned int nr);

/* Private: frees about @max of what is dead, from @from on, and says how much. */
typedef unsigned long (*percpu_defer_scan_t)(struct percpu_defer *pd,
					     unsigned long *from,
					     unsigned long max, bool try);

/**
 * struct percpu_defer - an instance: objects that are freed later
 * @cpu: what each CPU has of its own
 * @cap: pushes return false while more is @pending, see percpu_defer_set_cap()
 * @batch: how far the cheap reading of @pending may be off, per CPU
 * @age: jiffies that what was pushed may wait for more before it is drained;
 *	10 ms unless the owner writes it, between initialisation and first push
 * @size: of an object in bytes, if what is pushed are pointers to slab objects;
 *	0 unless the owner writes it, likewise. KASAN then reports who uses an
 *	object after it was pushed.
 * @on: pushes are taken; only while @state is PERCPU_DEFER_STARTED
 * @state: new, started or destroyed; other calls than pushes need it started
 * @allocated: @cpu is to be freed
 * @drain: frees what one buffer names
 * @scan: index mode: finds and frees what is dead
 * @name: for messages and debugfs
 * @pending: index mode: what is dead; object mode: what waits, and what the
 *	current buffers have room for
 * @peak: the most that was ever pending at the start of a drain
 * @installed: a CPU got a fresh buffer since the last flush
 * @flush_lock: serialises flushes
 * @users: walks of the list of all instances that drain this one
 * @hotplug: link in the list of instances that CPU hotplug walks
 * @list: link in the list of all instances
 * @file: in debugfs
 */
struct percpu_defer {
	struct percpu_defer_cpu __percpu *cpu;
	unsigned long cap;
	s32 batch;
	unsigned int age;
	unsigned int size;
	bool on;
	bool allocated;
	enum percpu_defer_state state;
	percpu_defer_drain_t drain;
	percpu_defer_scan_t scan;
	const char *name;

	/* written by pushes, so kept off the line that every push reads */
	struct percpu_counter pending ____cacheline_aligned_in_smp;
	unsigned long peak;
	unsigned long installed;	/* some architectures lack a byte xchg() */
	struct mutex flush_lock;	/* one flush at a time */
	atomic_t users;
	struct hlist_node hotplug;
	struct list_head list;
	struct dentry *file;
};

#define __PERCPU_DEFER_INIT(_name, _drain) {				\
	.cpu = &_name##_percpu_defer_cpu,				\
	.drain = _drain,						\
	.name = #_name,							\
}

#define __DEFINE_PERCPU_DEFER(_name, _drain, _static)			\
	static DEFINE_PER_CPU(struct percpu_defer_cpu,			\
			      _name##_percpu_defer_cpu) = {		\
		.buf = {						\
			(struct percpu_defer_buf *)&percpu_defer_closed,	\
			(struct percpu_defer_buf *)&percpu_defer_closed,	\
		},							\
	};								\
	_static struct percpu_defer _name = __PERCPU_DEFER_INIT(_name, _drain)

/**
 * DEFINE_PERCPU_DEFER - define an instance at compile time
 * @_name: of the variable, and of the instance
 * @_drain: frees its objects, a percpu_defer_drain_t
 *
 * Pushes return false until percpu_defer_start().
 */
#define DEFINE_PERCPU_DEFER(_name, _drain)				\
	__DEFINE_PERCPU_DEFER(_name, _drain, /* not static */)

/**
 * DEFINE_STATIC_PERCPU_DEFER - as DEFINE_PERCPU_DEFER(), for one file only
 * @_name: of the variable, and of the instance
 * @_drain: frees its objects, a percpu_defer_drain_t
 */
#define DEFINE_STATIC_PERCPU_DEFER(_name, _drain)			\
	__DEFINE_PERCPU_DEFER(_name, _drain, static)

int __percpu_defer_init(struct percpu_defer *pd, const char *name,
			percpu_defer_drain_t drain, struct lock_class_key *key);
int __percpu_defer_start(struct percpu_defer *pd, struct lock_class_key *key);

/**
 * percpu_defer_init - set up an instance at run time
 * @_pd: the instance, in memory of the caller's
 * @_name: for messages and debugfs; unique, without a slash; must stay valid as
 *	long as @_pd
 * @_drain: frees its objects, a percpu_defer_drain_t
 *
 * The instance takes pushes at once. Its cap is half of the number of pages the
 * system has, see percpu_defer_set_cap(); its age bound is 10 ms, see &struct
 * percpu_defer.
 *
 * Context: process context, may sleep; takes cpu_hotplug_lock.
 * Return: 0, -ENOMEM, -EINVAL if @_name is none, -EEXIST if another instance
 * has it, or -ENODEV if the library could not be set up at boot.
 */
#define percpu_defer_init(_pd, _name, _drain)				\
({									\
	static struct lock_class_key __key;				\
									\
	__percpu_defer_init(_pd, _name, _drain, &__key);		\
})

/**
 * percpu_defer_start - let an instance of DEFINE_PERCPU_DEFER() take pushes
 * @_pd: the instance
 *
 * Context: process context, may sleep; takes cpu_hotplug_lock.
 * Return: as percpu_defer_init(); -EBUSY, with a warning, if it is started
 * already, even if it is switched off.
 */
#define percpu_defer_start(_pd)						\
({									\
	static struct lock_class_key __key;				\
									\
	__percpu_defer_start(_pd, &__key);				\
})

void percpu_defer_destroy(struct percpu_defer *pd);
void percpu_defer_flush(struct percpu_defer *pd);
void percpu_defer_flush_all(void);
unsigned long percpu_defer_help(struct percpu_defer *pd, unsigned long max);
unsigned long percpu_defer_stat_sum(struct percpu_defer *pd,
				    enum percpu_defer_stat what);
void percpu_defer_set_cap(struct percpu_defer *pd, unsigned long cap);
void percpu_defer_set_enabled(struct percpu_defer *pd, bool on);
bool percpu_defer_push_slow(struct percpu_defer *pd, unsigned long obj);
unsigned int __must_check percpu_defer_push_many(struct percpu_defer *pd,
						 const unsigned long *obj,
						 unsigned int nr);

/**
 * percpu_defer_pending - count what waits to be drained
 * @pd: the instance
 *
 * Sums over all CPUs, so it is not for a hot path.
 *
 * Context: any.
 * Return: how many pushed things were neither drained nor cancelled. Exact
 * while nobody pushes, cancels or drains; too high by what a drain that is under
 * way has done so far; in object mode too high by what the
 * CPUs' current buffers have room for, until these come of age.
 */
static inline unsigned long percpu_defer_pending(struct percpu_defer *pd)
{
	return percpu_counter_sum_positive(&pd->pending);
}

/* Private: tells KASAN that an object must not be used. False: it knew. */
#ifdef CONFIG_KASAN
bool percpu_defer_poison(struct percpu_defer *pd, unsigned long obj);
#else
static inline bool percpu_defer_poison(struct percpu_defer *pd, unsigned long obj)
{
	return true;
}
#endif

/**
 * percpu_defer_push - free an object later
 * @pd: the instance
 * @obj: the object: a pointer or any other word
 *
 * On success the object belongs to @pd, whose drain will be given it exactly
 * once. The ordinary push costs a dozen instructions; one in some hundred takes
 * a page with GFP_NOWAIT and wakes a worker.
 *
 * Context: process or softirq context, IRQs on or off, with locks held, except
 * those that a wake-up or the page allocator takes: of a runqueue, a timer base,
 * a worker pool or a zone. Does not sleep. Refused in hardirq and NMI.
 * Return: false if the object was not taken and the caller frees it now: @pd is
 * switched off, more than its cap is pending, there is no page to be had, or
 * this is the wrong context.
 */
static __always_inline bool __must_check
percpu_defer_push(struct percpu_defer *pd, unsigned long obj)
{
	const unsigned int not_task = NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET;
	struct percpu_defer_buf *buf;
	unsigned long room;

	/* Pushed twice: KASAN has said so; freed once. */
	if (!percpu_defer_poison(pd, obj))
		return true;

	preempt_disable();
	if (likely(!((unsigned int)preempt_count() & not_task))) {
		buf = this_cpu_read(pd->cpu->buf[0]);
		percpu_defer_perturb();
		/* full, no page, or switched off */
		if (likely(!check_sub_overflow(buf->room, 1UL, &room))) {
			buf->room = room;
			buf->word[room] = obj;
			preempt_enable();
			return true;
		}
	}
	preempt_enable();
	return percpu_defer_push_slow(pd, obj);
}

/**
 * DEFINE_PERCPU_DEFER_PUSH - define a push that takes one type of pointer only
 * @_push: the name of the function
 * @_type: what it takes pointers to
 */
#define DEFINE_PERCPU_DEFER_PUSH(_push, _type)				\
	static __always_inline bool __must_check			\
	_push(struct percpu_defer *pd, _type *obj)			\
	{								\
		return percpu_defer_push(pd, (unsigned long)obj);	\
	}

/**
 * struct percpu_defer_range - consecutive indices
 * @first: the first index
 * @nr: how many
 */
struct percpu_defer_range {
	unsigned long first;
	unsigned long nr;
};

struct percpu_defer_map;

/**
 * typedef percpu_defer_map_drain_t - free what dead indices hold
 * @map: the map
 * @range: ranges of indices that were dead a moment ago, in ascending order
 * @nr: number of ranges
 * @try: called to help memory reclaim: leave out a slot whose lock is not free
 *
 * For each index of each range: take the slot's lock, ask
 * percpu_defer_map_claim(), free the content if it said true, drop the lock. An
 * index may have been cancelled, drained or reused since; the claim sorts this out.
 * What is left out because of @try stays dead, and is drained later.
 *
 * Context: process context, may sleep on the owner's locks unless @try. Must not
 * push to or flush the same map. Several may run at once, also for the same
 * ranges.
 * Return: how many claims were granted.
 */
typedef unsigned long (*percpu_defer_map_drain_t)(struct percpu_defer_map *map,
						  const struct percpu_defer_range *range,
						  unsigned int nr, bool try);

/**
 * struct percpu_defer_map - deferred freeing of what numbered slots hold
 * @defer: the core; pass it to percpu_defer_flush() and friends
 * @dead: one bit per index, set while its content waits to be freed
 * @dirty: one bit per word of @dead, set while a drain has to look at it
 * @nr: number of indices
 * @drain: frees the content of dead slots
 *
 * The thing to free stays in its slot. A push marks the slot dead; a drain comes by
 * later, claims the slot and frees the content. In between the slot may be filled
 * anew: its owner cancels the death first, under the same slot lock the drain claims
 * under, so that a late drain finds nothing to claim. A bare queue of indices, without
 * the dead bit, would free the new content.
 */
struct percpu_defer_map {
	struct percpu_defer defer;
	unsigned long *dead;
	unsigned long *dirty;
	unsigned long nr;
	percpu_defer_map_drain_t drain;
};

int __percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
			    unsigned long nr, percpu_defer_map_drain_t drain,
			    struct lock_class_key *key);

/**
 * percpu_defer_map_init - set up a map
 * @_map: the map, in memory of the caller's
 * @_name: for messages and debugfs; unique, without a slash; must stay valid as
 *	long as @_map
 * @_nr: number of indices, 0 to @_nr - 1
 * @_drain: frees the content of dead slots, a percpu_defer_map_drain_t
 *
 * The map takes pushes at once. Its cap and age bound are those of
 * percpu_defer_init().
 *
 * Context: process context, may sleep; takes cpu_hotplug_lock.
 * Return: as percpu_defer_init(); -EINVAL also if @_nr is 0.
 */
#define percpu_defer_map_init(_map, _name, _nr, _drain)			\
({									\
	static struct lock_class_key __key;				\
									\
	__percpu_defer_map_init(_map, _name, _nr, _drain, &__key);	\
})

void percpu_defer_map_destroy(struct percpu_defer_map *map);
bool __must_check percpu_defer_map_push(struct percpu_defer_map *map,
					unsigned long first, unsigned long nr);

/**
 * percpu_defer_map_dead - is the content of a slot garbage?
 * @map: the map
 * @index: the slot
 *
 * Under the slot's lock a true stays true until the lock is dropped; a false
 * does not, because a push needs no slot lock.
 *
 * Context: any.
 * Return: true if @index was pushed, and neither cancelled nor claimed since.
 */
static inline bool percpu_defer_map_dead(const struct percpu_defer_map *map,
					 unsigned long index)
{
	percpu_defer_perturb();
	return test_bit(index % BITS_PER_LONG, map->dead + BIT_WORD(index));
}

/**
 * percpu_defer_map_any_dead - look for garbage in some slots
 * @map: the map
 * @first: the first slot
 * @nr: number of slots
 *
 * Context: any; see percpu_defer_map_dead() for how long the answer holds.
 * Return: true if any of the slots is dead.
 */
static inline bool percpu_defer_map_any_dead(const struct percpu_defer_map *map,
					     unsigned long first, unsigned long nr)
{
	if (nr == 1)
		return percpu_defer_map_dead(map, first);
	/* Bits are set and cleared meanwhile: see the context. */
	return data_race(find_next_bit(map->dead, first + nr, first)) < first + nr;
}

/*
 * Private: clear a dead bit; false if it was clear. Some architectures take an int as
 * the number of a bit, so this is one of a word.
 */
static inline bool percpu_defer_map_clear(struct percpu_defer_map *map,
					  unsigned long index)
{
	unsigned long *dead = map->dead + BIT_WORD(index);
	unsigned long bit = index % BITS_PER_LONG;
	bool cleared;

	percpu_defer_perturb();
	cleared = test_bit(bit, dead) && test_and_clear_bit(bit, dead);
	percpu_defer_perturb();
	return cleared;
}

/**
 * percpu_defer_map_cancel - take a slot back from the drain
 * @map: the map
 * @index: the slot
 *
 * For whoever is about to fill slot @index, or to free it himself: from here on
 * no drain touches the slot, until the next push of @index. The slot was
 * allocated to the caller under the lock that @index was pushed under, so the
 * caller cannot miss that push.
 *
 * Context: under the lock of slot @index, before the new content can be seen.
 * Return: true if the slot was dead: the old content is the caller's to free.
 */
static inline bool percpu_defer_map_cancel(struct percpu_defer_map *map,
					   unsigned long index)
{
	if (!percpu_defer_map_clear(map, index))
		return false;
	if (IS_ENABLED(CONFIG_PERCPU_DEFER_PERTURB))
		this_cpu_inc(map->defer.cpu->stat[PERCPU_DEFER_CANCELLED]);
	percpu_counter_add_batch(&map->defer.pending, -1,
				 READ_ONCE(map->defer.batch));
	return true;
}

/**
 * percpu_defer_map_claim - take over a dead slot in order to free its content
 * @map: the map
 * @index: the slot
 *
 * For the drain, which counts its claims: nobody else does.
 *
 * Context: under the lock of slot @index, in the map's drain.
 * Return: true exactly once per death: the caller frees the content. False if
 * the death was cancelled or another drain was faster: hands off.
 */
static inline bool __must_check percpu_defer_map_claim(struct percpu_defer_map *map,
						       unsigned long index)
{
	return percpu_defer_map_clear(map, index);
}

#if IS_ENABLED(CONFIG_KUNIT)
struct percpu_defer_buf *percpu_defer_get_buf(void);
void percpu_defer_put_buf(struct percpu_defer_buf *buf);
unsigned int percpu_defer_poison_many(struct percpu_defer *pd, const unsigned long *obj,
				      unsigned int nr);
struct percpu_defer_cpu __percpu *percpu_defer_alloc_cpus(void);
int percpu_defer_init_pending(struct percpu_defer *pd);
struct notifier_block;
int percpu_defer_oom(struct notifier_block *nb, unsigned long unused, void *freed);
#endif

#endif /* _LINUX_PERCPU_DEFER_H */
