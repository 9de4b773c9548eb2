# SPDX-License-Identifier: GPL-2.0
"""apply.py and fetch.sh: a failure prints one line and damages nothing.

PD_PRISTINE names an unmodified kernel source; the tests work on a copy of the few
files in it that the overlay touches.
"""

import contextlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock

from overlay import apply, parts
from shared import HARNESS, Error
from tests import patched

ZRAM = "drivers/block/zram/zram_drv.c"


def contents(tree):
    return {p.relative_to(tree): (p.read_bytes(), p.stat().st_mtime_ns)
            for p in tree.rglob("*") if p.is_file()}


def run_apply(ksrc, out, pristine=False):
    """Run it as run.py does; return the exit code and stderr."""
    said, code = io.StringIO(), 0
    with contextlib.redirect_stderr(said):
        try:
            apply.apply(ksrc.resolve(), out.resolve(), pristine)
        except (Error, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            code = 1
    return types.SimpleNamespace(returncode=code, stderr=said.getvalue())


class ApplyTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.ksrc = pathlib.Path(tmp.name) / "ksrc"
        self.out = pathlib.Path(tmp.name) / "out"
        pristine = pathlib.Path(os.environ["PD_PRISTINE"])
        names = ["Makefile", "Kbuild"]
        for path in apply.read_overlay(apply.kernel_version(pristine)):
            for suffix in (".c.defer.cocci", ".c.cocci", ".edit.toml"):
                name = str(path).removesuffix(suffix.removeprefix(".c"))
                if path.name.endswith(suffix) and (pristine / name).exists():
                    names.append(name)
        for name in names:
            (self.ksrc / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(pristine / name, self.ksrc / name)

    def run_apply(self, pristine=False):
        return run_apply(self.ksrc, self.out, pristine)

    def expect_error(self, *words):
        """Expect exit code 1, one line with the words, no OUT, and KSRC untouched."""
        said = self.expect_errors(*words)
        self.assertEqual(len(said.splitlines()), 1, said)

    def expect_errors(self, *words):
        """Do the same for any number of lines; return them."""
        before = contents(self.ksrc) if self.ksrc.is_dir() else None
        existed = self.out.exists()
        run = self.run_apply()
        self.assertEqual(run.returncode, 1, run.stderr)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertEqual(self.out.exists(), existed)
        if before is not None:
            self.assertEqual(contents(self.ksrc), before)
        return run.stderr

    def substitute(self, name, old, new):
        path = self.ksrc / name
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def test_good(self):
        before = contents(self.ksrc)
        run = self.run_apply()
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(contents(self.ksrc), before)
        text = (self.out / ZRAM).read_text()
        # Not assertIn(), which would print the whole text.
        self.assertTrue("percpu_defer_map_cancel(&zram->defer, index);" in text)
        self.assertTrue("static void zram_drain(" in text)
        self.assertFalse(".c.inc" in text)
        self.assertFalse("SPDX" in text)
        self.assertTrue((self.out / "lib/percpu_defer.c").is_file())
        self.assertEqual(list(self.out.rglob("*.c.cocci")), [])

    def test_implied(self):
        """Each user of the library implies it, even without the other user."""
        self.run_apply()
        for option, name in ("ZSWAP", "mm/Kconfig"), ("ZRAM", "drivers/block/zram/Kconfig"):
            text = (self.out / name).read_text()
            entry = re.search(rf"^config {option}\n((\t.*)?\n)+", text, re.MULTILINE)
            self.assertIn("\timply PERCPU_DEFER\n", entry.group())

    def test_again_touches_nothing(self):
        self.run_apply()
        before = contents(self.out)
        self.assertEqual(self.run_apply().returncode, 0)
        after = contents(self.out)
        for found in before, after:
            del found[pathlib.Path(apply.STAMP)]
        self.assertEqual(after, before)

    def test_kernel_changed(self):
        self.run_apply()
        (self.ksrc / "lib/new.c").write_text("new")
        self.substitute("lib/Kconfig", "config OBJAGG", "config OBJAGG2")
        self.assertEqual(self.run_apply().returncode, 0)
        self.assertTrue((self.out / "lib/new.c").is_file())
        self.assertIn("config OBJAGG2", (self.out / "lib/Kconfig").read_text())

    def test_overlay_file_removed(self):
        self.run_apply()
        stamp = self.out / apply.STAMP
        (self.out / "lib/gone.c").write_text("of an older overlay")
        stamp.write_text(stamp.read_text() + "lib/gone.c\n")
        self.assertEqual(self.run_apply().returncode, 0)
        self.assertFalse((self.out / "lib/gone.c").exists())

    def test_interrupted_copy(self):
        tmp = self.out.with_name(f"out{apply.STAMP}.tmp")
        tmp.mkdir()
        (tmp / "rubbish").write_text("half a tree")
        self.assertEqual(self.run_apply().returncode, 0)
        self.assertFalse((self.out / "rubbish").exists())

    def test_pristine(self):
        self.assertEqual(self.run_apply(pristine=True).returncode, 0)
        self.assertEqual((self.out / ZRAM).read_bytes(),
                         (self.ksrc / ZRAM).read_bytes())

    def test_no_such_tree(self):
        shutil.rmtree(self.ksrc)
        self.expect_error("is no kernel tree")

    def test_other_tree(self):
        (self.ksrc / "Kbuild").unlink()
        self.expect_error("is no kernel tree")

    def set_version(self, version, patchlevel):
        path = self.ksrc / "Makefile"
        text = re.sub(r"^VERSION = .*$", f"VERSION = {version}", path.read_text(), flags=re.M)
        path.write_text(re.sub(r"^PATCHLEVEL = .*$", f"PATCHLEVEL = {patchlevel}", text,
                               flags=re.M))

    def test_too_old(self):
        self.set_version(6, 11)
        self.expect_error("too old: 6.12 or newer")

    def apply_untested(self, force=False):
        """Apply as if this version were not among the tested ones."""
        with contextlib.redirect_stderr(io.StringIO()) as said, \
                unittest.mock.patch.object(apply, "TESTED", ((6, 1),)):
            try:
                apply.apply(self.ksrc, self.out, False, force)
            except Error as error:
                self.assertFalse(self.out.exists())
                return said.getvalue() + str(error)
        self.assertTrue((self.out / "lib/percpu_defer.c").is_file())
        return said.getvalue()

    def test_never_tested(self):
        """An untested version is refused with a line, and accepted with FORCE."""
        self.assertRegex(self.apply_untested(), r"\ALinux \S+ was never tested. All rules match, "
                         "and the checkers find no ways to lose data.*then give FORCE=1\\Z")
        self.assertIn("was never tested", self.apply_untested(True))

    def test_new_way_to_fill(self):
        """The rules match, but an unknown function fills a slot."""
        fill = "set_slot_handle" if "set_slot_handle(" in (self.ksrc / ZRAM).read_text() \
            else "zram_set_handle"
        # In a file that no rule covers.
        (self.ksrc / ZRAM).with_name("new.c").write_text(
            "static void new_way(struct zram *zram, unsigned int index)\n"
            f"{{\n\t{fill}(zram, index, 1);\n}}\n")
        said = self.apply_untested()
        self.assertIn("warning: drivers/block/zram/new.c:3:1", said)
        self.assertIn("new_way() fills a slot that may be dead", said)
        self.assertIn("the checkers find 1 ways to lose data", said)

    def test_rule_without_match(self):
        # slot_allocated() or zram_allocated()
        self.substitute(ZRAM, "_allocated(", "_used(")
        said = self.expect_errors("zram_drv.c.defer.cocci: rule 'allocated' matched 0 times, not 1",
                                  "does not fit, nothing was done")
        self.assertRegex(said, r"wanted: static inline bool \w+_allocated.*\n +line \d+: "
                         r"static inline bool \w+_used\(")

    def test_all_are_listed(self):
        self.substitute(ZRAM, "_allocated(", "_used(")
        self.substitute("lib/Kconfig", "config LWQ_TEST", "config LWQ_TESTS")
        (self.ksrc / "mm/swapfile.c").unlink()
        (self.ksrc / "lib/percpu_defer.c").write_text("theirs")
        said = self.expect_errors("rule 'allocated' matched 0",
                                  "lib/Kconfig.edit.toml: edit 1 matched 0 times",
                                  "swapfile.c.cocci: there is no mm/swapfile.c",
                                  "lib/percpu_defer.c: the kernel has one of its own")
        self.assertRegex(said, r"wanted: config LWQ_TEST\n +line \d+: config LWQ_TESTS\n")

    def test_rule_matches_too_often(self):
        call = "init_rwsem(&zram->dev_lock);\n"
        self.substitute(ZRAM, call, call + call)
        self.expect_errors("'add' matched 2 times", "not 1")

    def test_edit_matches_twice(self):
        path = self.ksrc / "lib/Kconfig"
        path.write_text(path.read_text() + "\nconfig LWQ_TEST\n")
        self.expect_errors("lib/Kconfig.edit.toml", "edit 1 matched 2 times")

    def test_foreign_out(self):
        self.out.mkdir()
        (self.out / "precious").write_text("not ours")
        self.expect_error("was not made by us")
        self.assertEqual((self.out / "precious").read_text(), "not ours")

    def test_out_in_the_kernel_tree(self):
        self.out = self.ksrc / "out"
        self.expect_error("lies in the kernel tree")

    def test_no_space(self):
        with unittest.mock.patch.object(apply, "COPY_MB", 1 << 40):
            with self.assertRaisesRegex(Error, "make room"):
                apply.apply(self.ksrc, self.out, False)
        self.assertFalse(self.out.exists())


class OverlayTest(unittest.TestCase):
    """Overlay of a small repository."""

    def setUp(self):
        self.top = patched.folder(self)
        for name in ("lib/a.c", "lib/stray.c", "lib/a.c~"):
            (self.top / name).parent.mkdir(exist_ok=True)
            (self.top / name).write_text(name)
        for module in (apply, parts):
            patch = unittest.mock.patch.object(module, "TOP", self.top)
            patch.start()
            self.addCleanup(patch.stop)

    def git(self, *args):
        subprocess.run(["git", "-C", self.top, *args], check=True, capture_output=True)

    def overlay(self):
        return [str(path) for path in apply.overlay() if path.parts[0] == "lib"]

    def test_stray_file(self):
        self.git("init", "--quiet")
        self.git("add", "lib/a.c")
        self.assertEqual(self.overlay(), ["lib/a.c"])
        with contextlib.redirect_stderr(io.StringIO()) as said:
            apply.report_strays()
        self.assertIn("lib/stray.c: not tracked, so left out; git add it",
                      said.getvalue())
        self.assertNotIn("lib/a.c:", said.getvalue())

    def test_tracked_and_removed(self):
        self.git("init", "--quiet")
        self.git("add", "lib/a.c")
        (self.top / "lib/a.c").unlink()
        self.assertEqual(self.overlay(), [])

    def test_tarball(self):
        self.assertEqual(self.overlay(), ["lib/a.c", "lib/stray.c"])

    def test_broken_repository(self):
        (self.top / ".git").write_text("gitdir: gone\n")
        with self.assertRaisesRegex(Error, "^[^\n]*lib: git ls-files fails"):
            self.overlay()


class CopyTest(unittest.TestCase):
    """Copy of a small kernel tree; the copy has nothing of the overlay."""

    MAKEFILE = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n"

    def setUp(self):
        self.top = patched.folder(self)
        self.ksrc, self.out = self.top / "ksrc", self.top / "out"
        for name, text in (("Makefile", self.MAKEFILE), ("Kbuild", ""), ("lib/a", "a")):
            (self.ksrc / name).parent.mkdir(parents=True, exist_ok=True)
            (self.ksrc / name).write_text(text)

    def apply(self):
        with contextlib.redirect_stderr(io.StringIO()):
            apply.apply(self.ksrc, self.out, True)

    def apply_changed(self):
        """Apply again with another KSRC."""
        (self.ksrc / "lib/a").write_text("another a")
        self.apply()

    def expect_kept(self, name, *words):
        before = (self.out / name).read_text()
        with self.assertRaises(Error) as caught:
            self.apply_changed()
        for word in (*words, "move it away, or give another OUT"):
            self.assertIn(word, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual((self.out / name).read_text(), before)

    def test_changed(self):
        (self.ksrc / "lib/link").symlink_to(".")
        (self.ksrc / "lib/a\u2028 b").write_text("no end of a line")
        self.apply()
        (self.out / "tools/__pycache__").mkdir(parents=True)
        (self.out / "tools/__pycache__/a.pyc").write_text("of python")
        self.apply_changed()
        self.assertEqual((self.out / "lib/a").read_text(), "another a")

    def test_users_file(self):
        self.apply()
        (self.out / "lib/mine").write_text("precious")
        self.expect_kept("lib/mine", "1 files there are not ours (lib/mine)")

    def test_users_link(self):
        self.apply()
        (self.out / "lib/mine").symlink_to(self.ksrc)
        self.expect_kept("lib/a", "(lib/mine)")

    def test_users_change(self):
        self.apply()
        (self.out / "lib/a").write_text("mine")
        self.expect_kept("lib/a", "(lib/a)")

    def test_users_repository(self):
        self.apply()
        (self.out / ".a").write_text("comes first")
        (self.out / ".git").mkdir()
        (self.out / ".git/HEAD").write_text("precious")
        self.expect_kept(".git/HEAD", "(.git/HEAD)")

    def test_copy_of_unknown_content(self):
        """A copy without a list of its contents is refused."""
        self.apply()
        (self.out / apply.COPIED).unlink()
        self.expect_kept("lib/a", "are not ours")

    def test_neighbour_of_out(self):
        """A directory with a name like OUT is not a leftover of an interrupted copy."""
        other = self.top / "out.tmp"
        other.mkdir()
        (other / "mine").write_text("precious")
        self.apply()
        self.assertEqual((other / "mine").read_text(), "precious")

    def test_writer_dies(self):
        (self.ksrc / "large").write_text("x" * (1 << 20))
        tools = self.top / "bin"
        tools.mkdir()
        (tools / "tar").write_text('#!/bin/sh\ncase "$*" in *-xf*) exit 1 ;; esac\n'
                                   f'exec {shutil.which("tar")} "$@"\n')
        (tools / "tar").chmod(0o755)
        with unittest.mock.patch.dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}"):
            run = run_apply(self.ksrc, self.out, pristine=True)
        self.assertEqual(run.returncode, 1)
        self.assertIn("the copy of", run.stderr.splitlines()[-1])
        self.assertFalse(self.out.exists())

    def test_repository_in_kernel_tree(self):
        """The copy excludes the repository that contains its build directory."""
        repository = self.ksrc / "our [x]*"
        (repository / "harness").mkdir(parents=True)
        (repository / "harness/mine").write_text("mine")
        (self.ksrc / "our x").write_text("another")
        self.out = repository / "build"
        with unittest.mock.patch.object(apply, "TOP", repository):
            with self.assertRaisesRegex(Error, "no path with blanks"):
                self.apply()
            repository = repository.rename(self.ksrc / "our[x]*")
        self.out = repository / "build"
        with unittest.mock.patch.object(apply, "TOP", repository):
            self.apply()
            copied = {path.name for path in self.out.iterdir()}
            self.assertEqual(copied, {"Makefile", "Kbuild", "lib", "our x", apply.STAMP,
                                      apply.COPIED})
            # Build results there do not change the kernel tree.
            (self.out / "lib/a").unlink()
            self.apply()
            self.assertFalse((self.out / "lib/a").exists())

    def test_path_with_blanks(self):
        self.ksrc = self.ksrc.rename(self.top / "a kernel")
        self.apply()
        self.assertTrue((self.out / "lib/a").is_file())
        for name in ("an out", "an:out"):
            self.out = self.top / name
            with self.assertRaisesRegex(Error, "blanks or colons; give another OUT"):
                self.apply()
            self.assertFalse(self.out.exists())

    def test_tree_with_a_build(self):
        (self.ksrc / ".config").write_text("")
        with (self.ksrc / "Makefile").open("a") as makefile:
            makefile.write("mrproper:\n\t@echo 'no rule' >&2; exit 1\n")
        with self.assertRaisesRegex(Error, "make mrproper fails"):
            self.apply()
        (self.ksrc / "Makefile").write_text(self.MAKEFILE + "mrproper:\n\trm .config\n")
        self.apply()
        self.assertFalse((self.out / ".config").exists())
        self.assertTrue((self.ksrc / ".config").exists())


class FetchTest(unittest.TestCase):
    def run_fetch(self, *args, **env):
        with tempfile.TemporaryDirectory() as build:
            run = subprocess.run(
                [HARNESS / "machine/fetch.sh", *args], capture_output=True, text=True,
                env=os.environ | {"PD_BUILD": build} | env)
            left = [p for p in pathlib.Path(build).glob("src/*")]
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertEqual(left, [])
        return run.stderr.splitlines()[-1]

    def test_no_network(self):
        dead = "http://127.0.0.1:1"
        self.assertIn("the mirror does not answer",
                      self.run_fetch(http_proxy=dead, https_proxy=dead))

    def test_no_such_version(self):
        self.assertIn("no linux-source-7.99", self.run_fetch("7.99"))

    def test_older_version(self):
        """The next newer version is no substitute for a missing older one."""
        self.assertIn("no linux-source-6.11: give", self.run_fetch("6.11"))
