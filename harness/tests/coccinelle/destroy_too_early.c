// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct percpu_defer defer;
	struct percpu_defer_map map;
	struct timer_list age_timer, other_timer;
	struct work_struct shrink_work, stray_work;
	struct foo *next;
};

void foo_drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr);
unsigned long foo_drain_slots(struct percpu_defer_map *map,
			      const struct percpu_defer_range *range,
			      unsigned int nr, bool try);

static void foo_free(struct foo *foo, void *content)
{
	if (!percpu_defer_push(&foo->defer, (unsigned long)content))
		kfree(content);
}

static void foo_shrink(struct foo *foo)
{
	foo_free(foo, foo->next);
}

static void foo_age(struct timer_list *timer)
{
	foo_shrink(container_of(timer, struct foo, age_timer));
}

static void foo_count(struct timer_list *timer)
{
	pr_info("one more\n");
}

static void foo_shrink_work(struct work_struct *work)
{
	foo_shrink(container_of(work, struct foo, shrink_work));
}

static void foo_stray(struct work_struct *work)
{
	struct foo *foo = container_of(work, struct foo, stray_work);

	if (percpu_defer_map_cancel(&foo->map, 0))
		kfree(foo->next);
}

int foo_init(struct foo *foo)
{
	timer_setup(&foo->age_timer, foo_age, 0);
	timer_setup(&foo->other_timer, foo_count, 0);
	INIT_WORK(&foo->shrink_work, foo_shrink_work);
	INIT_WORK(&foo->stray_work, foo_stray);
	return percpu_defer_init(&foo->defer, "foo", foo_drain) ?:
	       percpu_defer_map_init(&foo->map, "foo", 64, foo_drain_slots);
}

void foo_exit(struct foo *foo)
{
	cancel_work_sync(&foo->shrink_work);
	percpu_defer_destroy(&foo->defer);
	timer_delete_sync(&foo->age_timer);			/* want */
	timer_delete_sync(&foo->other_timer);
	foo_free(foo, foo->next);				/* want */
	percpu_defer_map_destroy(&foo->map);			/* want: stray_work */
	if (percpu_defer_map_dead(&foo->map, 3))		/* want */
		pr_info("left behind\n");
}

void foo_exit_right(struct foo *foo)
{
	timer_delete_sync(&foo->age_timer);
	cancel_work_sync(&foo->shrink_work);
	foo_free(foo, foo->next);
	percpu_defer_destroy(&foo->defer);
	timer_delete_sync(&foo->other_timer);
	kfree(foo);
}

int foo_reset(struct foo *foo)
{
	timer_delete_sync(&foo->age_timer);
	percpu_defer_destroy(&foo->defer);
	if (percpu_defer_init(&foo->defer, "foo", foo_drain))
		return -1;
	foo_free(foo, foo->next);
	return 0;
}
