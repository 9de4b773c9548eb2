# SPDX-License-Identifier: GPL-2.0
"""test_all.py: a part is repeated unless it passed with the same dependencies."""

import contextlib
import io
import subprocess
import unittest
import unittest.mock

from checks import parts, test_all
from checks.expectations import Count
from machine.kernels import KINDS
from overlay.parts import git_files
from shared import Error
from tests import patched


class PartsTest(unittest.TestCase):
    def setUp(self):
        self.folder = patched.folder(self) / "results"

    def run_parts(self, *names, state="hash", kernel="7.3.4", again=False, bad=None, **more):
        """Run parts; return the names of those that ran, and all results.

        bad: count or exception of the part "b"; more: parameters of all parts
        """
        runs = {name: unittest.mock.Mock(side_effect=[bad if bad and name == "b" else
                                                      Count(passed=2)]) for name in names}
        chosen = {name: test_all.Part(run, **more) for name, run in runs.items()}
        with contextlib.redirect_stderr(io.StringIO()):
            results = test_all.run_parts(chosen, test_all.Store(state, kernel, self.folder),
                                         lambda text: None, again)
        return [name for name, run in runs.items() if run.called], results

    def test_failures(self):
        """Parts after a failed part still run; the next run repeats only the failed part."""
        for bad in (Count(passed=3, failed=1), Error("died"), OSError("no disk")):
            with self.subTest(bad):
                self.assertEqual(self.run_parts(*"abc", again=True, bad=bad)[0], list("abc"))
                self.assertEqual(self.run_parts(*"abc")[0], ["b"])
                self.assertEqual(self.run_parts(*"abc")[0], [])

    def test_interrupted(self):
        with self.assertRaises(KeyboardInterrupt):
            self.run_parts("a", "b", bad=KeyboardInterrupt())
        self.assertEqual(self.run_parts("a", "b")[0], ["b"])

    def test_changes(self):
        """A part that passed is repeated after a change of its dependencies."""
        for first, second, ran in (
                ({}, {}, []), ({}, {"again": True}, ["a"]), ({}, {"kernel": "7.4"}, ["a"]),
                ({}, {"state": "other"}, ["a"]), ({"state": ""}, {"state": ""}, ["a"]),
                ({"asked": "30 s"}, {"asked": "60 s"}, ["a"]),
                ({"tree": "some"}, {"tree": "some", "state": "other"}, []),
                ({"tree": "some"}, {"tree": "more"}, ["a"])):
            self.run_parts("a", again=True, **first)
            with self.subTest(first=first, second=second):
                self.assertEqual(self.run_parts("a", **second)[0], ran)

    def test_damaged_file(self):
        self.run_parts("a")
        (self.folder / "a.json").write_text("{")
        self.assertEqual(self.run_parts("a")[0], ["a"])

    def test_finish(self):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            with self.assertRaises(Error) as caught:
                test_all.finish(self.run_parts("a", "b", bad=Error("died"))[1])
        self.assertEqual(str(caught.exception), "")
        lines = said.getvalue().splitlines()
        self.assertRegex(lines[0], r"^a +green +2 passed, 0 failed, 0\.0 minutes, \d{4}-")
        self.assertRegex(lines[1], r"^b +failed +0 passed, 1 failed")
        self.assertEqual(lines[2:], ["2 passed, 1 failed"])

    def test_parts(self):
        """Mutants depend on all files, tests on the files of guests; SECONDS= affects both."""
        args = type("Args", (), {"seconds": 7, "torture": 1, "minutes": 1})
        with unittest.mock.patch.object(parts, "tree_of_guests", return_value="guests"):
            found = parts.parts(None, args)
        self.assertEqual((found["plain"].tree, found["mutants"].tree), ("guests", ""))
        self.assertEqual({name for name, part in found.items() if "7 s" in part.asked},
                         {*KINDS, "mutants"} - {"perturb", "nohz", "sync"})


class HashTest(unittest.TestCase):
    def test_hash(self):
        """Only files that git tracks or would add change the hash."""
        top = patched.folder(self)
        self.assertEqual(test_all.tree_hash(top), "")
        subprocess.run(["git", "init", "-q", top], check=True)
        (top / ".gitignore").write_text("/build/\n")
        (top / "a").write_text("1")
        subprocess.run(["git", "-C", top, "add", "a", ".gitignore"], check=True)
        (top / "build").mkdir()
        for name, text, changes in (("a", "2", True), ("a", "2", False), ("new", "1", True),
                                    ("new", "2", True), ("build/x", "built", False)):
            before = test_all.tree_hash(top)
            (top / name).write_text(text)
            with self.subTest(name=name, text=text):
                self.assertEqual(test_all.tree_hash(top) != before, changes)
        before = test_all.tree_hash(top, only=("a",))
        (top / "new").write_text("3")
        self.assertEqual(test_all.tree_hash(top, only=("a",)), before)
        (top / "a").unlink()
        self.assertNotEqual(test_all.tree_hash(top, only=("a",)), before)

    def test_form(self):
        """Comments, docstrings and layout do not change the hashed code; messages do."""
        for name, text, same, other in (
                ("a.py", 'def f():\n    """Say it."""\n    print("a")', 'def f():\n  print("a")  # x',
                 'def f():\n    """Say it."""\n    print("b")'),
                ("a.sh", "#!/bin/sh\n# Say it.\necho a", "#!/bin/sh\necho a", "#!/bin/sh\necho b"),
                ("a.c", "a(); /* Say it. */", "a();\n", "b();"),
                ("a.config", "# CONFIG_A is not set", "# CONFIG_A is  not set", "CONFIG_A=y")):
            with self.subTest(name=name):
                form = test_all.code(name, text.encode())
                self.assertEqual(form.strip(), test_all.code(name, same.encode()).strip())
                self.assertNotEqual(form, test_all.code(name, other.encode()))

    def test_names_are_there(self):
        """Each prefix matches at least one file of the project."""
        names = list(map(str, git_files(test_all.TOP)))
        for beginning in test_all.IN_GUESTS:
            self.assertTrue(any(name.startswith(beginning) for name in names), beginning)
