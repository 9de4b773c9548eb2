// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_defer: hold back drains and vary the timing, in test builds.
 *
 * Files in /sys/kernel/debug/percpu_defer_perturb:
 *
 *   hold    1: workers leave everything pending; 0: workers drain normally
 *   step    number of drains allowed while workers are held, except empty drains
 *   seed    selects the slow sites, and the passes that are delayed
 *   max_us  maximum delay in microseconds
 *   one_in  0: no delays; N: delay about one in N passes of a slow site
 *
 * Sites are the callers of percpu_defer_perturb() in the library, the beginning of a
 * drain, and every acquisition and release of a lock that lockdep tracks. A delay under a
 * lock keeps other tasks waiting. A delay before the lock lets other tasks overtake. The
 * delays are not aimed at any known race.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/percpu.h>
#include <trace/events/lock.h>
#include "../percpu_defer.h"

/* Delay lock operations more rarely, because most are unrelated to deferral. */
#define PERTURB_LOCKS_ONE_IN	64

struct perturb_file {
	const char *name;
	unsigned int value;
	unsigned int max;
	/* Called with perturb_mutex held, after the change. */
	int (*set)(unsigned int before);
};

static int perturb_set_hold(unsigned int before);
static int perturb_set_step(unsigned int before);
static int perturb_set_delays(unsigned int before);

enum { HOLD, STEP, SEED, MAX_US, ONE_IN };

static struct perturb_file perturb_file[] = {
	[HOLD]		= { "hold", 0, 1, perturb_set_hold },
	[STEP]		= { "step", 0, 1000000, perturb_set_step },
	[SEED]		= { "seed", 0, UINT_MAX },
	[MAX_US]	= { "max_us", 100, 1000 },
	[ONE_IN]	= { "one_in", 0, 100000, perturb_set_delays },
};

static DEFINE_MUTEX(perturb_mutex);	/* serialises writes to the files */
static atomic_t perturb_steps;
static DEFINE_PER_CPU(u64, perturb_passes);

static unsigned int perturb_value(unsigned int i)
{
	return READ_ONCE(perturb_file[i].value);
}

/* splitmix64 */
static u64 perturb_mix(u64 x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/*
 * Delay some passes of a site. Each seed favours a different order of events, because it
 * selects one in eight sites as slow. At other sites, delays are shorter and rarer.
 */
static void perturb_site(unsigned long site, unsigned int rarer)
{
	unsigned int one_in = perturb_value(ONE_IN), max_us = perturb_value(MAX_US), us;
	u64 of_site, random;

	if (!one_in || in_nmi())
		return;
	of_site = perturb_mix(site ^ (u64)perturb_value(SEED) << 32);
	one_in *= rarer;
	if (of_site % 8) {
		one_in *= 16;
		max_us /= 16;
	}
	random = perturb_mix(of_site + this_cpu_inc_return(perturb_passes));
	if ((u32)random % one_in)
		return;
	us = (u32)(random >> 32) % (max_us + 1);
	if (us)
		udelay(us);
}

void percpu_defer_perturb(void)
{
	perturb_site(_RET_IP_, 1);
}
EXPORT_SYMBOL_GPL(percpu_defer_perturb);

/* Delay the beginning of a drain, by up to 250 times max_us, so that slots are reused. */
void percpu_defer_perturb_sleep(void)
{
	u64 random = perturb_mix(this_cpu_inc_return(perturb_passes) +
				 ((u64)perturb_value(SEED) << 32));

	if (perturb_value(ONE_IN) && random % 2)
		msleep((u32)(random >> 32) % (perturb_value(MAX_US) / 4 + 1));
}

static void perturb_lock_acquire(void *unused, struct lockdep_map *lock,
				 unsigned int subclass, int trylock, int read, int check,
				 struct lockdep_map *next_lock, unsigned long ip)
{
	perturb_site(ip, PERTURB_LOCKS_ONE_IN);
}

static void perturb_lock_release(void *unused, struct lockdep_map *lock,
				 unsigned long ip)
{
	perturb_site(ip, PERTURB_LOCKS_ONE_IN);
}

static int perturb_set_delays(unsigned int before)
{
	static bool registered;
	bool wanted = perturb_value(ONE_IN);
	int err;

	if (wanted == registered)
		return 0;
	if (wanted) {
		err = register_trace_lock_acquire(perturb_lock_acquire, NULL);
		if (err)
			return err;
		err = register_trace_lock_release(perturb_lock_release, NULL);
		if (err) {
			unregister_trace_lock_acquire(perturb_lock_acquire, NULL);
			return err;
		}
	} else {
		unregister_trace_lock_release(perturb_lock_release, NULL);
		unregister_trace_lock_acquire(perturb_lock_acquire, NULL);
	}
	registered = wanted;
	return 0;
}

/* If workers are held, rearm the work so that it checks again, and return true. */
bool percpu_defer_held(struct percpu_defer_core *core)
{
	if (!perturb_value(HOLD) || percpu_defer_pending(core) <= 0 ||
	    atomic_dec_if_positive(&perturb_steps) >= 0)
		return false;
	percpu_defer_arm(core);
	return true;
}

static int perturb_set_hold(unsigned int before)
{
	atomic_set(&perturb_steps, 0);
	WRITE_ONCE(perturb_file[STEP].value, 0);
	/* Wait for workers that started before the change. */
	flush_workqueue(percpu_defer_wq);
	return 0;
}

static int perturb_set_step(unsigned int before)
{
	if (!perturb_value(HOLD))
		return -EINVAL;
	atomic_set(&perturb_steps, perturb_value(STEP));
	return 0;
}

static ssize_t perturb_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct perturb_file *p = file->private_data;
	char text[16];

	return simple_read_from_buffer(to, size, pos, text,
				       scnprintf(text, sizeof(text), "%u\n",
						 READ_ONCE(p->value)));
}

static ssize_t perturb_write(struct file *file, const char __user *from, size_t size,
			     loff_t *pos)
{
	struct perturb_file *p = file->private_data;
	unsigned int value, before;
	int err;

	err = kstrtouint_from_user(from, size, 0, &value);
	if (err)
		return err == -EFAULT ? err : -EINVAL;
	if (value > p->max)
		return -EINVAL;

	guard(mutex)(&perturb_mutex);
	add_taint(TAINT_TEST, LOCKDEP_STILL_OK);
	before = p->value;
	WRITE_ONCE(p->value, value);
	err = p->set ? p->set(before) : 0;
	if (err) {
		WRITE_ONCE(p->value, before);
		return err;
	}
	return size;
}

static const struct file_operations perturb_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = perturb_read,
	.write = perturb_write,
	.llseek = default_llseek,
};

static int __init perturb_init(void)
{
	struct dentry *dir = debugfs_create_dir("percpu_defer_perturb", NULL);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(perturb_file); i++)
		debugfs_create_file(perturb_file[i].name, 0600, dir, perturb_file + i,
				    &perturb_fops);
	return 0;
}
late_initcall(perturb_init);
