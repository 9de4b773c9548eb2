# SPDX-License-Identifier: GPL-2.0
"""What the files of the overlay consist of: rules and edits, which can be left out."""

import pathlib
import re


class Error(Exception):
    pass


# A rule begins with its name, in a line of its own.
RULE = re.compile(r"@(\w+)(?: depends on [^@]*)?@$", re.M)


def split(path, text):
    """What is in a file: pairs of a name, and text that can be left out.

    The rules of a semantic patch, and the edits of a list. Of an edit without a name,
    and where there is nothing to leave out, the name is empty.
    """
    if path.name.endswith(".edit.toml"):
        head, *edits = re.split(r"^(?=\[\[edit\]\]$)", text, flags=re.M)
        names = [re.search(r'\A\[\[edit\]\]\nname = "(.*)"$', edit, re.M)
                 for edit in edits]
        return head, [(name[1] if name else "", edit)
                      for name, edit in zip(names, edits)]
    if path.name.endswith(".c.cocci"):
        # A rule begins with the comment before it.
        head, *rules = re.split(
            r"^(?=(?://.*\n)*" + RULE.pattern.replace("(", "(?:", 1) + ")",
            text, flags=re.M)
        return head, [(RULE.search(rule)[1], rule) for rule in rejoin(rules)]
    return "", [("", text)]


def rejoin(rules):
    """Comments of several lines were split at each line: put them together."""
    whole = ""
    for rule in rules:
        whole += rule
        if RULE.search(rule):
            yield whole
            whole = ""


def named(part, files):
    """What "file", "folder/" or "file:rule,rule" stands for: paths, and names."""
    path, _, names = part.partition(":")
    paths = ([one for one in files if str(one).startswith(path)]
             if path.endswith("/") else [pathlib.Path(path)])
    return paths, names.split(",")


def edit(what, one, text, where):
    """A literal insertion or replacement; `what` is what to call it."""
    how, = {"before", "after", "replace"} & one.keys()
    anchor = one[how]
    if (count := text.count(anchor)) != 1:
        raise Error(f"{what} matched {count} times in {where}, not 1: "
                    "adapt its anchor to this kernel")
    return text.replace(anchor, {"before": one["text"] + anchor,
                                 "after": anchor + one["text"],
                                 "replace": one["text"]}[how])
