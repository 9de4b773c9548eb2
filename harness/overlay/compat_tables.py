# SPDX-License-Identifier: GPL-2.0
"""Adapt the overlay to a kernel older than its target.

compat/<version>.toml lists the changes, which are applied in this order:
  [[without]]          `parts` of the overlay to leave out, in the format of series.toml,
                       and the reason (`why`); `say`: line to print whenever the overlay
                       is applied; `tests`: guest tests that do not run
  [replace."<file>"]   words or other text to replace, in a file or in all files of a
                       directory ("<directory>/")
Files in compat/<version>/ replace files of the overlay with the same name. In semantic
patches and lists of edits, each rule or named edit replaces the one of the same name, or
is added. An entry that does not match is an error.
"""

import re
import tomllib

from overlay.parts import files_below, named, split, target
from shared import HARNESS, Error

COMPAT = HARNESS / "overlay/compat"


def supported():
    """Return the versions that have a table, as tuples such as (6, 12)."""
    return sorted(tuple(map(int, path.stem.split("."))) for path in COMPAT.glob("*.toml"))


def folder(version):
    """Return the directory for a version such as '6.12.117'.

    Its table is next to it, with the suffix .toml. A version without a table uses the
    table and the directory of the next newer version that has a table.
    """
    number = tuple(map(int, re.findall(r"\d+", version)[:2]))
    newer = [one for one in supported() if one >= number]
    return COMPAT / ".".join(map(str, newer[0] if newer else number))


def table(version):
    """Return the table of a version, or an empty one if the version needs none."""
    path = COMPAT / f"{folder(version).name}.toml"
    return tomllib.loads(path.read_text()) if path.is_file() else {}


def leave_out(part, files):
    """Remove a part from the overlay: whole files, or rules or edits of a file."""
    paths, names = named(part, files)
    if not paths:
        raise Error(f"there is no {part}")
    for path in paths:
        if path not in files:
            raise Error(f"there is no {path}")
        head, old = split(path, files[path])
        kept = [text for name, text in old if name not in names]
        if names != [""] and (unknown := set(names) - {name for name, _text in old}):
            raise Error(f"there is no {path}:{min(unknown)}")
        if names == [""] or not kept:
            del files[path]
        else:
            files[path] = head + "".join(kept)


def replace(name, called, files):
    """Replace whole words, or other text at any position; fail if a key does not occur."""
    paths = named(name, files)[0]
    if lost := set(paths) - files.keys():
        raise Error(f"there is no {min(lost)}")
    text = re.compile("|".join(rf"\b{old}\b" if re.fullmatch(r"\w+", old) else re.escape(old)
                               for old in sorted(called, key=len, reverse=True)))
    found = set()
    for path in paths:
        found.update(text.findall(files[path]))
        files[path] = text.sub(lambda match: called[match[0]], files[path])
    if unused := called.keys() - found:
        raise Error(f"{name}: there is no '{min(unused)}'")


def merge(path, old, new):
    """Merge a file of compat/ into the overlay's file of the same name."""
    fresh = dict(split(path, new)[1])
    if target(path) and "" in fresh:
        raise Error(f"{path}: unnamed edit; give each edit a name")
    if not target(path) or not old:
        return new
    head, parts = split(path, old)
    kept = [fresh.pop(name, text) for name, text in parts]
    return "".join([head, *kept, *("\n" + text for text in fresh.values())])


def adapt(version, overlay):
    """Return the overlay adapted to this version, {path: bytes}."""
    entries, top = table(version), folder(version)
    files = {path: content.decode() for path, content in overlay.items()}
    try:
        for without in entries.get("without", ()):
            for part in without["parts"]:
                leave_out(part, files)
        for name, called in entries.get("replace", {}).items():
            replace(name, called, files)
        for path in files_below(top):
            files[path] = merge(path, files.get(path, ""), (top / path).read_text())
    except Error as error:
        raise Error(f"harness/overlay/compat/{top.name}.toml: {error}") from error
    return {path: text.encode() for path, text in files.items()}


def says(version):
    """Return a line for each feature that this version lacks."""
    return [without["say"] for without in table(version).get("without", ())
            if "say" in without]


def without_tests(version):
    """Return the guest tests that do not run on this version: {test: reason}."""
    return {test: without["say"] for without in table(version).get("without", ())
            for test in without.get("tests", ())}
