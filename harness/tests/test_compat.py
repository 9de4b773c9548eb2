# SPDX-License-Identifier: GPL-2.0
"""compat_tables.py: the overlay for older kernels."""

import os
import pathlib
import unittest
import unittest.mock

from checks import ktap, test
from overlay import apply, compat_tables
from shared import Error
from tests import patched

OVERLAY = {
    "mm/a.c.cocci": "// a\n\n@one@\nslot_lock\n\n@two@\nslot_unlock my_slot_lock\n",
    "mm/a.c.inc": "slot_lock();\n",
    "lib/b.c": "int b;\n",
}


class OlderTest(unittest.TestCase):
    """Small overlay with a table of one entry."""

    def setUp(self):
        self.top = patched.folder(self)
        patch = unittest.mock.patch.object(compat_tables, "COMPAT", self.top)
        patch.start()
        self.addCleanup(patch.stop)

    def adapt(self, toml, patches=None):
        (self.top / "6.1.toml").write_text(toml)
        overlay = {pathlib.Path(path): text.encode() for path, text in OVERLAY.items()}
        return {str(path): content.decode()
                for path, content in compat_tables.adapt("6.1.7", overlay, patches).items()}

    def refuse(self, toml, *words):
        with self.assertRaises(Error) as caught:
            self.adapt(toml)
        for word in ("harness/overlay/compat/6.1.toml: ", *words):
            self.assertIn(word, str(caught.exception))

    def test_versions(self):
        self.assertEqual(compat_tables.table("6.1.7"), {})
        (self.top / "6.1.toml").write_text("replace = {}")
        (self.top / "5.15.toml").write_text("")
        self.assertEqual(compat_tables.table("6.1-rc3"), {"replace": {}})
        self.assertEqual(compat_tables.table("6.1.7"), {"replace": {}})
        self.assertEqual(compat_tables.table("6.10.7"), {})
        self.assertEqual(compat_tables.supported(), [(5, 15), (6, 1)])

    def test_without(self):
        files = self.adapt('[[without]]\nparts = ["lib/", "mm/a.c.cocci:one"]')
        self.assertEqual(files, {
            "mm/a.c.cocci": "// a\n\n@two@\nslot_unlock my_slot_lock\n",
            "mm/a.c.inc": OVERLAY["mm/a.c.inc"]})

    def test_without_what_is_not_there(self):
        for part in ("lib/c.c", "fs/", "mm/a.c.cocci:three", "fs/x.c.cocci:one"):
            self.refuse(f'[[without]]\nparts = ["{part}"]', f"there is no {part[:3]}")

    def test_words(self):
        """Only whole words are replaced, in a single pass."""
        files = self.adapt('[replace."mm/"]\nslot_lock = "lock"\nslot_unlock = "slot_lock"')
        self.assertEqual(files["mm/a.c.cocci"],
                         "// a\n\n@one@\nlock\n\n@two@\nslot_lock my_slot_lock\n")
        self.assertEqual(files["mm/a.c.inc"], "lock();\n")

    def test_text(self):
        files = self.adapt('[replace."mm/a.c.inc"]\n"slot_lock()" = "lock(a)"\n'
                           '";\\n" = ", b;\\n"')
        self.assertEqual(files["mm/a.c.inc"], "lock(a), b;\n")

    def test_text_that_is_not_there(self):
        self.refuse('[replace."mm/"]\nslot = "x"', "mm/: there is no 'slot'")
        self.refuse('[replace."mm/b.c"]\nslot_lock = "x"', "there is no mm/b.c")
        self.refuse('[replace."lib/b.c"]\n"int c" = "x"', "lib/b.c: there is no 'int c'")

    def test_without_a_whole_file(self):
        files = self.adapt('[[without]]\nparts = ["mm/a.c.cocci:one,two"]')
        self.assertNotIn("mm/a.c.cocci", files)

    def add(self, **files):
        for name, text in files.items():
            path = self.top / "6.1" / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def test_files_that_replace(self):
        self.add(mm__a_c_cocci="@two@\nnew\n", lib__b_c="int new;\n")
        files = self.adapt("")
        self.assertEqual(files["mm/a.c.cocci"], "// a\n\n@one@\nslot_lock\n\n@two@\nnew\n")
        self.assertEqual(files["lib/b.c"], "int new;\n")
        self.assertEqual(self.adapt("", {"p"}), files)

    def test_files_that_add(self):
        self.add(mm__a_c_cocci="@three@\n\n@four@\n", lib__new_c="new\n")
        toml = ('[patches]\n"mm/a.c.cocci:three" = "p"\n"lib/new.c" = "p"\n'
                '"mm/a.c.cocci:four" = "q"\n')
        files = self.adapt(toml)
        self.assertEqual(files["mm/a.c.cocci"],
                         OVERLAY["mm/a.c.cocci"] + "\n@three@\n\n\n@four@\n")
        self.assertEqual(files["lib/new.c"], "new\n")
        self.assertEqual(files["lib/b.c"], OVERLAY["lib/b.c"])
        self.assertNotIn("lib/new.c", self.adapt(toml, set()))
        files = self.adapt(toml, {"q"})
        self.assertEqual(files["mm/a.c.cocci"],
                         OVERLAY["mm/a.c.cocci"] + "\n@four@\n")

    def test_files_that_no_patch_brings(self):
        self.add(mm__a_c_cocci="@three@\n\n@four@\n")
        self.refuse("", "mm/a.c.cocci is not in [patches] with 'three'")
        self.refuse('[patches]\n"mm/a.c.cocci:three" = "p"\n',
                    "mm/a.c.cocci is not in [patches] with 'four'")
        self.refuse('[patches]\n"mm/a.c.cocci:three,four" = "p"\n"x.c" = "p"\n',
                    "there is no x.c in 6.1/")
        self.refuse('[patches]\n"mm/a.c.cocci:three,four,five" = "p"\n',
                    "there is no mm/a.c.cocci:five in 6.1/")

    def test_edits_without_a_name(self):
        self.add(mm__a_c_edit_toml="[[edit]]\nafter = 'x'\n")
        self.refuse("", "mm/a.c.edit.toml in 6.1/: give each edit a name")

    def test_step(self):
        """Parts that do not exist at this step are no error; the rest is processed."""
        files = self.adapt('''
            [[without]]
            parts = ["fs/", "mm/a.c.cocci:two,three"]
            [replace]
            "mm/" = {slot_lock = "lock", slot_wait = "wait"}
            "fs/c.c" = {int = "long"}
            "lib/b.c" = {"int " = "int a, "}
            ''', {"first"})
        self.assertEqual(files, {"mm/a.c.cocci": "// a\n\n@one@\nlock\n\n",
                                 "mm/a.c.inc": "lock();\n", "lib/b.c": "int a, b;\n"})

    def test_is_said(self):
        self.adapt('[[without]]\nparts = ["lib/"]\nsay = "no lib"\ntests = ["swap_reuse"]')
        self.assertEqual(compat_tables.says("6.1.7"), ["no lib"])
        names, said = test.expected("6.1.7", 0)
        self.assertEqual(said, ["no lib"])
        self.assertEqual(test.expected("7.3.4", 0), (names | {"swap_reuse"}, []))
        self.assertNotIn("swap_reuse", names)


class TableTest(unittest.TestCase):
    """The tables of this repository match its overlay."""

    def test_all(self):
        for number in compat_tables.supported():
            version = ".".join(map(str, number)) + ".1"
            self.assertFalse(apply.read_overlay(version) == apply.read_overlay())
            for without in compat_tables.table(version).get("without", ()):
                self.assertTrue(without["why"])

    def test_newer(self):
        newest = ".".join(map(str, apply.TESTED[-1]))
        self.assertTrue(apply.read_overlay(newest) == apply.read_overlay())


class CountTest(unittest.TestCase):
    """The parser of the kernel in PD_PRISTINE; Linux 6.12 has an older one."""

    def results(self, *lines):
        tree = pathlib.Path(os.environ["PD_PRISTINE"])
        return [one.status for one in ktap.results(tree, ktap.Section("a", lines, 0))]

    def test_results(self):
        self.assertEqual(self.results("TAP version 13", "1..4", "ok 1 one", "not ok 2 two",
                                      "ok 3 three # SKIP why", "ok 4 # SKIP why"),
                         ["passed", "failed", "skipped", "skipped"])

    def test_nothing(self):
        self.assertEqual(self.results("no word of it"), ["failed"])
