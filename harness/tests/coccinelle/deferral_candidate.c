// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

struct foo {
	struct list_head list;
	struct llist_node node;
	void *data;
};

struct pool {
	spinlock_t lock;
	struct list_head dead, busy;
	struct llist_head gone;
	struct work_struct free_work;
	struct work_struct run_work;
	struct delayed_work gone_work[2];
	/* The work function is in another file. */
	struct work_struct other_work;
};

struct batch {
	unsigned int nr;
	void *obj[16];
	struct work_struct work;
};

static DEFINE_PER_CPU(struct batch, batch);
static struct workqueue_struct *wq;
static LLIST_HEAD(late_list);

static void foo_free(struct foo *foo)
{
	kfree(foo->data);
	kfree(foo);
}

static void foo_reap(struct pool *pool)
{
	struct foo *foo, *next;
	LIST_HEAD(dead);

	spin_lock(&pool->lock);
	list_splice_init(&pool->dead, &dead);
	spin_unlock(&pool->lock);
	list_for_each_entry_safe(foo, next, &dead, list)
		foo_free(foo);
}

static void pool_free_work(struct work_struct *work)
{
	foo_reap(container_of(work, struct pool, free_work));
}

static void pool_run_work(struct work_struct *work)
{
	pr_info("busy\n");
}

static void pool_gone_work(struct work_struct *work)
{
	struct pool *pool = container_of(work, struct pool, gone_work[0].work);

	pr_info("%p\n", (void *)llist_del_all(&pool->gone));
	foo_reap(pool);
}

static void late_work_fn(struct work_struct *work)
{
	kfree(llist_del_all(&late_list));
}

static DECLARE_WORK(late_work, late_work_fn);

void late_free(struct foo *foo)
{
	if (llist_add(&foo->node, &late_list))			/* want */
		schedule_work(&late_work);
}

void pool_gone(struct pool *pool, struct foo *foo)
{
	llist_add(&foo->node, &pool->gone);			/* want */
	queue_delayed_work(wq, &pool->gone_work[0], 1);
}

void pool_other(struct pool *pool, struct foo *foo)
{
	if (llist_add(&foo->node, &pool->gone))			/* want */
		queue_work(wq, &pool->other_work);
}

/* The work function frees nothing. */
void pool_run(struct pool *pool, struct foo *foo)
{
	if (llist_add(&foo->node, &pool->gone))
		queue_work(wq, &pool->run_work);
}

/* This function does not queue the work. */
void pool_note(struct pool *pool, struct foo *foo)
{
	llist_add(&foo->node, &pool->gone);
}

void foo_put(struct pool *pool, struct foo *foo)
{
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	list_add_tail(&foo->list, &pool->dead);			/* want */
	spin_unlock_irqrestore(&pool->lock, flags);
	queue_work(wq, &pool->free_work);
}

void foo_put_guarded(struct pool *pool, struct foo *foo)
{
	scoped_guard(spinlock, &pool->lock)
		list_add(&foo->list, &pool->dead);		/* want */
	queue_work(wq, &pool->free_work);
}

void foo_put_guard(struct pool *pool, struct foo *foo)
{
	guard(spinlock)(&pool->lock);
	if (foo->data)
		list_add(&foo->list, &pool->dead);		/* want */
	queue_work(wq, &pool->free_work);
}

/* The work function does not free the object. */
void foo_start(struct pool *pool, struct foo *foo)
{
	spin_lock(&pool->lock);
	list_add(&foo->list, &pool->busy);
	spin_unlock(&pool->lock);
	queue_work(wq, &pool->run_work);
}

void foo_start_other(struct pool *pool, struct foo *foo)
{
	spin_lock(&pool->lock);
	list_add(&foo->list, &pool->busy);
	spin_unlock(&pool->lock);
	queue_work(wq, &pool->other_work);
}

/* The list is private to the caller. */
void foo_put_unlocked(struct pool *pool, struct foo *foo, struct list_head *mine)
{
	spin_lock(&pool->lock);
	list_del(&foo->list);
	spin_unlock(&pool->lock);
	list_add(&foo->list, mine);
	queue_work(wq, &pool->free_work);
}

void batch_free(void *obj)
{
	struct batch *mine = get_cpu_ptr(&batch);		/* want */

	mine->obj[mine->nr++] = obj;
	if (mine->nr == 16)
		queue_work_on(0, wq, &mine->work);
	put_cpu_ptr(&batch);
}

void batch_kick(void *obj)
{
	struct batch *mine = get_cpu_ptr(&batch);

	mine->obj[0] = obj;
	queue_work_on(0, wq, &mine->work);
	put_cpu_ptr(&batch);
}

void pool_init(struct pool *pool)
{
	INIT_WORK(&pool->free_work, pool_free_work);
	INIT_WORK(&pool->run_work, pool_run_work);
	INIT_DELAYED_WORK(&pool->gone_work[0], pool_gone_work);
}
