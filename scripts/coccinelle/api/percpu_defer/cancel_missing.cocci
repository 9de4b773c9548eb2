// SPDX-License-Identifier: GPL-2.0
/// Who fills a slot of a map cancels its death first, or a drain that is late
/// frees the new content.
//# A slot and its content are the owner's, so what fills one can only be guessed
//# from the rest of the file. Reported are
//# - assignments to a member of a slot, or to a slot of an array, under a lock,
//#   where another function of the file cancels the same slot before it assigns to
//#   a member of that name, and this function neither cancels, nor claims, nor
//#   asks whether the slot is dead, nor calls a function of the file that does;
//# - files that push slots and never cancel one, though their drain takes locks.
//# Slots that are filled in another way are not recognised, nor those that are
//# filled through a function.
///
// Confidence: Low
// Options: --no-includes --include-headers
// Keywords: percpu_defer_map_cancel, percpu_defer_map_push

virtual context
virtual org
virtual report

@initialize:python@
@@

import re

CANCEL = "percpu_defer_map_cancel"
LOOKS = {CANCEL, "percpu_defer_map_claim", "percpu_defer_map_dead"}
calls = {}
filled = {}

def reach(file, fn):
    """Functions that a function calls, and it."""
    todo, reached = [fn], set()
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += calls.get((file, name), ())
    return reached

def name_of(slot):
    """What of a slot is assigned: a member's name, or the name of the array."""
    return re.findall(r"\w+", re.sub(r"\[.*\]", "", slot))[-1]

findings = {}

def spot_of(place):
    return place.file, place.line, place.column, place.column_end

def find(place, message):
    findings[spot_of(place)] = message

def finding(place):
    return findings.get(spot_of(place))

@client@
position p;
@@

percpu_defer_map_push@p(...)

@call depends on client@
identifier fn;
position p;
@@

fn@p(...)

@script:python@
fn << call.fn;
p << call.p;
@@

calls.setdefault((p[0].file, p[0].current_element), set()).add(fn)

@cancelled depends on client exists@
identifier cancel, member;
expression index, slots, content;
position p;
@@

cancel@p(..., index, ...)
... when any
(
 slots[index].member = content
|
 slots[index] = content
)

@script:python@
cancel << cancelled.cancel;
slots << cancelled.slots;
member << cancelled.member = "";
p << cancelled.p;
@@

if CANCEL in reach(p[0].file, cancel):
    filled.setdefault(p[0].file, set()).add(member or name_of(slots))

@empty depends on client@
symbol false;
expression slots, index;
identifier member;
position p;
@@

(
 slots@p[index].member = \(0\|NULL\|false\)
|
 slots@p[index] = \(0\|NULL\|false\)
)

@cancels depends on client@
@@

percpu_defer_map_cancel(...)

// A drain without locks has slots that nobody fills, as those of a benchmark.
@locks depends on client@
identifier fn, map, range, nr, try, lock =~ "lock";
@@

fn(struct percpu_defer_map *map, const struct percpu_defer_range *range,
   unsigned int nr, bool try)
{
	<+...
	lock(...)
	...+>
}

@pushed depends on locks && !cancels@
position p;
@@

percpu_defer_map_push@p(...)

@fill depends on client exists@
identifier lock =~ "lock", member;
expression index, slots, content;
position p != empty.p;
@@

\(lock(...)\|guard(lock)(...)\);
... when any
(
 slots@p[index].member = content
|
 slots@p[index] = content
)

@script:python@
slots << fill.slots;
member << fill.member = "";
p << fill.p;
@@

file = p[0].file
if (member or name_of(slots)) in filled.get(file, ()) and \
   LOOKS.isdisjoint(reach(file, p[0].current_element)):
    find(p[0], "slot filled, but its death not cancelled")

@script:python@
p << pushed.p;
@@

find(p[0], "slots pushed, but none is cancelled in this file")

@found depends on client@
expression E;
position p : script:python() { bool(finding(p[0])) };
@@

E@p

@depends on context@
expression E;
position found.p;
@@

* E@p

@script:python depends on org@
p << found.p;
@@

coccilib.org.print_todo(p[0], finding(p[0]))

@script:python depends on report@
p << found.p;
@@

coccilib.report.print_report(p[0], "WARNING: " + finding(p[0]))
