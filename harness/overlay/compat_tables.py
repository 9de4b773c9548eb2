# SPDX-License-Identifier: GPL-2.0
"""Adapt the overlay to a kernel older than its target.

compat/<version>.toml describes the changes, in this order:
  [[without]]          `parts` of the overlay to leave out, in the format of series.toml,
                       and the reason (`why`); `say`, if present, is printed whenever the
                       overlay is applied; `tests` are guest tests that do not run
  [replace."<file>"]   words or other text and their replacement in a file, or in all
                       files of a directory ("<directory>/")
  [patches]            parts of the files below, and the patch of the series that each
                       belongs to; parts that replace others belong to the same patch
Files in compat/<version>/ replace those of the overlay that have the same name. In
semantic patches and lists of edits, each rule or named edit replaces the one of the same
name, and others are added. If any entry does not match, nothing is done.
"""

import itertools
import re
import tomllib

from overlay.parts import COCCI, files_below, named, split
from shared import HARNESS, Error

COMPAT = HARNESS / "overlay/compat"


def folder(version):
    """Return the directory for a version such as '6.12.117'.

    The table next to it has the suffix .toml. A version without a table uses that of the
    next newer one.
    """
    number = tuple(map(int, re.findall(r"\d+", version)[:2]))
    newer = [one for one in supported() if one >= number]
    return COMPAT / ".".join(map(str, newer[0] if newer else number))


def table(version):
    """Return the table of a version; it is empty for a kernel that needs none."""
    if not version:
        return {}
    path = folder(version).with_suffix(folder(version).suffix + ".toml")
    return tomllib.loads(path.read_text()) if path.is_file() else {}


def supported():
    """Return the versions that have a table: [(6, 12)]."""
    return sorted(tuple(map(int, path.stem.split("."))) for path in COMPAT.glob("*.toml"))


def leave_out(part, files):
    paths, names = named(part, files)
    for path in paths:
        if path not in files:
            raise Error(f"there is no {path}")
        if names == [""]:
            del files[path]
            continue
        head, old = split(path, files[path])
        if kept := [text for name, text in old if name not in names]:
            files[path] = head + "".join(kept)
        else:
            del files[path]
        if unknown := set(names) - {name for name, _text in old}:
            raise Error(f"there is no {path}:{min(unknown)}")
    if not paths:
        raise Error(f"there is no {part}")


def replace(entry, files):
    """Replace whole words, and other text anywhere."""
    name, called = entry
    paths = set(named(name, files)[0])
    if lost := paths - files.keys():
        raise Error(f"there is no {min(lost)}")
    text = re.compile("|".join(rf"\b{old}\b" if re.fullmatch(r"\w+", old) else re.escape(old)
                               for old in sorted(called, key=len, reverse=True)))
    found = set()

    def new(match):
        found.add(match[0])
        return called[match[0]]
    for path in paths:
        files[path] = text.sub(new, files[path])
    if unused := called.keys() - found:
        raise Error(f"{name}: there is no '{min(unused)}'")


def merge(path, old, new):
    """Merge the parts of a file into the file of the overlay."""
    if not path.name.endswith((*COCCI, ".edit.toml")) or not old:
        return new
    head, parts = split(path, old)
    fresh = dict(split(path, new)[1])
    kept = [fresh.pop(name, text) for name, text in parts]
    return "".join([head, *kept, *("\n" + text for text in fresh.values())])


def additions(entries, top, files, patches):
    """Return the files of the directory, {path: text}; for a step, the parts of its patches."""
    extra = {path: (top / path).read_text() for path in files_below(top)}
    brings = {(path, name): patch for part, patch in entries.items()
              for path, name in itertools.product(*named(part, extra))}
    parts_there = {(path, name) for path, text in extra.items()
                   for name, _text in split(path, text)[1]}
    if lost := brings.keys() - parts_there:
        raise Error(f"there is no {':'.join(map(str, filter(None, min(lost))))} in {top.name}/; "
                    "git add it, or remove it from [patches]")
    result = {}
    for path, text in extra.items():
        head, parts = split(path, text)
        if path.name.endswith(".edit.toml") and "" in dict(parts):
            raise Error(f"{path} in {top.name}/: give each edit a name")
        there = {name for name, _text in split(path, files[path])[1]} if path in files else ()
        if lost := [name for name, _text in parts
                    if patches is None and name not in there and (path, name) not in brings]:
            raise Error(f"{path} is not in [patches]" + (lost[0] and f" with '{lost[0]}'"))
        if kept := [part for name, part in parts
                    if patches is None or name in there or brings.get((path, name)) in patches]:
            result[path] = head + "".join(kept)
    return result


def adapt(version, overlay, patches=None):
    """Return the overlay adapted to this version, {path: bytes}.

    patches: names of the patches so far, if this is the overlay of a step of the series.
    An entry may refer to a part of a later patch, so it need not match then.
    """
    entries, top = table(version), folder(version)
    files = {path: content.decode() for path, content in overlay.items()}
    changes = [*((leave_out, part) for without in entries.get("without", ())
                 for part in without["parts"]),
               *((replace, entry) for entry in entries.get("replace", {}).items())]
    try:
        for change, entry in changes:
            try:
                change(entry, files)
            except Error:
                if patches is None:
                    raise
        more = additions(entries.get("patches", {}), top, files, patches)
        for path, text in more.items():
            files[path] = merge(path, files.get(path, ""), text)
    except Error as error:
        raise Error(f"harness/overlay/compat/{top.name}.toml: {error}") from error
    return {path: text.encode() for path, text in files.items()}


def says(version):
    """Return one line for each feature that this version lacks."""
    return [without["say"] for without in table(version).get("without", ())
            if "say" in without]


def without_tests(version):
    """Return the tests that do not run in the guest: {test: reason}."""
    return {test: without["say"] for without in table(version).get("without", ())
            for test in without.get("tests", ())}
