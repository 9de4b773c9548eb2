# SPDX-License-Identifier: GPL-2.0
"""Fit the overlay to a kernel older than those that it is written for.

kernels/<version>.toml says how, in this order:
  [[without]]  `parts` of the overlay that are left out, as in series.toml, and `why`;
               `say`, if there is one, is said whenever the overlay is applied, and
               `tests` in the guest are not expected to run
  [[words]]    in `files`, or all of a folder ("folder/"), what identifiers are
               `called` there
  [[edit]]     a literal insertion or replacement in `file`, as in *.edit.toml
  [[add]]      `parts` of what is in the folder kernels/<version>/, and which `patch`
               of the series they belong to. All of it comes on top: a file of the
               overlay is continued by that of the same name, others are new.
Each entry has to match, an edit once, or nothing is done.
"""

import itertools
import pathlib
import re
import tomllib

from parts import Error, edit, files_below, how_of, named, split

KERNELS = pathlib.Path(__file__).resolve().parent / "kernels"


def folder(version):
    """Of what is added for '6.12.117'; beside it, with .toml, is the table.

    A version that has none gets that of the next newer one.
    """
    number = tuple(map(int, re.findall(r"\d+", version)[:2]))
    newer = [one for one in supported() if one >= number]
    return KERNELS / ".".join(map(str, newer[0] if newer else number))


def table(version):
    """Empty for a kernel that needs none."""
    if not version:
        return {}
    path = folder(version).with_suffix(folder(version).suffix + ".toml")
    return tomllib.loads(path.read_text()) if path.is_file() else {}


def supported():
    """The versions that have a table: [(6, 12)]."""
    return sorted(tuple(map(int, path.stem.split("."))) for path in KERNELS.glob("*.toml"))


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


def rename(entry, files):
    paths = {path for part in entry["files"] for path in named(part, files)[0]}
    word = re.compile(r"\b(?:" + "|".join(map(re.escape, entry["called"])) + r")\b")
    found = set()

    def called(match):
        found.add(match[0])
        return entry["called"][match[0]]
    for path in paths & files.keys():
        files[path] = word.sub(called, files[path])
    if lost := paths - files.keys():
        raise Error(f"there is no {min(lost)}")
    if unused := entry["called"].keys() - found:
        raise Error(f"{', '.join(entry['files'])}: there is no word '{min(unused)}'")


def replace(entry, files):
    path = pathlib.Path(entry["file"])
    what = "edit of " + repr(entry[how_of(entry)].strip().partition("\n")[0])
    files[path] = edit(what, entry, files.get(path, ""), path)


def additions(entries, top, patches):
    """What is in the folder, path to text; for a step, what its patches bring of it."""
    extra = {path: (top / path).read_text() for path in files_below(top)}
    brings = {(path, name): add["patch"] for add in entries for part in add["parts"]
              for path, name in itertools.product(*named(part, extra))}
    for path, name in brings:
        if path not in extra:
            raise Error(f"there is no {path} in {top.name}/; git add it, or remove its [[add]]")
    result = {}
    for path, text in extra.items():
        head, parts = split(path, text)
        if lost := [name for name, _text in parts if (path, name) not in brings]:
            raise Error(f"{path} is in no [[add]]" + (lost[0] and f" with '{lost[0]}'"))
        if chosen := [part for name, part in parts
                      if patches is None or brings[path, name] in patches]:
            result[path] = head + "".join(chosen)
    return result


def adapt(version, overlay, patches=None):
    """The overlay, path to bytes, as this version needs it.

    patches: the names of those so far, if it is the overlay of a step of the series.
    What an entry is about may come with a later one.
    """
    entries, top = table(version), folder(version)
    files = {path: content.decode() for path, content in overlay.items()}
    changes = [*((leave_out, part) for without in entries.get("without", ())
                 for part in without["parts"]),
               *((rename, entry) for entry in entries.get("words", ())),
               *((replace, entry) for entry in entries.get("edit", ()))]
    try:
        for change, entry in changes:
            try:
                change(entry, files)
            except Error:
                if patches is None:
                    raise
        for path, text in additions(entries.get("add", ()), top, patches).items():
            files[path] = files.get(path, "") + text
    except Error as error:
        raise Error(f"harness/kernels/{top.name}.toml: {error}") from error
    return {path: text.encode() for path, text in files.items()}


def says(version):
    """A line about each thing that this version goes without."""
    return [without["say"] for without in table(version).get("without", ())
            if "say" in without]


def without_tests(version):
    """What does not run in the guest: {test: the line that says why}."""
    return {test: without["say"] for without in table(version).get("without", ())
            for test in without.get("tests", ())}
