# SPDX-License-Identifier: GPL-2.0
"""Find the lines of a file that are most similar to a rule or edit that does not match."""

import difflib
import re

WORD = re.compile(r"\w+")
# Wildcards and keywords of a semantic patch.
ANYTHING = {"...", "when", "any", "exists", "forall", "expression", "identifier", "position"}
SHOWN = 3
# Minimum similarity to be shown; 2 means identical.
LIKE = 0.8


def words(line):
    return [word for word in WORD.findall(line) if not word.isdigit()]


def nearest(line, text):
    """Return the number and text of the most similar line; number 0 if there is none."""
    match = difflib.SequenceMatcher(b=line.split(), autojunk=False)
    fine = difflib.SequenceMatcher(b=line.strip(), autojunk=False)

    def likeness(numbered):
        match.set_seq1(numbered[1].split())
        fine.set_seq1(numbered[1].strip())
        return match.ratio() + fine.quick_ratio()
    number, found = max(enumerate(text, 1), key=likeness, default=(0, ""))
    return (number, found) if likeness((0, found)) > LIKE else (0, "")


def body_of(rule):
    """Yield the code lines that a rule must match, each with its fixed words."""
    head, _, body = rule.partition("\n@@\n")
    meta = {word for line in head.splitlines()[1:] for word in words(line)} | ANYTHING
    for line in body.splitlines():
        if line[:1] in "+/@" or not line.strip():
            continue
        code = re.sub(r"@\w+", "", line.lstrip("-")).strip()
        if known := {word for word in words(code) if word not in meta}:
            yield code, known


def show(wanted, text):
    """Return the lines to print below an error."""
    shown = []
    for line in wanted[:SHOWN]:
        number, found = nearest(line, text)
        shown += [f"    wanted: {line.strip()}",
                  f"    line {number}: {found.strip()}" if number else "    nothing is like it"]
    return shown


def of_rule(rule, text):
    """Show the lines of a rule whose words no single line has, or else its first line."""
    text = text.splitlines()
    have = [set(words(line)) for line in text]
    body = list(body_of(rule))
    lost = [code for code, known in body if not any(known <= line for line in have)]
    return show(lost or [code for code, _known in body[:1]], text)


def of_anchor(anchor, text):
    """Show the lines of an edit's anchor that the text lacks, or else its first line."""
    text = text.splitlines()
    there = set(text)
    wanted = [line for line in anchor.splitlines() if line.strip()]
    return show([line for line in wanted if line not in there] or wanted[:1], text)
