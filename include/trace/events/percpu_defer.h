/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM percpu_defer

#if !defined(_TRACE_PERCPU_DEFER_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PERCPU_DEFER_H

#include <linux/percpu_defer.h>
#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(PERCPU_DEFER_OFF);
TRACE_DEFINE_ENUM(PERCPU_DEFER_CAP);
TRACE_DEFINE_ENUM(PERCPU_DEFER_NO_PAGE);
TRACE_DEFINE_ENUM(PERCPU_DEFER_CONTEXT);

/* @nr: objects in the buffer; 0 when a drain begins in index mode: it has yet to look */
DECLARE_EVENT_CLASS(percpu_defer_buf,

	TP_PROTO(const struct percpu_defer *pd, unsigned int nr),

	TP_ARGS(pd, nr),

	TP_STRUCT__entry(
		__string(name, pd->name)
		__field(unsigned int, nr)
	),

	TP_fast_assign(
		__assign_str(name);
		__entry->nr = nr;
	),

	TP_printk("%s nr=%u", __get_str(name), __entry->nr)
);

DEFINE_EVENT(percpu_defer_buf, percpu_defer_rotate,
	TP_PROTO(const struct percpu_defer *pd, unsigned int nr),
	TP_ARGS(pd, nr));

DEFINE_EVENT(percpu_defer_buf, percpu_defer_drain_begin,
	TP_PROTO(const struct percpu_defer *pd, unsigned int nr),
	TP_ARGS(pd, nr));

TRACE_EVENT(percpu_defer_drain_end,

	TP_PROTO(const struct percpu_defer *pd, unsigned int nr, u64 ns),

	TP_ARGS(pd, nr, ns),

	TP_STRUCT__entry(
		__string(name, pd->name)
		__field(unsigned int, nr)
		__field(u64, ns)
	),

	TP_fast_assign(
		__assign_str(name);
		__entry->nr = nr;
		__entry->ns = ns;
	),

	TP_printk("%s nr=%u ns=%llu", __get_str(name), __entry->nr, __entry->ns)
);

/* A push was refused. */
TRACE_EVENT(percpu_defer_fallback,

	TP_PROTO(const struct percpu_defer *pd, int why),

	TP_ARGS(pd, why),

	TP_STRUCT__entry(
		__string(name, pd->name)
		__field(int, why)
	),

	TP_fast_assign(
		__assign_str(name);
		__entry->why = why;
	),

	TP_printk("%s why=%s", __get_str(name),
		  __print_symbolic(__entry->why,
				   { PERCPU_DEFER_OFF,		"off" },
				   { PERCPU_DEFER_CAP,		"cap" },
				   { PERCPU_DEFER_NO_PAGE,	"no_page" },
				   { PERCPU_DEFER_CONTEXT,	"context" }))
);

TRACE_EVENT(percpu_defer_flush,

	TP_PROTO(const struct percpu_defer *pd),

	TP_ARGS(pd),

	TP_STRUCT__entry(
		__string(name, pd->name)
	),

	TP_fast_assign(
		__assign_str(name);
	),

	TP_printk("%s", __get_str(name))
);

#endif /* _TRACE_PERCPU_DEFER_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
