# SPDX-License-Identifier: GPL-2.0
"""mutants.py and mutants.toml: every mutant applies, and only its own test counts."""

import dataclasses
import pathlib
import unittest
import unittest.mock

from checks import mutants, parts, test, test_all
from shared import Error
from tests import patched
from tests.commands import FakeKernel, quietly


class ListTest(unittest.TestCase):
    """Entries of mutants.toml."""

    def test_each_applies_once(self):
        patched.skip_older(self)
        for mutant in mutants.load():
            with self.subTest(mutant.name):
                text = patched.files()[mutant.file]
                self.assertNotEqual(mutant.changed(text), text)

    def test_each_has_a_test(self):
        """The section and the KUnit case of each mutant exist."""
        cases = test.kunit_cases()
        for mutant in mutants.load():
            section, _, name = mutant.test.partition(":")
            with self.subTest(mutant.name):
                self.assertIn(section, test.tests_of(mutant.job))
                self.assertIn(name, cases.get(section, [name]))

    def test_bad_entries(self):
        path = patched.folder(self) / "list"
        good = '["f: a"]\nreplace = "x"\ntext = "y"\n'
        for text, why in ((good, "missing .*'test'"),
                          (good + 'test = "t"\nsuit = "s"\n', "unexpected .*'suit'")):
            path.write_text(text)
            with self.assertRaisesRegex(Error, f"list, 'f: a': .*{why}"):
                mutants.load(path)


MUTANT = mutants.Mutant("f.c: a fault", "good", "percpu_defer:o_cap", "bad")
OTHER = dataclasses.replace(MUTANT, name="f.c: another fault")
SILENT = "guest: no output for 65 s"
KASAN = "kernel: BUG: KASAN: use-after-free in f"


def output(section, name):
    return [f"BEGIN {section}", "TAP version 13", "1..1", f"not ok 1 {name}", "END 1"]


FAILS = output("percpu_defer", "o_cap")


class RunTest(unittest.TestCase):
    def setUp(self):
        self.tmp = patched.folder(self)
        patched.replace(self, mutants, LOG=self.tmp / "log")
        (self.tmp / "log.console").write_text("")
        self.kernel = FakeKernel(FAILS)

    def build(self, change, kind):
        (self.tmp / "f.c").write_text("good")
        change(self.tmp)
        self.built.append((kind, (self.tmp / "f.c").read_text()))
        if self.built[-1][1] == "unbuildable":
            raise Error("")
        return self.kernel

    def run_mutants(self, *chosen, tree="hash"):
        self.built = []
        count, said = quietly(mutants.run, self.build, chosen, 5,
                              test_all.Store(tree, "7.3.4", self.tmp), lambda mutant: tree, print)
        return str(count), said

    def expect(self, good, lines=(), fault="", console="", said="", **changes):
        """Run a mutant without keeping its result; expect this verdict."""
        self.kernel = FakeKernel(lines, fault)
        (self.tmp / "log.console").write_text(console)
        count, printed = self.run_mutants(dataclasses.replace(MUTANT, **changes), tree="")
        self.assertEqual(count, "1 passed, 0 failed" if good else "0 passed, 1 failed")
        self.assertIn(said or f"{int(good)} of 1 mutants caught", printed)

    def test_right_test(self):
        """A failed test counts only if both its name and its suite match exactly."""
        self.expect(True, FAILS)
        for lines in (output("percpu_defer", "o_cap_small"),
                      output("percpu_defer_map", "o_cap"), ()):
            self.expect(False, lines, said="a fault: SURVIVED")
        self.expect(True, output("percpu_defer", "o_x"), test="percpu_defer:*")
        self.expect(False, test="percpu_defer:*")

    def test_guest_died(self):
        """A failure before a crash counts; a crash counts only with the expected complaint."""
        self.expect(False, fault=SILENT)
        self.expect(True, fault=SILENT, console="[    1.2]     not ok 6 o_cap\n")
        self.expect(True, fault=KASAN, complaint="KASAN: .*free")
        self.expect(False, fault=KASAN, complaint="lockdep")

    def test_parameters(self):
        self.expect(True, FAILS)
        self.assertEqual(self.built, [("plain", "bad")])
        self.assertEqual((self.kernel.params["pd_only"], self.kernel.params["pd_case"]),
                         ("percpu_defer", "o_cap"))
        self.expect(True, output("zram_ops", "write, held"), test="zram_ops:write, held",
                    job="perturb-zram", seconds=90)
        self.assertEqual(self.built, [("perturb", "bad")])
        self.assertEqual((self.kernel.job, self.kernel.params["pd_seconds"]), ("perturb-zram", 90))
        self.assertEqual(self.kernel.limits["cpus"], 6)
        self.expect(True, FAILS, kernel="kasan")
        self.assertEqual(self.built, [("kasan", "bad")])

    def test_goes_on(self):
        """Only new or changed mutants, or mutants of a new tree, are built."""
        self.run_mutants(MUTANT)
        self.assertEqual(self.run_mutants(MUTANT, OTHER)[0], "2 passed, 0 failed")
        self.assertEqual(len(self.built), 1)
        self.run_mutants(dataclasses.replace(MUTANT, text="worse"), OTHER)
        self.assertEqual(self.built, [("plain", "worse")])
        self.run_mutants(MUTANT, OTHER, tree="new")
        self.assertEqual(len(self.built), 2)

    def test_not_built(self):
        """A mutant that does not build or does not match fails; the run continues."""
        for changes, why in (({"text": "unbuildable"}, "not built: see build/kernel/"),
                             ({"replace": "gone"}, "not built: matched 0 times")):
            count, said = self.run_mutants(dataclasses.replace(MUTANT, **changes), OTHER)
            self.assertEqual(count, "1 passed, 1 failed")
            self.assertIn(f"{MUTANT.name}: {why}", said)

    def test_choose(self):
        self.assertEqual(mutants.choose([MUTANT], "fault"), [MUTANT])
        with self.assertRaisesRegex(Error, "no mutant name contains this text(.|\n)*a fault"):
            mutants.choose([MUTANT], "typo")

    def test_what_a_result_depends_on(self):
        """Programs of other tests, documents and comments do not invalidate a result."""
        made, source, last = {}, unittest.mock.Mock(), ""
        patched.replace(self, parts.apply, kernel_version=lambda tree: "7.3",
                        read_overlay=lambda version: {},
                        generate=lambda tree, version, files: made)
        for changes, name, text in (
                (True, "mm/zswap.c", "/* of x */\n\tint x;\n\n"),
                (False, "mm/zswap.c", "/* of\n * y */\nint x; /* y */\n"),
                (True, "mm/zswap.c", "int y;"),
                (True, "a.sh", "#!/bin/sh\n# x\ntrue\n"),
                (False, "a.sh", "#!/bin/sh\n\t# y\ntrue\n"),
                (False, f"{parts.SELFTESTS}/zram_ops.c", "x"),
                (False, "Documentation/mm/zswap.rst", "x"),
                (True, f"{parts.SELFTESTS}/zswap_ops.c", "x"),
                (True, f"{parts.SELFTESTS}/zram_ops.sh", "x")):
            made[pathlib.Path(name)] = text.encode()
            key = parts.tree_of_guests(source, {"zswap_ops"})
            self.assertEqual(key != last, changes, name)
            last = key
