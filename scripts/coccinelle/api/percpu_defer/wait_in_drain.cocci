// SPDX-License-Identifier: GPL-2.0
/// A drain must not wait for its own instance: what it waits for is itself.
/// percpu_defer_flush_all() waits for all instances.
//# Found are calls in a drain, and in what a drain calls in the same file. An
//# instance is known by the name of the variable or of the member that it is, so
//# a drain that flushes the same member of another structure is reported too;
//# it waits for itself if that one's drain does the same. percpu_defer_help() does
//# not wait, but drains, and so would call the drain from the drain.
///
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: percpu_defer_flush, percpu_defer_flush_all, percpu_defer_help,
// Keywords: percpu_defer_set_enabled, percpu_defer_destroy

virtual context
virtual org
virtual report

@initialize:python@
@@

import re

drains = {}
argument = {}
calls = {}

def name_of(instance):
    """The variable or the member that it is; of a map, not its core."""
    name = re.sub(r"[\s()&*]", "", instance)
    while name.endswith(".defer"):
        name = name.removesuffix(".defer")
    return re.split(r"->|\.", name)[-1]

def add_drain(file, fn, instance):
    drains.setdefault((file, name_of(instance)), set()).add(fn)

def reach(file, names):
    """Functions of a file that some of its functions call, and these."""
    todo, reached = list(names), set()
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += calls.get((file, name), ())
    return reached

def in_own_drain(place, instance):
    """Is it used in its own drain, or in what that calls?"""
    file, fn, name = place.file, place.current_element, name_of(instance)
    return argument.get((file, fn)) == name or \
        fn in reach(file, drains.get((file, name), ()))

def in_drain(place):
    """Is it in any drain of the file, or in what that calls?"""
    file = place.file
    fns = {fn for where, name in drains if where == file for fn in drains[where, name]}
    fns |= {fn for where, fn in argument if where == file}
    return place.current_element in reach(file, fns)

findings = {}

def spot_of(place):
    return place.file, place.line, place.column, place.column_end

def find(place, message):
    findings[spot_of(place)] = message

def finding(place):
    return findings.get(spot_of(place))

@defined@
declarer name DEFINE_PERCPU_DEFER, DEFINE_STATIC_PERCPU_DEFER;
identifier instance, fn;
position p;
@@

(
 DEFINE_PERCPU_DEFER@p(instance, fn);
|
 DEFINE_STATIC_PERCPU_DEFER@p(instance, fn);
)

@script:python@
fn << defined.fn;
instance << defined.instance;
p << defined.p;
@@

add_drain(p[0].file, fn, instance)

@init@
identifier fn;
expression instance;
position p;
@@

(
 percpu_defer_init@p(instance, ..., fn)
|
 percpu_defer_map_init@p(instance, ..., fn)
)

@script:python@
fn << init.fn;
instance << init.instance;
p << init.p;
@@

add_drain(p[0].file, fn, instance)

// A drain is told its instance, too.
@drain@
identifier fn, instance, obj, nr;
position p;
@@

fn@p(struct percpu_defer *instance, unsigned long *obj, unsigned int nr)
{ ... }

@script:python@
fn << drain.fn;
instance << drain.instance;
p << drain.p;
@@

argument[(p[0].file, fn)] = instance

@map_drain@
identifier fn, instance, range, nr, try;
position p;
@@

fn@p(struct percpu_defer_map *instance, const struct percpu_defer_range *range,
     unsigned int nr, bool try)
{ ... }

@script:python@
fn << map_drain.fn;
instance << map_drain.instance;
p << map_drain.p;
@@

argument[(p[0].file, fn)] = instance

@call depends on defined || init || drain || map_drain@
identifier fn;
position p;
@@

fn@p(...)

@script:python@
fn << call.fn;
p << call.p;
@@

calls.setdefault((p[0].file, p[0].current_element), set()).add(fn)

@own depends on defined || init || drain || map_drain@
expression instance;
symbol true;
identifier wait = {percpu_defer_flush, percpu_defer_help, percpu_defer_destroy,
	percpu_defer_map_destroy, percpu_defer_set_enabled};
position p;
@@

(
 percpu_defer_set_enabled(instance, true)
|
 wait@p(instance, ...)
)

@script:python@
wait << own.wait;
instance << own.instance;
p << own.p;
@@

if in_own_drain(p[0], instance):
    find(p[0], "%s() of %s in its own drain" % (wait, name_of(instance)))

@every depends on defined || init || drain || map_drain@
position p;
@@

percpu_defer_flush_all@p()

@script:python@
p << every.p;
@@

if in_drain(p[0]):
    find(p[0], "percpu_defer_flush_all() in a drain")

@found depends on own || every@
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

coccilib.report.print_report(p[0], "ERROR: " + finding(p[0]))
