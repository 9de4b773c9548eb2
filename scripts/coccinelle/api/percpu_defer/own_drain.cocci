// SPDX-License-Identifier: GPL-2.0
/// A drain must neither push to its own instance nor flush it. Pushes may keep
/// the drain running forever, and a flush would wait for itself.
//# The patch finds only calls in the drain function itself, on its first
//# argument or through a pointer to the structure that contains the instance.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: percpu_defer_init, percpu_defer_map_init

virtual context
virtual org
virtual report

@drain@
identifier fn;
@@

(
 percpu_defer_init(..., fn)
|
 percpu_defer_map_init(..., fn)
)

@own@
identifier drain.fn, self;
identifier push = {percpu_defer_push, percpu_defer_map_push};
identifier wait = {percpu_defer_flush, percpu_defer_set_enabled};
identifier end = {percpu_defer_destroy, percpu_defer_map_destroy};
type T;
position p;
@@

 fn(T *self, ...)
 {
 	<+...
(
 	push@p(self, ...)
|
 	wait@p(&self->core, ...)
|
 	end@p(self)
)
 	...+>
 }

@around@
identifier drain.fn, self, member, owner;
identifier push = {percpu_defer_push, percpu_defer_map_push};
identifier wait = {percpu_defer_flush, percpu_defer_set_enabled};
identifier end = {percpu_defer_destroy, percpu_defer_map_destroy};
type T, U;
position p;
@@

 fn(T *self, ...)
 {
 	...
 	U *owner = container_of(self, U, member);
 	<+...
(
 	push@p(&owner->member, ...)
|
 	wait@p(&owner->member.core, ...)
|
 	end@p(&owner->member)
)
 	...+>
 }

@depends on context@
position p = {own.p, around.p};
identifier f;
@@

* f@p(...)

@script:python depends on org@
p << own.p;
@@

for q in p:
	coccilib.org.print_todo(q, "use of an instance in its own drain")

@script:python depends on org@
p << around.p;
@@

for q in p:
	coccilib.org.print_todo(q, "use of an instance in its own drain")

@script:python depends on report@
p << own.p;
@@

for q in p:
	coccilib.report.print_report(q, "ERROR: use of an instance in its own drain")

@script:python depends on report@
p << around.p;
@@

for q in p:
	coccilib.report.print_report(q, "ERROR: use of an instance in its own drain")
