# SPDX-License-Identifier: GPL-2.0
"""One mutant per statement that cancels, claims, flushes, reclaims, locks, orders, waits
for RCU or counts: the statement is deleted.

The files are the library, the inline functions of its headers, and the parts of client
files that come from .inc files. A call within an expression is replaced by a neutral value;
a lock is deleted together with its unlocks.
"""

import pathlib
import re
import tomllib
import typing

from overlay import apply
from shared import HARNESS, Error

LIST = HARNESS / "checks/statements.toml"

# Files of the library; torture is a test and is left out.
LIBRARY = re.compile(r"(?:lib|include/linux)/percpu_defer(?!_torture)\w*\.[ch]$")
# Test section of each file. Library functions for index mode have "map" in their
# name.
SECTIONS = {"mm/zsmalloc.c": "zsmalloc", "mm/zswap.c": "zswap_ops",
            "drivers/block/zram/zram_drv.c": "zram_ops"}

# Kinds of calls by name, and the value that replaces them in an expression.
CALLS = (
    ("cancel", re.compile(r"\w*cancel\w*$"), "false"),
    ("claim", re.compile(r"(?!\w*reclaim)\w*claim\w*$|test_and_clear_bit$"), "true"),
    ("flush", re.compile(r"\w*flush\w*$"), "0"),
    ("help", re.compile(r"\w*(?:help|reclaim)\w*$"), "0"),
    ("order", re.compile(r"smp_(?:\w*mb\w*|store_release)$|barrier$"), ""),
    ("rcu", re.compile(r"synchronize_rcu\w*$|rcu_barrier$|call_rcu\w*$"
                       r"|queue_rcu_work$|cond_synchronize_rcu$"), "0"),
    ("count", re.compile(r"(?:raw_|__)?this_cpu_(?:inc|dec|add|sub)\w*$"
                         r"|percpu_counter_(?:inc|dec|add|sub)\w*$"
                         r"|atomic\w*_(?:inc|dec|add|sub)\w*$"), "0"),
)
# Kinds whose faults show only in a kernel with lockdep and KASAN, if at all.
DEBUG_KINDS = ("lock", "order", "rcu")
PAIRS = re.compile(r"(\w*?)_?(try)?(lock|unlock|disable|enable)(\w*)$")
LOCKS = re.compile(r"(?:mutex|(?:raw_)?spin|xas?|read|write|rcu_read|slot|local|preempt"
                   r"|\w+_slot)_?(?:try)?(?:lock|unlock|disable|enable)"
                   r"(?:_irq|_bh|_irqsave|_irqrestore|_sched)?$")
# Block that runs once and keeps the meaning of break and continue.
ONCE = "for (bool once = true; once; once = false)"


class Function(typing.NamedTuple):
    name: str
    first: int      # start and end of the body in the text
    last: int


class Call(typing.NamedTuple):
    name: str
    first: int
    last: int       # position after the closing parenthesis
    args: str
    whole: bool     # a statement by itself


def blank(text):
    """Return text of the same length with comments, strings and directives blanked."""
    parts = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"'
                       r"|'(?:[^'\\\n]|\\.)*'|^#(?:[^\n]*\\\n)*[^\n]*", re.S | re.M)
    return parts.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def functions(code):
    """Return the definitions whose body has its braces in the first column."""
    for found in re.finditer(r"^(\w[^;{}]*?\b(\w+)\s*\([^;{}]*\)[^;{}()]*)\n\{\n.*?^\}",
                             code, re.M | re.S):
        yield Function(found[2], found.end(1), found.end())


def end_of_parenthesis(code, first):
    depth = 0
    for place in range(first, len(code)):
        depth += {"(": 1, ")": -1}.get(code[place], 0)
        if not depth:
            return place + 1
    raise Error(f"unbalanced parenthesis: {code[first:first + 40]!r}")


def is_statement(code, first, last):
    """Return whether a call is a complete statement."""
    before = code[:first].rstrip()
    alone = before[-1:] in (";", "{", "}", ":", "") or re.search(r"\b(?:else|do)$", before)
    if before.endswith(")"):
        # After the head of an if or a loop: in an expression no call follows a parenthesis.
        alone = True
    return bool(alone) and code[last:].lstrip().startswith(";")


def calls(code, function):
    body = re.compile(r"\b([a-z_]\w*)\s*\(")
    place = function.first
    while found := body.search(code, place, function.last):
        last = end_of_parenthesis(code, found.end() - 1)
        yield Call(found[1], found.start(), last,
                   code[found.end():last - 1].strip(),
                   is_statement(code, found.start(), last))
        place = found.end()


def kind_of(call):
    if call.name.startswith("trace_"):
        return "", ""
    for kind, pattern, neutral in CALLS:
        if pattern.match(call.name):
            return kind, neutral
    return "", ""


