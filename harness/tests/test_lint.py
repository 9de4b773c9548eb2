# SPDX-License-Identifier: GPL-2.0
"""lint: recognition of findings, new findings, and the report of checks."""

import contextlib
import io
import pathlib
import subprocess
import tempfile
import types
import unittest
import unittest.mock

from checks import lint, lint_build, lint_text
from checks.lint_common import Finding, Skip, parse
from shared import Error

TREE = pathlib.Path("/kernel")
# gcc; gcc without a column; clang with an error; sparse with a second line.
COMPILERS = """\
  CC      mm/zswap.o
/kernel/mm/zswap.c: In function 'f':
/kernel/mm/zswap.c:12:5: warning: unused variable 'x' [-Wunused-variable]
/kernel/mm/zswap.c:1157: warning: macro "M" is not used [-Wunused-macros]
   12 |     int x;
/kernel/mm/zswap.c:9:5: note: declared here
/kernel/mm/zswap.c:13:5: error: no such thing
/kernel/mm/zswap.c:14:1: fatal error: none.h: No such file or directory
/kernel/mm/zswap.c:15:3: warning: incorrect type in argument 1
/kernel/mm/zswap.c:15:3:    expected void *p
1 warning generated.
"""


def warning(line, text, path="mm/zswap.c"):
    return Finding(path, line, f"warning: {text}")


class WarningsTest(unittest.TestCase):
    def test_compilers(self):
        found = list(lint_build.warnings(COMPILERS, TREE))
        self.assertEqual({one.path for one in found}, {"mm/zswap.c"})
        self.assertEqual([one.line for one in found], [12, 1157, 13, 14, 15])

    def test_forms(self):
        self.assertEqual(
            list(parse("./lib/a.c:3:5-9: WARNING: sum\nMakefile:2: a ==> b\nok\n")),
            [Finding("lib/a.c", 3, "WARNING: sum"),
             Finding("Makefile", 2, "a ==> b")])


class NewTest(unittest.TestCase):
    """Findings in a converted file that the unmodified file lacks."""

    def new(self, found, known):
        return list(lint_build.new(found, known))

    def test_moved(self):
        self.assertEqual(self.new([warning(20, "old")], [warning(10, "old")]), [])

    def test_text_names_a_place(self):
        self.assertEqual(self.new([warning(20, "shadows mm/zswap.c:15")],
                                  [warning(10, "shadows mm/zswap.c:7")]), [])

    def test_new_text(self):
        one = warning(10, "new")
        self.assertEqual(self.new([warning(9, "old"), one], [warning(10, "old")]), [one])

    def test_once_more(self):
        found = [warning(1, "old"), warning(2, "old")]
        self.assertEqual(self.new(found, [warning(1, "old")]), found[1:])

    def test_other_file(self):
        one = warning(10, "old")
        self.assertEqual(self.new([one], [one._replace(path="mm/swapfile.c")]), [one])

    def test_gone(self):
        self.assertEqual(self.new([], [warning(10, "old")]), [])


class ObjectsTest(unittest.TestCase):
    def test_objects(self):
        ours, converted = lint_build.objects()
        self.assertIn("lib/percpu_defer.o", ours)
        self.assertIn("lib/tests/percpu_defer_kunit.o", ours)
        self.assertIn("samples/percpu_defer/percpu_defer_objects.o", ours)
        self.assertIn("mm/zswap.o", converted)
        self.assertIn("mm/memcontrol.o", converted)
        self.assertFalse([name for name in ours if name.startswith("tools")])


class CompareTest(unittest.TestCase):
    """Comparison with a fake compiler whose findings are given."""

    def compare(self, patched, base):
        def folder(found):
            return types.SimpleNamespace(
                compile=lambda names, *_: [one for one in found
                                           if one.path[:-1] + "o" in names])
        work = types.SimpleNamespace(folders={"gcc": (folder(patched), folder(base))})
        return lint_build.compare(work, "gcc")

    def test_compare(self):
        own = warning(1, "any", "lib/percpu_defer.c")
        old = warning(2, "old")
        one = warning(3, "new")
        self.assertEqual(self.compare([own, old, one], [old]), [own, one])
        self.assertEqual(self.compare([old], [old]), [])


