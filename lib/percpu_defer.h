/* SPDX-License-Identifier: GPL-2.0 */
/* Declarations shared by the core of percpu_defer and its two modes. */
#ifndef _LIB_PERCPU_DEFER_H
#define _LIB_PERCPU_DEFER_H

#include <linux/jiffies.h>
#include <linux/percpu_defer.h>

/* State of an instance. A zeroed instance is new. */
enum percpu_defer_state {
	PERCPU_DEFER_NEW,
	PERCPU_DEFER_DESTROYED,
	PERCPU_DEFER_OFF,
	PERCPU_DEFER_ON,
};

/* Reasons to refuse a push. */
enum percpu_defer_refusal {
	PERCPU_DEFER_REFUSED_OFF,
	PERCPU_DEFER_REFUSED_CAP,
	PERCPU_DEFER_REFUSED_PAGE,
	PERCPU_DEFER_REFUSED_CONTEXT,
	PERCPU_DEFER_REFUSED_OVERDUE,
};

/* The order matters: from SHARE on, drains only try to take the stripe lock. */
enum percpu_defer_drain {
	PERCPU_DEFER_WAIT,	/* may wait for other drains and for slot locks */
	PERCPU_DEFER_STOP,	/* as WAIT; do not poll RCU, because no push is in flight */
	PERCPU_DEFER_SHARE,	/* skip stripes being drained; may wait for slot locks */
	PERCPU_DEFER_TRY,	/* wait for neither locks nor grace periods */
};

/**
 * struct percpu_defer_mode - operations of a mode, for objects or slots
 * @stripes: number of stripes in use
 * @collect: queue everything pushed so far, and wait until @drain may read it. The argument
 *	stop is set if @drain will be called with PERCPU_DEFER_STOP. May be NULL
 * @drain: drain a stripe, whose lock is held, until max is reached or nothing is left.
 *	Return the number of drained objects or slots
 */
struct percpu_defer_mode {
	unsigned int stripes;
	void (*collect)(struct percpu_defer_core *core, bool stop);
	unsigned long (*drain)(struct percpu_defer_stripe *stripe, unsigned long max,
			       enum percpu_defer_drain how);
};

/* Delays and a gate for workers, in test builds. See tests/percpu_defer_perturb.c. */
#ifdef CONFIG_PERCPU_DEFER_PERTURB
void percpu_defer_perturb(void);
bool percpu_defer_held(struct percpu_defer_core *core);
void percpu_defer_perturb_sleep(void);
#else
static inline void percpu_defer_perturb(void) { }

static inline bool percpu_defer_held(struct percpu_defer_core *core)
{
	return false;
}

static inline void percpu_defer_perturb_sleep(void) { }
#endif

extern struct workqueue_struct *percpu_defer_wq;

int percpu_defer_core_init(struct percpu_defer_core *core, const char *name,
			   const struct percpu_defer_mode *mode,
			   struct lock_class_key *key);
bool percpu_defer_usable(struct percpu_defer_core *core);
void percpu_defer_core_destroy(struct percpu_defer_core *core);
bool percpu_defer_refuse(struct percpu_defer_core *core, enum percpu_defer_refusal why);
bool percpu_defer_fold(struct percpu_defer_core *core, long nr);
void percpu_defer_hurry(struct percpu_defer_core *core, long delay);

/* Warn and return false if the name is empty or the instance is in use. */
static inline bool percpu_defer_is_new(struct percpu_defer_core *core, const char *name)
{
	return !WARN(!*name || READ_ONCE(core->state) >= PERCPU_DEFER_OFF,
		     "percpu_defer: '%s': empty name, or instance in use\n", name);
}

/* Per-CPU counters. */
struct percpu_defer_count {
	long delta;			/* change not yet folded into core->pending */
	unsigned long cancelled;
	unsigned long refused;
};

/*
 * Count @nr objects or slots as pending, before they are visible to a drain. Return false if
 * they are refused. Called with preemption disabled.
 */
static inline bool percpu_defer_add(struct percpu_defer_core *core, long nr)
{
	return likely(this_cpu_add_return(core->count->delta, nr) < READ_ONCE(core->batch)) ||
		percpu_defer_fold(core, nr);
}

/* Undo percpu_defer_add() for @nr unused words, or slots found dead or cancelled. */
static inline void percpu_defer_sub(struct percpu_defer_core *core, long nr)
{
	long batch = READ_ONCE(core->batch), delta;

	guard(preempt)();
	delta = this_cpu_sub_return(core->count->delta, nr);
	if (likely(batch > 0 && delta > -batch))
		return;
	/* Subtract only the value read: a softirq may have changed the delta meanwhile. */
	this_cpu_sub(core->count->delta, delta);
	atomic_long_add(delta, &core->pending);
}

/* Extend the deadline after a drain was armed or has made progress. */
static inline void percpu_defer_alive(struct percpu_defer_core *core)
{
	/* Refuse pushes after ten age bounds without progress. */
	unsigned long deadline = jiffies + 10 * (core->age + 1);

	/* Pushes read this cache line: write it only on a change. */
	if (READ_ONCE(core->deadline) != deadline)
		WRITE_ONCE(core->deadline, deadline);
}

/*
 * Test whether the timer of @work expires much later than in @delay jiffies, or is overdue
 * because its CPU does not run timers now. Tolerate two jiffies, because a drain may poll RCU.
 */
static inline bool percpu_defer_late(struct delayed_work *work, long delay)
{
	/* Both reads may race, because a later push checks again. */
	long due = data_race(work->timer.expires) - jiffies;

	return data_race(timer_pending(&work->timer)) &&	/* as above */
		(due > delay + 2 || due < -2);
}

/*
 * Make a worker drain within the age bound. The caller has made objects or slots visible
 * and then issued a full barrier. That barrier pairs with the barrier between clearing
 * WORK_STRUCT_PENDING and running the work. Either the work sees the objects or slots, or
 * this function sees that the work is not pending.
 */
static inline void percpu_defer_arm(struct percpu_defer_core *core)
{
	percpu_defer_perturb();
	if (!delayed_work_pending(&core->stripe->work))
		percpu_defer_hurry(core, core->age);
}

/* Number of objects in a page. */
#define PERCPU_DEFER_WORDS \
	((PAGE_SIZE - sizeof(struct percpu_defer_buf)) / sizeof(unsigned long))

/* Spare pages of objects, shared by all instances. */
extern unsigned long percpu_defer_some_spare;
unsigned long percpu_defer_trim(void);
#if IS_ENABLED(CONFIG_KUNIT)
struct percpu_defer_buf *percpu_defer_get_buf(void);
#endif

#endif /* _LIB_PERCPU_DEFER_H */
