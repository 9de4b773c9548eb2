# SPDX-License-Identifier: GPL-2.0
"""compat_tables.py: adaptation of the overlay to older kernels."""

import pathlib
import unittest

from checks import test
from overlay import apply, compat_tables
from shared import Error
from tests import patched

RULES = "// a\n\n@one@\nslot_lock\n\n@two@\nslot_unlock my_slot_lock\n"
OVERLAY = {"mm/a.c.cocci": RULES, "mm/a.c.inc": "slot_lock();\n", "lib/b.c": "int b;\n"}
# Table, and the resulting text of each file that it changes; None for a removed file.
CHANGES = {
    "parts": ('[[without]]\nparts = ["lib/", "mm/a.c.cocci:one"]', {
        "lib/b.c": None, "mm/a.c.cocci": "// a\n\n@two@\nslot_unlock my_slot_lock\n"}),
    "all rules": ('[[without]]\nparts = ["mm/a.c.cocci:one,two"]', {"mm/a.c.cocci": None}),
    "whole words, in a single pass": (
        '[replace."mm/"]\nslot_lock = "lock"\nslot_unlock = "slot_lock"', {
            "mm/a.c.cocci": "// a\n\n@one@\nlock\n\n@two@\nslot_lock my_slot_lock\n",
            "mm/a.c.inc": "lock();\n"}),
    "text": ('[replace."mm/a.c.inc"]\n"slot_lock()" = "lock(a)"\n";\\n" = ", b;\\n"', {
        "mm/a.c.inc": "lock(a), b;\n"}),
}
REFUSED = {
    **{f'[[without]]\nparts = ["{part}"]': f"there is no {part[:3]}"
       for part in ("lib/c.c", "fs/", "mm/a.c.cocci:three", "fs/x.c.cocci:one")},
    '[replace."mm/"]\nslot = "x"': "mm/: there is no 'slot'",
    '[replace."mm/b.c"]\nslot_lock = "x"': "there is no mm/b.c",
    '[replace."lib/b.c"]\n"int c" = "x"': "lib/b.c: there is no 'int c'",
}


class OlderTest(unittest.TestCase):
    """Small overlay with a compat table."""

    def setUp(self):
        self.top = patched.folder(self)
        patched.replace(self, compat_tables, COMPAT=self.top)

    def adapt(self, toml):
        (self.top / "6.1.toml").write_text(toml)
        overlay = {pathlib.Path(path): text.encode() for path, text in OVERLAY.items()}
        return {str(path): content.decode()
                for path, content in compat_tables.adapt("6.1.7", overlay).items()}

    def refuse(self, toml, fault):
        with self.assertRaises(Error) as caught:
            self.adapt(toml)
        self.assertIn("harness/overlay/compat/6.1.toml: ", str(caught.exception))
        self.assertIn(fault, str(caught.exception))

    def test_versions(self):
        self.assertEqual(compat_tables.table("6.1.7"), {})
        (self.top / "6.1.toml").write_text("replace = {}")
        (self.top / "5.15.toml").write_text("")
        for version, table in (("6.1-rc3", {"replace": {}}), ("6.1.7", {"replace": {}}),
                               ("6.0", {"replace": {}}), ("5.15", {}), ("6.10.7", {})):
            self.assertEqual(compat_tables.table(version), table, version)

    def test_changes(self):
        for name, (toml, changed) in CHANGES.items():
            with self.subTest(name):
                wanted = {path: text for path, text in (OVERLAY | changed).items() if text}
                self.assertEqual(self.adapt(toml), wanted)

    def test_entries_that_do_not_match(self):
        for toml, fault in REFUSED.items():
            with self.subTest(fault):
                self.refuse(toml, fault)

    def add(self, name, text):
        path = self.top / "6.1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def test_files(self):
        """A file or rule replaces its counterpart of the same name, or is added."""
        self.add("mm/a.c.cocci", "@two@\nnew\n\n@three@\n")
        self.add("lib/b.c", "int new;\n")
        self.add("lib/new.c", "new\n")
        self.assertEqual(self.adapt(""), OVERLAY | {
            "mm/a.c.cocci": "// a\n\n@one@\nslot_lock\n\n@two@\nnew\n\n\n@three@\n",
            "lib/b.c": "int new;\n", "lib/new.c": "new\n"})

    def test_edits_without_a_name(self):
        self.add("mm/a.c.edit.toml", "[[edit]]\nafter = 'x'\n")
        self.refuse("", "mm/a.c.edit.toml: unnamed edit; give each edit a name")

    def test_is_said(self):
        self.adapt('[[without]]\nparts = ["lib/"]\nsay = "no lib"\ntests = ["swap_reuse"]')
        self.assertEqual(compat_tables.says("6.1.7"), ["no lib"])
        names, said = test.expected("6.1.7", 0)
        self.assertEqual(said, ["no lib"])
        self.assertEqual(test.expected("7.3.4", 0), (names | {"swap_reuse"}, []))
        self.assertNotIn("swap_reuse", names)


class TableTest(unittest.TestCase):
    def test_all(self):
        """The tables of this repository match its overlay; the newest version needs none."""
        overlay, newest = apply.read_overlay(), ".".join(map(str, apply.TESTED[-1]))
        self.assertTrue(apply.read_overlay(newest) == overlay)
        for number in compat_tables.supported():
            version = ".".join(map(str, number)) + ".1"
            self.assertFalse(apply.read_overlay(version) == overlay)
