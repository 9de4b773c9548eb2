// SPDX-License-Identifier: GPL-2.0
/// A push may be refused, and then the object is still the caller's to free:
/// who does not look at the result leaks it.
//# The compiler says so only where a push of the library itself is a bare.
//# Here, functions of the file that return what a push returns count as pushes,
//# and a result that is stored must be read.
///
// Confidence: High
// Options: --no-includes --include-headers
// Keywords: percpu_defer_push, percpu_defer_push_many, percpu_defer_map_push

virtual context
virtual org
virtual report

@initialize:python@
@@

import re

LIBRARY = {"percpu_defer_push", "percpu_defer_push_slow",
           "percpu_defer_push_many", "percpu_defer_map_push"}
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

findings = {}

def spot_of(place):
    return place.file, place.line, place.column, place.column_end

def find(place, message):
    findings[spot_of(place)] = message

def finding(place):
    return findings.get(spot_of(place))

@client@
identifier call = {percpu_defer_push, percpu_defer_push_slow,
	percpu_defer_push_many, percpu_defer_map_push, percpu_defer_init,
	percpu_defer_start};
position p;
@@

call@p(...)

@script:python@
p << client.p;
@@

look_at(p[0].file)

@wrapper depends on client exists@
identifier fn;
identifier push : script:python() { push in pushes };
@@

fn(...)
{
	... when any
	return push(...);
}

@script:python@
fn << wrapper.fn;
@@

pushes.add(fn)

@bare depends on client@
identifier push : script:python() { push in pushes };
position p;
@@

(
 push@p(...);
|
 (void)push@p(...);
)

@stored depends on client@
identifier result;
identifier push : script:python() { push in pushes };
position p;
type T;
@@

(
 result = push@p(...);
|
 T result = push@p(...);
)

@written@
identifier stored.result;
expression E;
position q;
@@

 result@q = E

@read exists@
identifier stored.result;
identifier push : script:python() { push in pushes };
position stored.p, ok, q != written.q;
expression E;
type T;
@@

(
 result = push@p@ok(...);
|
 T result = push@p@ok(...);
)
... when != result = E
result@q

@unread depends on stored@
identifier push : script:python() { push in pushes };
position stored.p, q != read.ok;
@@

push@p@q(...)

// All rules come before the first that drops a match: with its last match, what
// it depends on is forgotten, too.
@script:python@
p << bare.p;
@@

find(p[0], "result of a push ignored; when it refuses, nobody frees")

@script:python@
p << unread.q;
@@

find(p[0], "result of a push ignored; when it refuses, nobody frees")

@found depends on client@
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
