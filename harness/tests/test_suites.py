# SPDX-License-Identifier: GPL-2.0
"""suites.py: no result of a suite is lost, and regressions fail the run."""

import contextlib
import io
import re
import types
import unittest
import unittest.mock

from checks import suites
from shared import HARNESS, Error
from tests import patched

SUITE = suites.Suite("mm-zram", "kselftest", "zram", ("mm:ksft_cow.sh",), 60, 480, 2)

# Output of run_kselftest.sh, run_vmtests.sh and a program, each level prefixed with "# ".
NESTED = """BEGIN mm-zram
TAP version 13
1..2
# selftests: mm: ksft_cow.sh
# TAP version 13
# # running ./cow
# # TAP version 13
# # 1..3
# # ok 1 basic COW
# # not ok 2 vmsplice
# # ok 3 # SKIP fork with hugetlb
# not ok 1 cow # exit=1
# 1..1
not ok 1 selftests: mm: ksft_cow.sh # exit=1
# selftests: mm: ksft_mremap.sh
# ok 1 mremap_test
# ok 2 mremap_dontunmap # SKIP
ok 2 selftests: mm: ksft_mremap.sh
END 1
"""
COW = "selftests: mm: ksft_cow.sh/cow"
MREMAP = "selftests: mm: ksft_mremap.sh"


def of(text, suite="mm-zram"):
    return suites.results(text.splitlines(), suite)


class ResultsTest(unittest.TestCase):
    def test_nested(self):
        self.assertEqual(of(NESTED), {
            f"{COW}/basic COW": "passed", f"{COW}/vmsplice": "failed",
            f"{COW}/fork with hugetlb": "skipped", f"{MREMAP}/mremap_test": "passed",
            f"{MREMAP}/mremap_dontunmap": "skipped"})

    def test_crash(self):
        """A program that dies after successful tests has failed as a whole."""
        found = of(NESTED.replace("not ok 2 vmsplice", "ok 2 vmsplice"))
        self.assertEqual(found[COW], "failed")
        self.assertEqual(found[f"{COW}/vmsplice"], "passed")

    def test_timeout(self):
        found = of("BEGIN mm-zram\nnot ok 1 selftests: mm: a.sh # TIMEOUT 60 seconds\nEND 1\n")
        self.assertEqual(found, {"selftests: mm: a.sh": "failed"})

    def test_expected_failure(self):
        self.assertEqual(of("BEGIN mm-zram\nok 1 a # XFAIL why\nEND 0\n"), {"a": "passed"})

    def test_not_ok_and_skip(self):
        """A SKIP directive does not hide a failure."""
        self.assertEqual(of("BEGIN mm-zram\nnot ok 1 a # SKIP\nEND 0\n"), {"a": "failed"})

    def test_same_name(self):
        found = of("BEGIN mm-zram\nok 1 a\nnot ok 2 a\nEND 0\n")
        self.assertEqual(found, {"a": "passed", "a #2": "failed"})

    def test_zram(self):
        text = ("BEGIN mm-zram\n# zram01 : [PASS]\n# FAIL mkswap /dev/zram1 failed\n"
                "# zram02 : [FAIL]\nok 1 selftests: zram: zram.sh\nEND 0\n")
        self.assertEqual({name.rpartition("/")[2]: status for name, status in
                          of(text.replace("/dev/zram1 ", "")).items()},
                         {"zram01": "passed", "FAIL mkswap failed": "failed",
                          "zram02": "failed"})

    def test_no_end(self):
        found = of(NESTED.partition("# ok 2 mremap_dontunmap")[0])
        self.assertEqual(found["(the end of the suite)"], "failed")

    def test_other_suite(self):
        self.assertEqual(of(NESTED, "cgroup-zram"), {})


class JudgeTest(unittest.TestCase):
    def judge(self, base, patched, base_fault="", fault=""):
        return suites.judge(SUITE, {"base": base, "patched": patched},
                            {"base": base_fault, "patched": fault})

    def errors(self, base, patched, **faults):
        errors, _notes, count = self.judge(base, patched, **faults)
        self.assertEqual(count.failed, len(errors))
        return errors

    def test_same(self):
        both = {"a": "passed", "b": "failed", "c": "skipped"}
        errors, notes, count = self.judge(both, both)
        self.assertEqual(errors, [])
        self.assertEqual(notes, ["b: fails on both kernels"])
        self.assertEqual(str(count), "1 passed, 0 failed, 1 skipped")

    def test_regression(self):
        for before in ("passed", "skipped"):
            self.assertEqual(self.errors({"a": before, "b": "passed", "c": "passed"},
                                         {"a": "failed", "b": "passed", "c": "passed"}),
                             [f"a: failed; {before} on the unmodified kernel"])

    def test_unknown_on_base(self):
        """A failure that the unmodified kernel could not show counts as a regression."""
        self.assertIn("b: failed; did not run on the unmodified kernel",
                      self.errors({"a": "passed", "c": "passed"},
                                  {"a": "passed", "b": "failed", "c": "passed"}))

    def test_lost(self):
        self.assertEqual(self.errors({"a": "passed", "b": "passed", "c": "passed"},
                                     {"a": "passed", "b": "passed"}),
                         ["c: did not run; passed on the unmodified kernel"])

    def test_skipped_there_only(self):
        self.assertEqual(self.errors({"a": "passed", "b": "passed", "c": "passed"},
                                     {"a": "passed", "b": "passed", "c": "skipped"}),
                         ["c: skipped; passed on the unmodified kernel"])

    def test_better(self):
        errors, notes, _count = self.judge({"a": "failed", "b": "passed"},
                                           {"a": "passed", "b": "passed"})
        self.assertEqual(errors, [])
        self.assertEqual(notes, ["a: failed on the unmodified kernel only"])

    def test_minimum(self):
        """Skips do not count; a suite that did not run at all fails on either kernel."""
        full, few = {"a": "passed", "b": "failed"}, {"a": "passed", "b": "skipped"}
        self.assertEqual(self.errors(few, few),
                         ["base: 1 results, at least 2 expected",
                          "patched: 1 results, at least 2 expected"])
        self.assertEqual(self.errors({}, {}),
                         ["base: 0 results, at least 2 expected",
                          "patched: 0 results, at least 2 expected"])
        self.assertEqual(self.errors(full, full), [])

    def test_guest_fault(self):
        both = {"a": "passed", "b": "passed"}
        self.assertEqual(self.errors(both, both, fault="BUG: x"), ["patched: BUG: x"])
        errors, notes, _count = self.judge(both, both, base_fault="BUG: x")
        self.assertEqual((errors, notes), ([], ["base: BUG: x"]))


