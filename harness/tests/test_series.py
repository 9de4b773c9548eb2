# SPDX-License-Identifier: GPL-2.0
"""series.py and cover.py: the patches add up to the overlay, each part in one patch.

PD_PRISTINE names an unmodified kernel source; the tests work on a copy of the few
files in it that the overlay touches.
"""

import contextlib
import functools
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import types
import unittest
import unittest.mock

from overlay import apply, compat_tables, cover, series, series_check
from report.sections import common, unmap
from shared import Error
from tests import patched


class TableTest(unittest.TestCase):
    """The patch table of this repository."""

    def setUp(self):
        self.table, self.files = series.Table(), apply.read_overlay()

    def test_whole(self):
        """All patches together are the overlay: nothing is missing or different."""
        owner = series.owners(self.table, self.files)
        numbers = range(len(self.table.patches))
        self.assertEqual(series.chosen(self.files, owner, numbers), self.files)
        self.assertEqual(set(owner.values()), set(numbers))

    def test_sizes(self):
        """A series is small enough for review."""
        self.assertEqual([series.name for series in self.table.series],
                         ["1-frees", "2-library", "3-zswap"])
        for one in self.table.series:
            self.assertLessEqual(
                sum(patch.series is one for patch in self.table.patches), 10, one.name)

    def test_order(self):
        """Definitions come before their users."""
        number = {patch.name: i for i, patch in enumerate(self.table.patches)}
        for before, after in (("core", "kunit"), ("core", "torture"), ("core", "sample"),
                              ("core", "zram-defer"), ("zsmalloc-bulk", "zsmalloc-kunit"),
                              ("zsmalloc-bulk", "zram-bulk"), ("zram-bulk", "swap-range"),
                              ("memcg-bulk", "zswap-range"), ("swap-range", "zram-defer"),
                              ("swap-range", "zswap-defer"), ("zswap-range", "zswap-defer"),
                              ("zswap-forget", "zsmalloc-bulk"), ("zram-defer", "selftests"),
                              ("zswap-defer", "zswap-selftests")):
            self.assertLess(number[before], number[after], f"{before}, {after}")

    def test_clients_before(self):
        """A client uses the library only from the patch that converts it."""
        result = {}
        for patch, files in series.steps(pathlib.Path(os.environ["PD_PRISTINE"])):
            result[patch.name] = b"".join(text for path, text in files.items()
                                          if str(path).startswith(("drivers/", "mm/z")))
        self.assertEqual(len(result), len(self.table.patches))
        self.assertNotIn(b"percpu_defer", result["kunit"])
        self.assertIn(b"percpu_defer", result["zram-defer"])

    def test_without(self):
        """Each optional patch can be left out; an unknown name is refused."""
        ksrc = pathlib.Path(os.environ["PD_PRISTINE"])
        every = series.whole_of(ksrc, self.table)
        for patch in self.table.patches:
            if patch.optional:
                with self.subTest(patch.name):
                    without = [patch.name, *(one.name for one in self.table.patches
                                             if patch.name in one.needs)]
                    some = series.whole_of(ksrc, series.Table(without=without))
                    self.assertNotEqual(some, every)
                    *_, (_last, files) = series.steps(ksrc, without=without)
                    self.assertEqual(files, some)
        with self.assertRaisesRegex(Error, "WITHOUT=core: no optional patch; there are "):
            series.Table(without=["core"])
        with self.assertRaisesRegex(Error, "WITHOUT=selftests: zswap-selftests needs it"):
            series.Table(without=["selftests"])

    def test_messages(self):
        """Messages give a reason, fit into a mail, and quote no measurements."""
        names = {path.stem for path in series.MESSAGES.iterdir()}
        self.assertEqual(names, {one.name for one in (*self.table.series, *self.table.patches)})
        for patch in self.table.patches:
            self.assertLessEqual(len(patch.subject), 70, patch.subject)
            self.assertRegex(patch.subject, r"^[\w/]+(?:, [\w/]+)*: \S", patch.name)
            self.assertGreater(len(patch.body), 40, patch.name)
            for line in patch.body.splitlines():
                self.assertLessEqual(len(line), 75, line)
            self.assertIsNone(re.search(r"\d ?(%|us\b|ns\b|times as)", patch.body),
                              patch.name)

    def refuse(self, *words):
        with self.assertRaises(Error) as caught:
            series.owners(self.table, self.files)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_new_file(self):
        self.files[pathlib.Path("mm/new.c")] = b"/* new */\n"
        self.refuse("mm/new.c belongs to no patch")

    def test_new_rule(self):
        path = pathlib.Path("mm/swapfile.c.cocci")
        self.files[path] += b"\n@another@\nposition p;\n@@\n f@p();\n"
        self.refuse("mm/swapfile.c.cocci, 'another', belongs to no patch")

    def test_new_include(self):
        self.files[pathlib.Path("mm/zswap_new.c.inc")] = b"/* new */\n"
        self.refuse("mm/zswap_new.c.inc belongs to no patch")

    def test_file_gone(self):
        del self.files[pathlib.Path("lib/percpu_defer_map.c")]
        self.refuse("there is no lib/percpu_defer_map.c")

    def test_rule_gone(self):
        path = pathlib.Path("mm/swapfile.c.cocci")
        self.files[path] = self.files[path].replace(b"@notify@", b"@notified@")
        self.refuse("'notified', belongs to no patch")

    def test_twice(self):
        self.table.patches[0].parts.append("lib/percpu_defer.c")
        self.refuse("lib/percpu_defer.c belongs to two patches")


