# SPDX-License-Identifier: GPL-2.0
"""Run tests in parts and keep the results, so that a part that passed is not repeated.

A result is valid for one key: the hash of the files that the part depends on, the kernel
source, and the parameters of the part.
"""

import ast
import datetime
import hashlib
import json
import re
import sys
import time
import typing

from checks.expectations import Count
from overlay.parts import git_files
from shared import BUILD, TOP, Error, write


class Part(typing.NamedTuple):
    run: typing.Callable        # returns a Count
    asked: str = ""             # parameters that distinguish runs
    tree: str = ""              # hash of the files it depends on; default: all files


# Prefixes of kernel files on which no guest depends, and of harness files that run in guests,
# build guests, or judge their results.
PROSE = ("MAINTAINERS", "Documentation/", "scripts/coccinelle/")
IN_GUESTS = ("harness/guest/", "harness/config/", "harness/machine/",
             *(f"harness/checks/{name}" for name in (
                 "expectations.py", "kcsan.py", "ktap.py", "mutants.py", "parts.py",
                 "skips.toml", "suites.", "test.py")))


def files_hash(files, without=()):
    """Hash files, {name: bytes}, except for those with these prefixes."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        if not name.startswith(without):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def without_docstrings(content):
    """Return Python code in a form without comments, docstrings and layout."""
    tree = ast.parse(content)
    for node in ast.walk(tree):
        if hasattr(node, "body") and isinstance(node.body, list):
            node.body = [one for one in node.body if not (
                isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    return ast.dump(tree).encode()


def code(name, content):
    """Return a file without layout and, in Python, C and shell, without comments."""
    if name.endswith(".py"):
        return without_docstrings(content)
    if name.endswith((".c", ".h")):
        content = re.sub(rb"/\*.*?\*/", b"", content, flags=re.S)
    elif name.endswith(".sh"):
        content = re.sub(rb"^\s*#[^!].*$", b"", content, flags=re.M)
    return re.sub(rb"\s+", b" ", content)


def tree_hash(top=TOP, only=("",), form=lambda name, content: content):
    """Hash, in this form, the files with these prefixes that git tracks or would add.

    Return '' if git fails.
    """
    try:
        paths = git_files(top, "--cached", "--others", "--exclude-standard")
    except Error:
        return ""
    return files_hash({str(path): form(path.name, (top / path).read_bytes())
                       if (top / path).is_file() else b""
                       for path in paths if str(path).startswith(only)})


class Store:
    """Store of the results of all parts, in build/tested."""

    def __init__(self, tree, kernel, folder=BUILD / "tested"):
        self.tree, self.kernel, self.folder = tree, kernel, folder

    def key(self, asked, tree=""):
        return f"{tree or self.tree} {self.kernel} {asked}".strip() if self.tree else ""

    def read(self, name):
        try:
            return json.loads((self.folder / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}

    def write(self, name, value):
        write(self.folder / f"{name}.json", json.dumps(value, indent=1, sort_keys=True) + "\n")

    def green(self, name, part):
        """Return the kept result if the part passed with the same key, else {}."""
        kept, key = self.read(name), self.key(part.asked, part.tree)
        return kept if kept.get("result") == "green" and kept.get("key") == key != "" else {}


def run_part(name, part, store):
    """Run a part and keep the result, even if the part fails."""
    start = time.monotonic()
    try:
        count = part.run()
    except (Error, OSError) as error:
        print(f"error: {name}: {str(error) or 'a step failed, see above'}", file=sys.stderr,
              flush=True)
        count = Count(failed=1)
    result = {"key": store.key(part.asked, part.tree), "counts": vars(count),
              "result": "failed" if count.failed else "green",
              "minutes": round((time.monotonic() - start) / 60, 1),
              "when": datetime.datetime.now().isoformat(" ", "minutes")}
    store.write(name, result)
    return result


def run_parts(parts, store, stage, again=False):
    """Run the parts that have not passed, or all if `again`; return {name: result} of all."""
    results = {}
    for name, part in parts.items():
        results[name] = {} if again else store.green(name, part)
        if results[name]:
            stage(f"{name}: green since {results[name]['when']}, not repeated")
            continue
        stage(name)
        results[name] = run_part(name, part, store)
        stage(f"{name}: {results[name]['result']}, {Count(**results[name]['counts'])}")
    return results


def conclude(count):
    """Print the count; fail if a test failed."""
    print(count, flush=True)
    if count.failed:
        raise Error


def finish(results):
    """Print a line for each part and the count; fail if a test failed."""
    total = Count()
    for name, result in results.items():
        count = Count(**result["counts"])
        print(f"{name:15}{result['result']:8}{count}, {result['minutes']} minutes, "
              f"{result['when']}")
        total += count
    conclude(total)
