# SPDX-License-Identifier: GPL-2.0
"""mutants.py and mutants.toml: every mutant applies, and only its own test counts."""

import contextlib
import io
import os
import pathlib
import re
import tempfile
import types
import unittest
import unittest.mock

from checks import mutants, parts, test, test_all
from machine import kernels
from shared import HARNESS, Error
from tests import patched

SELFTESTS = test.TOP / "tools/testing/selftests/percpu_defer"


def names_of(section):
    """Return possible test names of a section: KUnit cases, or strings of its source."""
    if section in (cases := test.kunit_cases()):
        return set(cases[section])
    sources = [*SELFTESTS.glob(f"{section.removesuffix('.sh')}.*"),
               HARNESS / "guest" / section]
    text = "".join(path.read_text() for path in sources if path.is_file())
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    twice = re.findall(r'run_twice\(\w+, "([^"]*)"\)', text)     # see drain_gate.h
    folders = re.findall(r'\.name = "([^"]*)"', text)             # see files.c
    return {string.removesuffix("\\n") for string in strings} | \
        {f"{folder}: {string}" for folder in folders for string in strings} | \
        {f"{name}, {how}" for name in twice for how in ("held", "free-running")} | \
        set(re.findall(r"ok 1 (\w+)", text))


class ListTest(unittest.TestCase):
    """Entries of mutants.toml."""

    def test_each_applies_once(self):
        patched.skip_older(self)
        for mutant in mutants.load():
            with self.subTest(mutant["name"]):
                text = patched.files()[mutant["file"]]
                self.assertNotEqual(mutants.mutated(text, mutant), text)

    def test_each_has_a_test(self):
        sections = {*test.sections_of_guest(), "torture.sh"}
        for mutant in mutants.load():
            section, _, name = mutant["test"].partition(":")
            with self.subTest(mutant["name"]):
                self.assertIn(section, sections)
                self.assertIn(name, names_of(section))

    def test_kernels_and_jobs(self):
        for mutant in mutants.load():
            with self.subTest(mutant["name"]):
                self.assertIn(mutant.get("kernel", "plain"), kernels.KINDS)
                job = HARNESS / "guest" / f"{mutant.get('job', 'test')}.sh"
                self.assertTrue(job.is_file(), job)

    def test_bad_entries(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "list")
            good = '[[mutant]]\nname = "a"\nfile = "f"\nreplace = "x"\ntext = "y"\n'
            for text, why in ((good, "test is missing"),
                              (good + 'test = "t"\nsuit = "s"\n', "suit is missing or unk"),
                              (2 * (good + 'test = "t"\n'), "there are two")):
                path.write_text(text)
                with self.assertRaisesRegex(Error, why):
                    mutants.load(path)


MUTANT = {"name": "a fault", "file": "f.c", "replace": "good", "text": "bad",
          "test": "percpu_defer:o_cap"}


def output(section, *failed):
    lines = [f"not ok {number} {name}" for number, name in enumerate(failed, 1)]
    return [f"BEGIN {section}", "TAP version 13", f"1..{len(failed)}", *lines, "END 1"]


