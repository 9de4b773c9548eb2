// SPDX-License-Identifier: GPL-2.0
// Converts a file to object mode of percpu_defer, see percpu_defer_adopting.rst. What
// it is told, each with -D:
//
//   prefix=foo		what the new names begin with: foo_defer and foo_drain
//   free=foo_free	the function that frees one object, known before "in"; or
//   cache=foo_cache	the cache, a variable, that objects are freed to
//   in=foo_clear	the function that frees many, and is to push them
//   init=foo_init	the function that returns 0 when all is set up
//   exit=foo_exit	the function that is called when nobody frees any more
//
// Run again with another "in", it converts that one too, to the same instance. It
// says what it did not find a place for.

@initialize:python@
@@

import sys

PUSH, INCLUDE, START, DESTROY = "push", "include", "start", "destroy"
done = set()
headers = []

@script:python names@
prefix << virtual.prefix;
defer;
drain;
@@

coccinelle.defer = prefix + "_defer"
coccinelle.drain = prefix + "_drain"

@defined@
identifier names.defer;
declarer name DEFINE_STATIC_PERCPU_DEFER;
@@

DEFINE_STATIC_PERCPU_DEFER(defer, ...);

@refused@
identifier virtual.in, names.defer;
expression E;
identifier fn;
position p;
@@

 in(...)
 {
	<+...
	if (!percpu_defer_push(&defer, E))
		fn@p(...);
	...+>
 }

// An object is named twice afterwards, so it has to be a variable.
@pushed@
identifier virtual.in, virtual.free, names.defer;
idexpression obj;
position p != refused.p;
@@

 in(...)
 {
	<+...
-	free@p(obj);
+	if (!percpu_defer_push(&defer, (unsigned long)obj))
+		free(obj);
	...+>
 }

@cached@
identifier virtual.in, virtual.cache, names.defer;
idexpression obj;
position p != refused.p;
@@

 in(...)
 {
	<+...
-	kmem_cache_free@p(cache, obj);
+	if (!percpu_defer_push(&defer, (unsigned long)obj))
+		kmem_cache_free(cache, obj);
	...+>
 }

@script:python depends on pushed || cached@
@@

done.add(PUSH)

@script:python depends on defined@
@@

done.update((INCLUDE, START, DESTROY))

@depends on pushed && !defined@
identifier virtual.in, virtual.free, names.drain;
type T;
@@

+static void drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
+{
+	unsigned int i;
+
+	/* Locks that each of them takes can be taken once for all, here. */
+	for (i = 0; i < nr; i++)
+		free((void *)obj[i]);
+}
+
 T in(...)
 {
	...
 }

@depends on cached && !defined@
identifier virtual.in, virtual.cache, names.drain;
type T;
@@

+static void drain(struct percpu_defer *pd, unsigned long *obj, unsigned int nr)
+{
+	kmem_cache_free_bulk(cache, nr, (void **)obj);
+}
+
 T in(...)
 {
	...
 }

@depends on (pushed || cached) && !defined@
identifier virtual.in, names.defer, names.drain;
declarer name DEFINE_STATIC_PERCPU_DEFER;
type T;
@@

+DEFINE_STATIC_PERCPU_DEFER(defer, drain);
+
 T in(...)
 {
	...
 }

@header depends on !defined@
position p;
@@

#include <linux/...>@p

@script:python@
p << header.p;
@@

headers.append(p[0].line)

@include@
position header.p : script:python() { p[0].line == headers[-1] };
@@

#include <linux/...>@p
+#include <linux/percpu_defer.h>

@script:python depends on include@
@@

done.add(INCLUDE)

// What was set up before is to be undone by hand when it cannot be started.
@start depends on !defined@
identifier virtual.init, names.defer;
@@

 init(...)
 {
	<+...
-	return 0;
+	return percpu_defer_start(&defer);
	...+>
 }

@script:python depends on start@
@@

done.add(START)

// A cache is needed until all that was pushed is freed.
@early depends on !defined@
identifier virtual.exit, names.defer;
@@

 exit(...)
 {
	... when any
+	percpu_defer_destroy(&defer);
	kmem_cache_destroy(...);
	... when any
 }

@late depends on !defined && !early@
identifier virtual.exit, names.defer;
@@

 exit(...)
 {
	... when any
+	percpu_defer_destroy(&defer);
 }

@script:python depends on early || late@
@@

done.add(DESTROY)

@finalize:python@
@@

for step in PUSH, INCLUDE, START, DESTROY:
    if step not in done:
        print("percpu_defer_adopting: no place found for: " + step, file=sys.stderr)
