# SPDX-License-Identifier: GPL-2.0
"""Skips and failures that a run of tests may show: skips.toml, known_faults.toml."""

import fnmatch
import pathlib
import re
import tomllib

from parts import Error

HARNESS = pathlib.Path(__file__).resolve().parent


class Table:
    """The entries of a file, each with all of its keys."""

    def __init__(self, path, table, keys):
        self.entries = tomllib.loads(path.read_text()).get(table, [])
        allowed = keys | {"kernels", "versions"}
        for number, entry in enumerate(self.entries, 1):
            if not keys <= entry.keys() <= allowed:
                raise Error(f"{path.name}: entry {number} lacks "
                            f"{', '.join(sorted(keys - entry.keys())) or 'nothing'} or "
                            f"has more than {', '.join(sorted(allowed))}; mend it")

    def of(self, kind, version):
        """The entries for a kind of kernel, and a version like '7.3.4'."""
        short = re.match(r"\d+\.\d+", version)[0]
        return [entry for entry in self.entries
                if kind in entry.get("kernels", [kind])
                and short in entry.get("versions", [short])]


class Expectations:
    """Entries for the tests of one kind of kernel in one version."""

    def __init__(self, kind, version, folder=HARNESS):
        self.kind = kind
        self.skips = Table(folder / "skips.toml", "skip",
                           {"test", "reason"}).of(kind, version)
        self.faults = {entry["test"]: entry for entry in
                       Table(folder / "known_faults.toml", "fault",
                             {"test", "row", "reason"}).of(kind, version)}

    def may_skip(self, name):
        return any(fnmatch.fnmatchcase(name, skip["test"]) for skip in self.skips)


class Count:
    def __init__(self, passed=0, failed=0, skipped=0, known=0):
        self.passed, self.failed = passed, failed
        self.skipped, self.known = skipped, known

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"

    def __iadd__(self, other):
        for key, value in vars(other).items():
            setattr(self, key, getattr(self, key) + value)
        return self

    def judge(self, result, expectations):
        """Count a result; returns a line to print, or ''."""
        fault = expectations.faults.get(result.name)
        if result.status == "skipped":
            if expectations.may_skip(result.name):
                self.skipped += 1
                return ""
            self.failed += 1
            return (f"error: {result.name}: skipped in the {expectations.kind} kernel; mend "
                    "it, or allow it in harness/skips.toml")
        if fault and result.status == "failed":
            self.known += 1
            return f"  {result.name}: known fault {fault['row']}: {fault['reason']}"
        if fault:
            self.failed += 1
            return (f"error: {result.name}: known fault {fault['row']} passes; remove it from "
                    "harness/known_faults.toml")
        if result.status == "failed":
            self.failed += 1
            return f"error: {result.name}: {result.why or 'failed; see its lines above'}"
        self.passed += 1
        return ""
