# SPDX-License-Identifier: GPL-2.0
"""Fit the overlay to a kernel older than those that it is written for.

kernels/<version>.toml says how, in this order:
  [[without]]  `parts` of the overlay that are left out, as in series.toml, and `why`;
               `say`, if there is one, is said whenever the overlay is applied, and
               `tests` in the guest are not expected to run
  [[words]]    in `files`, or all of a folder ("folder/"), what identifiers are
               `called` there
  [[edit]]     a literal insertion or replacement in `file`, as in *.edit.toml
What is in the folder kernels/<version>/ comes on top: a file of the overlay is
continued by that of the same name, others are new.
Each entry has to match, an edit once, or nothing is done.
"""

import pathlib
import re
import tomllib

from parts import Error, edit, named, split

KERNELS = pathlib.Path(__file__).resolve().parent / "kernels"


def folder(version):
    """Of what is added for '6.12.117'; beside it, with .toml, is the table."""
    return KERNELS / ".".join(version.split(".")[:2])


def table(version):
    """Empty for a kernel that needs none."""
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
        head, old = split(path, files[path])
        if names == [""]:
            del files[path]
        elif unknown := set(names) - {name for name, _text in old}:
            raise Error(f"there is no {path}:{min(unknown)}")
        else:
            files[path] = head + "".join(text for name, text in old
                                         if name not in names)
    if not paths:
        raise Error(f"there is no {part}")


def rename(entry, files):
    paths = [path for part in entry["files"] for path in named(part, files)[0]]
    word = re.compile(r"\b(?:" + "|".join(map(re.escape, entry["called"])) + r")\b")
    found = set()

    def called(match):
        found.add(match[0])
        return entry["called"][match[0]]
    for path in paths:
        if path not in files:
            raise Error(f"there is no {path}")
        files[path] = word.sub(called, files[path])
    if unused := entry["called"].keys() - found:
        raise Error(f"{', '.join(entry['files'])}: there is no word '{min(unused)}'")


def adapt(version, overlay):
    """The overlay, path to bytes, as this version needs it."""
    entries, top = table(version), folder(version)
    files = {path: content.decode() for path, content in overlay.items()}
    try:
        for without in entries.get("without", ()):
            for part in without["parts"]:
                leave_out(part, files)
        for entry in entries.get("words", ()):
            rename(entry, files)
        for number, one in enumerate(entries.get("edit", ()), 1):
            path = pathlib.Path(one["file"])
            files[path] = edit(f"edit {number}", one, files.get(path, ""), path)
    except Error as error:
        raise Error(f"harness/kernels/{top.name}.toml: {error}") from error
    for path in sorted(top.rglob("*")):
        if path.is_file() and not path.name.endswith("~"):
            name = path.relative_to(top)
            files[name] = files.get(name, "") + path.read_text()
    return {path: text.encode() for path, text in files.items()}


def says(version):
    """A line about each thing that this version goes without."""
    return [without["say"] for without in table(version).get("without", ())
            if "say" in without]


def without_tests(version):
    """What does not run in the guest: {test: the line that says why}."""
    return {test: without["say"] for without in table(version).get("without", ())
            for test in without.get("tests", ())}
