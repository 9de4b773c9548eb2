// SPDX-License-Identifier: GPL-2.0
/*
 * Core of both modes of percpu_defer: scheduling of drains, limits on pending objects and
 * slots, and inline drains.
 *
 * A push makes its objects or slots visible, and then arms the work of the first stripe
 * unless it is pending. The work runs after the age bound, or earlier if many objects or
 * slots are pending. It drains all stripes except those that a flush, memory reclaim or
 * another worker is draining. If it runs longer than the age bound, another worker helps.
 */
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include "percpu_defer.h"

#define CREATE_TRACE_POINTS
#include <trace/events/percpu_defer.h>

/* Long enough to batch the frees of one unmap, too short for a user to notice. */
#define PERCPU_DEFER_AGE_MS	10

#define PERCPU_DEFER_BATCH	128L	/* upper limit of a CPU's delta */

/* Pending objects or slots per CPU at which a drain starts at once: 4 MB of 4 KB pages. */
#define PERCPU_DEFER_EARLY	1024L

struct workqueue_struct *percpu_defer_wq;
static struct dentry *percpu_defer_dir;
static LIST_HEAD(percpu_defer_list);		/* all instances */
static DECLARE_RWSEM(percpu_defer_sem);		/* protects the list; held across drain_some() */

/* Count a refused push, and return false. The caller is an RCU reader. */
bool percpu_defer_refuse(struct percpu_defer_core *core, enum percpu_defer_refusal why)
{
	if (!WARN_ONCE(READ_ONCE(core->state) < PERCPU_DEFER_OFF,
		       "percpu_defer: push to an instance that is not set up\n"))
		this_cpu_inc(core->count->refused);
	trace_percpu_defer_refused(core, why);
	return false;
}

/* Make a worker drain in @delay jiffies, even if the work is armed for much later. */
void percpu_defer_hurry(struct percpu_defer_core *core, long delay)
{
	struct delayed_work *work = &core->stripe->work;

	if (!delayed_work_pending(work)) {
		percpu_defer_alive(core);
		/* Unlike mod_delayed_work(), do not postpone work that another CPU arms now. */
		queue_delayed_work(percpu_defer_wq, work, delay);
	} else if (percpu_defer_late(work, delay)) {
		mod_delayed_work(percpu_defer_wq, work, delay);
	}
}

/*
 * Slow path of percpu_defer_add(): add this CPU's delta to the sum. If that would exceed
 * the cap, subtract @nr and refuse. A push of @nr or more comes here again. Also refuse if no
 * drain has made progress for a long time, for example because real-time tasks occupy the CPUs.
 */
bool percpu_defer_fold(struct percpu_defer_core *core, long nr)
{
	long delta = this_cpu_read(core->count->delta);
	long pending = atomic_long_read(&core->pending);
	bool armed = delayed_work_pending(&core->stripe->work);
	bool overdue = (armed || READ_ONCE(core->stripe->running)) &&
		time_after(jiffies, READ_ONCE(core->deadline));

	if (armed && (overdue || pending + delta >= READ_ONCE(core->early)))
		percpu_defer_hurry(core, 0);
	do {
		if (overdue || pending + delta > READ_ONCE(core->cap)) {
			this_cpu_sub(core->count->delta, nr);
			return percpu_defer_refuse(core, overdue ? PERCPU_DEFER_REFUSED_OVERDUE :
						   PERCPU_DEFER_REFUSED_CAP);
		}
	} while (!atomic_long_try_cmpxchg(&core->pending, &pending, pending + delta));
	this_cpu_sub(core->count->delta, delta);
	return true;
}

/* Drain a stripe. From PERCPU_DEFER_SHARE on, skip a stripe that is being drained. */
static unsigned long percpu_defer_drain(struct percpu_defer_stripe *stripe,
					unsigned long max, enum percpu_defer_drain how)
{
	struct percpu_defer_core *core = stripe->core;
	unsigned long nr;

	if (how < PERCPU_DEFER_SHARE) {
		mutex_lock(&stripe->lock);
	} else if (!mutex_trylock(&stripe->lock)) {
		/* The other drain may have missed the push that armed this work. */
		if (current_work() == &core->stripe->work.work)
			percpu_defer_hurry(core, 1);
		return 0;
	}
	WRITE_ONCE(stripe->drainer, current);
	nr = core->mode->drain(stripe, max, how);
	WRITE_ONCE(stripe->drainer, NULL);
	atomic_long_add(nr, &core->drained);
	atomic_long_fetch_sub_release(nr, &core->pending);	/* after the frees */
	mutex_unlock(&stripe->lock);
	trace_percpu_defer_drain(core, stripe - core->stripe, nr);
	return nr;
}

