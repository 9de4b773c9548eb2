# SPDX-License-Identifier: GPL-2.0
"""apply.py and fetch.sh: a failure prints an error and changes no tree.

PD_PRISTINE names an unmodified kernel source. ApplyTest copies the files in it that the
overlay changes.
"""

import contextlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import unittest
import unittest.mock

from overlay import apply, parts
from shared import HARNESS, Error
from tests import patched

ZRAM = "drivers/block/zram/zram_drv.c"
MAKEFILE = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n"


def contents(tree):
    return {path.relative_to(tree): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in tree.rglob("*") if path.is_file()}


class TreeTest(unittest.TestCase):
    """Test with a kernel tree, KSRC, and the tree generated from it, OUT."""

    pristine = False

    def setUp(self):
        self.top = patched.folder(self)
        self.ksrc, self.out = self.top / "ksrc", self.top / "out"

    def apply(self, force=True):
        """Create or update OUT; return stderr."""
        with contextlib.redirect_stderr(io.StringIO()) as said:
            apply.apply(self.ksrc, self.out, self.pristine, force)
        return said.getvalue()

    def refuse(self, *words, several=False):
        """Expect an error and unchanged trees; return the text of the error."""
        before = contents(self.top)
        with self.assertRaises(Error) as caught:
            self.apply()
        said = str(caught.exception)
        for word in words:
            self.assertIn(word, said)
        self.assertEqual("\n" in said, several, said)
        self.assertTrue(contents(self.top) == before)
        return said