class RunTest(unittest.TestCase):
    def setUp(self):
        folder = patched.folder(self)
        self.archive = folder / "suites.cpio.gz"
        self.archive.write_text("suites")
        self.kernels = {}
        for label in suites.KERNELS:
            initramfs = folder / f"{label}.cpio.gz"
            initramfs.write_text(label)
            self.kernels[label] = types.SimpleNamespace(image=label, initramfs=initramfs)
        self.booted = []

    def run_suite(self, outputs):
        """Run a suite; outputs: {label: output, or the Error, or a list of these}."""
        def boot(image, initramfs, _job, params, **limits):
            self.booted.append((image, initramfs.read_text(), params, limits))
            output = outputs[image]
            if isinstance(output, list):
                output = output.pop(0) if len(output) > 1 else output[0]
            if isinstance(output, Error):
                raise output
            return output.splitlines()
        said = io.StringIO()
        with unittest.mock.patch.object(suites.vm, "run", boot), \
                contextlib.redirect_stdout(said):
            count = suites.run(self.kernels, self.archive, [SUITE], lambda text: None)
        return count, said.getvalue()

    def test_both_kernels(self):
        count, said = self.run_suite({"base": NESTED, "patched": NESTED})
        self.assertEqual(str(count), "2 passed, 0 failed, 2 skipped")
        self.assertIn(f"{COW}/vmsplice: fails on both kernels", said)
        self.assertEqual([one[:2] for one in self.booted],
                         [("base", "basesuites"), ("patched", "patchedsuites")])
        self.assertEqual(self.booted[0][2]["pd_tests"], "mm:ksft_cow.sh")
        self.assertEqual(self.booted[0][3]["deadline"], 480)

    def test_fails_now_and_then(self):
        """The unmodified kernel gets several runs to show the same failure."""
        good = NESTED.replace("not ok 2 vmsplice", "ok 2 vmsplice").replace("not ok", "ok")
        count, said = self.run_suite({"base": [good, good, NESTED], "patched": NESTED})
        self.assertEqual(count.failed, 0)
        self.assertIn(f"{COW}/vmsplice: fails on both kernels", said)
        self.assertEqual([one[0] for one in self.booted], ["base", "patched", "base", "base"])

    def test_never_fails_there(self):
        good = NESTED.replace("not ok 2 vmsplice", "ok 2 vmsplice").replace("not ok", "ok")
        count, said = self.run_suite({"base": good, "patched": [NESTED, good]})
        self.assertEqual(count.failed, 1)
        self.assertIn(f"error: mm-zram: {COW}/vmsplice: failed; passed on the unmod", said)
        self.assertEqual([one[0] for one in self.booted].count("patched"), 1)

    def test_guest_dies(self):
        """The results before the end are still compared."""
        half = NESTED.partition("# selftests: mm: ksft_mremap.sh")[0]
        count, said = self.run_suite({
            "base": NESTED, "patched": Error("BUG: y", half.splitlines())})
        self.assertGreater(count.failed, 0)
        self.assertIn("error: mm-zram: patched: BUG: y", said)
        self.assertIn(f"{MREMAP}/mremap_test: did not run", said)


class ListTest(unittest.TestCase):
    def test_each_swap(self):
        found = suites.load()
        self.assertEqual(found["mm-zswap"].swap, "zswap")
        self.assertEqual(found["fio"].swap, "none")
        self.assertEqual({suite.kind for suite in found.values()},
                         {"kselftest", "stress", "fio"})

    def test_complaints_have_names(self):
        for suite in suites.load().values():
            self.assertLessEqual(set(suite.console), set(suites.vm.console.EXPECTABLE))

    def test_guest_knows_them(self):
        """The guest job has each kind, each swap and each case of fio."""
        text = (HARNESS / "guest/suites.sh").read_text()
        labels = set(re.findall(r"^\t?(\w+)\)", text, re.M))
        for suite in suites.load().values():
            self.assertLessEqual({suite.kind, suite.swap}, labels)
            if suite.kind == "fio":
                self.assertLessEqual(set(suite.tests), labels)

    def test_command_line_is_short(self):
        """The kernel silently truncates command lines beyond 2048 characters."""
        for suite in suites.load().values():
            params = " ".join(f"{key}={value}" for key, value in suite.params().items())
            self.assertLess(len(params), 1800)

    def test_choose(self):
        self.assertEqual([suite.name for suite in suites.choose("fio,mm-zram")],
                         ["fio", "mm-zram"])
        self.assertEqual(len(suites.choose("")), len(suites.load()))
        with self.assertRaisesRegex(Error, "no suite has this name; there are mm-zram"):
            suites.choose("mm")
