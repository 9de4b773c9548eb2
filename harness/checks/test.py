# SPDX-License-Identifier: GPL-2.0
"""Run tests and count them: unit tests of the harness, KUnit and the selftests."""

import os
import re
import sys
import textwrap
import typing
import unittest

from checks import ktap
from checks.expectations import Count, Expectations
from overlay import apply, compat_tables
from shared import HARNESS, TOP, Error, script

# Permitted silence of a test in a debug kernel in seconds, in addition to its requested
# run time. The final check of all pages in zswap_reuse took three minutes on a machine
# that was running three other guests.
SILENCE = 600
# Time limit for all tests of a guest in seconds, in addition to twice the slot reuse and
# the torture. KCSAN took 32 minutes next to other guests.
DEADLINE = 5400
# Kernel complaints that tests provoke on purpose: {section: names in
# console.EXPECTABLE}.
EXPECTED = {"planted_leaks": ["planted leak"],
            "zswap_late.sh": ["OOM kill"]}


def cases_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from cases_of(test)
        else:
            yield test


def harness_cases():
    return list(cases_of(unittest.defaultTestLoader.discover(HARNESS / "tests",
                                                             top_level_dir=HARNESS)))


def name_of(case):
    """Return a name such as test_vm.VmTest.test_good."""
    return case.id().removeprefix("tests.")


def is_called(case, name):
    """Match 'test_vm', 'VmTest', 'test_good', or several of these joined by dots."""
    parts, wanted = case.id().split("."), name.split(".")
    return any(parts[first:first + len(wanted)] == wanted
               for first in range(len(parts)))


def harness_results(result):
    """Return failures and skips by name; only count the others."""
    seen = set()
    for status, cases in (("failed", result.failures + result.errors),
                          ("skipped", result.skipped)):
        for case, text in cases:
            # Attribute a subtest to its test.
            whole = getattr(case, "test_case", case)
            if whole.id() not in seen:
                yield ktap.Result(name_of(whole), status, text.strip().split("\n")[-1])
            # The setup of a class is not a test.
            seen |= {whole.id()} if isinstance(whole, unittest.TestCase) else set()
    yield from [ktap.Result("", "passed")] * (result.testsRun - len(seen))


def judge(results, expectations, count):
    for result in results:
        if said := count.judge(result, expectations):
            print(said, file=sys.stderr, flush=True)


def run_harness_tests(source, only=""):
    """Run the unit tests; PD_PRISTINE names their kernel, see tests/test_apply.py."""
    for job in "dkms", "report", "series":
        script("machine/deps.sh", job)
    os.environ["PD_PRISTINE"] = str(source)
    suite = unittest.TestSuite(case for case in harness_cases()
                               if not only or is_called(case, only))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    count = Count()
    judge(harness_results(result),
          Expectations("harness", apply.kernel_version(source)), count)
    return count


def expected(version, kind):
    """Return the sections that must run, and a line for each that cannot."""
    names = {"percpu_defer", "percpu_defer_map", "zsmalloc", "sample.sh", "files",
             "zram_dead", "zram_ops", "zram_selftest.sh", "swap_reuse",
             "zswap_selftest.sh", "zswap_ops", "zswap_paths", "zswap_lost", "zswap_reuse",
             "zswap_late.sh", "kmemleak.sh"}
    names |= {"percpu_defer_bench"} if kind == "plain" else \
        {"torture.sh", "zram_trace"}
    without = compat_tables.without_tests(version)
    return names - without.keys(), sorted(set(without.values()))


def tests_of(job):
    """Return the tests that must run in a job."""
    text = (HARNESS / f"guest/{job}.sh").read_text()
    return set(re.findall(r"^(?:kunit|selftest) ([\w.]+)", text, re.M))


def perturbed(client):
    """Return the tests of a client that must run in the job perturb-CLIENT."""
    return tests_of(f"perturb-{client}")


