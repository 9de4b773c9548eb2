# SPDX-License-Identifier: GPL-2.0
"""series.py and cover.py: the patches add up to the overlay, each part in one patch.

PD_PRISTINE names an unmodified kernel source, which the tests read or copy but do not
change.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import types
import unittest
import unittest.mock

from overlay import apply, compat_tables, cover, series, series_check
from report.sections import common
from shared import Error
from tests import patched

SWAPFILE = pathlib.Path("mm/swapfile.c.cocci")


class TableTest(unittest.TestCase):
    """The patch table of this repository."""

    def setUp(self):
        self.table, self.files = series.read_table(), apply.read_overlay()

    def test_whole(self):
        """All patches together make up the overlay; each series has at most ten patches."""
        owner = series.owners(self.table, self.files)
        names = {patch.name for patch in self.table.patches}
        self.assertEqual(series.chosen(self.files, owner, names), self.files)
        self.assertEqual(set(owner.values()), names)
        for one in self.table.series:
            self.assertLessEqual(len(one.patch), 10, one.name)

    def skip_unless_made(self):
        version = apply.kernel_version(pathlib.Path(os.environ["PD_PRISTINE"]))
        if compat_tables.table(version):
            self.skipTest(f"no series for Linux {version}")

    def test_steps(self):
        """Each patch changes the kernel; only converted clients use the library."""
        self.skip_unless_made()
        before, clients = {}, {}
        for patch, files in series.steps(pathlib.Path(os.environ["PD_PRISTINE"])):
            self.assertNotEqual(files, before, patch.name)
            before = files
            clients[patch.name] = b"".join(text for path, text in files.items()
                                           if str(path).startswith(("drivers/", "mm/z")))
        self.assertEqual({str(path): text.decode() for path, text in before.items()},
                         patched.files())
        self.assertNotIn(b"percpu_defer", clients["kunit"])
        self.assertIn(b"percpu_defer", clients["zram-defer"])

    def test_without(self):
        """An optional patch can be left out, unless a remaining patch needs it."""
        self.skip_unless_made()
        ksrc, patches = pathlib.Path(os.environ["PD_PRISTINE"]), self.table.patches
        *_, (_patch, whole) = series.steps(ksrc)
        for patch in patches:
            without = {patch.name, *(one.name for one in patches if patch.name in one.needs)}
            if patch.optional:
                with self.subTest(patch.name):
                    *_, (_patch, files) = series.steps(ksrc, without=without)
                    self.assertNotEqual(files, whole)
        for name, fault in (("core", "not optional; choose from zsmalloc-kunit, kunit"),
                            ("?", "not optional; choose from zsmalloc-kunit, kunit"),
                            ("selftests", "zswap-selftests needs it; omit that patch as well")):
            with self.subTest(name), self.assertRaisesRegex(
                    Error, rf"^WITHOUT={re.escape(name)}: {fault}"):
                series.kept(self.table, [name])

    def test_messages(self):
        """Subjects have at most 70 characters; messages quote no measurements."""
        names = {path.stem for path in series.MESSAGES.iterdir()}
        self.assertEqual(names, {one.name for one in (*self.table.series, *self.table.patches)})
        for patch in self.table.patches:
            self.assertLessEqual(len(patch.subject), 70, patch.subject)
            self.assertRegex(patch.subject, r"^[\w/]+(?:, [\w/]+)*: \S", patch.name)
            self.assertIsNone(re.search(r"\d ?(%|us\b|ns\b|times as)", patch.body),
                              patch.name)

    def test_parts(self):
        """Each part belongs to one patch; each entry of the table matches a part."""
        gone = {path: text for path, text in self.files.items() if path.name != "percpu_defer.h"}
        for fault, files in (
                ("mm/new.c: belongs to no patch", {pathlib.Path("mm/new.c"): b"/* new */\n"}),
                ("mm/new.c.inc: belongs to no patch", {pathlib.Path("mm/new.c.inc"): b""}),
                ("mm/swapfile.c.cocci:another: belongs to no patch",
                 {SWAPFILE: self.files[SWAPFILE] + b"\n@another@\nposition p;\n@@\n f@p();\n"}),
                ("mm/swapfile.c.cocci:notified: belongs to no patch",
                 {SWAPFILE: self.files[SWAPFILE].replace(b"@notify@", b"@notified@")})):
            with self.subTest(fault), self.assertRaisesRegex(Error, re.escape(fault)):
                series.owners(self.table, self.files | files)
        with self.assertRaisesRegex(Error, "there is no .*/percpu_defer.h"):
            series.owners(self.table, gone)
        self.table.patches[0].parts.append("lib/percpu_defer.c")
        with self.assertRaisesRegex(Error, "lib/percpu_defer.c belongs to two patches"):
            series.owners(self.table, self.files)


class MakeTest(unittest.TestCase):
    """Small overlay of two series with one patch each, on a small kernel."""

    TABLE = """