/* Drain stripes until @max is reached. Wait for busy stripes after draining the others. */
static unsigned long percpu_defer_drain_all(struct percpu_defer_core *core, unsigned long max,
					    enum percpu_defer_drain how)
{
	struct percpu_defer_stripe *stripe = core->stripe;
	unsigned long nr = how < PERCPU_DEFER_SHARE ?
		percpu_defer_drain_all(core, max, PERCPU_DEFER_SHARE) : 0;

	for (; stripe < core->stripe + core->mode->stripes && nr < max; stripe++)
		nr += percpu_defer_drain(stripe, max - nr, how);
	return nr;
}

static void percpu_defer_work(struct work_struct *work)
{
	struct percpu_defer_stripe *stripe =
		container_of(work, struct percpu_defer_stripe, work.work), *next = stripe + 1;
	struct percpu_defer_core *core = stripe->core;
	bool more = next < core->stripe + min(num_online_cpus(), core->mode->stripes);

	if (percpu_defer_held(core))
		return;
	WRITE_ONCE(stripe->running, true);
	/* Let the next worker help if this worker runs longer than the age bound. */
	if (more)
		queue_delayed_work(percpu_defer_wq, &next->work, core->age);
	percpu_defer_drain_all(core, ULONG_MAX, PERCPU_DEFER_SHARE);
	WRITE_ONCE(stripe->running, false);
	if (more)
		cancel_delayed_work(&next->work);
	/* Help again later if the previous worker is still running. */
	if (stripe > core->stripe && READ_ONCE(stripe[-1].running))
		queue_delayed_work(percpu_defer_wq, &stripe->work, core->age);
}

/* Warn and return false in an interrupt, in a drain of @core, or if it is not set up. */
bool percpu_defer_usable(struct percpu_defer_core *core)
{
	bool bad = in_interrupt() || READ_ONCE(core->state) < PERCPU_DEFER_OFF;
	int i;

	for (i = 0; i < PERCPU_DEFER_STRIPES; i++)
		bad |= READ_ONCE(core->stripe[i].drainer) == current;
	return !WARN(bad, "percpu_defer: instance is not set up, or wrong context\n");
}

static void __percpu_defer_flush(struct percpu_defer_core *core, bool stop)
{
	if (core->mode->collect)
		core->mode->collect(core, stop);
	else if (stop)
		synchronize_rcu();
	percpu_defer_drain_all(core, ULONG_MAX, stop ? PERCPU_DEFER_STOP : PERCPU_DEFER_WAIT);
}

/**
 * percpu_defer_flush - drain everything that was pushed earlier
 * @core: the instance
 *
 * Drain inline everything that no worker is draining, and wait for drains in flight.
 * Concurrent pushes may be missed.
 *
 * Context: may sleep on the locks that the drain takes, and for a grace period if the
 * instance is for objects. Must not be called under a lock that the drain takes, in a
 * drain of @core, or in a drain of an instance that was set up by the same line of code,
 * and so has the same lockdep class.
 */
void percpu_defer_flush(struct percpu_defer_core *core)
{
	if (percpu_defer_usable(core))
		__percpu_defer_flush(core, false);
}
EXPORT_SYMBOL_GPL(percpu_defer_flush);

/**
 * percpu_defer_reclaim - drain inline without waiting
 * @core: the instance
 * @max: number of objects or slots after which to stop
 *
 * For memory reclaim, and for owners that have reached a limit. Skips stripes that are
 * being drained, slots whose lock is contended, and recent objects of other CPUs.
 *
 * Context: process context, may sleep. Must not be called in a drain of @core, or under a
 * lock that the drain waits for.
 * Return: number of drained objects or slots, at most a page or a word of them above @max.
 */
unsigned long percpu_defer_reclaim(struct percpu_defer_core *core, unsigned long max)
{
	return percpu_defer_usable(core) ? percpu_defer_drain_all(core, max, PERCPU_DEFER_TRY) : 0;
}
EXPORT_SYMBOL_GPL(percpu_defer_reclaim);

