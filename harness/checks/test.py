# SPDX-License-Identifier: GPL-2.0
"""Run tests and count them: unit tests of the harness, KUnit and the selftests."""

import os
import re
import sys
import textwrap
import typing
import unittest

from checks import ktap
from checks.expectations import judge
from overlay import apply, compat_tables
from shared import HARNESS, TOP, Error, script

# Maximum seconds without output from a test, in addition to its requested run time. The
# final check of all pages in zswap_reuse took three minutes on a machine that was running
# three other guests.
SILENCE = 600
# Time limit for all tests of a guest in seconds, in addition to twice the slot reuse and
# the torture. KCSAN took 32 minutes next to other guests.
DEADLINE = 5400
# Kernel complaints that tests provoke on purpose: {section: names in console.EXPECTABLE}.
EXPECTED = {"planted_leaks": ["planted leak"], "zswap_late.sh": ["OOM kill"]}
# Sections of test.sh for the plain kernel only, and for all other kernels only.
PLAIN_ONLY, DEBUG_ONLY = {"percpu_defer_bench"}, {"torture.sh", "zram_trace"}


def harness_results(result):
    """Return the failures and skips by name, and a nameless result for each pass."""
    found = {}
    for status, cases in (("skipped", result.skipped),
                          ("failed", result.failures + result.errors)):
        for case, text in cases:
            # Attribute a subtest to its test.
            case = getattr(case, "test_case", case)
            found[case] = ktap.Result(case.id().removeprefix("tests."), status,
                                      text.strip().split("\n")[-1])
    # The setup of a class is not a test.
    number = sum(isinstance(case, unittest.TestCase) for case in found)
    return [*found.values(), *[ktap.Result("", "passed", "")] * (result.testsRun - number)]


def run_harness_tests(source):
    """Run the unit tests; PD_PRISTINE names a kernel source, see tests/test_apply.py."""
    for job in "dkms", "report", "series":
        script("machine/deps.sh", job)
    os.environ["PD_PRISTINE"] = str(source)
    tests = unittest.defaultTestLoader.discover(HARNESS / "tests", top_level_dir=HARNESS)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    return judge(harness_results(result), "harness", apply.kernel_version(source))


def tests_of(job):
    """Return the names of the sections in a guest job."""
    text = (HARNESS / f"guest/{job}.sh").read_text()
    return set(re.findall(r"^[^#\n]*\b(?:kunit|selftest) ([\w.]+)", text, re.M))


def expected(version, kind):
    """Return the sections of test.sh that must run, and the reasons for those that cannot."""
    without = compat_tables.without_tests(version)
    other = DEBUG_ONLY if kind == "plain" else PLAIN_ONLY
    return tests_of("test") - other - without.keys(), sorted(set(without.values()))


def kunit_cases():
    """Return the cases of each KUnit suite, from the sources."""
    found = {}
    for path in sorted([*TOP.glob("lib/tests/*_kunit.c"), *TOP.glob("mm/tests/*_kunit.c")]):
        text = path.read_text()
        if suite := re.search(r'^\t\.name = "(\w+)",\n(?:\t.*\n)*?\t\.test_cases', text, re.M):
            found[suite[1]] = re.findall(r"\bKUNIT_CASE\w*\((\w+)", text)
    return found


class Only(typing.NamedTuple):
    """Selection by ONLY=: a section of a guest, or a case of a KUnit suite."""
    section: str = ""
    case: str = ""


def choose(name):
    """Look up ONLY=; fail with a list of the valid names if the name is none of them."""
    chosen = {"": Only(), **{section: Only(section) for section in tests_of("test")}}
    for suite, cases in kunit_cases().items():
        chosen |= {case: Only(suite, case) for case in cases}
    if name not in chosen:
        raise Error(textwrap.fill(f"ONLY={name}: no test has this name; choose from "
                                  f"{', '.join(sorted(filter(None, chosen)))}"))
    return chosen[name]


def run_guest(kernel, kind, job, params, names, stage, skips=HARNESS / "checks", **limits):
    """Run a job whose output has sections; each of `names` must run. Return the Count."""
    def on_line(line):
        if line.startswith("BEGIN "):
            stage(f"  {line.split()[1]}")
        print(line, flush=True)

    results = []
    try:
        lines = kernel.run(job, params, on_line=on_line, expected=EXPECTED, **limits)
    except Error as error:
        lines = error.lines
        results.append(ktap.Result("guest", "failed", str(error)))
    sections = list(ktap.sections(lines))
    for section in sections:
        results += ktap.results(kernel.tree, section)
    for name in sorted(names - {section.name for section in sections}):
        results.append(ktap.Result(name, "failed", "did not run"))
    if not results:
        results.append(ktap.Result(job, "failed", "ran no test; see build/log"))
    return judge(results, kind, apply.kernel_version(kernel.tree), skips)
