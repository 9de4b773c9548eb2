# SPDX-License-Identifier: GPL-2.0
"""test_all.py: a part is repeated unless it passed with exactly the same files."""

import contextlib
import io
import pathlib
import subprocess
import tempfile
import unittest
import unittest.mock

from checks import parts, test_all
from checks.expectations import Count
from overlay.parts import git_files
from shared import Error
from tests import patched


class PartsTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.folder = pathlib.Path(tmp.name) / "results"
        self.ran = []

    def part(self, name, count=None, error=None, **more):
        def go():
            self.ran.append(name)
            if error:
                raise error
            return count or Count(passed=2)
        return test_all.Part(go, **more)

    def run_parts(self, tree="hash", kernel="7.3.4", again=False, **parts):
        self.ran = []
        store = test_all.Store(tree, kernel, self.folder)
        with contextlib.redirect_stderr(io.StringIO()):
            return test_all.run_parts(parts, store, lambda text: None, again)

    def test_goes_on(self):
        """If one of three parts fails, the next run repeats only that one."""
        bad = self.part("b", error=Error("died"))
        first = self.run_parts(a=self.part("a"), b=bad, c=self.part("c"))
        self.assertEqual(self.ran, ["a", "b", "c"])
        self.assertEqual(first["b"]["why"], "died")
        self.assertEqual(str(test_all.total(first)), "4 passed, 1 failed")
        second = self.run_parts(a=self.part("a"), b=self.part("b"), c=self.part("c"))
        self.assertEqual(self.ran, ["b"])
        self.assertEqual(str(test_all.total(second)), "6 passed, 0 failed")

    def test_failed_tests(self):
        self.run_parts(a=self.part("a", Count(passed=3, failed=1)))
        self.run_parts(a=self.part("a"))
        self.assertEqual(self.ran, ["a"])

    def test_another_tree(self):
        self.run_parts(a=self.part("a"))
        for more in ({"tree": "other"}, {"kernel": "7.4"}, {"again": True}, {"tree": ""}):
            self.run_parts(a=self.part("a"), **more)
            self.assertEqual(self.ran, ["a"], more)
            self.run_parts(a=self.part("a"))

    def test_no_hash_keeps_nothing(self):
        for _twice in range(2):
            self.run_parts(tree="", a=self.part("a"))
            self.assertEqual(self.ran, ["a"])

    def test_asked_for_more(self):
        self.run_parts(a=self.part("a", asked="30 s"))
        self.run_parts(a=self.part("a", asked="60 s"))
        self.assertEqual(self.ran, ["a"])

    def test_some_files(self):
        """A part with its own hash is not repeated when other files change."""
        self.run_parts(a=self.part("a", tree="some"), b=self.part("b"))
        self.run_parts(tree="other", a=self.part("a", tree="some"), b=self.part("b"))
        self.assertEqual(self.ran, ["b"])
        self.run_parts(tree="other", a=self.part("a", tree="more"), b=self.part("b"))
        self.assertEqual(self.ran, ["a"])

    def test_broken_file(self):
        self.folder.mkdir()
        (self.folder / "a.json").write_text("{")
        self.run_parts(a=self.part("a"))
        self.assertEqual(self.ran, ["a"])

    def test_interrupted(self):
        with self.assertRaises(KeyboardInterrupt):
            self.run_parts(a=self.part("a"), b=self.part("b", error=KeyboardInterrupt()))
        self.run_parts(a=self.part("a"), b=self.part("b"))
        self.assertEqual(self.ran, ["b"])

    def test_table(self):
        lines = test_all.table(self.run_parts(
            a=self.part("a"), long=self.part("long", Count(passed=1, skipped=1))))
        self.assertRegex(lines[1], r"^a     green   2 passed, 0 failed +0\.0 +\d{4}-")
        self.assertIn("1 passed, 0 failed, 1 skipped", lines[2])

    def test_names(self):
        args = type("Args", (), {"seconds": 1, "torture": 1, "minutes": 1})
        with unittest.mock.patch.object(parts, "tree_of_guests"):
            self.assertEqual(tuple(parts.parts(None, args)), parts.NAMES)


class HashTest(unittest.TestCase):
    def setUp(self):
        self.top = patched.folder(self)
        subprocess.run(["git", "init", "-q", self.top], check=True)
        (self.top / ".gitignore").write_text("/build/\n")
        (self.top / "a").write_text("1")
        subprocess.run(["git", "-C", self.top, "add", "a", ".gitignore"], check=True)

    def test_changes(self):
        seen = {test_all.tree_hash(self.top)}
        for name, text in (("a", "2"), ("new", "1"), ("new", "2")):
            (self.top / name).write_text(text)
            seen.add(test_all.tree_hash(self.top))
        (self.top / "a").unlink()
        seen.add(test_all.tree_hash(self.top))
        self.assertEqual(len(seen), 5)

    def test_stays(self):
        before = test_all.tree_hash(self.top)
        (self.top / "build").mkdir()
        (self.top / "build/x").write_text("built")
        (self.top / "a").touch()
        self.assertEqual(test_all.tree_hash(self.top), before)

    def test_some(self):
        """Excluded files do not change the hash; included ones do."""
        def hashes():
            return (test_all.tree_hash(self.top, only=("a",)),
                    test_all.tree_hash(self.top, without=("b", "c/")))
        before = hashes()
        (self.top / "c").mkdir()
        for name in ("b", "b2", "c/d"):
            (self.top / name).write_text("1")
        self.assertEqual(hashes(), before)
        (self.top / "a").write_text("2")
        for was, now in zip(before, hashes()):
            self.assertNotEqual(was, now)

    def test_names_are_there(self):
        """Each prefix matches at least one file of the project."""
        names = list(map(str, git_files(test_all.TOP)))
        for beginning in test_all.IN_GUESTS:
            self.assertTrue(any(name.startswith(beginning) for name in names), beginning)

    def test_failed_step(self):
        """A failure that was already reported prints no further message."""
        with self.assertRaises(Error) as caught, \
                contextlib.redirect_stdout(io.StringIO()):
            test_all.conclude(Count(failed=1))
        self.assertEqual(str(caught.exception), "")
        self.assertEqual(caught.exception.lines, [])

    def test_no_repository(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(test_all.tree_hash(pathlib.Path(folder)), "")
