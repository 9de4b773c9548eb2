// SPDX-License-Identifier: GPL-2.0
/// A slot must be read only after percpu_defer_map_claim(). Before the claim, the
/// slot may be live, or be freed and pushed again, because a push does not take
/// the slot lock.
//# The patch finds lookups in an xarray before a claim whose result is used after it.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: percpu_defer_map_claim

virtual context
virtual org
virtual report

@loaded exists@
identifier found, load = {xa_load, xa_find, xas_load, xas_find, xas_next}, fn;
expression E, E2;
position p;
@@

 found = load@p(...)
 ... when != found = E
 percpu_defer_map_claim(...)
 ... when != found = E
(
 fn(..., found, ...)
|
 E2 = found
)

@walked exists@
iterator walk = {xa_for_each, xa_for_each_range, xa_for_each_start, xas_for_each};
identifier found;
expression E;
position p;
@@

 walk@p(..., found, ...) {
 	... when != found = E
 	percpu_defer_map_claim(...)
 	... when any
 }

@depends on context@
identifier load, found;
position loaded.p;
@@

* found = load@p(...)

@depends on context@
iterator walk;
position walked.p;
@@

* walk@p(...)
  { ... }

@script:python depends on org@
p << loaded.p;
@@

coccilib.org.print_todo(p[0], "slot is read before the claim")

@script:python depends on org@
p << walked.p;
@@

coccilib.org.print_todo(p[0], "slots are read before the claim")

@script:python depends on report@
p << loaded.p;
@@

coccilib.report.print_report(p[0], "ERROR: slot is read before the claim")

@script:python depends on report@
p << walked.p;
@@

coccilib.report.print_report(p[0], "ERROR: slots are read before the claim")
