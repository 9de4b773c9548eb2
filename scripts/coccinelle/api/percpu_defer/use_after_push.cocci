// SPDX-License-Identifier: GPL-2.0
/// After a push that succeeded, the object belongs to the instance, and a drain
/// on another CPU may have freed it already.
//# Found are uses of what was pushed where the push has succeeded, or may have:
//# in "if (push) { here }", and after "if (!push) { ... }". To print its address
//# and to compare it is no use. False positives come from values of variables
//# that tell whether it was pushed.
///
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: percpu_defer_push

virtual context
virtual org
virtual report

@initialize:python@
@@

import re

LIBRARY = {"percpu_defer_push", "percpu_defer_push_slow"}
pushes = set(LIBRARY)
current = None

def look_at(file):
    """What DEFINE_PERCPU_DEFER_PUSH() defines in a file pushes, too."""
    global current
    if file != current:
        current = file
        pushes.clear()
        with open(file, errors="replace") as source:
            pushes.update(LIBRARY, re.findall(
                r"^DEFINE_PERCPU_DEFER_PUSH\((\w+)", source.read(), re.M))

@client@
identifier call = {percpu_defer_push, percpu_defer_push_slow,
	percpu_defer_init, percpu_defer_start};
position p;
@@

call@p(...)

@script:python@
p << client.p;
@@

look_at(p[0].file)

@number depends on client@
identifier push : script:python() { push in pushes };
constant C;
position p;
@@

push@p(..., C)

@pushed depends on client@
identifier push : script:python() { push in pushes };
expression pd, E;
position p != number.p;
@@

push@p(pd, \((unsigned long)E\|E\))

@harmless depends on client expression@
constant char[] c;
expression pushed.E, E2;
type T;
identifier f;
position p;
@@

(
 f(..., c, ..., (T)E@p, ...)
|
 E@p == E2
|
 E@p != E2
|
 E2 == E@p
|
 E2 != E@p
|
 !E@p
|
 E@p || ...
)

@size depends on client@
expression pushed.E;
position p;
@@

 sizeof(<+...E@p...+>)

// The path on which it was refused is the one with the statement.
@refused exists@
identifier push;
expression pushed.E, subE <= pushed.E, E2;
iterator iter;
statement S, S2;
position pushed.p, p2 != {harmless.p, size.p};
@@

if (<+... !push@p(...) ...+>) S
...
(
 iter(..., subE, ...) S2
|
 subE = <+... E@p2 ...+>
|
 subE = E2
|
 subE++
|
 ++subE
|
 subE--
|
 --subE
|
 &subE
|
 E@p2
)

@taken exists@
identifier push;
expression pushed.E, subE <= pushed.E, E2;
iterator iter;
statement S2;
position pushed.p, p2 != {harmless.p, size.p};
@@

if (push@p(...)) {
	...
(
 iter(..., subE, ...) S2
|
 subE = <+... E@p2 ...+>
|
 subE = E2
|
 subE++
|
 ++subE
|
 subE--
|
 --subE
|
 &subE
|
 E@p2
)
	... when any
}

// These look into it once more to go on. Not if the loop is left at once.
@iterated exists@
iterator iter = {list_for_each_entry, list_for_each_entry_reverse,
	list_for_each_entry_rcu, hlist_for_each_entry, hlist_for_each_entry_rcu,
	llist_for_each_entry};
identifier push;
expression pushed.E;
statement S;
position pushed.p, p2;
@@

(
 iter@p2(E, ...) if (<+... !push@p(...) ...+>) S
|
 iter@p2(E, ...) {
	... when any
	if (<+... !push@p(...) ...+>) S
	... when != break;
	    when != return ...;
 }
)

@depends on context@
expression pushed.E;
position refused.p2;
@@

* E@p2

@depends on context@
expression pushed.E;
position taken.p2;
@@

* E@p2

@depends on context@
expression pushed.E;
iterator iter;
position iterated.p2;
statement S;
@@

* iter@p2(E, ...)
  S

@script:python depends on org@
p << pushed.p;
p2 << refused.p2;
@@

coccilib.org.print_todo(p2[0], "use of what was pushed on line %s" % p[0].line)

@script:python depends on org@
p << pushed.p;
p2 << taken.p2;
@@

coccilib.org.print_todo(p2[0], "use of what was pushed on line %s" % p[0].line)

@script:python depends on org@
p << pushed.p;
p2 << iterated.p2;
@@

coccilib.org.print_todo(p2[0], "goes on with what was pushed on line %s" % p[0].line)

@script:python depends on report@
p << pushed.p;
p2 << refused.p2;
@@

msg = "ERROR: use of what was pushed on line %s" % p[0].line
coccilib.report.print_report(p2[0], msg)

@script:python depends on report@
p << pushed.p;
p2 << taken.p2;
@@

msg = "ERROR: use of what was pushed on line %s" % p[0].line
coccilib.report.print_report(p2[0], msg)

@script:python depends on report@
p << pushed.p;
p2 << iterated.p2;
@@

msg = "ERROR: goes on with what was pushed on line %s" % p[0].line
coccilib.report.print_report(p2[0], msg)
