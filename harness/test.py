# SPDX-License-Identifier: GPL-2.0
"""Run all tests and count them: the harness's own, KUnit and the selftests."""

import io
import os
import pathlib
import re
import sys
import unittest

import apply
import older
import vm

HARNESS = pathlib.Path(__file__).resolve().parent


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def run_harness_tests(source, count):
    os.environ["PD_PRISTINE"] = str(source)     # see tests/test_apply.py
    suite = unittest.defaultTestLoader.discover(HARNESS / "tests")
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    bad = len(result.failures) + len(result.errors)
    count.failed += bad
    count.skipped += len(result.skipped)
    count.passed += result.testsRun - bad - len(result.skipped)


def sections(lines):
    """(name, KTAP lines, exit code) of each test that the guest ran."""
    name, ktap = None, []
    for line in lines:
        if line.startswith("BEGIN "):
            name, ktap = line.split()[1], []
        elif line.startswith("END ") and name:
            yield name, ktap, int(line.split()[1])
            name = None
        else:
            ktap.append(line)
    if name:
        yield name, ktap, -1


def count_ktap(kernel, lines, count):
    """Let the kernel's own parser count. Returns false if there was nothing."""
    sys.path.insert(0, str(kernel.tree / "tools/testing/kunit"))
    import kunit_parser     # pylint: disable=import-outside-toplevel,import-error
    import kunit_printer    # pylint: disable=import-outside-toplevel,import-error
    silent = kunit_printer.Printer(output=io.StringIO())
    # That of Linux 6.12 is not told where to print, and takes no test without a name,
    # as those are that were skipped.
    told = not hasattr(kunit_parser, "stdout")
    if not told:
        kunit_parser.stdout = silent
    named = [re.sub(r"^(\s*ok \d+) # SKIP", r"\1 - # SKIP", line) for line in lines]
    found = kunit_parser.parse_run_tests(named, *([silent] if told else [])).counts
    count.passed += found.passed
    count.skipped += found.skipped
    count.failed += found.failed + found.crashed + found.errors
    return found.total() > 0


# How long a test of a debug kernel may say nothing, beside what it is told to take. The
# last look at all pages of zswap_reuse took three minutes on a machine that had
# three others to run.
SILENCE = 600


def expected(version, torture):
    """The tests that have to run, and what is to be said about those that cannot."""
    names = {"percpu_defer", "percpu_defer_map", "zsmalloc", "sample.sh", "brd_discard",
             "zram_dead", "zram_ops", "zram_selftest.sh", "swap_reuse",
             "zswap_selftest.sh", "zswap_ops", "zswap_reuse"}
    names |= {"torture.sh", "zram_trace"} if torture else \
        {"percpu_defer_bench", "percpu_defer_pages"}
    without = older.without_tests(version)
    return names - without.keys(), sorted(set(without.values()))


def run_guest_tests(kernel, seconds, torture, count, stage):
    def on_line(line):
        if line.startswith("BEGIN "):
            stage(f"  {line.split()[1]}")
        print(line, flush=True)
    try:
        lines = kernel.run("test", {"pd_seconds": seconds, "pd_torture": torture},
                           on_line=on_line, silence=seconds + SILENCE)
    except vm.VmError as error:
        print(f"error: {error}", file=sys.stderr)
        count.failed += 1
        return
    ran = set()
    for name, ktap, code in sections(lines):
        ran.add(name)
        before = count.failed
        if not count_ktap(kernel, ktap, count) or code and count.failed == before:
            print(f"error: {name} ended with {code}", file=sys.stderr)
            count.failed += 1
    names, left_out = expected(apply.kernel_version(kernel.tree), torture)
    for line in left_out:
        print(line, flush=True)
    if missing := names - ran:
        print(f"error: did not run: {', '.join(sorted(missing))}", file=sys.stderr)
        count.failed += 1


def run(source, kernels, seconds, torture, stage):
    """Returns whether all is well; prints the count as its last line.

    kernels: pairs of a kind and a function that builds it.
    """
    count = Count()
    stage("test the harness")
    run_harness_tests(source, count)
    for kind, build in kernels:
        kernel = build()
        stage(f"test in the {kind} kernel ({seconds} s of slot reuse)")
        run_guest_tests(kernel, seconds, 0 if kind == "plain" else torture, count, stage)
        stage(f"so far {count}")
    print(count, flush=True)
    return not count.failed
