/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM percpu_defer

#if !defined(_TRACE_PERCPU_DEFER_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PERCPU_DEFER_H

#include <linux/percpu_defer.h>
#include <linux/tracepoint.h>

TRACE_EVENT(percpu_defer_drain,

	TP_PROTO(const struct percpu_defer_core *core, unsigned int stripe,
		 unsigned long nr),

	TP_ARGS(core, stripe, nr),

	TP_STRUCT__entry(
		__string(name, core->name)
		__field(unsigned int, stripe)
		__field(unsigned long, nr)
	),

	TP_fast_assign(
		__assign_str(name);
		__entry->stripe = stripe;
		__entry->nr = nr;
	),

	TP_printk("%s stripe=%u nr=%lu", __get_str(name), __entry->stripe,
		  __entry->nr)
);

TRACE_EVENT(percpu_defer_refused,

	TP_PROTO(const struct percpu_defer_core *core, int why),

	TP_ARGS(core, why),

	TP_STRUCT__entry(
		__string(name, core->name)
		__field(int, why)
	),

	TP_fast_assign(
		__assign_str(name);
		__entry->why = why;
	),

	/* enum percpu_defer_refusal in lib/percpu_defer.h */
	TP_printk("%s %s", __get_str(name),
		  __print_symbolic(__entry->why, { 0, "off" }, { 1, "cap" },
				   { 2, "page" }, { 3, "context" },
				   { 4, "overdue" }))
);

#endif /* _TRACE_PERCPU_DEFER_H */

#include <trace/define_trace.h>
