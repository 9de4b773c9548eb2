// SPDX-License-Identifier: GPL-2.0
/// percpu_defer_map_claim() is for the map's drain, which tells the library
/// how many claims were granted. Elsewhere nobody counts them, and the map
/// believes for ever that something is pending. Who takes a slot back outside
/// of a drain calls percpu_defer_map_cancel().
//# A function belongs to a drain if it is one, or is called from one in the same
//# file. Files without a drain are left alone.
///
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: percpu_defer_map_claim, percpu_defer_map_cancel

virtual patch
virtual context
virtual org
virtual report

@initialize:python@
@@

drains = {}
calls = {}

def reach(file, names):
    """Functions of a file that some of its functions call, and these."""
    todo, reached = list(names), set()
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += calls.get((file, name), ())
    return reached

def in_drain(place):
    return place.current_element in reach(place.file, drains[place.file])

findings = {}

def spot_of(place):
    return place.file, place.line, place.column, place.column_end

def find(place, message):
    findings[spot_of(place)] = message

def finding(place):
    return findings.get(spot_of(place))

// A test may try whether it is refused.
@tried@
position p;
@@

KUNIT_EXPECT_FALSE(..., percpu_defer_map_claim@p(...))

@claim@
expression map, i;
position p != tried.p;
@@

percpu_defer_map_claim@p(map, i)

@drain depends on claim@
identifier fn, map, range, nr, try;
position p;
@@

fn@p(struct percpu_defer_map *map, const struct percpu_defer_range *range,
   unsigned int nr, bool try)
{ ... }

@script:python@
fn << drain.fn;
p << drain.p;
@@

drains.setdefault(p[0].file, set()).add(fn)

@call depends on drain@
identifier fn;
position p;
@@

fn@p(...)

@script:python@
fn << call.fn;
p << call.p;
@@

calls.setdefault((p[0].file, p[0].current_element), set()).add(fn)

@script:python@
p << claim.p;
@@

if p[0].file in drains and not in_drain(p[0]):
    find(p[0], "percpu_defer_map_claim() outside of a drain, "
         "use percpu_defer_map_cancel()")

// A drain, or a part of one, that is called by somebody else.
@script:python@
fn << call.fn;
p << call.p;
@@

file = p[0].file
if fn != "percpu_defer_map_claim" and not in_drain(p[0]) and \
   fn in reach(file, drains[file]) and \
   "percpu_defer_map_claim" in reach(file, {fn}):
    find(p[0], "%s() claims, but is called outside of a drain" % fn)

@found depends on claim@
identifier fn;
position p : script:python() { bool(finding(p[0])) };
@@

fn@p(...)

@depends on patch@
position found.p;
@@

- percpu_defer_map_claim@p
+ percpu_defer_map_cancel
  (...)

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