class TextTest(unittest.TestCase):
    def test_accepted(self):
        path = "lib/percpu_defer_torture.c"
        one = Finding(path, 1, "WARNING:LOGGING_CONTINUATION: Avoid it")
        self.assertTrue(lint_text.accepted(one))
        self.assertFalse(lint_text.accepted(one._replace(path="lib/percpu_defer.c")))
        self.assertFalse(lint_text.accepted(one._replace(text="CHECK:SPACING: no")))

    def test_reports(self):
        self.assertTrue(lint_text.reports("virtual patch,report\n"))
        self.assertFalse(lint_text.reports("virtual patch\n// no report\n"))
        self.assertFalse(lint_text.reports("virtual report\n@script:ocaml@\n"))

    def test_copy(self):
        with tempfile.TemporaryDirectory() as tmp, \
                unittest.mock.patch.object(lint_text, "BUILD", pathlib.Path(tmp)):
            copy = lint_text.Copy()
            self.assertTrue((copy.top / "mm/zswap_free.c").is_file())
            self.assertEqual(copy.original(Finding("mm/zswap_free.c", 1, "x")).path,
                             "mm/zswap_free.c.inc")
            self.assertEqual(copy.original(Finding(f"{copy.top}/lib/percpu_defer.c", 1,
                                                   "x")).path, "lib/percpu_defer.c")

    def test_tracked(self):
        with tempfile.TemporaryDirectory() as tmp:
            top = pathlib.Path(tmp)
            for name in ("lib/a.sh", ".ci/run", "build/b.sh", "c.py"):
                (top / name).parent.mkdir(exist_ok=True)
                (top / name).write_text("")
            with unittest.mock.patch.object(lint_text, "TOP", top):
                for _ in "tarball", "repository":
                    self.assertEqual(lint_text.tracked("*.sh", ".ci/run"),
                                     [".ci/run", "lib/a.sh"])
                    (top / "build/b.sh").unlink(missing_ok=True)
                    subprocess.run(["git", "init", "--quiet", tmp], check=True)
                self.assertEqual(len(lint_text.tracked()), 3)

    def test_tool_that_breaks(self):
        with self.assertRaisesRegex(OSError, "broken"):
            lint_text.findings_of("sh", "-c", "echo broken; exit 1")
        with self.assertRaisesRegex(OSError, "failed: gone"):
            lint_text.findings_of("sh", "-c", "echo gone; exit 2")


class RunTest(unittest.TestCase):
    def run_checks(self, *skippable, **checks):
        work = types.SimpleNamespace(stage=lambda text: None)
        with unittest.mock.patch.dict(lint.CHECKS, checks, clear=True), \
                contextlib.redirect_stdout(io.StringIO()) as out:
            good = lint.run(work, list(checks), skippable)
        return good, out.getvalue().splitlines()

    def test_all_run(self):
        def fails(_work):
            raise OSError("no disk")

        def skips(_work):
            raise Skip("too old")
        one = warning(3, "bad")
        good, lines = self.run_checks(a=fails, b=lambda work: [one, one], c=skips,
                                      d=lambda work: [])
        self.assertFalse(good)
        self.assertEqual(lines, ["a: failed: no disk", "b: 1 found",
                                 "  mm/zswap.c:3: warning: bad", "c: skipped: too old",
                                 "d: ok", "lint: 1 ok, 2 failed, 1 skipped: c; install "
                                 "what is missing, or allow it with SKIP=c"])

    def test_skipped(self):
        """A skipped check fails unless its name is allowed, and is always listed."""
        def skips(_work):
            raise Skip("too old")
        for skippable in ((), ("a",)):
            good, lines = self.run_checks(*skippable, c=skips, a=lambda work: [])
            self.assertFalse(good)
            self.assertIn("1 skipped: c; install", lines[-1])
        good, lines = self.run_checks("a", "c", c=skips, a=lambda work: [])
        self.assertTrue(good)
        self.assertEqual(lines[-1], "lint: 1 ok, 0 failed, 1 skipped: c")

    def test_allowed_and_failed(self):
        """An allowed check may be skipped, but must not fail."""
        one = warning(3, "bad")
        self.assertFalse(self.run_checks("a", a=lambda work: [one])[0])

    def test_choose(self):
        self.assertEqual(lint.choose(""), list(lint.CHECKS))
        self.assertEqual(lint.choose("sparse,gcc"), ["gcc", "sparse"])
        with self.assertRaisesRegex(Error, "no check is called 'x'; there are gcc"):
            lint.choose("x")

    def test_named(self):
        self.assertEqual(lint.named(""), [])
        self.assertEqual(lint.named("context,clang"), ["clang", "context"])
        with self.assertRaisesRegex(Error, "no check is called 'all'"):
            lint.named("all")

    def test_newer(self):
        self.assertEqual(lint.newer("echo", "a", "b"), "a b")
        with tempfile.TemporaryDirectory() as tmp:
            script = pathlib.Path(tmp) / "newer.sh"
            script.write_text("#!/bin/sh\necho '[ 0:00] x' >&2\necho 'error: no' >&2\n"
                              "exit 1\n")
            script.chmod(0o755)
            with self.assertRaisesRegex(Skip, "^no$"):
                lint.newer(script, "a", "b")
