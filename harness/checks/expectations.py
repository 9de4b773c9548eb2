# SPDX-License-Identifier: GPL-2.0
"""Permitted skips of a test run (skips.toml), and the count of its results."""

import dataclasses
import fnmatch
import re
import sys
import tomllib

from shared import HARNESS, Error


def make(form, where, **values):
    """Make an object of a table in a TOML file; refuse keys that are missing or unknown."""
    try:
        return form(**values)
    except TypeError as error:
        raise Error(f"{where}: {error}; mend this entry") from error


@dataclasses.dataclass(frozen=True)
class Skip:
    """Entry of skips.toml; without kernels or versions, it is about all."""
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
    """Print the faults among the results of a kind of kernel, and return the Count.

    Only the skips in the directory's skips.toml are permitted.
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
