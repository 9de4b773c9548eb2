# SPDX-License-Identifier: GPL-2.0
"""Find the lines of a file that are most like a rule or an edit that does not match."""

import difflib
import re

WORD = re.compile(r"\w+")
# Words of a semantic patch that stand for anything.
ANYTHING = {"...", "when", "any", "exists", "forall", "expression", "identifier", "position"}
SHOWN = 3
# Least likeness to be shown; 2 is the same line.
LIKE = 0.8


def words(line):
    return [word for word in WORD.findall(line) if not word.isdigit()]


def nearest(line, text):
    """The line of a text that is most like a line, and its number; 0 if none is."""
    match = difflib.SequenceMatcher(b=line.split(), autojunk=False)
    fine = difflib.SequenceMatcher(b=line.strip(), autojunk=False)

    def likeness(numbered):
        match.set_seq1(numbered[1].split())
        fine.set_seq1(numbered[1].strip())
        return match.ratio() + fine.quick_ratio()
    number, found = max(enumerate(text, 1), key=likeness, default=(0, ""))
    return (number, found) if likeness((0, found)) > LIKE else (0, "")


def body_of(rule):
    """Yield the lines of code that a rule looks for, each with its fixed words."""
    head, _, body = rule.partition("\n@@\n")
    meta = {word for line in head.splitlines()[1:] for word in words(line)} | ANYTHING
    for line in body.splitlines():
        if line[:1] in "+/@" or not line.strip():
            continue
        code = re.sub(r"@\w+", "", line.lstrip("-")).strip()
        if known := {word for word in words(code) if word not in meta}:
            yield code, known


def show(wanted, text):
    """Lines to print below an error."""
    shown = []
    for line in wanted[:SHOWN]:
        number, found = nearest(line, text)
        shown += [f"    wanted: {line.strip()}",
                  f"    line {number}: {found.strip()}" if number else "    nothing is like it"]
    return shown


def of_rule(rule, text):
    """Show the lines of a rule with words that no single line of the text has, or the first."""
    text = text.splitlines()
    have = [set(words(line)) for line in text]
    body = list(body_of(rule))
    lost = [code for code, known in body if not any(known <= line for line in have)]
    return show(lost or [code for code, _known in body[:1]], text)


def of_anchor(anchor, text):
    """Show the lines of an edit's anchor that are nowhere in the text, or the first."""
    text = text.splitlines()
    there = set(text)
    wanted = [line for line in anchor.splitlines() if line.strip()]
    return show([line for line in wanted if line not in there] or wanted[:1], text)
