# SPDX-License-Identifier: GPL-2.0
"""suites.py: no result of a suite is lost, and regressions fail the run."""

import types
import unittest

from checks import suites
from shared import Error
from tests import patched
from tests.commands import quietly

SUITE = suites.Suite("mm-zram", "kselftest", "zram", ("mm:ksft_cow.sh",), 60, 480, 2)

# Output of run_kselftest.sh, run_vmtests.sh and a program; "# " marks each nested level.
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
GOOD = NESTED.replace("not ok", "ok")
COW = "selftests: mm: ksft_cow.sh/cow"
MREMAP = "selftests: mm: ksft_mremap.sh"

# (output of a suite, results)
RESULTS = (
    # A program that fails although its tests passed counts as a failed test.
    ("# ok 1 a\nnot ok 1 cow # exit=1\n", {"cow/a": "passed", "cow": "failed"}),
    ("ok 1 a # XFAIL why\n", {"a": "passed"}),
    # A directive does not hide a failure.
    ("not ok 1 a # SKIP\n", {"a": "failed"}),
    ("ok 1 a\nnot ok 2 a\n", {"a": "passed", "a #2": "failed"}))

# (status of a test on the base kernel, on the patched kernel, error)
COMPARED = (
    ("passed", "passed", ""),
    ("passed", "failed", "failed; passed on the unmodified kernel"),
    ("skipped", "failed", "failed; skipped on the unmodified kernel"),
    # A failed test that did not run on the unmodified kernel is a regression.
    ("", "failed", "failed; did not run on the unmodified kernel"),
    ("passed", "", "did not run; passed on the unmodified kernel"),
    ("passed", "skipped", "skipped; passed on the unmodified kernel"),
    ("failed", "passed", ""),
    ("failed", "skipped", ""),
    ("failed", "failed", ""))


class ResultsTest(unittest.TestCase):
    def of(self, text, suite="mm-zram"):
        return suites.results(text.splitlines(), suite)

    def test_nested(self):
        self.assertEqual(self.of(NESTED), {
            f"{COW}/basic COW": "passed", f"{COW}/vmsplice": "failed",
            f"{COW}/fork with hugetlb": "skipped", f"{MREMAP}/mremap_test": "passed",
            f"{MREMAP}/mremap_dontunmap": "skipped"})
        self.assertEqual(self.of(NESTED, "cgroup-zram"), {})
        self.assertEqual(self.of("BEGIN mm-zram\nok 1 a\n"),
                         {"a": "passed", "(suite did not end)": "failed"})

    def test_results(self):
        for text, expected in RESULTS:
            with self.subTest(text):
                self.assertEqual(self.of(f"BEGIN mm-zram\n{text}END 1\n"), expected)


class JudgeTest(unittest.TestCase):
    def expect(self, base, patched, errors=(), notes=(), base_fault=""):
        """Expect these lines, and one failure per error."""
        count, said = quietly(suites.judge, SUITE, {"base": base, "patched": patched},
                              {"base": base_fault, "patched": ""})
        self.assertEqual(said.splitlines(), [*(f"  mm-zram: {note}" for note in notes),
                                             *(f"error: mm-zram: {error}" for error in errors)])
        self.assertEqual(count.failed, len(errors))

    def test_compared(self):
        others = {"a": "passed", "b": "passed"}
        for *both, error in COMPARED:
            with self.subTest(both):
                found = [others | {"x": status} if status else others for status in both]
                self.expect(*found, [f"x: {error}"] if error else [],
                            ["x: fails on both kernels"] if both == ["failed"] * 2 else [])

    def test_minimum(self):
        """Skips are not results; too few results on either kernel are an error."""
        for results, number in (({"a": "passed", "b": "skipped"}, 1), ({}, 0)):
            self.expect(results, results, [f"base: {number} results, at least 2 expected",
                                           f"patched: {number} results, at least 2 expected"])

    def test_guest_fault(self):
        both = {"a": "passed", "b": "passed"}
        self.expect(both, both, notes=["base: BUG: x"], base_fault="BUG: x")


class RunTest(unittest.TestCase):
    def run_suite(self, **outputs):
        """Run a suite; `outputs` maps each kernel to the output, or Error, of each boot."""
        folder, kernels, self.booted = patched.folder(self), {}, []
        for name in ("base", "patched", "suites"):
            (folder / name).write_text(name)
            kernels[name] = types.SimpleNamespace(image=name, initramfs=folder / name)
        outputs = {label: iter(given) for label, given in outputs.items()}

        def boot(image, initramfs, _job, params, deadline, **_limits):
            self.assertEqual(initramfs.read_text(), f"{image}suites")
            self.assertEqual((params["pd_tests"], deadline), ("mm:ksft_cow.sh", 480))
            self.booted.append(image)
            output = next(outputs[image])
            if isinstance(output, Error):
                raise output
            return output.splitlines()
        patched.replace(self, suites.vm, run=boot)
        count, said = quietly(suites.run, kernels, folder / "suites", [SUITE], print)
        return str(count), said

    def test_fails_now_and_then(self):
        """A failure is no regression if a rerun of the unmodified kernel reproduces it."""
        failure = f"{COW}/vmsplice: failed; passed on the unmodified kernel"
        for base, count, said in (
                ([GOOD, GOOD, NESTED], "2 passed, 0 failed, 2 skipped", "fails on both kernels"),
                ([GOOD] * 3, "2 passed, 1 failed, 2 skipped", f"error: mm-zram: {failure}")):
            found, printed = self.run_suite(base=base, patched=[NESTED])
            self.assertEqual(found, count)
            self.assertIn(said, printed)
            self.assertEqual(self.booted, ["base", "patched", "base", "base"])

    def test_guest_dies(self):
        """Results from before the death of the guest are still compared."""
        half = NESTED.partition("# selftests: mm: ksft_mremap.sh")[0]
        _count, said = self.run_suite(base=[NESTED] * 3,
                                      patched=[Error("BUG: y", half.splitlines())])
        self.assertIn("error: mm-zram: patched: BUG: y", said)
        self.assertIn(f"error: mm-zram: {MREMAP}/mremap_test: did not run", said)


class ListTest(unittest.TestCase):
    def test_load(self):
        """Parameters are short, because the kernel truncates command lines at 2048 characters."""
        found = suites.load()
        self.assertEqual([found[name].swap for name in ("fio", "mm-zram")], ["none", "zram"])
        for suite in found.values():
            params = " ".join(f"{key}={value}" for key, value in suite.params().items())
            self.assertLess(len(params), 1800)
