# SPDX-License-Identifier: GPL-2.0
"""lint: parsing of findings, detection of new findings, and execution of the checks."""

import contextlib
import io
import types
import unittest
import unittest.mock

from checks import lint_build, lint_common, lint_text
from checks.lint_common import Finding
from shared import Error
from tests import patched

# Output of gcc, of gcc without a column, of clang with errors, of sparse with a second line.
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


class FindingsTest(unittest.TestCase):
    def test_compilers(self):
        found = lint_build.warnings(COMPILERS, "/kernel")
        self.assertEqual({one.path for one in found}, {"mm/zswap.c"})
        self.assertEqual([one.line for one in found], [12, 1157, 13, 14, 15])

    def test_other_tools(self):
        self.assertEqual(
            lint_common.parse("./lib/a.c:3:5-9: WARNING: sum\nMakefile:2: a ==> b\nok\n"),
            [Finding("lib/a.c", 3, "WARNING: sum"), Finding("Makefile", 2, "a ==> b")])
        self.assertEqual(
            lint_common.parse("Warning: a.c:3 no 'x'\n  more\n", lint_text.KERNEL_DOC),
            [Finding("a.c", 3, "no 'x'")])

    def test_new(self):
        """A finding in a converted file is new if the unmodified file does not have it."""
        old, elsewhere = warning(10, "old"), warning(10, "old", "mm/swapfile.c")
        for found, known, expected in (
                ([warning(20, "old")], [old], []),
                ([warning(20, "shadows a.c:15")], [warning(10, "shadows a.c:7")], []),
                ([warning(9, "old"), warning(10, "new")], [old], [warning(10, "new")]),
                ([old, warning(11, "old")], [old], [warning(11, "old")]),
                ([old], [elsewhere], [old])):
            with self.subTest(found):
                self.assertEqual(list(lint_build.new(found, known)), expected)


class BuildTest(unittest.TestCase):
    def test_compare(self):
        """All findings in our files count, but only new ones in converted files."""
        own, old, one = (warning(1, "any", "lib/percpu_defer.c"), warning(2, "old"),
                         warning(3, "new"))

        def folder(*found):
            return types.SimpleNamespace(compile=lambda names, *_args: [
                one for one in found if one.path[:-1] + "o" in names])
        with unittest.mock.patch.object(lint_build, "folders", lambda *_: (
                folder(own, old, one), folder(old))):
            self.assertEqual(lint_build.compare(None, "gcc"), [own, one])


    def test_context(self):
        """The check fails if the kernel is built without context analysis."""
        out = patched.folder(self)
        (out / ".config").write_text("# CONFIG_WARN_CONTEXT_ANALYSIS is not set\n")
        with unittest.mock.patch.object(lint_build, "folders", lambda *_: (
                types.SimpleNamespace(out=out), None)), \
                self.assertRaisesRegex(Error, "has no CONFIG_WARN"):
            lint_build.context(None)


class TextTest(unittest.TestCase):
    def test_coccicheck(self):
        """Only usable semantic patches run, and findings name the original file."""
        tree = patched.folder(self)
        (tree / "scripts/coccinelle").mkdir(parents=True)
        for name, text in (("good", "virtual patch,report\n"), ("silent", "virtual patch\n"),
                           ("ocaml", "virtual report\n@script:ocaml@\n")):
            (tree / f"scripts/coccinelle/{name}.cocci").write_text(text)

        def run(*command, **_how):
            return f"make:3: x\n{tree}/lint/own/mm/zswap_free.c:1:2-3: {command[-1][-10:]}\n"
        with unittest.mock.patch.object(lint_text, "COPIES", tree / "lint/own"), \
                unittest.mock.patch.object(lint_text, "run", run):
            self.assertEqual(list(lint_text.coccicheck(lint_common.Trees(tree, tree))),
                             [Finding("mm/zswap_free.c.inc", 1, "good.cocci")])
        self.assertTrue((tree / "lint/own/mm/zswap_free.c").is_file())

    def test_checkpatch(self):
        """Accepted messages are omitted only for their file and type."""
        kind, other = ":OPEN_ENDED_LINE: x", ":SPACING: x"
        trace = "include/trace/events/percpu_defer.h"
        output = "".join(f"{path}:1: CHECK{text}\n"
                         for path in (trace, "mm/zswap_free.c") for text in (kind, other))
        tree = patched.folder(self)
        with unittest.mock.patch.object(lint_text, "COPIES", tree), \
                unittest.mock.patch.object(lint_text, "run", lambda *_, **how: output):
            self.assertEqual(lint_text.checkpatch(lint_common.Trees(tree, tree)),
                             [Finding(trace, 1, f"CHECK{other}"),
                              Finding("mm/zswap_free.c.inc", 1, f"CHECK{kind}"),
                              Finding("mm/zswap_free.c.inc", 1, f"CHECK{other}")])

    def test_tool_that_breaks(self):
        for output, code in (("gone", 1), ("a.c:1: gone", 2)):
            with self.assertRaisesRegex(Error, "gone"):
                lint_text.findings_of("sh", "-c", f"echo {output}; exit {code}")


class RunTest(unittest.TestCase):
    def test_run(self):
        """All checks run; the job fails if a check has findings or cannot run."""
        one = warning(3, "bad")
        checks = {"a": unittest.mock.Mock(side_effect=[OSError("no disk"), Error()]),
                  "b": lambda trees: [one, one], "c": lambda trees: []}
        with contextlib.redirect_stdout(io.StringIO()) as said, \
                contextlib.redirect_stderr(io.StringIO()):
            with self.assertRaisesRegex(Error, "3 of 4 checks failed: a, b, a"):
                lint_common.run(checks, "abca", unittest.mock.Mock())
            lint_common.run(checks, "c", unittest.mock.Mock())
        self.assertEqual(said.getvalue().splitlines(), [
            "a: failed: no disk", "b: 1 found", "  mm/zswap.c:3: warning: bad", "c: ok",
            "a: failed: see above", "c: ok"])
