# SPDX-License-Identifier: GPL-2.0
"""Run third-party suites on the unmodified and the patched kernel, and compare.

A test that fails on the patched kernel but not on the unmodified one is a regression; tests
that fail on both are only listed. Some tests are flaky: if there is a regression, the suite
runs again on the unmodified kernel. See harness/checks/suites.toml.
"""

import collections
import dataclasses
import re
import shutil
import tomllib

from checks import ktap
from checks.expectations import Count
from machine import vm
from shared import BUILD, HARNESS, Error

KERNELS = ("base", "patched")
# Maximum number of runs on the unmodified kernel to reproduce a failure.
BASE_RUNS = 3
# Two RAM disks, for swap and for a file system, and a second NUMA node.
BOOT = ("brd.rd_nr=2", "brd.rd_size=1048576", "numa=fake=2")

# Runners prefix the output of their children with "# ", in several levels. kselftest.h
# prints the name of a skipped test after the directive.
RESULT = re.compile(r"((?:# ?)*)(not )?ok \d+ ?(?:- )?(.*)")
DIRECTIVE = re.compile(r"# (SKIP|XFAIL|TODO|TIMEOUT|exit=)\b ?(.*)")
# The scripts of the zram collection always exit with 0.
ZRAM = re.compile(r"((?:# ?)+)(?:(zram\d+) : \[(PASS|FAIL)\]|(FAIL .*))")


@dataclasses.dataclass(frozen=True)
class Suite:
    """Suite with one kind of swap; runs in one guest per kernel."""
    name: str
    kind: str
    swap: str
    tests: tuple
    seconds: int
    deadline: int
    minimum: int
    console: tuple = ()

    def params(self):
        return {"pd_suite": self.name, "pd_kind": self.kind, "pd_swap": self.swap,
                "pd_tests": ",".join(self.tests), "pd_seconds": self.seconds}


def load(path=HARNESS / "checks/suites.toml"):
    """Return all suites by name."""
    found = {}
    for name, entry in tomllib.loads(path.read_text()).items():
        swaps = entry.pop("swap")
        for swap in swaps:
            full = f"{name}-{swap}" if len(swaps) > 1 else name
            found[full] = Suite(full, swap=swap, **{
                key: tuple(value) if isinstance(value, list) else value
                for key, value in entry.items()})
    return found


def choose(names):
    """Look up the suites in the comma-separated ONLY=; fail and list the valid names."""
    found = load()
    chosen = names.split(",") if names else list(found)
    if unknown := [name for name in chosen if name not in found]:
        raise Error(f"ONLY={unknown[0]}: no suite has this name; there are "
                    f"{', '.join(found)}")
    return [found[name] for name in chosen]


def parse_line(line):
    """Return (level, name, status) of a line with a result, or None."""
    if match := ZRAM.fullmatch(line):
        failed = bool(match[4]) or match[3] == "FAIL"
        return (match[1].count("#"), match[4] or match[2], "failed" if failed else "passed")
    match = RESULT.fullmatch(line)
    if not match:
        return None
    status, name = "failed" if match[2] else "passed", match[3].strip()
    if found := DIRECTIVE.search(name):
        if not match[2] and found[1] != "exit=":
            status = "skipped" if found[1] == "SKIP" else "passed"
        name = name[:found.start()].strip() or found[2].strip()
    return match[1].count("#"), name, status


def leaves(lines):
    """Return (path, status) of the tests without subtests.

    The result of a test follows those of its subtests. A test that failed although none
    of its subtests did has its own result.
    """
    open_parts = []     # (level, path, status) without an outer result
    for line in lines:
        if not (found := parse_line(line)):
            continue
        level, name, status = found
        first = len(open_parts)
        while first and open_parts[first - 1][0] > level:
            first -= 1
        parts = [(level, f"{name}/{path}", one) for _level, path, one in open_parts[first:]]
        open_parts[first:] = parts
        if not parts or status == "failed" and "failed" not in [one for *_, one in parts]:
            open_parts.append((level, name, status))
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
            found["(the end of the suite)"] = "failed"
    return found


def run_guest(suite, label, kernel, archive, stage):
    """Return results of a suite on a kernel, and the fault of the guest or ''."""
    initramfs = kernel.initramfs.with_suffix(".suites")
    with open(initramfs, "wb") as file:
        for part in (kernel.initramfs, archive):
            with open(part, "rb") as source:
                shutil.copyfileobj(source, file)
    fault = ""
    stage(f"  {suite.name}: {label}")
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
    for name, status in patched.items():
        before = base.get(name, "did not run")
        if status == "failed" and before != "failed":
            yield f"{name}: failed; {before} on the unmodified kernel"
        if status == "skipped" and before == "passed":
            yield f"{name}: skipped; passed on the unmodified kernel"
    for name, status in base.items():
        if name not in patched and status == "passed":
            yield f"{name}: did not run; passed on the unmodified kernel"


def merge(first, second):
    """Merge the results of two runs; the worse status wins, a skip loses."""
    order = ("failed", "passed", "skipped")
    return {name: min(filter(None, (first.get(name), second.get(name))), key=order.index)
            for name in {**first, **second}}


def too_few(suite, label, found):
    """Return a line if a kernel ran less than the suite's minimum, or ''."""
    number = sum(status != "skipped" for status in found.values())
    return f"{label}: {number} results, at least {suite.minimum} expected" \
        if number < suite.minimum else ""


def judge(suite, found, faults):
    """Return lines of faults, lines of notes, and the Count of a suite.

    found: {label: results}; faults: {label: fault of the guest or ''}.
    """
    base, patched = (found[label] for label in KERNELS)
    errors = list(regressions(base, patched))
    errors += filter(None, (too_few(suite, label, found[label]) for label in KERNELS))
    errors += filter(None, [faults["patched"] and f"patched: {faults['patched']}"])
    notes = [f"{name}: fails on both kernels" for name, status in patched.items()
             if status == "failed" == base.get(name)]
    notes += [f"{name}: failed on the unmodified kernel only"
              for name, status in base.items()
              if status == "failed" and patched.get(name) != "failed"]
    notes += [f"base: {faults['base']}"] if faults["base"] else []
    statuses = collections.Counter(patched.values())
    return errors, notes, Count(passed=statuses["passed"], failed=len(errors),
                                skipped=statuses["skipped"])


def run_both(suite, kernels, archive, stage):
    """Return results and faults of a suite on both kernels, by label."""
    found, faults = {}, {}
    for label in KERNELS:
        found[label], faults[label] = run_guest(suite, label, kernels[label], archive, stage)
    for _again in range(1, BASE_RUNS):
        if not list(regressions(found["base"], found["patched"])):
            break
        more, _fault = run_guest(suite, "base", kernels["base"], archive, stage)
        found["base"] = merge(found["base"], more)
    return found, faults


def run(kernels, archive, suites, stage):
    """Run suites on both kernels, {label: Kernel}; return a Count."""
    count = Count()
    for suite in suites:
        errors, notes, one = judge(suite, *run_both(suite, kernels, archive, stage))
        for line in notes:
            print(f"  {suite.name}: {line}")
        for line in errors:
            print(f"error: {suite.name}: {line}")
        print(f"{suite.name}: {one}", flush=True)
        count += one
    return count