class SplitTest(unittest.TestCase):
    def test_rules(self):
        text = "// head\n\n// two\n// lines\n@a@\nx\n\n// matches: 2\n@b depends on a@\ny\n"
        head, parts = series.split(pathlib.Path("x.c.cocci"), text)
        self.assertEqual(head, "// head\n\n")
        self.assertEqual(parts, [("a", "// two\n// lines\n@a@\nx\n\n"),
                                 ("b", "// matches: 2\n@b depends on a@\ny\n")])

    def test_edits(self):
        text = "# head\n[[edit]]\nafter = 'x'\n\n[[edit]]\nname = \"n\"\nafter = 'y'\n"
        head, parts = series.split(pathlib.Path("x.edit.toml"), text)
        self.assertEqual(head, "# head\n")
        self.assertEqual(parts, [("", "[[edit]]\nafter = 'x'\n\n"),
                                 ("n", "[[edit]]\nname = \"n\"\nafter = 'y'\n")])


class MakeTest(unittest.TestCase):
    """Small overlay of two series with one patch each, on a small kernel."""

    TABLE = """
prefix = "PATCH"
[[series]]
name = "1-a"
column = "off"
backends = []
[[series.patch]]
name = "one"
parts = ["lib/new.c", "MAINTAINERS.edit.toml"]
[[series]]
name = "2-b"
column = "on"
backends = []
[[series.patch]]
name = "two"
optional = true
parts = ["lib/Kconfig.edit.toml", "lib/new.c.edit.toml"]
"""
    MESSAGES = {"1-a": "one\n\nWhy.\n\n{measured}\n\n{base}\n",
                "2-b": "# comment\ntwo\n\nWhy.\n", "one": "lib: one\n\nBecause of one.\n",
                "two": "lib: two\n\nBecause of two.\n"}

    def setUp(self):
        top = patched.folder(self)
        self.ksrc, self.build = top / "ksrc", top / "build"
        self.build.mkdir()
        pristine = pathlib.Path(os.environ["PD_PRISTINE"])
        for name in ("Makefile", "Kbuild", "MAINTAINERS", "lib/Kconfig"):
            (self.ksrc / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(pristine / name, self.ksrc / name)
        (top / "series.toml").write_text(self.TABLE)
        (top / "messages").mkdir()
        for name, text in self.MESSAGES.items():
            (top / f"messages/{name}.txt").write_text(text)
        files = apply.read_overlay()
        overlay = {pathlib.Path(name): files[pathlib.Path(name)]
                   for name in ("MAINTAINERS.edit.toml", "lib/Kconfig.edit.toml")}
        # Only edits that apply to the small MAINTAINERS.
        overlay[pathlib.Path("lib/new.c")] = b"int a;\n"
        overlay[pathlib.Path("lib/new.c.edit.toml")] = (
            b"[[edit]]\nafter = \"int a;\\n\"\ntext = \"int b;\\n\"\n")
        table = functools.partial(series.Table, top / "series.toml")
        for patch in (unittest.mock.patch.object(series, "BUILD", self.build),
                      unittest.mock.patch.object(series, "OUT", self.build / "series"),
                      unittest.mock.patch.object(series, "MESSAGES", top / "messages"),
                      unittest.mock.patch.object(series, "Table", table),
                      unittest.mock.patch.object(apply, "read_overlay", lambda *_: overlay),
                      unittest.mock.patch.object(apply, "kernel_version",
                                                 lambda _: "7.3.4"),
                      unittest.mock.patch.object(series, "checkpatch"),
                      unittest.mock.patch.object(series, "recipients",
                                                 lambda *_args: "a@example.com\n"),
                      unittest.mock.patch.object(cover, "RESULTS", top / "none")):
            patch.start()
            self.addCleanup(patch.stop)

    def make(self, signoff="", own=False, without=()):
        """Make the series; return stderr."""
        with contextlib.redirect_stderr(io.StringIO()) as said:
            series.make(self.ksrc, own, signoff, without, lambda text: None)
        return said.getvalue()

    def text(self, start):
        found, = (self.build / "series").glob(f"*/{start}*")
        return found.read_text()

    def test_good(self):
        said = self.make("Some One <some@example.com>")
        self.assertIn('run "make bench"', said)
        self.assertEqual(
            sorted(str(path.relative_to(self.build / "series"))
                   for path in (self.build / "series").rglob("*.*")),
            ["1-a/0000-cover-letter.patch", "1-a/0001-lib-one.patch", "1-a/recipients.txt",
             "2-b/0000-cover-letter.patch", "2-b/0001-lib-two.patch", "2-b/recipients.txt"])
        for name in ("one", "two"):
            self.assertIn("Signed-off-by: Some One <some@example.com>\n",
                          self.text(f"0001-lib-{name}"))
        one, two = self.text("0001-lib-one"), self.text("0001-lib-two")
        self.assertIn("+M:\tSome One <some@example.com>\n", one)
        self.assertIn("+int a;\n", one)
        self.assertNotIn("int b;", one)
        self.assertIn("+int b;\n", two)
        cover_of_one, cover_of_two = (
            (self.build / f"series/{name}/0000-cover-letter.patch").read_text()
            for name in ("1-a", "2-b"))
        self.assertIn("*** What was measured belongs here", cover_of_one)
        self.assertIn("Subject: [PATCH 0/1] two\n", cover_of_two)
        base = re.search(r"^base-commit: \w+$", cover_of_one, re.M)[0]
        self.assertIn(f"{base}\nprerequisite-patch-id: ", cover_of_two)
        self.assertEqual(sorted(path.name for path in self.build.iterdir()),
                         ["series", "tree"])

    def test_base_is_reproducible(self):
        bases = set()
        for _ in range(2):
            self.make()
            letter = (self.build / "series/1-a/0000-cover-letter.patch").read_text()
            bases.add(re.search(r"^base-commit: (\w+)$", letter, re.M)[1])
            shutil.rmtree(self.build / "tree")
            (self.ksrc / "lib/Kconfig").touch()
        self.assertEqual(len(bases), 1)

    def test_nobody(self):
        self.make()
        self.assertIn(f"Signed-off-by: {series.NOBODY}\n", self.text("0001-lib-two"))
        self.assertNotIn("+M:", self.text("0001-lib-one"))

    def test_bad_signoff(self):
        for bad in ("me", "me@example.com", "Me <me>", "Me <me@example.com"):
            with self.assertRaisesRegex(Error, "not of the form"):
                self.make(bad)

    def test_older_kernel(self):
        """Each step is adapted to the kernel; a patch without changes is dropped."""
        kept, steps = pathlib.Path("MAINTAINERS.edit.toml"), []

        def adapt(version, overlay, patches):
            steps.append((version, sorted(patches)))
            return {kept: overlay[kept]}
        with unittest.mock.patch.object(compat_tables, "adapt", adapt), \
                unittest.mock.patch.object(apply, "generate", lambda *args: args[2]):
            names = [patch.name for patch, _files in series.steps(self.ksrc)]
        self.assertEqual(names, ["one"])
        self.assertEqual(steps, [("7.3.4", ["one"]), ("7.3.4", ["one", "two"])])

    def test_own_repository(self):
        with self.assertRaisesRegex(Error, "is no git repository"):
            self.make(own=True)
        for args in (("init", "--quiet"), ("add", "--all"),
                     ("commit", "--quiet", "--message=Linux")):
            series.git(self.ksrc, *args)
        self.make(own=True)
        head = series.git(self.ksrc, "rev-parse", "HEAD")
        letter = (self.build / "series/1-a/0000-cover-letter.patch").read_text()
        self.assertIn(f"\nbase-commit: {head}\n", letter)
        (self.ksrc / "lib/Kconfig").write_text("changed")
        with self.assertRaisesRegex(Error, "changes that are not committed"):
            self.make(own=True)

    def test_repository(self):
        out = self.build / "repo"
        series.repository(self.ksrc, False, out, lambda text: None, False)
        log = series.git(out, "log", "--reverse", "--format=%s|%b")
        self.assertEqual(log.replace("\n", ""),
                         "Linux 7.3.4|lib: one|Because of one.lib: two|Because of two.")
        self.assertEqual(series.git(out, "status", "--porcelain"), "")
        self.assertEqual((out / "lib/new.c").read_text(), "int a;\nint b;\n")
        self.assertEqual(series.git(out, "show", "HEAD~:lib/new.c"), "int a;")
        with self.assertRaisesRegex(Error, "exists: a repository needs"):
            series.repository(self.ksrc, False, out, lambda text: None, False)
        with self.assertRaisesRegex(Error, "takes no path with blanks"):
            series.repository(self.ksrc, False, self.build / "a b", lambda text: None, False)
        with self.assertRaisesRegex(Error, "lies in the kernel tree"):
            series.repository(self.ksrc, False, self.ksrc / "new", lambda text: None, False)

    def test_patch_that_differs(self):
        """A different patch fails the check; existing output is kept."""
        self.make()
        before = self.text("0001-lib-two")
        real = series.steps

        def steps(*args):
            for patch, files in real(*args):
                yield patch, files | {pathlib.Path("lib/new.c"): b"int c;\n"}

        with unittest.mock.patch.object(series, "steps", steps):
            with self.assertRaisesRegex(Error, "the last patch does not give.*lib/new.c"):
                self.make()
        self.assertEqual(self.text("0001-lib-two"), before)

    def test_mail_that_differs(self):
        """A different result of git am fails the check."""
        real = series.git

        def git(repo, *args, **more):
            said = real(repo, *args, **more)
            if args[0] == "am" and "2-b" in str(args[2]):
                (repo / "lib/new.c").write_text("int d;\n")
                real(repo, "add", "lib/new.c")
            return said

        with unittest.mock.patch.object(series, "git", git):
            with self.assertRaisesRegex(Error, "git am does not give what"):
                self.make()


class CheckpatchTest(unittest.TestCase):
    def check(self, output):
        run = types.SimpleNamespace(stdout=output, stderr="", returncode=1)
        with unittest.mock.patch.object(subprocess, "run", lambda *_a, **_k: run), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            series.checkpatch("ksrc", [pathlib.Path("out/1.patch")], "")
        return said.getvalue()

    def test_warnings_are_shown(self):
        self.assertEqual(self.check("out/1.patch:3: WARNING:X: what\n"),
                         "1.patch:3: WARNING:X: what\n")

    def test_errors_stop(self):
        with self.assertRaisesRegex(Error, "finds 1 errors"):
            self.check("out/1.patch:3: ERROR:X: what\nout/1.patch:4: CHECK:Y: what\n")


class CoverTest(unittest.TestCase):
    def report(self):
        def row(ms):
            return dict.fromkeys(unmap.TIMES, [ms * 1000000] * 3)

        samples = {f"{column} {processes} 256": row(ms) for column, ms in
                   (("base", 120), ("off", 60), ("on", 4), ("limit", 3))
                   for processes in (1, 2)}
        samples["on 1 256"]["back"] = [500000000] * 5
        samples["base 1 256"]["back"] = [130000000] * 5
        return {"kernel": "7.3-patched", "base_kernel": "7.3-base", "accelerator": "tcg",
                "cpus": 2, "dates": {"unmap": "2026-11-25"}, "quick": False, "repetitions": 3,
                "sections": {"unmap": {backend: samples for backend in common.BACKENDS}}}

    def text(self, report, column="on"):
        with tempfile.TemporaryDirectory() as tmp:
            results = pathlib.Path(tmp) / "bench.json"
            results.write_text(json.dumps(report))
            with unittest.mock.patch.object(cover, "RESULTS", results):
                return cover.text(types.SimpleNamespace(
                    subject="s", body="b\n\n{measured}\n\n{base}", column=column,
                    backends=common.BACKENDS), "7.3.4", False)

    def test_tables(self):
        text = self.text(self.report())
        line, = (line for line in text[text.index("\nzram"):text.index("\nzswap")]
                 .splitlines() if line.startswith("1 x 256 MB"))
        self.assertEqual(line.split(), [
            "1", "x", "256", "MB", "120.0", "(120.0-120.0)", "60.0", "4.0", "(4.0-4.0)",
            "30.00", "3.0", "0.033", "130.0", "500.0"])
        self.assertIn("Regressions that are larger", text)
        self.assertIn("instead of 130.0", " ".join(text.split()))
        self.assertIn("*** Not in bench.json, so not here: instructions.", text)
        self.assertLess(max(map(len, text.splitlines())), 100)

    def test_without_deferral(self):
        text = self.text(self.report(), column="off")
        line, = (line for line in text[text.index("\nzram"):text.index("\nzswap")]
                 .splitlines() if line.startswith("1 x 256 MB"))
        self.assertEqual(line.split()[6:9], ["60.0", "(60.0-60.0)", "2.00"])
        self.assertNotIn("Regressions", text)

    def test_trailers(self):
        """Trailers of a message and the signature form one paragraph for git."""
        patch = types.SimpleNamespace(subject="s", body="b\n\nFixes: 1 (\"x\")\nCc: y",
                                      unsigned="")
        self.assertEqual(series.message(patch, "n <a@b>"),
                         "s\n\nb\n\nFixes: 1 (\"x\")\nCc: y\nSigned-off-by: n <a@b>\n")
        patch.body = "b: c"
        self.assertIn("\n\nSigned-off-by", series.message(patch, "n <a@b>"))

    def test_quick_run(self):
        self.assertIn("*** This is of a quick run", self.text(self.report() |
                                                              {"quick": True}))


class CheckTest(unittest.TestCase):
    """series_check.py without a kernel."""

    def test_choose(self):
        steps = [(types.SimpleNamespace(name=name), {}) for name in ("a", "b")]
        self.assertEqual([number for number, *_ in series_check.choose(steps, "")], [1, 2])
        self.assertEqual([number for number, *_ in series_check.choose(steps, "b")], [2])
        self.assertEqual([number for number, *_ in series_check.choose(steps, "1")], [1])
        with self.assertRaisesRegex(Error, "no patch '3'"):
            series_check.choose(steps, "3")

    def test_options_that_are_not_there_yet(self):
        with tempfile.TemporaryDirectory() as tmp:
            fragment = pathlib.Path(tmp) / "fragment"
            with unittest.mock.patch.object(series_check, "FRAGMENT", fragment):
                series_check.write_fragment({})
                self.assertEqual(fragment.read_text().strip(), "")
                series_check.write_fragment({pathlib.Path("lib/Kconfig.debug"):
                                             b"config PERCPU_DEFER_KUNIT_TEST\n"})
                self.assertEqual(fragment.read_text(),
                                 "CONFIG_PERCPU_DEFER_KUNIT_TEST=m\n")
                series_check.write_fragment({pathlib.Path("samples/Kconfig"):
                                             b"menuconfig SAMPLES\n"})
                self.assertEqual(fragment.read_text(), "CONFIG_SAMPLES=y\n")

    def test_compiler_warning(self):
        with tempfile.TemporaryDirectory() as tmp:
            log = pathlib.Path(tmp) / "log"
            log.write_text("  CC x.o\n")
            series_check.expect_no_warnings(log)
            log.write_text("x.c:1:2: warning: 'f' defined but not used\n")
            with self.assertRaisesRegex(Error, "'f' defined but not used"):
                series_check.expect_no_warnings(log)
