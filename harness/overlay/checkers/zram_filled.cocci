// SPDX-License-Identifier: GPL-2.0
/// Report functions that fill a slot without first freeing it or checking that it is live.
/// Without these steps, a pending free is not cancelled and frees the new content.
///
// Confidence: High
// Options: --no-includes
// Keywords: zram

virtual report

@filled exists@
identifier fn, fill = {set_slot_handle, zram_set_handle};
identifier first = {slot_free, __slot_free, zram_free_page, __zram_free_page, slot_pp_valid};
expression zram, index, handle != 0;
position p;
@@

 fn(...)
 {
 	... when != first(zram, index)
 	fill@p(zram, index, handle)
 	... when any
 }

@script:python depends on report@
p << filled.p;
fn << filled.fn;
@@

coccilib.report.print_report(p[0], f"{fn}() fills a slot that may be dead: free it first")
