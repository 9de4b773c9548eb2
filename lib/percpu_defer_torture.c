// SPDX-License-Identifier: GPL-2.0
/*
 * Torture test of percpu_defer.
 *
 * Tasks push objects and ranges of indices at random, and a timer pushes objects.
 * Other tasks flush, reclaim, disable, enable, destroy and reinitialise the
 * instances; torture.c takes CPUs offline and online. Every object and slot
 * records its state, and each change of state checks the old one. These checks
 * detect objects that are freed twice and slots that are freed while in use.
 * After an instance is destroyed, everything must have been freed.
 */
#define pr_fmt(fmt) "percpu_defer-torture: " fmt

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu_defer.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/torture.h>
#include <linux/vmalloc.h>

MODULE_DESCRIPTION("Torture test of percpu_defer");
MODULE_LICENSE("GPL");

torture_param(int, nobjpushers, -1, "Tasks that push objects, -1 for one per CPU");
torture_param(int, nidxpushers, -1, "Tasks that push indices, -1 for one per CPU");
torture_param(int, nobjects, 8192, "Objects");
torture_param(int, nslots, 8192, "Slots");
torture_param(int, cap, 4096, "Cap of both instances");
torture_param(int, help_interval, 7, "ms between flushes or reclaims, 0 for none");
torture_param(int, switch_interval, 100, "ms between disabling or enabling, 0 for never");
torture_param(int, recycle_interval, 1000, "ms between destroy and re-init, 0 for never");
torture_param(int, fail_every, 100, "Fail an allocation in one of N pushes, 0 for none");
torture_param(int, onoff_holdoff, 0, "Time after boot before CPU hotplugs (s)");
torture_param(int, onoff_interval, 0, "Time between CPU hotplugs (jiffies), 0 for none");
torture_param(int, shutdown_secs, 0, "Shutdown time (s), <= zero to disable");
torture_param(int, stat_interval, 15, "Number of seconds between stats printk()s");
torture_param(int, stutter, 5, "Number of seconds to run and to pause");
torture_param(int, verbose, 1, "Enable verbose debugging printk()s");

#define MAX_RANGE	64

/* State of an object, in the low bits; the other bits are its generation. */
enum { OBJ_FREE, OBJ_ALIVE, OBJ_PUSHED, OBJ_STATES };

struct torture_slot {
	spinlock_t lock;	/* protects live and content */
	bool live;		/* filled and still in use */
	bool content;		/* not freed yet */
	atomic_t owned;		/* serves as the swap cluster lock */
};

static struct percpu_defer torture_objects;
static struct percpu_defer_map torture_map;
static atomic_long_t *object;
static struct torture_slot *slot;

/* Held for reading by tasks that use the instances, for writing to replace them. */
static DECLARE_RWSEM(recycle_lock);
static struct timer_list softirq_pusher;

static struct task_struct **objpusher_tasks;
static struct task_struct **idxpusher_tasks;
static struct task_struct *help_task;
static struct task_struct *switch_task;
static struct task_struct *recycle_task;
static struct task_struct *stats_task;
static bool ready;

static atomic_long_t n_objs, n_objs_refused, n_objs_drained;
static atomic_long_t n_idxs, n_idxs_refused, n_idxs_drained, n_idxs_cancelled;
static atomic_long_t n_flushes, n_helps, n_helped, n_switches, n_recycles, n_fails;
static atomic_long_t n_errors;