class RunTest(unittest.TestCase):
    def setUp(self):
        self.tmp = patched.folder(self)
        log = unittest.mock.patch.object(mutants, "LOG", self.tmp / "log")
        log.start()
        self.addCleanup(log.stop)
        self.lines, self.console, self.error = [], "", ""
        self.built, self.asked = [], None

    def guest(self, job, params, **limits):
        self.asked = types.SimpleNamespace(job=job, params=params, limits=limits)
        (self.tmp / "log.console").write_text(self.console)
        if self.error:
            raise Error(self.error, self.lines)
        return self.lines

    def build(self, change, kind):
        (self.tmp / "f.c").write_text("good")
        change(self.tmp)
        self.built.append((kind, (self.tmp / "f.c").read_text()))
        return types.SimpleNamespace(run=self.guest,
                                     tree=pathlib.Path(os.environ["PD_PRISTINE"]))

    def run_mutants(self, *chosen, tree="hash"):
        self.built = []
        store = test_all.Store(tree, "7.3.4", self.tmp)
        kept = mutants.Kept(store, 5, lambda mutant: tree)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            count = mutants.run(self.build, chosen, 5, kept, lambda text: None)
        return str(count), said.getvalue()

    def test_caught(self):
        self.lines = output("percpu_defer", "o_cap")
        self.assertEqual(self.run_mutants(MUTANT)[0], "1 passed, 0 failed")
        self.assertEqual(self.built, [("plain", "bad")])
        self.assertEqual(self.asked.params["pd_only"], "percpu_defer")
        self.assertEqual(self.asked.params["pd_case"], "o_cap")

    def test_another_test(self):
        """Neither a longer name nor the same name in another suite counts."""
        for lines in (output("percpu_defer", "o_cap_small"),
                      output("percpu_defer_map", "o_cap"), []):
            self.lines = lines
            count, said = self.run_mutants(MUTANT, tree="")
            self.assertEqual(count, "0 passed, 1 failed")
            self.assertIn("a fault: SURVIVED", said)

    def test_guest_died(self):
        """A KUnit case that failed before counts; a crash alone does not."""
        self.error = "the guest said nothing for 65 s"
        self.assertEqual(self.run_mutants(MUTANT, tree="")[0], "0 passed, 1 failed")
        self.console = "[    1.2]     not ok 6 o_cap\n"
        self.assertEqual(self.run_mutants(MUTANT, tree="")[0], "1 passed, 0 failed")

    def test_complaint(self):
        self.error = "the kernel complains: BUG: KASAN: use-after-free in f"
        self.assertEqual(self.run_mutants(
            {**MUTANT, "complaint": "KASAN: .*free"}, tree="")[0], "1 passed, 0 failed")
        self.assertEqual(self.run_mutants(
            {**MUTANT, "complaint": "lockdep"}, tree="")[0], "0 passed, 1 failed")

    def test_any_test(self):
        mutant = {**MUTANT, "test": "percpu_defer:*"}
        self.lines = output("percpu_defer", "o_x")
        self.assertEqual(self.run_mutants(mutant, tree="")[0], "1 passed, 0 failed")
        self.assertEqual(self.asked.params["pd_case"], "")
        self.lines = []
        self.assertEqual(self.run_mutants(mutant, tree="")[0], "0 passed, 1 failed")

    def test_survivors(self):
        allowed = {**MUTANT, "survives": "only slower"}
        count, said = self.run_mutants(allowed, tree="")
        self.assertEqual(count, "1 passed, 0 failed")
        self.assertIn("a fault: survives: only slower", said)
        self.lines = output("percpu_defer", "o_cap")
        count, said = self.run_mutants(allowed, tree="")
        self.assertEqual(count, "0 passed, 1 failed")
        self.assertIn("remove `survives`", said)

    def test_kernel_and_job(self):
        self.lines = ["TAP version 13", "1..1", "not ok 1 torture"]
        count, _said = self.run_mutants(
            {**MUTANT, "kernel": "kasan", "job": "torture", "test": "torture.sh:torture",
             "params": {"pd_torture": 90}, "cpus": 6})
        self.assertEqual(count, "1 passed, 0 failed")
        self.assertEqual(self.built, [("kasan", "bad")])
        self.assertEqual((self.asked.job, self.asked.params["pd_torture"]), ("torture", 90))
        self.assertNotIn("pd_only", self.asked.params)
        self.assertEqual(self.asked.limits["cpus"], 6)

    def test_goes_on(self):
        """Only new mutants, or mutants of a new tree, are built."""
        self.lines = output("percpu_defer", "o_cap")
        other = {**MUTANT, "name": "another fault"}
        self.run_mutants(MUTANT)
        self.assertEqual(self.run_mutants(MUTANT, other)[0], "2 passed, 0 failed")
        self.assertEqual(len(self.built), 1)
        self.run_mutants({**MUTANT, "text": "worse"}, other)
        self.assertEqual(self.built, [("plain", "worse")])
        self.run_mutants(MUTANT, other, tree="new")
        self.assertEqual(len(self.built), 2)

    def test_what_a_result_depends_on(self):
        """Other test programs, documents and comments do not invalidate a result."""
        made, source = {}, unittest.mock.Mock()

        def keys():
            with unittest.mock.patch.multiple(
                    parts.apply, kernel_version=lambda tree: "7.3", read_overlay=lambda version: {},
                    generate=lambda tree, version, files: made):
                return parts.tree_of_mutant(source, {**MUTANT, "test": "zswap_ops:write, held"})

        def changes(name, text="text"):
            before = keys()
            made[pathlib.Path(name)] = text.encode()
            return keys() != before
        self.assertFalse(changes(f"{parts.SELFTESTS}/zram_ops.c"))
        self.assertFalse(changes("Documentation/mm/zswap.rst"))
        self.assertTrue(changes(f"{parts.SELFTESTS}/zswap_ops.c"))
        self.assertTrue(changes(f"{parts.SELFTESTS}/zram_ops.sh"))
        self.assertTrue(changes("mm/zswap.c", "/* of x */\n\tint x;\n\n"))
        self.assertFalse(changes("mm/zswap.c", "/* of\n * y */\nint x; /* y */\n"))
        self.assertTrue(changes("mm/zswap.c", "int y;"))
        self.assertTrue(changes("a.sh", "#!/bin/sh\n# x\ntrue\n"))
        self.assertFalse(changes("a.sh", "#!/bin/sh\n\t# y\ntrue\n"))

    def test_no_match(self):
        with self.assertRaisesRegex(Error, "matched 0 times in f.c"):
            self.run_mutants({**MUTANT, "replace": "gone"})

    def test_not_built(self):
        """A mutant that does not build fails, but does not end the run."""
        other = {**MUTANT, "name": "another fault", "survives": "why not"}
        good, self.lines = self.build, output("percpu_defer", "o_x")

        def build(change, kind):
            kernel = good(change, kind)
            if len(self.built) == 1:
                raise Error("")
            return kernel
        with unittest.mock.patch.object(self, "build", build):
            count, said = self.run_mutants(MUTANT, other, tree="")
        self.assertEqual(count, "1 passed, 1 failed")
        self.assertIn("a fault: does not build", said)

    def test_only(self):
        self.assertEqual(mutants.choose([MUTANT], "fault"), [MUTANT])
        with self.assertRaisesRegex(Error, "no mutant has this in its name(.|\n)*a fault"):
            mutants.choose([MUTANT], "typo")
