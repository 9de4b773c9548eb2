# SPDX-License-Identifier: GPL-2.0
"""Run tests in parts and keep the results: a part that passed is not repeated.

A result belongs to a key: the hash of the files that the part depends on, the kernel
source, and the parameters of the part.
"""

import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time
import typing

from checks.expectations import Count
from shared import BUILD, TOP, Error

RESULTS = BUILD / "tested"


class Part(typing.NamedTuple):
    run: typing.Callable        # returns a Count
    asked: str = ""             # parameters that distinguish runs
    tree: str = ""              # hash of its dependencies; default: all files


# Prefixes of kernel file names that no guest depends on, and of harness file names that are
# used in guests, to build guests, or to judge their results.
PROSE = ("MAINTAINERS", "Documentation/", "scripts/coccinelle/")
IN_GUESTS = ("harness/guest/", "harness/config/", "harness/machine/",
             *(f"harness/checks/{name}" for name in (
                 "expectations.py", "kcsan.py", "ktap.py", "mutants.py", "parts.py",
                 "skips.toml", "suites.", "test.py")))


def files_hash(files, only=("",), without=()):
    """Hash files, {name: bytes}, or some.

    only, without: prefixes of the file names to include or to exclude
    """
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        if name.startswith(only) and not name.startswith(without):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def code(name, content):
    """Reduce a file to what tests can depend on: drop comments and layout."""
    if name.endswith((".c", ".h")):
        content = re.sub(rb"/\*.*?\*/", b"", content, flags=re.S)
    elif name.endswith(".sh"):
        content = re.sub(rb"^\s*#[^!].*$", b"", content, flags=re.M)
    return re.sub(rb"\s+", b" ", content)


def tree_hash(top=TOP, only=("",), without=()):
    """Hash the files that git tracks or would add; return '' if git fails."""
    listed = subprocess.run(["git", "-C", top, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], capture_output=True)
    if listed.returncode:
        return ""
    paths = {name: pathlib.Path(top, name)
             for name in set(listed.stdout.decode().split("\0")) - {""}}
    return files_hash({name: path.read_bytes() if path.is_file() else b""
                       for name, path in paths.items()}, only, without)


class Store:
    """Results of all parts, in build/tested."""

    def __init__(self, tree, kernel, folder=RESULTS):
        self.tree, self.kernel, self.folder = tree, kernel, folder

    def key(self, asked, tree=""):
        return f"{tree or self.tree} {self.kernel} {asked}".strip() if self.tree else ""

    def path(self, name):
        return self.folder / f"{name}.json"

    def read(self, name):
        try:
            return json.loads(self.path(name).read_text())
        except (OSError, ValueError):
            return {}

    def write(self, name, value):
        self.folder.mkdir(parents=True, exist_ok=True)
        tmp = self.path(name).with_suffix(".tmp")
        tmp.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
        tmp.replace(self.path(name))

    def green(self, name, part):
        """Return the kept result if it passed and its key matches."""
        kept, key = self.read(name), self.key(part.asked, part.tree)
        return kept if kept.get("result") == "green" and kept.get("key") == key != "" else {}


def run_part(name, part, store):
    """Run a part to its end, also if it fails, and keep the result."""
    start, why = time.monotonic(), ""
    try:
        count = part.run()
    except (Error, OSError) as error:
        why = str(error) or "a step failed, see above"
        print(f"error: {name}: {why}", file=sys.stderr, flush=True)
        count = Count(failed=1)
    result = {"key": store.key(part.asked, part.tree), "why": why,
              "result": "failed" if count.failed else "green", "counts": vars(count),
              "minutes": round((time.monotonic() - start) / 60, 1),
              "when": datetime.datetime.now().isoformat(" ", "minutes")}
    store.write(name, result)
    return result


def run_parts(parts, store, stage, again=False):
    """Return {name: result} of all parts; again: repeat parts that passed."""
    results = {}
    for name, part in parts.items():
        if not again and (kept := store.green(name, part)):
            stage(f"{name}: green since {kept['when']}, not repeated")
            results[name] = kept
            continue
        stage(name)
        results[name] = run_part(name, part, store)
        stage(f"{name}: {results[name]['result']}, {Count(**results[name]['counts'])}")
    return results


def total(results):
    count = Count()
    for result in results.values():
        count += Count(**result["counts"])
    return count


def table(results):
    rows = [("part", "result", "counts", "minutes", "when")]
    for name, result in results.items():
        rows.append((name, result["result"], str(Count(**result["counts"])),
                     str(result["minutes"]), result["when"]))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def conclude(count):
    """Print the count; fail if a test failed."""
    print(count, flush=True)
    if count.failed:
        raise Error


def finish(results):
    """Print the table and the count; fail if a test failed."""
    for line in table(results):
        print(line)
    conclude(total(results))
