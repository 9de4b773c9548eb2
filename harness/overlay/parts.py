# SPDX-License-Identifier: GPL-2.0
"""Files of the overlay, and their parts: rules and edits, which can be left out."""

import pathlib
import re
import subprocess

from shared import TOP, Error


def git_files(folder, *which):
    """Paths that git ls-files prints, relative to the folder, sorted.

    safe.directory: a checkout of another user is read, nothing in it is run.
    """
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), "ls-files", "-z", *which]
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise Error("git: not found; install it") from None
    if run.returncode:
        said = (run.stderr.strip() or "no message").splitlines()[-1]
        raise Error(f"{folder}: git ls-files fails ({said}); repair the checkout, or "
                    "unpack a tarball") from None
    return sorted(map(pathlib.Path, filter(None, run.stdout.split("\0"))))


def files_below(folder):
    """Files of the repository in a folder, relative to it; in a tarball, all files."""
    if not folder.is_dir():
        return []
    if (TOP / ".git").exists() and folder.is_relative_to(TOP):
        paths = git_files(folder)
    else:
        paths = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    return [path for path in paths
            if (folder / path).is_file() and not path.name.endswith("~")]


def strays(folder):
    """Files in a folder that git neither tracks nor ignores."""
    if not (TOP / ".git").exists() or not folder.is_dir():
        return []
    return git_files(folder, "--others", "--exclude-standard")


# Semantic patches of a C file, in the order in which they are applied.
COCCI = (".c.cocci", ".c.defer.cocci")

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
    if path.name.endswith(COCCI):
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
    """What "file", "folder/", "beginning*" or "file:rule,rule" stands for: paths, names."""
    path, _, names = part.partition(":")
    paths = ([one for one in files if str(one).startswith(path.rstrip("*"))]
             if path.endswith(("/", "*")) else [pathlib.Path(path)])
    return paths, names.split(",")


def how_of(one):
    """The kind of an edit: the key of its anchor."""
    how, = {"before", "after", "replace"} & one.keys()
    return how


def edit(what, one, text, where=""):
    """A literal insertion or replacement; `what` is what to call it."""
    how = how_of(one)
    anchor = one[how]
    if (count := text.count(anchor)) != 1:
        raise Error(f"{what} matched {count} times{where and ' in '}{where}, not 1")
    return text.replace(anchor, {"before": one["text"] + anchor,
                                 "after": anchor + one["text"],
                                 "replace": one["text"]}[how])
