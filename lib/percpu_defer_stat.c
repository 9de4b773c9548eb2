// SPDX-License-Identifier: GPL-2.0
/*
 * percpu_defer: a file in debugfs for each instance.
 */
#include <linux/debugfs.h>
#include <linux/jiffies.h>
#include <linux/seq_file.h>
#include "percpu_defer.h"

static struct dentry *percpu_defer_dir;

static const char * const percpu_defer_stat_name[PERCPU_DEFER_NR_STATS] = {
	[PERCPU_DEFER_PUSHED]		= "pushed",
	[PERCPU_DEFER_DRAINED]		= "drained",
	[PERCPU_DEFER_ROTATIONS]	= "rotations",
	[PERCPU_DEFER_OFF]		= "fallback_off",
	[PERCPU_DEFER_CAP]		= "fallback_cap",
	[PERCPU_DEFER_NO_PAGE]		= "fallback_no_page",
	[PERCPU_DEFER_CONTEXT]		= "fallback_context",
	[PERCPU_DEFER_CANCELLED]	= "cancelled",
};

/* 0 if @since is later: it was set after @now was read. */
static unsigned long percpu_defer_age(unsigned long now, unsigned long since)
{
	return time_after(now, since) ? now - since : 0;
}

/* How long has the oldest of what waits on this CPU been waiting? In jiffies. */
static unsigned long percpu_defer_oldest(struct percpu_defer_cpu *pc)
{
	unsigned long age = 0, now = jiffies;
	struct percpu_defer_buf *buf;
	int i;

	/* Buffers leave ->full under this lock only. */
	lockdep_assert_held(&pc->drain_lock);
	llist_for_each_entry(buf, READ_ONCE(pc->full.first), node)
		age = max(age, percpu_defer_age(now, buf->since));
	llist_for_each_entry(buf, pc->draining, node)
		age = max(age, percpu_defer_age(now, buf->since));

	if (READ_ONCE(pc->armed))
		age = percpu_defer_age(now, READ_ONCE(pc->since[0]));
	if (READ_ONCE(pc->due))
		age = max(age, percpu_defer_age(now, READ_ONCE(pc->due)));

	/* These are not ours to look into. */
	for (i = 0; i < ARRAY_SIZE(pc->buf); i++)
		if (READ_ONCE(pc->buf[i]) != &percpu_defer_closed)
			age = max(age, percpu_defer_age(now, READ_ONCE(pc->since[i])));
	return age;
}

static int percpu_defer_stat_show(struct seq_file *m, void *unused)
{
	unsigned long sum[PERCPU_DEFER_NR_STATS], oldest = 0;
	struct percpu_defer *pd = m->private;
	u64 drain_ns = 0, drain_ns_max = 0;
	s64 pending;
	int cpu, i;

	for (i = 0; i < PERCPU_DEFER_NR_STATS; i++)
		sum[i] = percpu_defer_stat_sum(pd, i);
	for_each_possible_cpu(cpu) {
		struct percpu_defer_cpu *pc = per_cpu_ptr(pd->cpu, cpu);

		guard(mutex)(&pc->drain_lock);
		oldest = max(oldest, percpu_defer_oldest(pc));
		drain_ns += pc->drain_ns;
		drain_ns_max = max(drain_ns_max, pc->drain_ns_max);
	}
	/* Signed, so that a miscount shows. */
	pending = percpu_counter_sum(&pd->pending);
	/* Not counted in production builds: derive it, inexact while pushes run. */
	if (!IS_ENABLED(CONFIG_PERCPU_DEFER_PERTURB) && pd->scan)
		sum[PERCPU_DEFER_CANCELLED] =
			max(0LL, (s64)(sum[PERCPU_DEFER_PUSHED] -
				       sum[PERCPU_DEFER_DRAINED]) - pending);

	for (i = 0; i < PERCPU_DEFER_NR_STATS; i++)
		seq_printf(m, "%s %lu\n", percpu_defer_stat_name[i], sum[i]);
	seq_printf(m, "pending %lld\n", pending);
	seq_printf(m, "pending_peak %lld\n", max_t(s64, pending, READ_ONCE(pd->peak)));
	seq_printf(m, "cap %lu\n", READ_ONCE(pd->cap));
	seq_printf(m, "enabled %d\n", READ_ONCE(pd->on));
	seq_printf(m, "drain_ns %llu\n", drain_ns);
	seq_printf(m, "drain_ns_max %llu\n", drain_ns_max);
	seq_printf(m, "oldest_ms %u\n", jiffies_to_msecs(oldest));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(percpu_defer_stat);

void percpu_defer_stat_setup(void)
{
	percpu_defer_dir = debugfs_create_dir("percpu_defer", NULL);
}

void percpu_defer_stat_add(struct percpu_defer *pd)
{
	pd->file = debugfs_create_file(pd->name, 0400, percpu_defer_dir, pd,
				       &percpu_defer_stat_fops);
}

void percpu_defer_stat_remove(struct percpu_defer *pd)
{
	debugfs_remove(pd->file);
}
