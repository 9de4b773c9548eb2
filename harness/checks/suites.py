# SPDX-License-Identifier: GPL-2.0
"""Run third-party suites on the unmodified and the patched kernel, and compare.

A regression is a test that fails only on the patched kernel, or passes only on the unmodified
one. Tests that fail on both are only listed. If there is a regression, the suite runs again on the
unmodified kernel, because some tests are flaky. harness/checks/suites.toml lists the suites.
"""

import collections
import dataclasses
import re
import tomllib

from checks import ktap
from checks.expectations import Count, make
from machine import vm
from shared import BUILD, HARNESS, Error

KERNELS = ("base", "patched")
# Maximum number of runs on the unmodified kernel to reproduce a failure.
BASE_RUNS = 3
# Two RAM disks, for swap and for a file system, and a second NUMA node.
BOOT = ("brd.rd_nr=2", "brd.rd_size=1048576", "numa=fake=2")

# Each runner prefixes the output of its children with "# ". kselftest.h prints the name of a
# skipped test after the directive.
RESULT = re.compile(r"((?:# ?)*)(not )?ok \d+ ?(?:- )?(.*)")
DIRECTIVE = re.compile(r"# (SKIP|XFAIL|TODO|TIMEOUT|exit=)\b ?(.*)")


@dataclasses.dataclass(frozen=True)
class Suite:
    """Suite with one kind of swap; runs in one guest per kernel."""
    name: str
    kind: str
    swap: str
    tests: list
    seconds: int
    deadline: int
    minimum: int
    console: tuple = ()

    def params(self):
        return {"pd_suite": self.name, "pd_kind": self.kind, "pd_swap": self.swap,
                "pd_tests": ",".join(self.tests), "pd_seconds": self.seconds}


def load():
    """Return all suites by name."""
    path, found = HARNESS / "checks/suites.toml", {}
    for name, entry in tomllib.loads(path.read_text()).items():
        swaps = entry.pop("swap")
        for swap in swaps:
            full = f"{name}-{swap}" if len(swaps) > 1 else name
            found[full] = make(Suite, f"{path.name}, [{name}]", name=full, swap=swap, **entry)
    return found


def parse_line(line):
    """Return (level, name, status) of a line with a result, or None."""
    if not (match := RESULT.fullmatch(line)):
        return None
    status, name = "failed" if match[2] else "passed", match[3].strip()
    if found := DIRECTIVE.search(name):
        if found[1] == "SKIP" and not match[2]:
            status = "skipped"
        name = name[:found.start()].strip() or found[2].strip()
    return match[1].count("#"), name, status


def leaves(lines):
    """Return (path, status) of the tests without subtests.

    The result of a test follows those of its subtests. A test that failed although none
    of its subtests did has its own result.
    """
    open_parts = []     # (level, path, status) that still lack an outer result
    for level, name, status in filter(None, map(parse_line, lines)):
        parts = []
        while open_parts and open_parts[-1][0] > level:
            _level, path, one = open_parts.pop()
            parts.insert(0, (level, f"{name}/{path}", one))
        if not parts or status == "failed" and not any(one == "failed" for *_, one in parts):
            parts.append((level, name, status))
        open_parts += parts
    return [(path, status) for _level, path, status in open_parts]


def results(lines, suite):
    """Return {name: status} of a guest's output; number duplicate names."""
    found, seen = {}, collections.Counter()
    for section in ktap.sections(lines):
        if section.name != suite:
            continue
        for name, status in leaves(section.lines):
            seen[name] += 1
            found[f"{name} #{seen[name]}" if seen[name] > 1 else name] = status
        if section.code == -1:
            found["(suite did not end)"] = "failed"
    return found


def run_guest(suite, label, kernel, archive, stage):
    """Run a suite on a kernel; return its results, and the fault of the guest or ''."""
    stage(f"  {suite.name}: {label}")
    initramfs = kernel.initramfs.with_suffix(".suites")
    initramfs.write_bytes(kernel.initramfs.read_bytes() + archive.read_bytes())
    fault = ""
    try:
        lines = vm.run(kernel.image, initramfs, "suites", suite.params(), boot=BOOT,
                       silence=suite.deadline, deadline=suite.deadline,
                       expected={suite.name: suite.console},
                       log=BUILD / f"log/suites-{suite.name}-{label}")
    except Error as error:
        lines, fault = error.lines, str(error)
    finally:
        initramfs.unlink()
    return results(lines, suite.name), fault


def regressions(base, patched):
    """Return a line for each test that is worse on the patched kernel."""
    for name in patched | base:
        before, now = (found.get(name, "did not run") for found in (base, patched))
        if before != now and (now == "failed" or before == "passed"):
            yield f"{name}: {now}; {before} on the unmodified kernel"


def merge(first, second):
    """Merge the results of two runs; the worse status wins, a skip loses."""
    order = ("failed", "passed", "skipped")
    return {name: min(filter(None, (first.get(name), second.get(name))), key=order.index)
            for name in first | second}


def judge(suite, found, faults):
    """Print regressions, missing results and faults of a suite; return its Count.

    found: {label: results}; faults: {label: fault of the guest or ''}.
    """
    errors = list(regressions(found["base"], found["patched"]))
    for label in KERNELS:
        number = sum(status != "skipped" for status in found[label].values())
        if number < suite.minimum:
            errors.append(f"{label}: {number} results, at least {suite.minimum} expected")
    if faults["patched"]:
        errors.append(f"patched: {faults['patched']}")
    if faults["base"]:
        print(f"  {suite.name}: base: {faults['base']}")
    for name, status in found["patched"].items():
        if status == "failed" and found["base"].get(name) == "failed":
            print(f"  {suite.name}: {name}: fails on both kernels")
    for line in errors:
        print(f"error: {suite.name}: {line}")
    statuses = collections.Counter(found["patched"].values())
    return Count(statuses["passed"], len(errors), statuses["skipped"])


def run(kernels, archive, suites, stage):
    """Run suites on the kernels {label: Kernel}; return the Count of all."""
    count = Count()
    for suite in suites:
        found, faults = {}, {}
        for label in KERNELS:
            found[label], faults[label] = run_guest(suite, label, kernels[label], archive, stage)
        for _again in range(1, BASE_RUNS):
            if any(regressions(found["base"], found["patched"])):
                more, _fault = run_guest(suite, "base", kernels["base"], archive, stage)
                found["base"] = merge(found["base"], more)
        one = judge(suite, found, faults)
        print(f"{suite.name}: {one}", flush=True)
        count += one
    return count
