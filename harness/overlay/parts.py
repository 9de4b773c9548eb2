# SPDX-License-Identifier: GPL-2.0
"""Files of the overlay and their parts: rules and edits that can be left out."""

import pathlib
import re
import subprocess

from shared import TOP, Error


def git_files(folder, *which):
    """Return the sorted output of git ls-files, relative to the directory.

    safe.directory: reading another user's checkout is safe because nothing in it is run.
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
    """Return the tracked files below a directory, relative to it; in a tarball, all files."""
    if not folder.is_dir():
        return []
    if (TOP / ".git").exists() and folder.is_relative_to(TOP):
        paths = git_files(folder)
    else:
        paths = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    return [path for path in paths
            if (folder / path).is_file() and not path.name.endswith("~")]


def strays(folder):
    """Return the files in a directory that git neither tracks nor ignores."""
    if not (TOP / ".git").exists() or not folder.is_dir():
        return []
    return git_files(folder, "--others", "--exclude-standard")


# Suffixes of the semantic patches of a C file, in the order of application.
COCCI = (".c.cocci", ".c.defer.cocci")

# A rule begins with a line that contains its name.
RULE = re.compile(r"@(\w+)(?: depends on [^@]*)?@$", re.M)


def split(path, text):
    """Split a file into a head and its parts: return head, [(name, text)].

    The parts are the rules of a semantic patch or the edits of a list. The name is empty
    for an edit without a name, and for other files, which have one part.
    """
    if path.name.endswith(".edit.toml"):
        head, *edits = re.split(r"^(?=\[\[edit\]\]$)", text, flags=re.M)
        names = [re.search(r'\A\[\[edit\]\]\nname = "(.*)"$', edit, re.M)
                 for edit in edits]
        return head, [(name[1] if name else "", edit)
                      for name, edit in zip(names, edits)]
    if path.name.endswith(COCCI):
        # The comment before a rule belongs to it.
        head, *rules = re.split(
            r"^(?=(?://.*\n)*" + RULE.pattern.replace("(", "(?:", 1) + ")",
            text, flags=re.M)
        return head, [(RULE.search(rule)[1], rule) for rule in rejoin(rules)]
    return "", [("", text)]


def rejoin(rules):
    """Rejoin comments that were split at each line."""
    whole = ""
    for rule in rules:
        whole += rule
        if RULE.search(rule):
            yield whole
            whole = ""


def named(part, files):
    """Resolve "file", "directory/", "prefix*" or "file:rule,rule" to (paths, names)."""
    path, _, names = part.partition(":")
    paths = ([one for one in files if str(one).startswith(path.rstrip("*"))]
             if path.endswith(("/", "*")) else [pathlib.Path(path)])
    return paths, names.split(",")


def how_of(one):
    """Return the kind of an edit: the key of its anchor."""
    how, = {"before", "after", "replace"} & one.keys()
    return how


def edit(what, one, text, where=""):
    """Apply a literal insertion or replacement; `what` names it in errors."""
    how = how_of(one)
    anchor = one[how]
    if (count := text.count(anchor)) != 1:
        raise Error(f"{what} matched {count} times{where and ' in '}{where}, not 1")
    return text.replace(anchor, {"before": one["text"] + anchor,
                                 "after": anchor + one["text"],
                                 "replace": one["text"]}[how])