/**
 * percpu_defer_drain_some - drain all instances inline
 * @max: number of objects or slots of each instance after which to stop
 *
 * For a caller that has just made a task free up to @max pages and needs the memory now.
 * Waits for concurrent drains of an instance after draining fewer than @max without them.
 * Skips objects that were pushed recently.
 *
 * Context: process context, may sleep. Not in a drain or under a lock that a drain takes.
 */
void percpu_defer_drain_some(unsigned long max)
{
	struct percpu_defer_core *core;

	guard(rwsem_read)(&percpu_defer_sem);
	list_for_each_entry(core, &percpu_defer_list, list)
		if (percpu_defer_usable(core))
			percpu_defer_drain_all(core, max, PERCPU_DEFER_WAIT);
}
EXPORT_SYMBOL_GPL(percpu_defer_drain_some);

/**
 * percpu_defer_set_enabled - enable or disable an instance
 * @core: the instance
 * @on: true to enable, false to disable. After disabling, pushes are refused, and
 *	everything pending has been drained
 *
 * Context: as percpu_defer_flush(), but disabling may sleep for a grace period even if the
 * instance is for slots. Callers must not race with each other.
 */
void percpu_defer_set_enabled(struct percpu_defer_core *core, bool on)
{
	if (!percpu_defer_usable(core))
		return;
	WRITE_ONCE(core->state, on ? PERCPU_DEFER_ON : PERCPU_DEFER_OFF);
	percpu_defer_set_cap(core, core->cap);
	if (!on)
		__percpu_defer_flush(core, true);
}
EXPORT_SYMBOL_GPL(percpu_defer_set_enabled);

/**
 * percpu_defer_set_cap - limit the number of pending objects or slots
 * @core: the instance
 * @cap: maximum number of pending objects or slots; 0 refuses all pushes
 *
 * The cap may be exceeded by an eighth, or by 1 per CPU if that is more, because CPUs count
 * in batches. A page of objects counts as full. The default is half the number of pages of
 * RAM. Set the cap before the first push: a later change takes full effect only after each
 * CPU has pushed another batch.
 *
 * Context: any. Must not race with itself, percpu_defer_set_enabled() or destroy.
 */
void percpu_defer_set_cap(struct percpu_defer_core *core, unsigned long cap)
{
	long max = min(cap, LONG_MAX / 2), cpus = num_possible_cpus();

	if (WARN_ON(READ_ONCE(core->state) < PERCPU_DEFER_OFF))
		return;
	WRITE_ONCE(core->batch, READ_ONCE(core->state) == PERCPU_DEFER_ON ?
		   clamp(max / (8 * cpus), 1L, PERCPU_DEFER_BATCH) : LONG_MIN);
	WRITE_ONCE(core->early, min(PERCPU_DEFER_EARLY * cpus, max / 8));
	WRITE_ONCE(core->cap, max);
}
EXPORT_SYMBOL_GPL(percpu_defer_set_cap);

/**
 * percpu_defer_pending - count the pending objects or slots
 * @core: the instance
 *
 * Do not call this function in a hot path, because it sums over all CPUs.
 *
 * Context: any; the instance must be set up.
 * Return: the number of objects or slots that were pushed, and neither drained nor
 * cancelled. Exact if no push, cancel or drain is in flight; otherwise it may be negative.
 * The free room in pages of objects counts as pending.
 */
long percpu_defer_pending(struct percpu_defer_core *core)
{
	long pending = atomic_long_read(&core->pending);
	int cpu;

	if (WARN_ON(!core->count))
		return 0;
	for_each_possible_cpu(cpu)
		pending += READ_ONCE(per_cpu_ptr(core->count, cpu)->delta);
	return pending;
}
EXPORT_SYMBOL_GPL(percpu_defer_pending);

static int percpu_defer_show(struct seq_file *m, void *unused)
{
	struct percpu_defer_core *core = m->private;
	unsigned long cancelled = 0, refused = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		cancelled += READ_ONCE(per_cpu_ptr(core->count, cpu)->cancelled);
		refused += READ_ONCE(per_cpu_ptr(core->count, cpu)->refused);
	}
	seq_printf(m, "pending %ld\ndrained %ld\ncancelled %lu\nrefused %lu\ncap %ld\nenabled %d\n",
		   percpu_defer_pending(core), atomic_long_read(&core->drained), cancelled,
		   refused, READ_ONCE(core->cap), READ_ONCE(core->state) == PERCPU_DEFER_ON);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(percpu_defer);