def edit_of(code, call, neutral):
    """Return the (first, last, text) that removes a call."""
    if call.whole:
        return call.first, code.index(";", call.last) + 1, ";"
    return call.first, call.last, neutral


def simple_edits(code, function):
    """Return (kind, place, [edit]) for calls that are removed on their own."""
    for call in calls(code, function):
        kind, neutral = kind_of(call)
        if kind and (call.whole or neutral):
            yield kind, call, [edit_of(code, call, neutral)]


def guard_edits(code, function):
    for found in re.finditer(r"\b(scoped_guard|guard)\s*\(", code[:function.last]):
        if found.start() < function.first:
            continue
        last = end_of_parenthesis(code, found.end() - 1)
        if found[1] == "guard":
            # guard(mutex)(&lock);
            last = end_of_parenthesis(code, code.index("(", last))
        call = Call(found[1], found.start(), last, "", True)
        text = ONCE if found[1] == "scoped_guard" else ""
        yield "lock", call, [(found.start(), last, text)]


def pair_edits(code, function):
    """Return edits that remove locks together with their unlocks, by lock."""
    groups = {}
    for call in calls(code, function):
        if LOCKS.match(call.name):
            found = PAIRS.match(call.name)
            way = "in" if found[3] in ("lock", "disable") else "out"
            lock = (found[1], call.args.split(",")[0].strip()
                    if not found[1].startswith("slot") else call.args)
            groups.setdefault(lock, {}).setdefault(way, []).append(call)
    for group in groups.values():
        if group.keys() == {"in", "out"}:
            both = group["in"] + group["out"]
            yield "lock", min(both, key=lambda call: call.first), \
                [edit_of(code, call, "true") for call in both]


def apply_edits(text, edits):
    for first, last, new in sorted(edits, reverse=True):
        text = text[:first] + new + text[last:]
    return text


def section_of(path, name):
    if path in SECTIONS:
        return SECTIONS[path]
    return "percpu_defer_map" if "map" in f"{path} {name}" else "percpu_defer"


def mutants_of(path, text, ours=None):
    """Return the mutants of a file, for all functions or for the named ones."""
    code, seen = blank(text), {}
    for function in functions(code):
        if ours is not None and function.name not in ours:
            continue
        found = [*simple_edits(code, function), *guard_edits(code, function),
                 *pair_edits(code, function)]
        for kind, call, edits in sorted(found, key=lambda one: one[1].first):
            statement = " ".join(text[call.first:call.last].split())
            name = f"{path}: {function.name}: {statement}"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name += f" #{seen[name]}"
            moved = [(first - function.first, last - function.first, new)
                     for first, last, new in edits]
            # Include the line of its name: bodies may be identical.
            head = text.rindex(function.name, 0, function.first)
            body = text[function.first:function.last]
            yield {"name": name, "file": path,
                   "replace": text[head:function.last],
                   "text": text[head:function.first] + apply_edits(body, moved),
                   "test": f"{section_of(path, function.name)}:*",
                   "kernel": "kasan" if kind in DEBUG_KINDS else "plain"}


def ours_of(path, overlay):
    """Return the names of functions that .inc files add to a client."""
    stem, folder = pathlib.Path(path).stem, pathlib.Path(path).parent
    return {function.name for name, content in overlay.items()
            if name.parent == folder and name.suffix == ".inc"
            and name.name.startswith(f"{stem}_")
            for function in functions(blank(content.decode()))}


def survivors(path=LIST):
    return {one["name"]: one["reason"]
            for one in tomllib.loads(path.read_text()).get("survivor", ())}


def mutants(texts, overlay, allowed=None):
    """Return all mutants of a patched tree {path: text}; `overlay` is its overlay."""
    allowed = survivors() if allowed is None else allowed
    found = []
    for path in sorted(texts):
        if LIBRARY.match(path) or path in SECTIONS:
            text = texts[path]
            found += mutants_of(path, text, None if LIBRARY.match(path) else
                                ours_of(path, overlay))
    names = {one["name"] for one in found}
    if lost := allowed.keys() - names:
        raise Error(f"statements.toml: there is no mutant '{min(lost)}'; there are "
                    f"{', '.join(sorted(names))}")
    return [{**one, "survives": allowed[one["name"]]} if one["name"] in allowed else one
            for one in found]


def of_tree(tree):
    """Do the same for a tree on disk."""
    paths = [*SECTIONS, *(str(path.relative_to(tree)) for folder in ("lib", "include/linux")
                          for path in (tree / folder).glob("percpu_defer*.[ch]"))]
    texts = {path: (tree / path).read_text() for path in paths}
    return mutants(texts, apply.read_overlay(apply.kernel_version(tree)))
