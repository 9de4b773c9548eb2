# SPDX-License-Identifier: GPL-2.0
"""Permitted skips of a test run (skips.toml), and the count of its results."""

import fnmatch
import re
import tomllib

from shared import HARNESS, Error

KEYS, MORE = {"test", "reason"}, {"kernels", "versions"}


def check(path, number, entry):
    """Refuse an entry that lacks a key or has an unknown one."""
    if not KEYS <= entry.keys() <= KEYS | MORE:
        raise Error(f"{path.name}: entry {number} lacks "
                    f"{', '.join(sorted(KEYS - entry.keys())) or 'nothing'} or "
                    f"has more than {', '.join(sorted(KEYS | MORE))}; mend it")


class Expectations:
    """Skips permitted in one kind of kernel and one version, such as '7.3.4'."""

    def __init__(self, kind, version, folder=HARNESS / "checks"):
        self.kind = kind
        path, short = folder / "skips.toml", re.match(r"\d+\.\d+", version)[0]
        skips = tomllib.loads(path.read_text()).get("skip", [])
        for number, skip in enumerate(skips, 1):
            check(path, number, skip)
        self.tests = [skip["test"] for skip in skips
                      if kind in skip.get("kernels", [kind])
                      and short in skip.get("versions", [short])]

    def may_skip(self, name):
        return any(fnmatch.fnmatchcase(name, test) for test in self.tests)


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"

    def __iadd__(self, other):
        for key, value in vars(other).items():
            setattr(self, key, getattr(self, key) + value)
        return self

    def judge(self, result, expectations):
        """Count a result; return a line to print, or ''."""
        if result.status == "skipped":
            if expectations.may_skip(result.name):
                self.skipped += 1
                return ""
            self.failed += 1
            return (f"error: {result.name}: skipped in the {expectations.kind} kernel; mend "
                    "it, or allow it in harness/checks/skips.toml")
        if result.status == "failed":
            self.failed += 1
            return f"error: {result.name}: {result.why or 'failed; see its lines above'}"
        self.passed += 1
        return ""
