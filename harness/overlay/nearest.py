# SPDX-License-Identifier: GPL-2.0
"""Find the lines of a file that are most similar to a rule or edit that does not match."""

import difflib
import re

# Keywords of semantic patches, to ignore in rules.
ANYTHING = {"when", "any", "exists", "forall", "expression", "identifier", "position"}
SHOWN = 3
SIMILAR = 0.5


def words(line):
    return set(re.findall(r"\b[^\W\d]\w*", line))


def show(wanted, text):
    """Yield lines to print below an error: wanted lines, and the most similar lines of the text."""
    lines = [line.strip() for line in text.splitlines()]
    for line in wanted[:SHOWN]:
        yield f"    wanted: {line}"
        close = difflib.get_close_matches(line, lines, 1, SIMILAR)
        yield from (f"    line {lines.index(found) + 1}: {found}" for found in close)
        if not close:
            yield "    no similar line"


def of_rule(rule, text):
    """Show the lines of a rule whose words no line of the text contains, or else its first line."""
    head, _, body = rule.partition("\n@@\n")
    declarations = [line for line in head.splitlines() if line[:1] not in ("/", "@")]
    unknown = words(" ".join(declarations)) | ANYTHING
    lines = [re.sub(r"@\w+", "", line.lstrip("-")).strip() for line in body.splitlines()
             if line[:1] not in ("+", "/", "@")]
    fixed = {line: words(line) - unknown for line in lines if words(line) - unknown}
    have = [words(line) for line in text.splitlines()]
    lost = [line for line, known in fixed.items() if not any(known <= one for one in have)]
    return show(lost or list(fixed)[:1], text)


def of_anchor(anchor, text):
    """Show the lines of an anchor that the text lacks, or else all lines of the anchor."""
    there = {line.strip() for line in text.splitlines()}
    wanted = [line.strip() for line in anchor.splitlines() if line.strip()]
    return show([line for line in wanted if line not in there] or wanted, text)
