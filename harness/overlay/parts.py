# SPDX-License-Identifier: GPL-2.0
"""Files of the overlay, and their parts: rules, and edits with or without a name."""

import pathlib
import re
import subprocess

from shared import TOP, Error

# Suffixes of the semantic patches of a C file, in the order of application.
COCCI = (".c.cocci", ".c.defer.cocci")
EDITS = ".edit.toml"

# A rule includes the comment before it.
RULE = re.compile(r"^(?://.*\n)*@(\w+)(?: depends on [^@]*)?@$", re.M)
EDIT = re.compile(r'^\[\[edit\]\]$(?:\nname = "(.*)"$)?', re.M)


def git_files(folder, *which):
    """Return the sorted paths from git ls-files, relative to the directory.

    safe.directory: accept the checkout of another user, because nothing in it is run.
    """
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), "ls-files", "-z", *which]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        said = (run.stderr.strip() or "no message").splitlines()[-1]
        raise Error(f"{folder}: git ls-files failed ({said}); repair the checkout, or "
                    "unpack a tarball")
    return sorted(map(pathlib.Path, filter(None, run.stdout.split("\0"))))


def files_below(top, names=(".",)):
    """Return the tracked files in directories of `top`; in a tarball, return all files."""
    if (TOP / ".git").exists() and top.is_relative_to(TOP) and top.is_dir():
        paths = git_files(top, "--", *names)
    else:
        paths = sorted(path.relative_to(top) for name in names
                       for path in (top / name).rglob("*"))
    return [path for path in paths
            if (top / path).is_file() and not path.name.endswith("~")]


def target(path):
    """Return the file that a semantic patch or a list of edits changes, or None."""
    found = re.fullmatch(r"(.+\.c)(?:\.defer)?\.cocci|(.+)\.edit\.toml", str(path))
    return found and pathlib.Path(found[1] or found[2])


def split(path, text):
    """Split a file into a head and its parts: return head, [(name, text)].

    The parts are the rules of a semantic patch or the edits of a list. Any other file is a
    single part. The name of such a part, or of an unnamed edit, is empty.
    """
    if not target(path):
        return "", [("", text)]
    found = list((EDIT if path.name.endswith(EDITS) else RULE).finditer(text))
    starts = [match.start() for match in found] + [len(text)]
    return text[:starts[0]], [(match[1] or "", text[match.start():end])
                              for match, end in zip(found, starts[1:])]


def named(part, files):
    """Resolve "file", "directory/", "prefix*" or "file:rule,rule" to (paths, names)."""
    path, _, names = part.partition(":")
    paths = ([one for one in files if str(one).startswith(path.rstrip("*"))]
             if path.endswith(("/", "*")) else [pathlib.Path(path)])
    return paths, names.split(",")
