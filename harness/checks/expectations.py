# SPDX-License-Identifier: GPL-2.0
"""Count the results of a test run; skips.toml lists the permitted skips."""

import dataclasses
import fnmatch
import re
import sys
import tomllib

from shared import HARNESS, Error


def make(form, where, **values):
    """Make an object from a table of a TOML file; fail if a key is missing or unknown."""
    try:
        return form(**values)
    except TypeError as error:
        raise Error(f"{where}: {error}; fix this entry") from error


@dataclasses.dataclass(frozen=True)
class Skip:
    """Entry of skips.toml; applies to all kernels and versions unless it lists them."""
    test: str
    reason: str
    kernels: tuple = None
    versions: tuple = None

    def permits(self, name, kind, version):
        return (fnmatch.fnmatchcase(name, self.test)
                and (self.kernels is None or kind in self.kernels)
                and (self.versions is None or version in self.versions))


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"

    def __iadd__(self, other):
        for key, value in vars(other).items():
            setattr(self, key, getattr(self, key) + value)
        return self


def judge(results, kind, version, folder=HARNESS / "checks"):
    """Print the failures and forbidden skips in a kind of kernel; return the Count.

    skips.toml in `folder` lists the permitted skips.
    """
    entries = tomllib.loads((folder / "skips.toml").read_text())["skip"]
    skips = [make(Skip, f"skips.toml, entry {number}", **entry)
             for number, entry in enumerate(entries, 1)]
    version, count = re.match(r"\d+\.\d+", version)[0], Count()
    for name, status, why in results:
        if status == "passed":
            count.passed += 1
        elif status == "skipped" and any(skip.permits(name, kind, version) for skip in skips):
            count.skipped += 1
        else:
            count.failed += 1
            if status == "skipped":
                why = (f"skipped in the {kind} kernel; fix it, or allow it in "
                       "harness/checks/skips.toml")
            print(f"error: {name}: {why or 'failed; see its lines above'}", file=sys.stderr,
                  flush=True)
    return count