static unsigned long percpu_defer_shrink_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct percpu_defer_core *core = shrinker->private_data;

	/* Reclaim scans half of this count if that half is at least SHRINK_BATCH. */
	return max(atomic_long_read(&core->pending), percpu_defer_some_spare ? 256L : 0L);
}

static unsigned long percpu_defer_shrink_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	/* Free spare pages last, because pushes may need them soon. */
	return percpu_defer_drain_all(shrinker->private_data, sc->nr_to_scan,
				      PERCPU_DEFER_TRY) ?: percpu_defer_trim() ?: SHRINK_STOP;
}

/* Set up the common part, or return -ENOMEM. On success, reclaim may drain the instance. */
int percpu_defer_core_init(struct percpu_defer_core *core, const char *name,
			   const struct percpu_defer_mode *mode,
			   struct lock_class_key *key)
{
	struct percpu_defer_stripe *stripe;

	memset(core, 0, sizeof(*core));
	core->count = alloc_percpu(struct percpu_defer_count);
	core->shrinker = shrinker_alloc(0, "percpu_defer-%s", name);
	if (!percpu_defer_wq || !core->count || !core->shrinker) {
		shrinker_free(core->shrinker);
		free_percpu(core->count);
		core->count = NULL;
		return -ENOMEM;
	}
	core->name = name;
	core->mode = mode;
	core->age = msecs_to_jiffies(PERCPU_DEFER_AGE_MS);
	for (stripe = core->stripe; stripe < core->stripe + mode->stripes; stripe++) {
		stripe->core = core;
		INIT_DELAYED_WORK(&stripe->work, percpu_defer_work);
		/* Use the caller's classes: the drain of one instance may flush another. */
		__mutex_init(&stripe->lock, "percpu_defer", key);
		lockdep_init_map(&stripe->work.work.lockdep_map, "percpu_defer", key + 1, 0);
	}
	WRITE_ONCE(core->state, PERCPU_DEFER_ON);
	/* Half of RAM, if each pending object or slot holds at most a page. */
	percpu_defer_set_cap(core, totalram_pages() / 2);
	debugfs_create_file(name, 0400, percpu_defer_dir, core, &percpu_defer_fops);
	core->shrinker->private_data = core;
	core->shrinker->count_objects = percpu_defer_shrink_count;
	core->shrinker->scan_objects = percpu_defer_shrink_scan;
	/* Pending objects and slots are garbage: freeing them causes no I/O later. */
	core->shrinker->seeks = 0;
	shrinker_register(core->shrinker);
	guard(rwsem_write)(&percpu_defer_sem);
	list_add(&core->list, &percpu_defer_list);
	return 0;
}

/* Refuse pushes, drain, and stop the shrinker and all work. */
void percpu_defer_core_destroy(struct percpu_defer_core *core)
{
	unsigned int i;

	scoped_guard(rwsem_write, &percpu_defer_sem)
		list_del(&core->list);
	debugfs_lookup_and_remove(core->name, percpu_defer_dir);
	WRITE_ONCE(core->state, PERCPU_DEFER_DESTROYED);
	WRITE_ONCE(core->batch, LONG_MIN);
	__percpu_defer_flush(core, true);
	/* Wait for memory reclaim, which may arm work again. */
	shrinker_free(core->shrinker);
	for (i = 0; i < core->mode->stripes; i++)
		disable_delayed_work_sync(&core->stripe[i].work);
	WARN(percpu_defer_pending(core), "percpu_defer: %s: not empty at destroy\n", core->name);
	free_percpu(core->count);
	core->count = NULL;
}

static int __init percpu_defer_setup(void)
{
	percpu_defer_wq = alloc_workqueue("percpu_defer", WQ_UNBOUND | WQ_MEM_RECLAIM |
					  WQ_SYSFS, 0);
	percpu_defer_dir = debugfs_create_dir("percpu_defer", NULL);
	return percpu_defer_wq ? 0 : -ENOMEM;
}
subsys_initcall(percpu_defer_setup);
