/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of percpu_defer share among themselves. */
#ifndef _LIB_PERCPU_DEFER_H
#define _LIB_PERCPU_DEFER_H

#include <linux/percpu_defer.h>

#define PERCPU_DEFER_WORDS \
	((PAGE_SIZE - sizeof(struct percpu_defer_buf)) / sizeof(unsigned long))

/* So much is enough for one scan: a few times what a buffer has room for. */
#define PERCPU_DEFER_SCAN_MAX	4096

/* Where a scan is that has come to the end. */
#define PERCPU_DEFER_SCANNED	ULONG_MAX

/* Which of the two buffers of its CPU does the current context fill? */
static inline unsigned int percpu_defer_context(void)
{
	return !!in_serving_softirq();
}

int percpu_defer_core_init(struct percpu_defer *pd, const char *name,
			   percpu_defer_drain_t drain, percpu_defer_scan_t scan,
			   struct lock_class_key *key);
bool percpu_defer_refuse(struct percpu_defer *pd, enum percpu_defer_stat why);
void percpu_defer_arm(struct percpu_defer *pd);
struct percpu_defer_buf *percpu_defer_get_buf(void);
void percpu_defer_put_buf(struct percpu_defer_buf *buf);

/* May this context push now? PERCPU_DEFER_PUSHED if it may. */
static inline enum percpu_defer_stat percpu_defer_check(struct percpu_defer *pd)
{
	if (in_nmi() || in_hardirq())
		return PERCPU_DEFER_CONTEXT;
	if (!READ_ONCE(pd->on))
		return PERCPU_DEFER_OFF;
	return PERCPU_DEFER_PUSHED;
}

/* percpu_defer_perturb.c, in test builds only. */
#ifdef CONFIG_PERCPU_DEFER_PERTURB
bool percpu_defer_held(struct percpu_defer *pd);
void percpu_defer_perturb_sleep(void);
void percpu_defer_kick_all(void);
void percpu_defer_wait_workers(void);
#else
static inline bool percpu_defer_held(struct percpu_defer *pd)
{
	return false;
}

static inline void percpu_defer_perturb_sleep(void) { }
#endif

#ifdef CONFIG_DEBUG_FS
void percpu_defer_stat_setup(void);
void percpu_defer_stat_add(struct percpu_defer *pd);
void percpu_defer_stat_remove(struct percpu_defer *pd);
#else
static inline void percpu_defer_stat_setup(void) { }
static inline void percpu_defer_stat_add(struct percpu_defer *pd) { }
static inline void percpu_defer_stat_remove(struct percpu_defer *pd) { }
#endif

#endif /* _LIB_PERCPU_DEFER_H */