class ApplyTest(TreeTest):
    def setUp(self):
        super().setUp()
        pristine = pathlib.Path(os.environ["PD_PRISTINE"])
        changed = map(parts.target, apply.read_overlay(apply.kernel_version(pristine)))
        for name in ("Makefile", "Kbuild", *filter(None, changed)):
            if (pristine / name).exists():
                (self.ksrc / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(pristine / name, self.ksrc / name)

    def substitute(self, name, old, new):
        text = (self.ksrc / name).read_text()
        self.assertIn(old, text)
        (self.ksrc / name).write_text(text.replace(old, new))

    def test_good(self):
        source = contents(self.ksrc)
        self.apply()
        made = contents(self.out)
        self.apply()
        self.assertTrue(contents(self.ksrc) == source)
        again = contents(self.out)
        for found in made, again:
            del found[pathlib.Path(apply.STAMP)]
        self.assertTrue(again == made)
        text = (self.out / ZRAM).read_text()
        # assertIn() would print the whole text.
        self.assertTrue("percpu_defer_map_cancel(&zram->defer, index);" in text)
        self.assertTrue("static void zram_drain(" in text)
        self.assertFalse(".c.inc" in text or "SPDX" in text)
        self.assertTrue((self.out / "lib/percpu_defer.c").is_file())
        self.assertEqual(list(self.out.rglob("*.c.cocci")), [])

    def test_implied(self):
        """The Kconfig entry of each client implies the library."""
        for option, name in ("ZSWAP", "mm/Kconfig"), ("ZRAM", "drivers/block/zram/Kconfig"):
            entry = re.search(rf"^config {option}\n((\t.*)?\n)+", patched.files()[name], re.M)
            self.assertIn("\timply PERCPU_DEFER\n", entry.group())

    @unittest.mock.patch.object(apply, "TESTED", ((6, 1),))
    def test_never_tested(self):
        """An untested version is refused with a one-line error unless FORCE=1 is given."""
        with self.assertRaisesRegex(Error, r"\ALinux \S+: untested; all rules match; "
                                    "findings of the checkers.*: none; .*give FORCE=1\\Z"):
            self.apply(force=False)
        self.assertFalse(self.out.exists())
        self.assertIn("untested; all rules match", self.apply())

    @unittest.mock.patch.object(apply, "TESTED", ((6, 1),))
    def test_new_way_to_fill(self):
        """An unknown function that fills a slot is reported, even in a file without rules."""
        fill = "set_slot_handle" if "set_slot_handle(" in (self.ksrc / ZRAM).read_text() \
            else "zram_set_handle"
        (self.ksrc / ZRAM).with_name("new.c").write_text(
            "static void new_way(struct zram *zram, unsigned int index)\n"
            f"{{\n\t{fill}(zram, index, 1);\n}}\n")
        said = self.apply()
        for words in ("warning: drivers/block/zram/new.c:3:1",
                      "new_way() fills a slot that may be dead",
                      "cannot find every way to lose data: 1"):
            self.assertIn(words, said)

    def test_mismatches(self):
        """All mismatches are listed, with the wanted line and the most similar line."""
        # slot_allocated(), or zram_allocated() in Linux 6.12
        self.substitute(ZRAM, "_allocated(", "_used(")
        call = "init_rwsem(&zram->dev_lock);\n"
        self.substitute(ZRAM, call, call + call)
        self.substitute("lib/Kconfig", "config LWQ_TEST", "config LWQ_TESTS")
        hibernate = self.ksrc / "kernel/power/hibernate.c"
        hibernate.write_text(hibernate.read_text() * 2)
        (self.ksrc / "mm/swapfile.c").unlink()
        (self.ksrc / "lib/percpu_defer.c").write_text("theirs")
        said = self.refuse(", nothing was written; see HACKING.md:",
                           "zram_drv.c.defer.cocci: rule 'allocated' matched 0 times, not 1",
                           "rule 'add' matched 2 times, not 1",
                           "lib/Kconfig.edit.toml: edit 1 matched 0 times",
                           "hibernate.c.edit.toml: edit 1 matched 2 times",
                           "swapfile.c.cocci: there is no mm/swapfile.c",
                           "lib/percpu_defer.c: the kernel already has this file", several=True)
        self.assertRegex(said, r"wanted: static inline bool \w+_allocated.*\n +line \d+: "
                         r"static inline bool \w+_used\(")
        self.assertRegex(said, r"wanted: config LWQ_TEST\n +line \d+: config LWQ_TESTS\n")
        self.assertRegex(said, r"'add' matched 2 times, not 1\n( +line \d+: init_rwsem.*\n){2}")


class OverlayTest(unittest.TestCase):
    """Overlay of a small repository."""

    def setUp(self):
        self.top = patched.folder(self)
        patched.write(self.top, dict.fromkeys(("lib/a.c", "lib/b.c", "lib/stray.c", "lib/a.c~"),
                                              "text"))
        for module in (apply, parts):
            patched.replace(self, module, TOP=self.top)

    def overlay(self):
        return [str(path) for path in apply.overlay() if path.parts[0] == "lib"]

    def test_repository(self):
        """Untracked files are excluded and reported; removed files cause no error."""
        for args in ("init", "--quiet"), ("add", "lib/a.c", "lib/b.c"):
            subprocess.run(["git", "-C", self.top, *args], check=True, capture_output=True)
        (self.top / "lib/b.c").unlink()
        self.assertEqual(self.overlay(), ["lib/a.c"])
        with contextlib.redirect_stderr(io.StringIO()) as said:
            apply.report_untracked()
        self.assertIn("lib/stray.c: untracked, not applied; git add it", said.getvalue())
        self.assertNotIn("lib/a.c:", said.getvalue())

    def test_tarball(self):
        self.assertEqual(self.overlay(), ["lib/a.c", "lib/b.c", "lib/stray.c"])

    def test_broken_repository(self):
        (self.top / ".git").write_text("gitdir: gone\n")
        with self.assertRaisesRegex(Error, "^[^\n]*: git ls-files failed"):
            self.overlay()


class CopyTest(TreeTest):
    """Copy of a small kernel tree, without the overlay."""

    pristine = True

    def setUp(self):
        super().setUp()
        patched.write(self.ksrc, {"Makefile": MAKEFILE, "Kbuild": "", "lib/a": "a"})

    def test_refused(self):
        """An unsupported KSRC and a foreign or unusable OUT are refused."""
        for fault, name, text, out in (
                ("not a kernel tree", "Makefile", "all:\n", "out"),
                ("too old; 6.12 or newer", "Makefile", "VERSION = 6\nPATCHLEVEL = 11\n", "out"),
                ("was not made by this tool", "../foreign/precious", "not ours", "foreign"),
                ("inside the kernel tree", "lib/a", "a", "ksrc/out"),
                ("blanks or colons; give another OUT", "lib/a", "a", "an out"),
                ("blanks or colons; give another OUT", "lib/a", "a", "an:out")):
            with self.subTest(fault, out=out):
                patched.write(self.ksrc, {"Makefile": MAKEFILE} | {name: text})
                self.out = self.top / out
                self.refuse(fault)
        patched.replace(self, apply, TOP=self.ksrc / "percpu_defer")
        self.refuse("/percpu_defer: inside the kernel tree")
        shutil.rmtree(self.ksrc)
        self.refuse("not a kernel tree")

    def test_source_changed(self):
        """A changed source is copied again."""
        (self.ksrc / "lib/link").symlink_to(".")
        patched.write(self.ksrc, {"lib/a\u2028\n b": "no end of a line"})
        self.apply()
        patched.write(self.out, {"tools/__pycache__/a.pyc": "of python"})
        patched.write(self.ksrc, {"lib/a": "another a"})
        self.apply()
        self.assertEqual((self.out / "lib/a").read_text(), "another a")

    def test_users_files(self):
        """A copy in which the user has added or changed files is kept."""
        for first, change in (
                ("lib/mine", lambda out: patched.write(out, {"lib/mine": "mine"})),
                ("lib/a", lambda out: patched.write(out, {"lib/a": "mine"})),
                (".git/HEAD", lambda out: patched.write(out, {".git/HEAD": "mine"})),
                ("lib/link", lambda out: (out / "lib/link").symlink_to(out)),
                ("Kbuild", lambda out: (out / apply.COPIED).unlink())):
            with self.subTest(first):
                shutil.rmtree(self.out, ignore_errors=True)
                self.apply()
                change(self.out)
                patched.write(self.ksrc, {"lib/a": f"changed before {first}"})
                self.refuse("files of the user", f"({first})",
                            "move it away, or give another OUT")

    def test_updated(self):
        """An update removes files of an older overlay, and restores the kernel's files."""
        self.apply()
        with contextlib.redirect_stderr(io.StringIO()):
            apply.update(self.ksrc, self.out, {pathlib.Path("lib/a"): b"ours",
                                               pathlib.Path("lib/gone"): b"ours"})
        self.assertEqual((self.out / "lib/a").read_text(), "ours")
        self.apply()
        self.assertEqual((self.out / "lib/a").read_text(), "a")
        self.assertFalse((self.out / "lib/gone").exists())

    def test_interrupted_copy(self):
        """A partial copy is removed, but not a directory of the user with a similar name."""
        patched.write(self.top, {f"out{apply.STAMP}.tmp/rubbish": "half a tree",
                                 "out.tmp/mine": "precious"})
        self.apply()
        self.assertFalse((self.out / "rubbish").exists())
        self.assertEqual((self.top / "out.tmp/mine").read_text(), "precious")

    def test_copy_fails(self):
        os.mkfifo(self.ksrc / "lib/pipe")
        self.refuse("the copy of")
        self.assertEqual([path.name for path in self.top.iterdir()], ["ksrc"])

    def test_source_with_a_build(self):
        """Build results are removed from the copy only."""
        patched.write(self.ksrc, {
            ".config": "", "Makefile": MAKEFILE + "mrproper:\n\t@echo 'no rule' >&2; exit 1\n"})
        with self.assertRaisesRegex(Error, "make mrproper failed"):
            self.apply()
        patched.write(self.ksrc, {"Makefile": MAKEFILE + "mrproper:\n\trm .config\n"})
        self.apply()
        self.assertFalse((self.out / ".config").exists())
        self.assertTrue((self.ksrc / ".config").exists())


class FetchTest(unittest.TestCase):
    def test_failures(self):
        """A failed fetch prints an error and leaves no files."""
        dead = "http://127.0.0.1:1"
        for version, env, fault in (
                ((), {"http_proxy": dead, "https_proxy": dead}, "the mirror does not answer"),
                (("7.99",), {}, "no linux-source-7.99"),
                (("6.11",), {}, "no linux-source-6.11: give")):
            with self.subTest(fault):
                build = patched.folder(self)
                run = subprocess.run(
                    [HARNESS / "machine/fetch.sh", *version], capture_output=True, text=True,
                    env=os.environ | {"PD_BUILD": str(build)} | env)
                self.assertEqual(run.returncode, 1, run.stderr)
                self.assertIn(fault, run.stderr.splitlines()[-1])
                self.assertEqual(list(build.glob("src/*")), [])
