// SPDX-License-Identifier: GPL-2.0
/// An instance is destroyed when nobody pushes to it any more. A push that comes
/// later is refused with a warning; and of a map, the bits are gone.
//# Found are, in the function that destroys,
//# - a push, claim, cancel or look at the same instance that comes later, also in
//#   a function of the same file that is called;
//# - a timer, work item, tasklet, thread or interrupt whose function, in the same
//#   file, pushes to the instance, and that is stopped later, or nowhere in the
//#   file.
//# An instance is known by the name of the variable or of the member that it is.
//# Who stops his producers in another way, or in another file, is not found out.
///
// Confidence: Low
// Options: --no-includes --include-headers
// Keywords: percpu_defer_destroy, percpu_defer_map_destroy

virtual context
virtual org
virtual report

@initialize:python@
@@

import re

LIBRARY = {"percpu_defer_push", "percpu_defer_push_slow",
           "percpu_defer_push_many", "percpu_defer_map_push",
           "percpu_defer_map_cancel", "percpu_defer_map_claim",
           "percpu_defer_map_dead"}
current = None
# Of the current file: functions that use an instance, who calls whom, who uses
# which instance, what runs which functions, and what is stopped.
uses = set()
calls = {}
users = {}
producers = {}
stopped = set()

def look_at(file):
    global current
    if file != current:
        current = file
        for facts in uses, calls, users, producers, stopped:
            facts.clear()
        with open(file, errors="replace") as source:
            uses.update(LIBRARY, re.findall(
                r"^DEFINE_PERCPU_DEFER_PUSH\((\w+)", source.read(), re.M))

def name_of(what):
    """The variable or the member that it is; of a map, not its core."""
    name = re.sub(r"[\s()&*]", "", what)
    while name.endswith(".defer"):
        name = name.removesuffix(".defer")
    return re.split(r"->|\.", name)[-1]

def uses_instance(fn, instance):
    """Does a function use an instance, or one that it calls?"""
    todo, reached = [fn], set()
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += calls.get(name, ())
    return not reached.isdisjoint(users.get(name_of(instance), ()))

def produces(what, instance):
    return any(uses_instance(fn, instance)
               for fn in producers.get(name_of(what), ()))

def never_stopped(instance):
    return [what for what in sorted(producers)
            if what not in stopped and produces(what, instance)]

findings = {}

def spot_of(place):
    return place.file, place.line, place.column, place.column_end

def find(place, message):
    findings[spot_of(place)] = message

def finding(place):
    return findings.get(spot_of(place))

@destroyed@
identifier destroy = {percpu_defer_destroy, percpu_defer_map_destroy};
expression instance;
position p;
@@

destroy@p(instance)

@script:python@
p << destroyed.p;
@@

look_at(p[0].file)

@call depends on destroyed@
identifier fn;
position p;
@@

fn@p(...)

@script:python@
fn << call.fn;
p << call.p;
@@

calls.setdefault(p[0].current_element, set()).add(fn)

@use depends on destroyed@
identifier user : script:python() { user in uses };
expression instance;
position p;
@@

user@p(instance, ...)

@script:python@
instance << use.instance;
p << use.p;
@@

users.setdefault(name_of(instance), set()).add(p[0].current_element)

@producer depends on destroyed@
expression what, E, E2;
identifier fn;
@@

(
 \(INIT_WORK\|INIT_DELAYED_WORK\|timer_setup\|hrtimer_setup\|tasklet_setup\|
   request_irq\|request_threaded_irq\)(what, fn, ...)
|
 request_threaded_irq(what, E, fn, ...)
|
 \(devm_request_irq\|devm_request_threaded_irq\)(E, what, fn, ...)
|
 devm_request_threaded_irq(E, what, E2, fn, ...)
|
 what = kthread_run(fn, ...)
)

@script:python@
what << producer.what;
fn << producer.fn;
@@

producers.setdefault(name_of(what), set()).add(fn)

@stops depends on destroyed@
identifier stop = {timer_delete_sync, timer_shutdown_sync, hrtimer_cancel,
	cancel_work_sync, cancel_delayed_work_sync, disable_work_sync,
	disable_delayed_work_sync, flush_work, flush_delayed_work, tasklet_kill,
	free_irq, disable_irq, kthread_stop};
expression what;
@@

stop(what, ...)

@script:python@
what << stops.what;
@@

stopped.add(name_of(what))

// Later in the function: a use, or a call of who uses it.
@later depends on destroyed exists@
identifier destroy = {percpu_defer_destroy, percpu_defer_map_destroy};
identifier fn;
identifier init = {percpu_defer_init, percpu_defer_map_init, percpu_defer_start};
expression instance;
position p, p2;
@@

destroy@p(instance)
... when != init(instance, ...)
fn@p2(...)

@direct depends on destroyed exists@
identifier destroy = {percpu_defer_destroy, percpu_defer_map_destroy};
identifier user : script:python() { user in uses };
identifier init = {percpu_defer_init, percpu_defer_map_init, percpu_defer_start};
expression instance;
position p, p2;
@@

destroy@p(instance)
... when != init(instance, ...)
user@p2(instance, ...)

@late depends on destroyed exists@
identifier destroy = {percpu_defer_destroy, percpu_defer_map_destroy};
identifier stop = {timer_delete_sync, timer_shutdown_sync, hrtimer_cancel,
	cancel_work_sync, cancel_delayed_work_sync, disable_work_sync,
	disable_delayed_work_sync, tasklet_kill, free_irq, kthread_stop};
expression instance, what;
position p, p2;
@@

destroy@p(instance)
...
stop@p2(what, ...)

@unstopped depends on destroyed@
identifier destroy = {percpu_defer_destroy, percpu_defer_map_destroy};
expression instance;
position p2;
@@

destroy@p2(instance)

@script:python@
fn << later.fn;
instance << later.instance;
p << later.p;
p2 << later.p2;
@@

if uses_instance(fn, instance):
    find(p2[0], "use of %s, destroyed on line %s" % (name_of(instance), p[0].line))

@script:python@
instance << direct.instance;
p << direct.p;
p2 << direct.p2;
@@

find(p2[0], "use of %s, destroyed on line %s" % (name_of(instance), p[0].line))

@script:python@
what << late.what;
instance << late.instance;
p << late.p;
p2 << late.p2;
@@

if produces(what, instance):
    find(p2[0], "%s pushes to %s, destroyed on line %s" % (
        name_of(what), name_of(instance), p[0].line))

@script:python@
instance << unstopped.instance;
p2 << unstopped.p2;
@@

if never_stopped(instance):
    find(p2[0], "%s pushes to %s and is not stopped in this file" % (
        ", ".join(never_stopped(instance)), name_of(instance)))

@found depends on destroyed@
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

coccilib.report.print_report(p[0], "WARNING: " + finding(p[0]))
