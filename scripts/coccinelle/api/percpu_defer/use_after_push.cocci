// SPDX-License-Identifier: GPL-2.0
/// After a successful push, the object belongs to the instance, and a drain
/// on another CPU may have freed it.
//# The patch finds uses after "if (!push) ...", and inside "if (push) { ... }".
///
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: percpu_defer_push

virtual context
virtual org
virtual report

@refused exists@
expression pd, x, E;
identifier f, fn;
statement S;
position p;
@@

 if (!percpu_defer_push(pd, (unsigned long)x)) S
 ... when != x = E
(
 x->f@p
|
 fn@p(..., x, ...)
)

@taken exists@
expression pd, x, E;
identifier f, fn;
position p;
@@

 if (percpu_defer_push(pd, (unsigned long)x)) {
 	... when != x = E
(
 	x->f@p
|
 	fn@p(..., x, ...)
)
 	... when any
 }

@script:python depends on org@
p << refused.p;
@@

coccilib.org.print_todo(p[0], "use of an object after its push")

@script:python depends on org@
p << taken.p;
@@

coccilib.org.print_todo(p[0], "use of an object after its push")

@script:python depends on report@
p << refused.p;
@@

coccilib.report.print_report(p[0], "ERROR: use of an object after its push")

@script:python depends on report@
p << taken.p;
@@

coccilib.report.print_report(p[0], "ERROR: use of an object after its push")

@depends on context@
expression x;
identifier f;
position p = {refused.p, taken.p};
@@

* x->f@p

@depends on context@
identifier fn;
position p = {refused.p, taken.p};
@@

* fn@p(...)
