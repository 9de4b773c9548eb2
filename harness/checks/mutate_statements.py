# SPDX-License-Identifier: GPL-2.0
"""Generate mutants: delete one statement that cancels, claims, flushes, reclaims, locks, orders
accesses, waits for RCU or counts.

The sources are the library, the inline functions of its headers, and the parts of client
files that come from .inc files. A call within an expression is replaced by a neutral value.
A lock is deleted together with its unlocks.
"""

import collections
import pathlib
import re
import typing

from overlay import apply

# Files of the library, without its torture test.
LIBRARY = re.compile(r"(?:lib|include/linux)/percpu_defer(?!_torture)\w*\.[ch]$")
# Test section of each client file. Library code belongs to the section percpu_defer_map if
# its path or function name contains "map", else to percpu_defer.
SECTIONS = {"mm/zsmalloc.c": "zsmalloc", "mm/zswap.c": "zswap_ops",
            "drivers/block/zram/zram_drv.c": "zram_ops"}

# Loop that runs once: break and continue leave it, as in scoped_guard().
ONCE = "for (bool once = true; once; once = false)"
# Calls to delete: the kernel to test, the names, and the value in an expression. Faults of
# ordering, RCU and locks show only in a kernel with lockdep and KASAN, if at all.
CALLS = (
    ("plain", r"\w*cancel\w*", "false"),
    ("plain", r"(?!\w*reclaim)\w*claim\w*|test_and_clear_bit", "true"),
    ("plain", r"\w*(?:flush|help|reclaim)\w*", "0"),
    ("plain", r"(?:(?:raw_|__)?this_cpu|percpu_counter|atomic\w*)_(?:inc|dec|add|sub)\w*", "0"),
    ("kasan", r"smp_(?:\w*mb\w*|store_release)|barrier|guard", ""),
    ("kasan", r"(?:cond_)?synchronize_rcu\w*|rcu_barrier|call_rcu\w*|queue_rcu_work", "0"),
    ("kasan", r"scoped_guard", ONCE),
)
LOCK = re.compile(r"(mutex|(?:raw_)?spin|xas?|read|write|rcu_read|slot|local|preempt|\w+_slot)"
                  r"_?(?:try)?(lock|unlock|disable|enable)"
                  r"(?:_irq|_bh|_irqsave|_irqrestore|_sched)?")

# Definition of a function whose body has its braces in the first column.
FUNCTION = re.compile(r"^\w[^;{}]*?\b(?P<name>\w+)\s*\([^;{}]*\)[^;{}()]*"
                      r"(?P<body>\n\{\n.*?^\})", re.M | re.S)
# Parentheses and their content, nested up to seven levels deep.
PARENTHESES = r"\([^()]*\)"
for _level in range(6):
    PARENTHESES = rf"\((?:[^()]++|{PARENTHESES})*+\)"
# A call with its arguments; guard(mutex)(&lock) has two argument lists.
CALL = re.compile(rf"\b(?!trace_)([a-z_]\w*)\s*(?=({PARENTHESES})({PARENTHESES})?)")


class Call(typing.NamedTuple):
    name: str
    first: int      # start and end in the text
    last: int
    args: str
    whole: bool     # whether the call is a statement

    def edit(self, value):
        """Return an edit that deletes the statement or inserts the value: (first, last, text)."""
        return self.first, self.last, "" if self.whole else value


def blank(text):
    """Return text of the same length with comments, strings and directives blanked."""
    parts = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"'
                       r"|'(?:[^'\\\n]|\\.)*'|^#(?:[^\n]*\\\n)*[^\n]*", re.S | re.M)
    return parts.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def calls(code, function):
    """Yield the calls in a function, including calls in arguments of other calls."""
    start, end = function.span("body")
    for found in CALL.finditer(code, start, end):
        last = found.end(3 if found[1] == "guard" else 2)
        # A parenthesis before a call ends the head of an if or a loop: the call is a statement.
        begins = re.search(r"(?:[;{}:)]|\b(?:else|do))\s*$", code[start:found.start()])
        ends = code[last:].lstrip().startswith(";")
        yield Call(found[1], found.start(), last, found[2][1:-1].strip(), bool(begins and ends))


def single_edits(calls):
    """Yield (kernel, [edit]) for calls that are deleted on their own."""
    for call in calls:
        for kernel, names, value in CALLS:
            if re.fullmatch(names, call.name):
                if call.whole or value:
                    yield kernel, [call.edit(value)]
                break


def lock_edits(calls):
    """Yield (kernel, edits) that delete a lock together with its unlocks."""
    pairs = {}
    for call in calls:
        if found := LOCK.fullmatch(call.name):
            lock = call.args if found[1] == "slot" else call.args.split(",")[0]
            pairs.setdefault((found[1], lock), []).append(
                (found[2] in ("lock", "disable"), call.edit("true")))
    for pair in pairs.values():
        ways, edits = zip(*pair)
        if len(set(ways)) == 2:
            yield "kasan", list(edits)


def edited(text, function, edits):
    """Return the edited function, starting with its name because bodies may be identical."""
    text = text[:function.end()]
    for first, last, new in reversed(edits):
        text = text[:first] + new + text[last:]
    return text[function.start("name"):]


def mutants_of_function(path, text, function, found):
    """Yield the mutants for calls in a function; number mutants of equal statements."""
    section = SECTIONS.get(path) or (
        "percpu_defer_map" if "map" in f"{path} {function['name']}" else "percpu_defer")
    names = collections.Counter()
    for kernel, edits in sorted([*single_edits(found), *lock_edits(found)],
                                key=lambda one: one[1]):
        first, last, _new = edits[0]
        name = f"{path}: {function['name']}: {' '.join(text[first:last].split())}"
        names[name] += 1
        yield {"name": name if names[name] == 1 else f"{name} #{names[name]}",
               "replace": edited(text, function, ()), "text": edited(text, function, edits),
               "test": f"{section}:*", "kernel": kernel}


def ours_of(path, overlay):
    """Return the names of functions that .inc files add to a client."""
    incs = f"{pathlib.Path(path).with_suffix('')}_*.inc"
    return {function["name"] for name, content in overlay.items() if name.match(incs)
            for function in FUNCTION.finditer(blank(content.decode()))}


def mutants(texts, overlay):
    """Return all mutants of a patched tree {path: text}; `overlay` is its overlay."""
    made = []
    for path in sorted(path for path in texts if path in SECTIONS or LIBRARY.match(path)):
        code, ours = blank(texts[path]), ours_of(path, overlay)
        for function in FUNCTION.finditer(code):
            if path not in SECTIONS or function["name"] in ours:
                made += mutants_of_function(path, texts[path], function,
                                            [*calls(code, function)])
    return made


def of_tree(tree):
    """Return all mutants of a patched tree on disk."""
    texts = {str(path.relative_to(tree)): path.read_text()
             for files in ("lib/percpu_defer*", "include/linux/percpu_defer*", *SECTIONS)
             for path in tree.glob(files)}
    return mutants(texts, apply.read_overlay(apply.kernel_version(tree)))
