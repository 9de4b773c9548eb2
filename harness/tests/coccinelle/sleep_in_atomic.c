// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct percpu_defer defer;
	struct percpu_defer_map map;
	struct timer_list timer;
	spinlock_t lock;
	struct mutex mutex;
	int full;
};

struct foo foos[4];

void foo_locked(struct foo *foo)
{
	unsigned long flags;

	spin_lock(&foo->lock);
	percpu_defer_flush(&foo->defer);			/* want */
	spin_unlock(&foo->lock);
	percpu_defer_flush(&foo->defer);

	spin_lock_irqsave(&foo->lock, flags);
	if (foo->full)
		percpu_defer_help(&foo->map.defer, 64);		/* want */
	spin_unlock_irqrestore(&foo->lock, flags);

	rcu_read_lock();
	percpu_defer_set_enabled(&foo->defer, true);
	percpu_defer_set_enabled(&foo->defer, foo->full);	/* want */
	rcu_read_unlock();

	preempt_disable();
	percpu_defer_flush_all();				/* want */
	preempt_enable();
	percpu_defer_flush_all();
}

void foo_right(struct foo *foo)
{
	mutex_lock(&foo->mutex);
	percpu_defer_flush(&foo->defer);
	mutex_unlock(&foo->mutex);

	spin_lock(&foo->lock);
	while (foo->full) {
		spin_unlock(&foo->lock);
		percpu_defer_help(&foo->defer, 64);
		spin_lock(&foo->lock);
	}
	spin_unlock(&foo->lock);
}

int foo_guarded(struct foo *foo)
{
	guard(mutex)(&foo->mutex);
	percpu_defer_help(&foo->defer, 64);
	scoped_guard(spinlock, &foo->lock) {
		if (!foo->full)
			return 0;
		percpu_defer_help(&foo->defer, 64);		/* want */
	}
	percpu_defer_help(&foo->defer, 64);
	if (foo->full) {
		guard(rcu)();
		percpu_defer_help(&foo->defer, 64);		/* want */
	}
	percpu_defer_help(&foo->defer, 64);
	guard(spinlock)(&foo->lock);
	return percpu_defer_help(&foo->defer, 64);		/* want */
}

static int foo_make_room(struct foo *foo)
{
	return percpu_defer_help(&foo->defer, 64);
}

static void foo_make_room_unlocked(struct foo *foo)
{
	spin_unlock(&foo->lock);
	percpu_defer_help(&foo->defer, 64);
	spin_lock(&foo->lock);
}

int foo_helped(struct foo *foo)
{
	foo_make_room(foo);
	spin_lock_bh(&foo->lock);
	foo->full -= foo_make_room(foo);			/* want */
	foo_make_room_unlocked(foo);
	spin_unlock_bh(&foo->lock);
	return foo_make_room(foo);
}

static void foo_timeout(struct timer_list *timer)
{
	percpu_defer_flush(&foos[0].defer);			/* want */
}

static irqreturn_t foo_interrupt(int irq, void *foo)
{
	foo_make_room(foo);					/* want */
	return IRQ_HANDLED;
}

static irqreturn_t foo_quick(int irq, void *foo)
{
	return IRQ_HANDLED;
}

static irqreturn_t foo_thread(int irq, void *foo)
{
	foo_make_room(foo);
	return IRQ_HANDLED;
}

int foo_init(struct foo *foo)
{
	timer_setup(&foo->timer, foo_timeout, 0);
	return request_irq(1, foo_interrupt, 0, "foo", foo) ?:
	       request_threaded_irq(2, foo_quick, foo_thread, 0, "foo", foo);
}
