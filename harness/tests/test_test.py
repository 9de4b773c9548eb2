# SPDX-License-Identifier: GPL-2.0
"""test.py, ktap.py, expectations.py: no result is lost, and all skips are named."""

import contextlib
import io
import os
import pathlib
import types
import unittest

from checks import expectations, ktap, test
from shared import Error
from tests import patched

KUNIT = """BEGIN percpu_defer
KTAP version 1
1..1
    KTAP version 1
    # Subtest: percpu_defer
    # module: percpu_defer_kunit
    1..3
    ok 1 o_drain_once
    # o_cap: EXPECTATION FAILED
    not ok 2 o_cap
    ok 3 o_kasan # SKIP needs CONFIG_KASAN_GENERIC
# percpu_defer: pass:1 fail:1 skip:1 total:3
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


def results(text):
    tree = pathlib.Path(os.environ["PD_PRISTINE"])
    return [one for section in ktap.sections(text.splitlines())
            for one in ktap.results(tree, section)]


def names(text, status):
    return [one.name for one in results(text) if one.status == status]


class KtapTest(unittest.TestCase):
    def test_kunit(self):
        self.assertEqual(names(KUNIT, "passed"), ["percpu_defer:o_drain_once"])
        self.assertEqual(names(KUNIT, "failed"), ["percpu_defer:o_cap"])
        self.assertEqual(names(KUNIT, "skipped"), ["percpu_defer:o_kasan"])

    def test_kselftest(self):
        self.assertEqual(names(KSFT, "passed"), ["zram_ops:write"])
        self.assertEqual(names(KSFT, "failed"), ["zram_ops:reset"])
        self.assertEqual(names(KSFT, "skipped"), ["zram_ops:access time: not tracked"])

    def test_says_why(self):
        """The output of a failed test is repeated with its result."""
        why = [one.why for one in results(KUNIT + KSFT) if one.status == "failed"]
        self.assertEqual(why, ["failed\n    # o_cap: EXPECTATION FAILED", ""])

    def test_cut_short(self):
        """A guest that dies in a section has not run the rest of it."""
        self.assertEqual(names(KSFT.partition("ok 2")[0], "failed"),
                         [*["zram_ops:(missing)"] * 2, "zram_ops"])

    def test_exit_code(self):
        text = "BEGIN x\nTAP version 13\n1..1\nok 1 a\nEND 139\n"
        self.assertEqual(names(text, "failed"), ["x"])

    def test_nothing(self):
        self.assertEqual(names("BEGIN x\ncat: no such file\nEND 1\n", "failed"), ["x"])

    def test_skipped_as_a_whole(self):
        self.assertEqual(names("BEGIN x\nTAP version 13\n1..0 # SKIP needs y\nEND 4\n",
                               "skipped"), ["x"])

    def test_no_end(self):
        found = names("BEGIN x\nTAP version 13\n1..1\nok 1 a\n" + KSFT, "failed")
        self.assertEqual(found, ["x", "zram_ops:reset"])


class ExpectationsTest(unittest.TestCase):
    def setUp(self):
        self.folder = patched.folder(self)
        self.write("skips", '[[skip]]\ntest = "zram_ops:access*"\nreason = "r"\n'
                            'kernels = ["plain"]\nversions = ["7.3"]\n')

    def write(self, name, text):
        (self.folder / f"{name}.toml").write_text(text)

    def judge(self, text, kind="plain", version="7.3.4"):
        count = expectations.Count()
        wanted = expectations.Expectations(kind, version, self.folder)
        return count, [said for one in results(text)
                       if (said := count.judge(one, wanted))]

    def test_allowed_and_failed(self):
        count, said = self.judge(KSFT)
        self.assertEqual(str(count), "1 passed, 1 failed, 1 skipped")
        self.assertEqual(len(said), 1)
        self.assertIn("zram_ops:reset", said[0])

    def test_unknown_skip(self):
        for kind, version in (("kasan", "7.3.4"), ("plain", "6.12.117")):
            count, said = self.judge(KSFT, kind, version)
            self.assertEqual(count.failed, 2)
            self.assertIn("zram_ops:access time: not tracked: skipped", said[0])

    def test_bad_entry(self):
        self.write("skips", '[[skip]]\ntest = "x"\n')
        with self.assertRaisesRegex(expectations.Error, "entry 1 lacks reason"):
            self.judge(KSFT)

    def test_own_table(self):
        for kind in ("harness", "plain", "kasan"):
            expectations.Expectations(kind, "7.3.4")


class FakeKernel:
    """Prints given lines, and may end with an error."""

    def __init__(self, text, error=""):
        self.tree = pathlib.Path(os.environ["PD_PRISTINE"])
        self.lines, self.error, self.asked = text.splitlines(), error, None

    def run(self, job, params, on_line, **limits):
        self.asked = types.SimpleNamespace(job=job, params=params, limits=limits)
        for line in self.lines:
            on_line(line)
        if self.error:
            raise Error(self.error, self.lines)
        return self.lines


class GuestTest(unittest.TestCase):
    def run_guest(self, kernel, wanted):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            count = test.run_guest(kernel, "plain", "test", {}, wanted, lambda text: None)
        return count, said.getvalue()

    def test_good(self):
        count, _said = self.run_guest(FakeKernel("BEGIN x\nTAP version 13\n1..1\n"
                                                 "ok 1 a\nEND 0\n"), {"x"})
        self.assertEqual(str(count), "1 passed, 0 failed")

    def test_not_run(self):
        count, said = self.run_guest(FakeKernel(""), {"x"})
        self.assertEqual(count.failed, 1)
        self.assertIn("x: did not run", said)

    def test_nothing_wanted_nothing_run(self):
        count, said = self.run_guest(FakeKernel(""), set())
        self.assertEqual(count.failed, 1)
        self.assertIn("ran no test", said)

    def test_bad_end(self):
        """Tests that ran before an abnormal end are counted, and the end counts as a failure."""
        count, said = self.run_guest(
            FakeKernel("BEGIN x\nTAP version 13\n1..1\nok 1 a\nEND 0\n", "BUG: y"), {"x"})
        self.assertEqual(str(count), "1 passed, 1 failed")
        self.assertIn("guest: BUG: y", said)

    def test_only(self):
        kernel = FakeKernel(KUNIT)
        with contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()):
            count = test.run_guest_tests(kernel, "kasan", 5, 60, lambda text: None,
                                         test.Only("percpu_defer", "o_cap"))
        self.assertEqual(kernel.asked.params["pd_case"], "o_cap")
        self.assertNotIn("missing", str(count))
        self.assertEqual(count.failed, 2)   # o_cap, and a skip that is not allowed


class NamesTest(unittest.TestCase):
    def test_all_sections_are_expected(self):
        """Every section of test.sh must run in at least one kernel."""
        wanted = test.expected("7.3.4", "plain")[0] | test.expected("7.3.4", "kasan")[0]
        self.assertEqual(set(test.sections_of_guest()), wanted)

    def test_suites_are_sections(self):
        self.assertLessEqual(test.kunit_cases().keys(), set(test.sections_of_guest()))

    def test_choose(self):
        for name, chosen in (
                ("", ("", test.Only())),
                ("zram_ops", ("", test.Only("zram_ops"))),
                ("o_age", ("", test.Only("percpu_defer", "o_age"))),
                ("percpu_defer:o_age", ("", test.Only("percpu_defer", "o_age"))),
                ("NamesTest.test_choose", ("NamesTest.test_choose", test.Only())),
                ("test_vm", ("test_vm", test.Only()))):
            self.assertEqual(test.choose(name), chosen)

    def test_choose_nothing(self):
        for name in ("o_ag", "zram", "zram_ops:x", "test_v", "percpu_defer:m_age"):
            with self.assertRaises(Error) as caught:
                test.choose(name)
            self.assertIn("zswap_ops", str(caught.exception))
            self.assertIn("o_age", str(caught.exception))
            self.assertIn("test_vm", str(caught.exception))


class HarnessResultsTest(unittest.TestCase):
    def test_counts(self):
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
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Some).run(result)
        found = [(one.status, one.name.rpartition(".")[2])
                 for one in test.harness_results(result)]
        self.assertEqual(found, [("failed", "test_bad"), ("skipped", "test_skipped"),
                                 ("passed", "")])

    def test_class_that_cannot_be_set_up(self):
        class Broken(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                raise RuntimeError

            def test_never(self):
                pass
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Broken).run(result)
        self.assertEqual([one.status for one in test.harness_results(result)], ["failed"])
