/* SPDX-License-Identifier: GPL-2.0 */
/*
 * percpu_defer for users that free immediately with CONFIG_PERCPU_DEFER=n. The compiler
 * drops their checks, because the stubs refuse every push and report no slot as dead.
 */
#ifndef _LINUX_PERCPU_DEFER_OPTIONAL_H
#define _LINUX_PERCPU_DEFER_OPTIONAL_H

#ifdef CONFIG_PERCPU_DEFER
#include <linux/percpu_defer.h>
#else

#include <linux/types.h>

struct percpu_defer_core { };

struct percpu_defer {
	struct percpu_defer_core core;
};

struct percpu_defer_map {
	struct percpu_defer_core core;
};

struct percpu_defer_iter {
	bool try;
};

typedef void (*percpu_defer_drain_t)(struct percpu_defer *pd, unsigned long *obj,
				     unsigned int nr);
typedef void (*percpu_defer_map_drain_t)(struct percpu_defer_map *map,
					 struct percpu_defer_iter *iter);

static inline void percpu_defer_flush(struct percpu_defer_core *core) { }
static inline void percpu_defer_set_enabled(struct percpu_defer_core *core, bool on) { }
static inline void percpu_defer_set_cap(struct percpu_defer_core *core, unsigned long cap) { }
static inline void percpu_defer_drain_some(unsigned long max) { }

static inline unsigned long percpu_defer_reclaim(struct percpu_defer_core *core, unsigned long max)
{
	return 0;
}

static inline long percpu_defer_pending(struct percpu_defer_core *core)
{
	return 0;
}

static inline int percpu_defer_init(struct percpu_defer *pd, const char *name,
				    percpu_defer_drain_t drain)
{
	return 0;
}

static inline void percpu_defer_destroy(struct percpu_defer *pd) { }

static inline bool percpu_defer_push(struct percpu_defer *pd, unsigned long obj)
{
	return false;
}

static inline int percpu_defer_map_init(struct percpu_defer_map *map, const char *name,
					unsigned long nr, unsigned int slots_per_lock,
					percpu_defer_map_drain_t drain)
{
	return 0;
}

static inline void percpu_defer_map_destroy(struct percpu_defer_map *map) { }

static inline bool percpu_defer_map_push(struct percpu_defer_map *map, unsigned long first,
					 unsigned long nr)
{
	return false;
}

static inline bool percpu_defer_map_dead(const struct percpu_defer_map *map, unsigned long index)
{
	return false;
}

static inline bool percpu_defer_map_cancel(struct percpu_defer_map *map, unsigned long index)
{
	return false;
}

static inline bool percpu_defer_map_next(struct percpu_defer_iter *iter, unsigned long *first)
{
	return false;
}

static inline unsigned long percpu_defer_map_claim(struct percpu_defer_iter *iter)
{
	return 0;
}

#endif /* CONFIG_PERCPU_DEFER */

#endif /* _LINUX_PERCPU_DEFER_OPTIONAL_H */
