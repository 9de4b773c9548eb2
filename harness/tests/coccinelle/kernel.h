/* SPDX-License-Identifier: GPL-2.0 */
/* Minimal kernel headers, sufficient to compile the fixtures. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>

#define __exit
#define __init
#define __iomem
#define __percpu
#define likely(x)	(x)
#define unlikely(x)	(x)
#define __maybe_unused	__attribute__((unused))
#define ENOMEM		12
#define GFP_KERNEL	0
#define GFP_ATOMIC	0

#define container_of(ptr, type, member)					\
	((type *)((char *)(ptr) - offsetof(type, member)))

typedef struct { int taken; } spinlock_t;
typedef struct { int taken; } rwlock_t;
typedef int irqreturn_t;
enum { IRQ_NONE, IRQ_HANDLED };

struct xarray { spinlock_t xa_lock; };
void spin_lock(spinlock_t *lock);
int spin_trylock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
void spin_lock_irq(spinlock_t *lock);
void spin_unlock_irq(spinlock_t *lock);
void spin_lock_bh(spinlock_t *lock);
void spin_unlock_bh(spinlock_t *lock);
#define spin_lock_irqsave(lock, flags)		((flags) = 0, spin_lock(lock))
#define spin_unlock_irqrestore(lock, flags)	((void)(flags), spin_unlock(lock))
void raw_spin_lock(spinlock_t *lock);
void raw_spin_unlock(spinlock_t *lock);
void write_lock_bh(rwlock_t *lock);
void write_unlock_bh(rwlock_t *lock);
#define xa_lock(xa)				spin_lock(&(xa)->xa_lock)
#define xa_unlock(xa)				spin_unlock(&(xa)->xa_lock)
void rcu_read_lock(void);
void rcu_read_unlock(void);
void preempt_disable(void);
void preempt_enable(void);
void cond_resched(void);
struct mutex { int taken; };
void mutex_lock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);

void take();
#define guard(class)			take
#define scoped_guard(class, ...)	for (bool once = true; once; once = false)

void *kmalloc(size_t size, int gfp);
void *kzalloc(size_t size, int gfp);
void kfree(const void *ptr);
struct kmem_cache;
#define KMEM_CACHE(type, flags)		kmem_cache_create(#type, sizeof(struct type))
struct kmem_cache *kmem_cache_create(const char *name, size_t size);
void kmem_cache_destroy(struct kmem_cache *cache);
void kmem_cache_free(struct kmem_cache *cache, void *obj);
void kmem_cache_free_bulk(struct kmem_cache *cache, size_t nr, void **obj);
struct page;
void __free_page(struct page *page);
void put_page(struct page *page);
int pr_info(const char *format, ...);

struct list_head { struct list_head *next, *prev; };
#define LIST_HEAD(name)	struct list_head name = { &(name), &(name) }
bool list_empty(const struct list_head *head);
void list_add(struct list_head *new, struct list_head *head);
void list_add_tail(struct list_head *new, struct list_head *head);
void list_del(struct list_head *entry);
void list_splice_init(struct list_head *list, struct list_head *head);
#define list_for_each_entry_safe(pos, n, head, member)			\
	for (pos = container_of((head)->next, typeof(*pos), member),	\
	     n = container_of(pos->member.next, typeof(*pos), member);	\
	     &pos->member != (head);					\
	     pos = n, n = container_of(n->member.next, typeof(*n), member))
#define list_for_each_entry(pos, head, member)				\
	for (pos = container_of((head)->next, typeof(*pos), member);	\
	     &pos->member != (head);					\
	     pos = container_of(pos->member.next, typeof(*pos), member))
struct hlist_node { struct hlist_node *next; };
struct llist_node { struct llist_node *next; };
struct llist_head { struct llist_node *first; };
#define LLIST_HEAD(name)	struct llist_head name = { NULL }
bool llist_add(struct llist_node *new, struct llist_head *head);
struct llist_node *llist_del_all(struct llist_head *head);

struct work_struct { int queued; };
struct delayed_work { struct work_struct work; };
struct workqueue_struct;
#define INIT_WORK(work, fn)		((work)->queued = sizeof(fn))
#define INIT_DELAYED_WORK(delayed, fn)	INIT_WORK(&(delayed)->work, fn)
#define DECLARE_WORK(work, fn)		struct work_struct work = { sizeof(&(fn)) }
bool schedule_work(struct work_struct *work);
bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *work);
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *work,
			unsigned long delay);
bool schedule_delayed_work(struct delayed_work *work, unsigned long delay);
bool cancel_work_sync(struct work_struct *work);
bool cancel_delayed_work_sync(struct delayed_work *work);
bool flush_work(struct work_struct *work);

struct timer_list { int running; };
#define timer_setup(timer, fn, flags)	((timer)->running = sizeof(fn))
int timer_delete(struct timer_list *timer);
int timer_delete_sync(struct timer_list *timer);
int mod_timer(struct timer_list *timer, unsigned long when);
int request_irq(unsigned int irq, irqreturn_t (*fn)(int, void *), unsigned long flags,
		const char *name, void *dev);
int request_threaded_irq(unsigned int irq, irqreturn_t (*fn)(int, void *),
			 irqreturn_t (*thread)(int, void *), unsigned long flags,
			 const char *name, void *dev);
int devm_request_irq(void *owner, unsigned int irq, irqreturn_t (*fn)(int, void *),
		     unsigned long flags, const char *name, void *dev);
void free_irq(unsigned int irq, void *dev);

#define DEFINE_PER_CPU(type, name)	type name
#define this_cpu_ptr(ptr)		(ptr)
#define get_cpu_ptr(ptr)		(ptr)
#define put_cpu_ptr(ptr)		((void)(ptr))

struct xa_state { unsigned long xa_index; };
void *xa_load(struct xarray *tree, unsigned long index);
void *xas_load(struct xa_state *xas);
void *xas_next(struct xa_state *xas);
void *xas_store(struct xa_state *xas, void *entry);
#define for_each_set_bit(bit, addr, size)				\
	for ((bit) = 0; (bit) < (size); (bit)++)			\
		if (*(addr) & 1UL << (bit))
#define xas_for_each(xas, entry, max)					\
	for (entry = xas_load(xas); entry; entry = xas_next(xas))

struct percpu_defer_core { int pending; };
struct percpu_defer { struct percpu_defer_core core; };
struct percpu_defer_map { struct percpu_defer_core core; };
struct percpu_defer_iter { bool try; };
typedef void (*percpu_defer_drain_t)(struct percpu_defer *pd, unsigned long *obj,
				     unsigned int nr);
typedef void (*percpu_defer_map_drain_t)(struct percpu_defer_map *map,
					 struct percpu_defer_iter *iter);

int percpu_defer_init(struct percpu_defer *pd, const char *name,
		      percpu_defer_drain_t drain);
int percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
			  unsigned long nr, unsigned int slots_per_lock,
			  percpu_defer_map_drain_t drain);
void percpu_defer_destroy(struct percpu_defer *pd);
void percpu_defer_map_destroy(struct percpu_defer_map *map);
void percpu_defer_flush(struct percpu_defer_core *core);
unsigned long percpu_defer_reclaim(struct percpu_defer_core *core, unsigned long max);
void percpu_defer_drain_some(unsigned long max);
void percpu_defer_set_enabled(struct percpu_defer_core *core, bool on);
bool percpu_defer_push(struct percpu_defer *pd, unsigned long obj);
bool percpu_defer_map_push(struct percpu_defer_map *map, unsigned long first,
			   unsigned long nr);
bool percpu_defer_map_next(struct percpu_defer_iter *iter, unsigned long *first);
unsigned long percpu_defer_map_claim();	/* argument: map (first interface) or iterator */

#endif /* KERNEL_H */
