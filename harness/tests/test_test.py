# SPDX-License-Identifier: GPL-2.0
"""test.py, ktap.py, expectations.py: no result is lost, and only listed skips are permitted."""

import argparse
import os
import pathlib
import re
import unittest

from checks import expectations, ktap, parts, test
from shared import TOP, Error
from tests import patched
from tests.commands import FakeKernel, quietly

KUNIT = """BEGIN percpu_defer
KTAP version 1
1..1
    KTAP version 1
    # Subtest: percpu_defer
    1..3
    ok 1 o_drain_once
    # o_cap: EXPECTATION FAILED
    not ok 2 o_cap
    ok 3 o_kasan # SKIP needs CONFIG_KASAN_GENERIC
not ok 1 percpu_defer
END 0
"""

KSFT = """BEGIN zram_ops
TAP version 13
1..3
ok 1 write
ok 2 # SKIP access time: not tracked
not ok 3 reset
# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
END 1
"""
GOOD = "BEGIN x\nTAP version 13\n1..1\nok 1 a\nEND 0\n"

# (output, passed tests, failed tests, skipped tests)
OUTPUTS = (
    (KUNIT, ["percpu_defer:o_drain_once"], ["percpu_defer:o_cap"], ["percpu_defer:o_kasan"]),
    (KSFT, ["zram_ops:write"], ["zram_ops:reset"], ["zram_ops:access time: not tracked"]),
    # If a guest dies in a section, the remaining tests of the section are missing.
    (KSFT.partition("ok 2")[0], ["zram_ops:write"], [*["zram_ops:(missing)"] * 2, "zram_ops"], []),
    (GOOD.partition("END")[0] + KSFT, ["x:a", "zram_ops:write"], ["x", "zram_ops:reset"],
     ["zram_ops:access time: not tracked"]),
    (GOOD.replace("END 0", "END 139"), ["x:a"], ["x"], []),
    ("BEGIN x\ncat: no such file\nEND 1\n", [], ["x"], []),
    # Only a newline ends a line.
    ("BEGIN x\nTAP version 13\n1..1\nfoo\rok 1 a\nEND 0\n", [], ["x:(missing)", "x"], []),
    ("BEGIN x\nTAP version 13\n1..0 # SKIP needs y\nEND 4\n", [], [], ["x"]))


def results(text):
    tree, found = pathlib.Path(os.environ["PD_PRISTINE"]), []
    for section in ktap.sections(text.split("\n")):
        found += ktap.results(tree, section)
    return found


class ResultsTest(unittest.TestCase):
    def test_results(self):
        for text, *expected in OUTPUTS:
            with self.subTest(text):
                for status, names in zip(("passed", "failed", "skipped"), expected):
                    found = [one.name for one in results(text) if one.status == status]
                    self.assertEqual(found, names)

    def judge(self, skips, kind="plain", version="7.3.4"):
        """Judge the results of KSFT by this skips.toml; return the count and the output."""
        folder = patched.folder(self)
        (folder / "skips.toml").write_text(skips)
        count, said = quietly(expectations.judge, results(KSFT), kind, version, folder)
        return str(count), said

    def test_skips(self):
        skip = ('[[skip]]\ntest = "zram_ops:access*"\nreason = "r"\n'
                'kernels = ["plain"]\nversions = ["7.3"]\n')
        for kind, version, count in (("plain", "7.3.4", "1 passed, 1 failed, 1 skipped"),
                                     ("kasan", "7.3.4", "1 passed, 2 failed"),
                                     ("plain", "6.12.117", "1 passed, 2 failed")):
            found, said = self.judge(skip, kind, version)
            self.assertEqual(found, count)
            self.assertIn("zram_ops:reset: failed", said)
            self.assertEqual("not tracked: skipped" in said, "2 failed" in count)

    def test_bad_entry(self):
        """A misspelt key is an error, because the skip would be permitted in all kernels."""
        with self.assertRaisesRegex(Error, "skips.toml, entry 1: .*unexpected .*'kernel'"):
            self.judge('[[skip]]\ntest = "x"\nreason = "r"\nkernel = ["plain"]\n')

    def test_guests(self):
        for text, fault, wanted, count, why in (
                (GOOD, "", {"x"}, "1 passed, 0 failed", ""),
                ("", "", {"x"}, "0 passed, 1 failed", "x: did not run"),
                ("", "", set(), "0 passed, 1 failed", "ran no test"),
                # Tests before an abnormal end are counted; the end itself counts as a failure.
                (GOOD, "BUG: y", {"x"}, "1 passed, 1 failed", "guest: BUG: y")):
            found, said = quietly(test.run_guest, FakeKernel(text.splitlines(), fault), "plain",
                                  "test", {}, wanted, print)
            self.assertEqual(str(found), count)
            self.assertIn(why, said)

    def test_only(self):
        kernel = FakeKernel(KUNIT.splitlines())
        args = argparse.Namespace(seconds=5, torture=60)
        patched.replace(self, parts, patched_kernel=lambda source, kind: kernel)
        found, _said = quietly(parts.test_kind, None, "kasan", args,
                               test.Only("percpu_defer", "o_cap"))
        self.assertEqual(kernel.params["pd_case"], "o_cap")
        self.assertEqual(kernel.limits["deadline"], test.DEADLINE + 70)
        # The failures are o_cap and a skip that is not permitted.
        self.assertEqual(str(found), "1 passed, 2 failed")