prefix = "PATCH"
[[series]]
name = "1-a"
[[series.patch]]
name = "one"
unsigned = "*** MAINTAINERS"
parts = ["lib/new.c", "MAINTAINERS.edit.toml"]
[[series]]
name = "2-b"
[[series.patch]]
name = "two"
optional = true
parts = ["lib/Kconfig.edit.toml", "lib/new.c.edit.toml"]
"""
    TRAILERS = "Fixes: 1 (\"x\")\nCc: y\n"
    MESSAGES = {"1-a": "one\n\n{measured}\n\n{base}\n", "2-b": "# comment\ntwo\n\nWhy.\n",
                "one": "lib: one\n\nBecause of one.\n",
                "two": f"lib: two\n\nBecause of two.\n\n{TRAILERS}"}

    def setUp(self):
        top = patched.folder(self)
        self.ksrc, self.build = top / "ksrc", top / "build"
        pristine = pathlib.Path(os.environ["PD_PRISTINE"])
        patched.write(self.ksrc, {name: (pristine / name).read_text() for name in (
            "Makefile", "Kbuild", "MAINTAINERS", "lib/Kconfig")})
        patched.write(top, {"series.toml": self.TABLE, **{
            f"messages/{name}.txt": text for name, text in self.MESSAGES.items()}})
        files = apply.read_overlay()
        # Include only edits of files in the small kernel.
        overlay = {path: files[path] for path in map(pathlib.Path, (
            "MAINTAINERS.edit.toml", "lib/Kconfig.edit.toml"))}
        overlay[pathlib.Path("lib/new.c")] = b"int a;\n"
        overlay[pathlib.Path("lib/new.c.edit.toml")] = (
            b"[[edit]]\nafter = \"int a;\\n\"\ntext = \"int b;\\n\"\n")
        newest = ".".join(map(str, apply.TESTED[-1])) + ".4"
        patched.replace(self, series, BUILD=self.build, OUT=self.build / "series",
                        MESSAGES=top / "messages", TABLE=top / "series.toml",
                        checkpatch=lambda *_args: None)
        patched.replace(self, cover, RESULTS=top / "none")
        patched.replace(self, apply, read_overlay=lambda *_args: overlay,
                        kernel_version=lambda _tree: newest)

    def make(self, signoff="", own=False, without=()):
        """Make the series; return stderr."""
        with contextlib.redirect_stderr(io.StringIO()) as said:
            series.make(self.ksrc, own, signoff, without, lambda text: None)
        return said.getvalue()

    def names(self):
        out = self.build / "series"
        return sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))

    def text(self, name):
        return (self.build / "series" / name).read_text()

    def base(self):
        return re.search(r"^base-commit: (\w+)$", self.text("1-a/0000-cover-letter.patch"),
                         re.M)[1]

    def test_good(self):
        self.assertIn('run "make bench"', self.make("Some One <some@example.com>"))
        self.assertEqual(self.names(), [
            "1-a/0000-cover-letter.patch", "1-a/0001-lib-one.patch",
            "2-b/0000-cover-letter.patch", "2-b/0001-lib-two.patch"])
        one, two = self.text("1-a/0001-lib-one.patch"), self.text("2-b/0001-lib-two.patch")
        signed = "Signed-off-by: Some One <some@example.com>\n---\n"
        self.assertIn(f"\n\nBecause of one.\n\n{signed}", one)
        self.assertIn(f"\n\n{self.TRAILERS}{signed}", two)
        self.assertIn("+M:\tSome One <some@example.com>\n", one)
        self.assertNotIn("*** MAINTAINERS", one)
        self.assertIn("+int a;\n", one)
        self.assertNotIn("int b;", one)
        self.assertIn("+int b;\n", two)
        letter = self.text("1-a/0000-cover-letter.patch")
        self.assertIn(f"Subject: [PATCH 0/1] one\n\n{cover.NOT_MEASURED.strip()}\n\n", letter)
        self.assertIn("Linux 7.3.4 from Debian's package linux-source-7.3.\n", letter)
        letter = self.text("2-b/0000-cover-letter.patch")
        self.assertIn("Subject: [PATCH 0/1] two\n", letter)
        self.assertIn(f"base-commit: {self.base()}\nprerequisite-patch-id: ", letter)

    def test_again(self):
        """The base is reproducible, old output is kept, and SIGNOFF has a placeholder."""
        self.make()
        base = self.base()
        shutil.rmtree(self.build / "tree")
        (self.ksrc / "lib/Kconfig").touch()
        (self.build / "series/mine").write_text("filled in")
        self.make()
        old, = self.build.glob("series.2*")
        self.assertEqual((old / "mine").read_text(), "filled in")
        self.assertEqual(self.base(), base)
        self.assertIn(f"Signed-off-by: {series.NOBODY}\n", self.text("2-b/0001-lib-two.patch"))
        one = self.text("1-a/0001-lib-one.patch")
        self.assertIn(f"Signed-off-by: {series.NOBODY}\n---\n*** MAINTAINERS\n", one)
        self.assertNotIn("+M:", one)

    def test_without(self):
        """A series without patches is left out."""
        self.make(without=["two"])
        self.assertEqual(self.names(), ["1-a/0000-cover-letter.patch", "1-a/0001-lib-one.patch"])

    def repository(self, out, force=True):
        series.repository(self.ksrc, False, out, force, lambda text: None)

    def test_repository(self):
        """Each patch is a commit; "make apply" does not overwrite the repository."""
        out = self.build / "repo"
        self.repository(out)
        log = series.git(out, "log", "--reverse", "--format=%an|%B")
        self.assertEqual(log.replace("\n", ""), (
            "percpu_defer|Linux 7.3.4percpu_defer|lib: oneBecause of one."
            f"percpu_defer|lib: twoBecause of two.{self.TRAILERS}").replace("\n", ""))
        self.assertEqual(series.git(out, "status", "--porcelain", "--ignored"), "")
        self.assertEqual(series.git(out, "remote"), "")
        self.assertEqual((out / "lib/new.c").read_text(), "int a;\nint b;\n")
        self.assertEqual(series.git(out, "show", "HEAD~:lib/new.c"), "int a;")
        with self.assertRaisesRegex(Error, "was not made by this tool"):
            apply.apply(self.ksrc, out, False)

    def test_repository_refused(self):
        """A repository never replaces a directory, and is either complete or absent."""
        (self.build / "old").mkdir(parents=True)
        for fault, out in (("OUT=.*/old: exists; give another OUT", "build/old"),
                           ("accepts no path with blanks", "build/a b"),
                           ("inside the kernel tree", "ksrc/new")):
            with self.subTest(fault), self.assertRaisesRegex(Error, fault):
                self.repository(self.ksrc.parent / out)
        out = self.build / "repo"
        with unittest.mock.patch.object(apply, "TESTED", ((6, 1),)), \
                self.assertRaisesRegex(Error, "untested; all rules match"):
            self.repository(out, force=False)
        with unittest.mock.patch.object(series, "commit", side_effect=Error("full")), \
                self.assertRaisesRegex(Error, "full"):
            self.repository(out)
        self.assertFalse(out.exists())
        self.repository(out)

    def test_refused(self):
        for bad in ("me", "me@example.com", "Me <me>", "Me <me@example.com"):
            with self.assertRaisesRegex(Error, "invalid; give"):
                self.make(bad)
        with unittest.mock.patch.object(apply, "kernel_version", lambda _tree: "6.12.1"), \
                self.assertRaisesRegex(Error, "6.12.1 would be incomplete"):
            self.make()

    def test_own_repository(self):
        with self.assertRaisesRegex(Error, "not a git repository"):
            self.make(own=True)
        for args in (("init", "--quiet"), ("add", "--all"),
                     ("commit", "--quiet", "--message=Linux")):
            series.git(self.ksrc, *args)
        self.make(own=True)
        self.assertEqual(self.base(), series.git(self.ksrc, "rev-parse", "HEAD"))
        (self.ksrc / "Kbuild").write_text("changed")
        with self.assertRaisesRegex(Error, "uncommitted changes"):
            self.make(own=True)

    def test_patch_that_differs(self):
        """A series that differs from "make apply" is refused; existing output is kept."""
        self.make()
        real = series.steps

        def steps(*args):
            for patch, files in real(*args):
                yield patch, files | {pathlib.Path("lib/new.c"): b"int c;\n"}

        with unittest.mock.patch.object(series, "steps", steps), \
                self.assertRaisesRegex(Error, "the last patch differs.*lib/new.c"):
            self.make()
        self.assertIn("+int b;\n", self.text("2-b/0001-lib-two.patch"))

    def test_mail_that_differs(self):
        """A series that git am applies differently is refused; existing output is kept."""
        self.make()
        real = series.git

        def git(repo, *args, **more):
            said = real(repo, *args, **more)
            if args[0] == "am":
                (repo / "lib/new.c").write_text("int d;\n")
                real(repo, "commit", "--quiet", "--all", "--amend", "--no-edit")
            return said

        with unittest.mock.patch.object(series, "git", git), \
                self.assertRaisesRegex(Error, "git am: result differs from make.*lib/new.c"):
            self.make()
        self.assertIn("+int b;\n", self.text("2-b/0001-lib-two.patch"))


class CheckpatchTest(unittest.TestCase):
    def test_findings(self):
        """All findings are printed; errors fail the check."""
        run = types.SimpleNamespace(stderr="", stdout="out/1.patch:3: CHECK:X: what\n")
        patched.replace(self, subprocess, run=lambda *_args, **_more: run)
        for fault in contextlib.nullcontext(), self.assertRaisesRegex(Error, "finds 1 errors"):
            with contextlib.redirect_stdout(io.StringIO()) as said, fault:
                series.checkpatch("ksrc", [pathlib.Path("out/1.patch")], "")
            self.assertEqual(said.getvalue(), run.stdout.replace("out/", ""))
            run.stdout += "out/1.patch:4: ERROR:Y: what\n"


class CoverTest(unittest.TestCase):
    """Report with one section, in which the patched kernel is slower with zswap."""

    def setUp(self):
        rows = {backend: {f"{column} {processes} 256": dict.fromkeys(
            common.UNMAP_TIMES, [ms * 10**6] * 3) for column, ms in zip(common.COLUMNS, times)
                          for processes in (1, 2, 3)}
                for backend, times in (("zram", (120, 60, 4, 3)), ("zswap", (100, 50, 130, 3)))}
        self.report = {"kernel": "7.3-patched", "base_kernel": "7.3-base", "accelerator": "tcg",
                       "cpus": 2, "dates": {"unmap": "2026-11-25"}, "quick": False,
                       "sections": {"unmap": rows}}

    def letter(self, column, *backends):
        results = patched.folder(self) / "bench.json"
        results.write_text(json.dumps(self.report))
        patched.replace(self, cover, RESULTS=results)
        one = types.SimpleNamespace(
            name="a", subject="s", body="b\n\n{measured}\n\n{base}\n\nc", column=column,
            backends=backends, sections=["unmap", "instructions"])
        return cover.letters([one], "7.3.4", True)["a"]

    def test_tables(self):
        """A letter shows only the backends, the column and the regressions of its series."""
        zram, zswap = (f"{backend}, 1 x 256 MB +{cells}" for backend, cells in (
            ("zram", r"120.0 \(120.0-120.0\) +{} +{}\n"), ("zswap", r"100.0 \S+ +{} +{}\n")))
        for column, backends, there, not_there in (
                ("on", ["zram"], [zram.format(r"4.0 \(4.0-4.0\)", "0.033"),
                                  "No regressions beyond"], ["60.0", "zswap"]),
                ("on", ["zswap"], [zswap.format(r"130.0 \S+", "1.30"), r"les:\n\n- zswap, 1 x"],
                 ["zram"]),
                ("off", ["zram", "zswap"], [zram.format(r"60.0 \S+", "0.50"), "switched off",
                                            zswap.format(r"50.0 \S+", "0.50")],
                 ["egression", "130.0"])):
            with self.subTest(column, backends=backends):
                letter = self.letter(column, *backends)
                for text in (*there, r"\As\n\nb\n\nMeasured on Linux 7.3-patched .*2026-11-25",
                             r"\n\*\*\* Missing in bench.json: instructions.\n\nThe "
                             "patches apply to Linux 7.3.4, at the base-commit"):
                    self.assertRegex(letter, f"(?s){text}")
                for text in not_there:
                    self.assertNotIn(text, letter)
                self.assertLess(max(map(len, letter.splitlines())), 100)

    def test_unreadable(self):
        """Results in an older format are refused with a one-line error."""
        for sections in {"gone": {}}, {"unmap": {"zram": {"base 1 256": {}}}}, {"unmap": None}:
            self.report["sections"] = sections
            with self.subTest(sections), self.assertRaisesRegex(
                    Error, "^build/results/bench.json: unreadable .*; run \"make bench\""):
                self.letter("on", "zram")


class CheckTest(unittest.TestCase):
    """series_check.py without a kernel."""

    def test_choose(self):
        steps = [(types.SimpleNamespace(name=name), {}) for name in ("a", "b")]
        for only, numbers in (("", [1, 2]), ("b", [2]), ("1", [1])):
            self.assertEqual([number for number, *_ in series_check.choose(steps, only)],
                             numbers)
        with self.assertRaisesRegex(Error, "no patch '3'"):
            series_check.choose(steps, "3")

    def test_options_that_are_not_there_yet(self):
        fragment = patched.folder(self) / "fragment"
        patched.replace(self, series_check, FRAGMENT=fragment)
        for files, wanted in (
                ({}, ""),
                ({"lib/Kconfig": b"config PERCPU_DEFER\n"}, "CONFIG_PERCPU_DEFER=y\n"),
                ({"lib/Kconfig.debug": b"config PERCPU_DEFER_KUNIT_TEST\n"},
                 "CONFIG_PERCPU_DEFER_KUNIT_TEST=m\n"),
                ({"lib/Kconfig.debug": b"config PERCPU_DEFER_TORTURE_TEST\n"},
                 "CONFIG_PERCPU_DEFER_TORTURE_TEST=m\n"),
                ({"samples/Kconfig": b"menuconfig SAMPLES\n"}, "CONFIG_SAMPLES=y\n")):
            series_check.write_fragment({pathlib.Path(name): text
                                         for name, text in files.items()})
            self.assertEqual(fragment.read_text(), wanted)

    def test_compiler_warning(self):
        log = patched.folder(self) / "log"
        log.write_text("  CC x.o\n")
        series_check.expect_no_warnings(log)
        log.write_text("x.c:1:2: warning: 'f' defined but not used\n")
        with self.assertRaisesRegex(Error, "'f' defined but not used"):
            series_check.expect_no_warnings(log)
