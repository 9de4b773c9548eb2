// SPDX-License-Identifier: GPL-2.0
/// Report functions that allocate swap slots without notifying zswap. If frees of their
/// old entries are still pending, the drain would free the entries that are stored next.
///
// Confidence: High
// Options: --no-includes
// Keywords: zswap

virtual report

// Without the conversion of zswap, no frees are pending.
@converted@
@@

 zswap_reuse_range(...)

@handed_out depends on converted exists@
identifier fn;
position p;
@@

 fn(...)
 {
 	... when != zswap_reuse_range(...)
 	swap_range_alloc@p(...)
 	... when any
 }

@script:python depends on report@
p << handed_out.p;
fn << handed_out.fn;
@@

coccilib.report.print_report(p[0], f"{fn}() allocates slots without zswap_reuse_range()")