class NamesTest(unittest.TestCase):
    def test_all_tests_run(self):
        """All KUnit suites and selftest programs but quiet_cpu.sh are sections of test.sh."""
        folder = TOP / parts.SELFTESTS
        text = "".join((folder / name).read_text() for name in ("Makefile", "Makefile.edit.toml"))
        programs = re.findall(r"^TEST(?:_GEN)?_PROGS \+?:?= (.*)", text, re.M)
        programs = " ".join(programs).split()
        ignored = (folder / ".gitignore").read_text().split()
        self.assertLessEqual({name for name in programs if ".sh" not in name}, set(ignored))
        names = {*programs, *test.kunit_cases()} - {"quiet_cpu.sh"}
        self.assertLessEqual({"zswap_late.sh", "zswap_ops", "files", "zsmalloc"}, names)
        self.assertLessEqual(names, test.tests_of("test"))
        self.assertLessEqual(names, test.expected("7.3.4", "plain")[0] |
                             test.expected("7.3.4", "kasan")[0])

    def test_guarantees(self):
        """The list of guarantees names each KUnit case of the library."""
        head = (TOP / "lib/tests/percpu_defer_kunit.c").read_text().partition("#include")[0]
        cases = test.kunit_cases()
        self.assertEqual(set(re.findall(r"\b[om]_\w+", head)),
                         {*cases["percpu_defer"], *cases["percpu_defer_map"]})

    def test_choose(self):
        for name, chosen in (("", ("", "")), ("zram_ops", ("zram_ops", "")),
                             ("o_age", ("percpu_defer", "o_age"))):
            self.assertEqual(test.choose(name), chosen)
        for name in ("o_ag", "zram", "?"):
            with self.assertRaisesRegex(Error, "(?s)o_age.*zswap_ops"):
                test.choose(name)


class HarnessResultsTest(unittest.TestCase):
    class Some(unittest.TestCase):
        def test_good(self):
            pass

        def test_bad(self):
            for number in range(3):
                with self.subTest(number=number):
                    self.fail()

        @unittest.skip("why")
        def test_skipped(self):
            pass

    class Broken(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            raise RuntimeError

        def test_never(self):
            pass

    def test_results(self):
        for case, expected in (
                (self.Some, [("skipped", "test_skipped"), ("failed", "test_bad"),
                             ("passed", "")]),
                (self.Broken, [("failed", "Broken)")])):
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
            self.assertEqual([(one.status, one.name.rpartition(".")[2])
                              for one in test.harness_results(result)], expected)
