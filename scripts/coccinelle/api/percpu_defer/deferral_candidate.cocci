// SPDX-License-Identifier: GPL-2.0
/// Code that defers frees to a work item may be a candidate for percpu_defer,
/// which bounds the number and age of pending objects, and has a flush and a shrinker.
//# The patch finds functions that queue a work item and
//# - add an object to an llist;
//# - add an object to a list under a spinlock;
//# - store an object in the next element of a per-CPU array.
//# A finding requires a work function that frees something or, except for a
//# list, is in another file. Files that use percpu_defer are skipped.
//# Most findings are not worth a conversion, because the work is rare, does not
//# only free, or is queued from hard interrupts.
//# Documentation/core-api/percpu_defer_adopting.rst describes the measurements.
///
// Confidence: Low
// Options: --no-includes --include-headers
// Keywords: llist_add, list_add, queue_work, schedule_work, percpu_defer_push

virtual context
virtual org
virtual report

@initialize:python@
@@

import re

FREES = re.compile(r"free|destroy|release|(^|_)(put|iput|fput|dput)(_|$)")
current = None
# Facts about the current file: the callees of each function, the functions of
# each work item, and the work items that each function queues.
calls = {}
workers = {}
queued = {}

def look_at(file):
    global current
    if file != current:
        current = file
        for facts in calls, workers, queued:
            facts.clear()

def name_of(what):
    """Return the name of the variable or structure member in an expression."""
    return re.split(r"->|\.", re.sub(r"[\s()&*]|\[.*\]", "", what))[-1]

def frees(work):
    """Return whether a work item frees something, or None if its function is elsewhere."""
    todo, reached = list(workers.get(work, ())), set()
    if not todo:
        return None
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += calls.get(name, ())
    return any(map(FREES.search, reached))

def work_of(fn, known=False):
    """Return a work item queued by fn that frees or, unless known is set, may free."""
    for work in sorted(queued.get(fn, ())):
        if frees(work) or not known and frees(work) is None:
            return work
    return None

findings = {}

def spot_of(place):
    return place.file, place.line, place.column, place.column_end

def find(place, how, work):
    if work:
        findings[spot_of(place)] = "%s and work item %s" % (how, work)

def finding(place):
    return findings.get(spot_of(place))

@client@
@@

#include <linux/percpu_defer.h>

@optional_client@
@@

#include <linux/percpu_defer_optional.h>

@queue depends on !client && !optional_client@
identifier first = {schedule_work, schedule_delayed_work};
identifier second = {queue_work, queue_delayed_work, mod_delayed_work,
	schedule_work_on, schedule_delayed_work_on, kthread_queue_work,
	kthread_mod_delayed_work};
identifier third = {queue_work_on, queue_delayed_work_on, mod_delayed_work_on};
expression E, E2, work;
position p;
@@

(
 first@p(work, ...)
|
 second@p(E, work, ...)
|
 third@p(E, E2, work, ...)
)

@script:python@
work << queue.work;
p << queue.p;
@@

look_at(p[0].file)
queued.setdefault(p[0].current_element, set()).add(name_of(work))

@worker depends on queue@
declarer name DECLARE_WORK, DECLARE_DELAYED_WORK, DECLARE_DEFERRABLE_WORK;
identifier work, fn;
@@

(
 DECLARE_WORK(work, fn);
|
 DECLARE_DELAYED_WORK(work, fn);
|
 DECLARE_DEFERRABLE_WORK(work, fn);
)

@script:python@
work << worker.work;
fn << worker.fn;
@@

workers.setdefault(work, set()).add(fn)

@init depends on queue@
expression work;
identifier fn;
@@

\(INIT_WORK\|INIT_WORK_ONSTACK\|INIT_DELAYED_WORK\|INIT_DEFERRABLE_WORK\|
  kthread_init_work\|kthread_init_delayed_work\)(work, fn)

@script:python@
work << init.work;
fn << init.fn;
@@

workers.setdefault(name_of(work), set()).add(fn)

@call depends on worker || init@
identifier fn;
position p;
@@

fn@p(...)

@script:python@
fn << call.fn;
p << call.p;
@@

calls.setdefault(p[0].current_element, set()).add(fn)

@lockless depends on queue@
identifier add = {llist_add, llist_add_batch};
position p;
@@

add@p(...)

@listed depends on worker || init exists@
identifier lock = {spin_lock, spin_lock_bh, spin_lock_irq, spin_lock_irqsave,
	spin_lock_nested, raw_spin_lock, raw_spin_lock_bh, raw_spin_lock_irq,
	raw_spin_lock_irqsave, write_lock, write_lock_bh, write_lock_irq,
	write_lock_irqsave};
identifier unlock =~ "_unlock";
identifier add = {list_add, list_add_tail, list_move, list_move_tail,
	list_splice, list_splice_init, list_splice_tail, list_splice_tail_init,
	hlist_add_head};
expression E;
position p;
@@

lock(E, ...)
... when != unlock(E, ...)
    when any
add@p(...)

// Match any add after a guard of the function or of a block.
@guarded depends on worker || init exists@
identifier class = {spinlock, spinlock_bh, spinlock_irq, spinlock_irqsave,
	raw_spinlock, raw_spinlock_bh, raw_spinlock_irq, raw_spinlock_irqsave,
	write_lock, write_lock_irq, write_lock_irqsave};
identifier add = {list_add, list_add_tail, list_move, list_move_tail,
	list_splice, list_splice_init, list_splice_tail, list_splice_tail_init,
	hlist_add_head};
symbol guard;
iterator name scoped_guard;
position p;
@@

(
 guard(class)(...);
 ... when any
 add@p(...)
|
 scoped_guard(class, ...) {
	<+...
	add@p(...)
	...+>
 }
)

@percpu depends on queue exists@
identifier mine = {this_cpu_ptr, raw_cpu_ptr, get_cpu_ptr, per_cpu_ptr};
expression array, i, E;
position p;
@@

mine@p(...)
... when any
array[i++] = E

@script:python@
p << lockless.p;
@@

find(p[0], "llist", work_of(p[0].current_element))

@script:python@
p << listed.p;
@@

find(p[0], "list under a lock", work_of(p[0].current_element, known=True))

@script:python@
p << guarded.p;
@@

find(p[0], "list under a lock", work_of(p[0].current_element, known=True))

@script:python@
p << percpu.p;
@@

find(p[0], "per-CPU array", work_of(p[0].current_element))

@found depends on queue@
identifier fn;
position p : script:python() { bool(finding(p[0])) };
@@

fn@p(...)

@depends on context@
identifier fn;
position found.p;
@@

* fn@p(...)

@script:python depends on org@
p << found.p;
@@

coccilib.org.print_todo(p[0], finding(p[0]))

@script:python depends on report@
p << found.p;
@@

msg = "WARNING opportunity for percpu_defer: " + finding(p[0])
coccilib.report.print_report(p[0], msg)