#define torture_error(fmt, ...)						\
do {									\
	if (atomic_long_inc_return(&n_errors) <= 20)			\
		pr_alert("!!! " fmt "\n", ##__VA_ARGS__);		\
} while (0)

/* Make the @nth next allocation of this task fail, or none if @nth is 0. */
static void torture_fail_allocation(unsigned int nth)
{
#ifdef CONFIG_FAULT_INJECTION
	WRITE_ONCE(current->fail_nth, nth);
#endif
}

/* Count the requested failure if it has happened. Otherwise cancel it. */
static void torture_end_failure(void)
{
#ifdef CONFIG_FAULT_INJECTION
	if (!READ_ONCE(current->fail_nth))
		atomic_long_inc(&n_fails);
	WRITE_ONCE(current->fail_nth, 0);
#endif
}

/* Change an object from state @from to @to. Fail if it is in another state. */
static bool torture_object_step(unsigned long i, int from, int to)
{
	long old = atomic_long_read(&object[i]);
	long new = old - from + to + (to == OBJ_FREE ? OBJ_STATES + 1 : 0);

	return (old & OBJ_STATES) == from &&
		atomic_long_try_cmpxchg(&object[i], &old, new);
}

static void torture_drain_objects(struct percpu_defer *pd,
				  unsigned long *obj, unsigned int nr)
{
	atomic_long_add(nr, &n_objs_drained);
	for (; nr; nr--, obj++)
		if (*obj >= nobjects ||
		    !torture_object_step(*obj, OBJ_PUSHED, OBJ_FREE))
			torture_error("object %lu drained but not pushed", *obj);
}

/* Allocate up to @nr free objects. Return their number. */
static unsigned int torture_alloc_objects(struct torture_random_state *rnd,
					  unsigned long *obj, unsigned int nr)
{
	unsigned long first = torture_random(rnd) % nobjects;
	unsigned int i, got = 0;

	for (i = 0; i < 4 * nr && got < nr; i++) {
		obj[got] = (first + i) % nobjects;
		got += torture_object_step(obj[got], OBJ_FREE, OBJ_ALIVE);
	}
	return got;
}

/*
 * Push up to @nr objects. Return the number pushed. The pushed objects come first
 * in @obj. Unless @state is NULL, store the states of objects before the pushes.
 */
static unsigned int torture_push_objects(struct torture_random_state *rnd,
					 unsigned long *obj, long *state, unsigned int nr)
{
	unsigned int i, pushed = 0;

	nr = torture_alloc_objects(rnd, obj, nr);
	for (i = 0; i < nr; i++) {
		if (!torture_object_step(obj[i], OBJ_ALIVE, OBJ_PUSHED))
			torture_error("object %lu changed while alive", obj[i]);
		if (state)
			state[i] = atomic_long_read(&object[obj[i]]);
	}

	while (pushed < nr && percpu_defer_push(&torture_objects, obj[pushed]))
		pushed++;
	atomic_long_add(pushed, &n_objs);
	atomic_long_add(nr - pushed, &n_objs_refused);

	/* Refused objects still belong to the caller. */
	for (i = pushed; i < nr; i++)
		if (!torture_object_step(obj[i], OBJ_PUSHED, OBJ_FREE))
			torture_error("object %lu refused but drained", obj[i]);
	return pushed;
}

/* Check that a flush drains everything that this task has pushed. */
static void torture_flush_objects(struct torture_random_state *rnd,
				  unsigned long *obj)
{
	unsigned int i, nr;
	long state[8];

	nr = torture_push_objects(rnd, obj, state, ARRAY_SIZE(state));
	percpu_defer_flush(&torture_objects.core);
	atomic_long_inc(&n_flushes);
	for (i = 0; i < nr; i++)
		if (atomic_long_read(&object[obj[i]]) == state[i])
			torture_error("object %lu pushed before a flush but not drained",
				      obj[i]);
}

static int torture_objpusher(void *arg)
{
	DEFINE_TORTURE_RANDOM(rnd);
	unsigned long obj[MAX_RANGE];
	bool fail = false;

	torture_random_init(&rnd);
	do {
		unsigned long r = torture_random(&rnd) >> 4;

		scoped_guard(rwsem_read, &recycle_lock) {
			if (fail_every > 0 && !(r % fail_every)) {
				torture_fail_allocation(1);
				fail = true;
			}
			torture_push_objects(&rnd, obj, NULL, 1 + r % MAX_RANGE);
			if (fail)
				torture_end_failure();
			fail = false;
			if (!((r >> 8) % 1024))
				torture_flush_objects(&rnd, obj);
		}
		cond_resched();
		stutter_wait("torture_objpusher");
	} while (!torture_must_stop());
	torture_kthread_stopping("torture_objpusher");
	return 0;
}

static void torture_softirq(struct timer_list *timer)
{
	static DEFINE_TORTURE_RANDOM(rnd);
	unsigned long obj[MAX_RANGE];

	torture_push_objects(&rnd, obj, NULL, MAX_RANGE);
	mod_timer(timer, jiffies + 1);
}

static void torture_drain_slot(unsigned long i)
{
	atomic_long_inc(&n_idxs_drained);
	if (slot[i].live)
		torture_error("slot %lu freed while in use", i);
	if (!slot[i].content)
		torture_error("slot %lu freed twice", i);
	slot[i].content = false;
}

static void torture_drain_slots(struct percpu_defer_map *map,
				struct percpu_defer_iter *iter)
{
	unsigned long i;

	while (percpu_defer_map_next(iter, &i)) {
		spinlock_t *lock = &slot[i].lock;

		if (!iter->try)
			spin_lock(lock);
		else if (!spin_trylock(lock))
			continue;
		if (percpu_defer_map_claim(iter))
			torture_drain_slot(i);
		spin_unlock(lock);
		cond_resched();
	}
}

static void torture_fill_slot(unsigned long i)
{
	bool dead;

	guard(spinlock)(&slot[i].lock);
	dead = percpu_defer_map_cancel(&torture_map, i);
	if (dead)
		atomic_long_inc(&n_idxs_cancelled);
	if (dead != slot[i].content)
		torture_error("slot %lu %s", i,
			      dead ? "dead but freed" : "neither dead nor freed");
	slot[i].content = true;
	slot[i].live = true;
}

static void torture_use_slot(unsigned long i)
{
	guard(spinlock)(&slot[i].lock);
	if (percpu_defer_map_dead(&torture_map, i) || !slot[i].content)
		torture_error("slot %lu lost its content", i);
	slot[i].live = false;
}

static void torture_free_slot(unsigned long i)
{
	guard(spinlock)(&slot[i].lock);
	if (percpu_defer_map_cancel(&torture_map, i))
		torture_error("slot %lu refused but dead", i);
	slot[i].content = false;
}

static void torture_push_slots(struct torture_random_state *rnd, bool fail)
{
	unsigned long want = 1 + torture_random(rnd) % MAX_RANGE, i;
	unsigned long first = torture_random(rnd) % (nslots - want), end;

	for (end = first; end < first + want; end++)
		if (atomic_cmpxchg(&slot[end].owned, 0, 1))
			break;
	if (end == first)
		return;

	for (i = first; i < end; i++)
		torture_fill_slot(i);
	cond_resched();
	for (i = first; i < end; i++)
		torture_use_slot(i);

	if (fail)
		torture_fail_allocation(1);
	if (percpu_defer_map_push(&torture_map, first, end - first)) {
		atomic_long_add(end - first, &n_idxs);
	} else {
		atomic_long_add(end - first, &n_idxs_refused);
		for (i = first; i < end; i++)
			torture_free_slot(i);
	}
	if (fail)
		torture_end_failure();
	for (i = first; i < end; i++)
		atomic_set_release(&slot[i].owned, 0);
}

static int torture_idxpusher(void *arg)
{
	DEFINE_TORTURE_RANDOM(rnd);

	torture_random_init(&rnd);
	do {
		scoped_guard(rwsem_read, &recycle_lock)
			torture_push_slots(&rnd, fail_every > 0 &&
					   !(torture_random(&rnd) % fail_every));
		cond_resched();
		stutter_wait("torture_idxpusher");
	} while (!torture_must_stop());
	torture_kthread_stopping("torture_idxpusher");
	return 0;
}

static int torture_helper(void *arg)
{
	DEFINE_TORTURE_RANDOM(rnd);

	torture_random_init(&rnd);
	while (!torture_must_stop()) {
		unsigned long r = torture_random(&rnd) >> 4;
		struct percpu_defer_core *core = r & 1 ? &torture_objects.core :
							 &torture_map.core;

		torture_hrtimeout_ms(help_interval, 1000, &rnd);
		guard(rwsem_read)(&recycle_lock);
		if (r % 8 < 6) {
			atomic_long_inc(&n_helps);
			atomic_long_add(percpu_defer_reclaim(core, r % 1000), &n_helped);
		} else {
			atomic_long_inc(&n_flushes);
			percpu_defer_flush(core);
		}
	}
	torture_kthread_stopping("torture_helper");
	return 0;
}

static int torture_switcher(void *arg)
{
	DEFINE_TORTURE_RANDOM(rnd);

	torture_random_init(&rnd);
	while (!torture_must_stop()) {
		unsigned long r = torture_random(&rnd) >> 4;

		torture_hrtimeout_ms(switch_interval, 1000, &rnd);
		guard(rwsem_read)(&recycle_lock);
		/* Keep the instances enabled most of the time. */
		percpu_defer_set_enabled(&torture_objects.core, r % 4);
		percpu_defer_set_enabled(&torture_map.core, (r / 4) % 4);
		atomic_long_inc(&n_switches);
	}
	torture_kthread_stopping("torture_switcher");
	return 0;
}

static void torture_stop_instances(void)
{
	int i;

	timer_delete_sync(&softirq_pusher);
	percpu_defer_destroy(&torture_objects);
	percpu_defer_map_destroy(&torture_map);

	for (i = 0; i < nobjects; i++)
		if ((atomic_long_read(&object[i]) & OBJ_STATES) != OBJ_FREE)
			torture_error("object %d left behind", i);
	for (i = 0; i < nslots; i++)
		if (slot[i].content)
			torture_error("slot %d left behind", i);
}

/* Set up both instances. Unless @nth is 0, make the @nth allocation fail. */
static int torture_start_instances(unsigned int nth)
{
	int err;

	torture_fail_allocation(nth);
	err = percpu_defer_init(&torture_objects, "torture_objects",
				torture_drain_objects);
	if (!err) {
		err = percpu_defer_map_init(&torture_map, "torture_map", nslots, 1,
					    torture_drain_slots);
		if (err)
			percpu_defer_destroy(&torture_objects);
	}
	if (nth)
		torture_end_failure();
	if (err)
		return err;

	percpu_defer_set_cap(&torture_objects.core, cap);
	percpu_defer_set_cap(&torture_map.core, cap);
	mod_timer(&softirq_pusher, jiffies + 1);
	return 0;
}

/* Time limit for a drain on a busy debug kernel, in seconds. */
#define IDLE_SECONDS	20

/*
 * Wait for the workers to drain everything after the pushes have stopped. Do not flush,
 * because a flush would hide a worker that was not woken.
 */
static void torture_wait_idle(struct percpu_defer_core *core)
{
	unsigned long end = jiffies + IDLE_SECONDS * HZ;

	while (percpu_defer_pending(core)) {
		if (time_after(jiffies, end)) {
			torture_error("%s: %ld pending but not drained", core->name,
				      percpu_defer_pending(core));
			return;
		}
		schedule_timeout_uninterruptible(1);
	}
}

static int torture_recycler(void *arg)
{
	DEFINE_TORTURE_RANDOM(rnd);

	torture_random_init(&rnd);
	while (!torture_must_stop()) {
		torture_hrtimeout_ms(recycle_interval, 1000, &rnd);
		guard(rwsem_write)(&recycle_lock);
		timer_delete_sync(&softirq_pusher);
		torture_wait_idle(&torture_objects.core);
		torture_wait_idle(&torture_map.core);
		torture_stop_instances();
		atomic_long_inc(&n_recycles);
		if (torture_start_instances(1 + torture_random(&rnd) % 8) &&
		    torture_start_instances(0))
			torture_error("cannot set up an instance");
	}
	torture_kthread_stopping("torture_recycler");
	return 0;
}

static void torture_stats_print(void)
{
	pr_alert("objects: %ld pushed %ld refused %ld drained\n",
		 atomic_long_read(&n_objs), atomic_long_read(&n_objs_refused),
		 atomic_long_read(&n_objs_drained));
	pr_alert("indices: %ld pushed %ld refused %ld drained %ld cancelled\n",
		 atomic_long_read(&n_idxs), atomic_long_read(&n_idxs_refused),
		 atomic_long_read(&n_idxs_drained),
		 atomic_long_read(&n_idxs_cancelled));
	pr_alert("flushes: %ld helps: %ld (%ld reclaimed) switches: %ld recycles: %ld failed allocations: %ld errors: %ld ",
		 atomic_long_read(&n_flushes), atomic_long_read(&n_helps),
		 atomic_long_read(&n_helped), atomic_long_read(&n_switches),
		 atomic_long_read(&n_recycles), atomic_long_read(&n_fails),
		 atomic_long_read(&n_errors));
	torture_onoff_stats();
	pr_cont("\n");
}

static int torture_stats(void *arg)
{
	do {
		schedule_timeout_interruptible(stat_interval * HZ);
		torture_stats_print();
		torture_shutdown_absorb("torture_stats");
	} while (!torture_must_stop());
	torture_kthread_stopping("torture_stats");
	return 0;
}

static void torture_stop_pushers(struct task_struct **tasks, int nr)
{
	int i;

	for (i = 0; tasks && i < nr; i++)
		torture_stop_kthread(torture_pusher, tasks[i]);
	kfree(tasks);
}

static void torture_end_of_test(void)
{
	long objs = atomic_long_read(&n_objs), idxs = atomic_long_read(&n_idxs);

	if (objs != atomic_long_read(&n_objs_drained))
		torture_error("%ld objects pushed, %ld drained", objs,
			      atomic_long_read(&n_objs_drained));
	if (idxs != atomic_long_read(&n_idxs_drained) +
		    atomic_long_read(&n_idxs_cancelled))
		torture_error("%ld indices pushed, %ld drained, %ld cancelled", idxs,
			      atomic_long_read(&n_idxs_drained),
			      atomic_long_read(&n_idxs_cancelled));
	if (!objs || !idxs || !atomic_long_read(&n_idxs_cancelled))
		torture_error("no pushes or no cancels");
	if (help_interval > 0 && (!atomic_long_read(&n_flushes) || !atomic_long_read(&n_helps)))
		torture_error("no flushes or no reclaims");
	if (switch_interval > 0 && !atomic_long_read(&n_switches))
		torture_error("no switches");
	if (recycle_interval > 0 && !atomic_long_read(&n_recycles))
		torture_error("no recycles");

	torture_stats_print();
	pr_alert("End of test: %s\n", atomic_long_read(&n_errors) ||
		 torture_onoff_failures() ? "FAILURE" : "SUCCESS");
}

static void torture_cleanup(void)
{
	if (torture_cleanup_begin())
		return;

	torture_stop_kthread(torture_recycler, recycle_task);
	torture_stop_kthread(torture_switcher, switch_task);
	torture_stop_kthread(torture_helper, help_task);
	torture_stop_pushers(objpusher_tasks, nobjpushers);
	torture_stop_pushers(idxpusher_tasks, nidxpushers);
	torture_stop_kthread(torture_stats, stats_task);

	if (ready) {
		torture_stop_instances();
		torture_end_of_test();
	}
	vfree(object);
	vfree(slot);
	torture_cleanup_end();
}

static int torture_start_pushers(int (*fn)(void *arg), int nr,
				 struct task_struct ***tasks)
{
	int i, err = 0;

	*tasks = kcalloc(nr, sizeof(**tasks), GFP_KERNEL);
	if (!*tasks)
		return -ENOMEM;
	for (i = 0; !err && i < nr; i++)
		err = torture_create_kthread(fn, NULL, (*tasks)[i]);
	return err;
}

static int torture_start(void)
{
	int err, i;

	if (nobjects < MAX_RANGE || nslots <= MAX_RANGE || cap <= 0 ||
	    nobjpushers < 0 || nidxpushers < 0 || stat_interval <= 0)
		return -EINVAL;

	object = vcalloc(nobjects, sizeof(*object));
	slot = vcalloc(nslots, sizeof(*slot));
	if (!object || !slot)
		return -ENOMEM;
	for (i = 0; i < nslots; i++)
		spin_lock_init(&slot[i].lock);

	timer_setup(&softirq_pusher, torture_softirq, 0);
	err = torture_start_instances(0);
	if (err)
		return err;
	ready = true;

	err = torture_start_pushers(torture_objpusher, nobjpushers, &objpusher_tasks);
	if (!err)
		err = torture_start_pushers(torture_idxpusher, nidxpushers,
					    &idxpusher_tasks);
	if (!err)
		err = torture_create_kthread(torture_stats, NULL, stats_task);
	if (!err && help_interval > 0)
		err = torture_create_kthread(torture_helper, NULL, help_task);
	if (!err && switch_interval > 0)
		err = torture_create_kthread(torture_switcher, NULL, switch_task);
	if (!err && recycle_interval > 0)
		err = torture_create_kthread(torture_recycler, NULL, recycle_task);
	if (!err)
		err = torture_onoff_init(onoff_holdoff * HZ, onoff_interval, NULL);
	if (!err && stutter > 0)
		err = torture_stutter_init(stutter * HZ, stutter * HZ / 8);
	if (!err)
		err = torture_shutdown_init(shutdown_secs, torture_cleanup);
	return err;
}

static int __init torture_init(void)
{
	int err;

	if (nobjpushers < 0)
		nobjpushers = num_online_cpus();
	if (nidxpushers < 0)
		nidxpushers = num_online_cpus();
	if (!torture_init_begin("percpu_defer", verbose))
		return -EBUSY;
	err = torture_start();
	torture_init_end();
	if (err)
		torture_cleanup();
	return err;
}

module_init(torture_init);
module_exit(torture_cleanup);