class Only(typing.NamedTuple):
    """Selection by ONLY= in a guest: a section, or a case of a KUnit suite."""
    section: str = ""
    case: str = ""

    def params(self):
        return {"pd_only": self.section, "pd_case": self.case}


def sections_of_guest():
    """Return the names of all sections of test.sh."""
    text = (HARNESS / "guest/test.sh").read_text()
    return list(dict.fromkeys(re.findall(r"(?<!modprobe )\b(?:kunit|selftest) ([\w.]+)", text)))


def kunit_cases():
    """Return the cases of each KUnit suite, from the sources."""
    found = {}
    for path in sorted([*TOP.glob("lib/tests/*_kunit.c"), *TOP.glob("mm/tests/*_kunit.c")]):
        text = path.read_text()
        if suite := re.search(r'^\t\.name = "(\w+)",\n(?:\t.*\n)*?\t\.test_cases', text, re.M):
            found[suite[1]] = re.findall(r"\bKUNIT_CASE\w*\((\w+)", text)
    return found


def choose(name):
    """Look up ONLY=: a name of unit tests, or an Only; fail and list the valid names."""
    if not name:
        return "", Only()
    cases = kunit_cases()
    section, _, case = name.partition(":")
    if section in sections_of_guest() and (not case or case in cases.get(section, ())):
        return "", Only(section, case)
    for suite, names in cases.items():
        if name in names:
            return "", Only(suite, name)
    if any(is_called(one, name) for one in harness_cases()):
        return name, Only()
    raise Error(f"ONLY={name}: no test has this name; there are:\n{all_names()}")


def all_names():
    modules = sorted({name_of(case).split(".")[0] for case in harness_cases()})
    lines = [f"guest: {', '.join(sections_of_guest())}",
             *(f"{suite}: {', '.join(names)}" for suite, names in kunit_cases().items()),
             f"harness: {', '.join(modules)}, and the classes and tests in these"]
    return "\n".join(textwrap.fill(line, 80, subsequent_indent="  ",
                                   break_long_words=False) for line in lines)


def guest_results(tree, lines, names):
    """Return all results of a guest's output; a section that did not run has failed."""
    ran = set()
    for section in ktap.sections(lines):
        ran.add(section.name)
        yield from ktap.results(tree, section)
    for name in sorted(names - ran):
        yield ktap.Result(name, "failed", "did not run")


def run_job(kernel, job, params, stage, **limits):
    """Return the output of a job, and a failed result if the guest was faulty."""
    def on_line(line):
        if line.startswith("BEGIN "):
            stage(f"  {line.split()[1]}")
        print(line, flush=True)
    try:
        return kernel.run(job, params, on_line=on_line, expected=EXPECTED, **limits), []
    except Error as error:
        return error.lines, [ktap.Result("guest", "failed", str(error))]


def run_guest(kernel, kind, job, params, names, stage, **limits):
    """Run a job whose output has sections; `names` lists the required ones."""
    lines, results = run_job(kernel, job, params, stage, **limits)
    expectations = Expectations(kind, apply.kernel_version(kernel.tree))
    results += guest_results(kernel.tree, lines, names)
    count = Count()
    judge(results, expectations, count)
    if not results:
        print(f"error: {job}: ran no test; see build/log", file=sys.stderr)
        count.failed += 1
    return count


def run_guest_tests(kernel, kind, seconds, torture, stage, only=Only()):
    """Run all tests of a kind of kernel, or one test."""
    torture = 0 if kind == "plain" else torture
    names, left_out = expected(apply.kernel_version(kernel.tree), kind)
    if only.section:
        names &= {only.section}
    else:
        for line in left_out:
            print(line, flush=True)
    return run_guest(kernel, kind, "test",
                     {"pd_seconds": seconds, "pd_torture": torture, **only.params()},
                     names, stage, silence=seconds + SILENCE,
                     deadline=DEADLINE + 2 * seconds + torture)
