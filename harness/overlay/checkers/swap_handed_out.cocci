// SPDX-License-Identifier: GPL-2.0
/// Swap counts slots as in use, and zswap was not told before: what was in them waits to be
/// freed, and the drain would free what is stored next.
///
// Confidence: High
// Options: --no-includes
// Keywords: zswap

virtual report

// Where zswap is not converted, nothing waits.
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

coccilib.report.print_report(p[0], f"{fn}() hands out slots without zswap_reuse_range()")
