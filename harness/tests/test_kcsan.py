# SPDX-License-Identifier: GPL-2.0
"""kcsan.py: a race is foreign only if the lines of all accesses are known and not ours."""

import os
import pathlib
import re
import subprocess
import unittest

from checks import kcsan
from overlay import apply
from shared import Error
from tests import patched
from tests.commands import Commands

REPORT = """\
[    9.001000] BUG: KCSAN: data-race in zram_push [zram] / taken
[    9.001000]
[    9.002000] write (marked) to 0xffff8880075d2000 of 8 bytes by interrupt on cpu 1:
[    9.002000]  zram_push+0x2a/0x130 [zram]
[    9.002000]  caller+0x10/0x20
[    9.002000]
[    9.003000] read to 0xffff8880075d2000 of 8 bytes by task 71 on cpu 0:
[    9.003000][   T71]  taken.constprop.0+0x15/0x40
[    9.003000]  |
[    9.003000]  +-> reordered to: later+0x9/0x40
[    9.003000]
[    9.004000] value changed: 0x0000000000000000 -> 0x0000000000000001""".splitlines()


class ParseTest(unittest.TestCase):
    def test_accesses(self):
        self.assertEqual(kcsan.accesses(REPORT), [
            [("zram_push", 0x2a, 0x130, "zram"), ("caller", 0x10, 0x20, "")],
            [("taken.constprop.0", 0x15, 0x40, ""), ("later", 9, 0x40, "")]])

    def test_words_of_the_kernel(self):
        """All kinds of accesses that this kernel reports are recognized."""
        patched.skip_older(self)
        text = pathlib.Path(os.environ["PD_PRISTINE"], "kernel/kcsan/report.c").read_text()
        others = {"assert: race", "data-race", "interrupt"}
        kinds = set(re.findall(r'^\s*return "(.*?)"', text, re.M)) - others
        self.assertLess({"read", "write (marked)"}, kinds)
        for kind in kinds:
            for start in ("", "race at unknown origin, with "):
                self.assertRegex(f"{start}{kind} to 0xff of 8 bytes by task 7 on cpu 0:",
                                 kcsan.ACCESS)


# The overlay adds a line to f.c, changes a line in own.c, and adds own.h.
ADDED = "\tx[1] = 1;\n"
SOURCES = {
    "f.c": "void theirs(long *x)\n{\n\tx[0] = 1;\n}\n"
           f"void mixed(long *x)\n{{\n\tx[0] = 1;\n{ADDED}}}\n",
    "own.h": "static inline __attribute__((always_inline))\n"
             "void inlined(long *x)\n{\n\t*x = 5;\n}\n",
    "own.c": "void ours(long *x)\n{\n\t*x = 6;\n}\n",
    "g.c": '#include "own.h"\nvoid caller(long *x)\n{\n\tx[2] = 1;\n\tinlined(x);\n}\n',
    "lib/h.c": "void helper(long *x)\n{\n\t*x = 3;\n}\n"}
FILES = ("f.c", "own.c", "g.c", "lib/h.c")


class RacesTest(Commands):
    """Races in a small program, and in an object file that represents a module."""

    def setUp(self):
        super().setUp()
        for folder in ("out", "pristine", "tree/lib"):
            (self.tmp / folder).mkdir(parents=True)
        for name, text in SOURCES.items():
            (self.tmp / "tree" / name).write_text(text)
        (self.tmp / "pristine/f.c").write_text(SOURCES["f.c"].replace(ADDED, ""))
        (self.tmp / "pristine/own.c").write_text(SOURCES["own.c"].replace("6", "7"))
        (self.tmp / "tree" / apply.STAMP).write_text("origin\nf.c\nown.h\nown.c\n")
        self.compile("vmlinux", FILES, "-g", "-nostdlib", "-no-pie", "-Wl,-e,theirs")
        self.races = kcsan.Races(self.tmp / "out", self.tmp / "pristine", self.tmp / "tree")

    def compile(self, name, sources, *options):
        subprocess.run(["gcc", "-O1", "-fno-pic", *options, "-o", self.tmp / "out" / name,
                        *(self.tmp / "tree" / source for source in sources)], check=True)

    def foreign(self, *accesses):
        """Classify a report; each access is a string of frames, separated by spaces."""
        report = ["BUG: KCSAN: data-race in a / b", ""]
        for frames in accesses:
            report += ["read to 0xff of 8 bytes by task 1 on cpu 0:",
                       *(f" {frame.replace('@', ' ')}" for frame in frames.split()), ""]
        return self.races.is_foreign(report)

    def foreign_at(self, symbol, module=""):
        """Classify reports at all return addresses in a function; return the results."""
        (_address, size, _section), = self.races.functions(self.races.objects[module])[symbol]
        suffix = f"@[{module}]" if module else ""
        return {self.foreign(f"{symbol}+{offset:#x}/0x100{suffix}")
                for offset in range(1, size + 1)}

    def test_lines(self):
        """Our code is found even where it is inlined into kernel functions."""
        for symbol, foreign in (("theirs", {True}), ("mixed", {True, False}),
                                ("ours", {True, False}), ("caller", {True, False})):
            self.assertEqual(self.foreign_at(symbol), foreign, symbol)

    def test_caller(self):
        """All accesses count; a caller counts only if the access is in a helper."""
        self.assertFalse(self.foreign("theirs+0x1/0x30", "ours+0x1/0x30"))
        self.assertTrue(self.foreign("theirs+0x1/0x30 ours+0x1/0x30"))
        self.assertFalse(self.foreign("helper+0x1/0x30 ours+0x1/0x30"))
        self.assertTrue(self.foreign("helper+0x1/0x30 theirs+0x1/0x30 ours+0x1/0x30"))

    def test_module(self):
        """Addresses in an object file start at 0 in each section."""
        self.compile("my-mod.ko", ["f.c"], "-g", "-c", "-ffunction-sections")
        self.assertEqual(self.foreign_at("theirs", "my_mod"), {True})
        self.assertEqual(self.foreign_at("mixed", "my_mod"), {True, False})

    def test_output_of_addr2line(self):
        """Discriminators of lines are accepted; an unknown line is an error."""
        self.command("addr2line", "echo 'f at own.c:3 (discriminator 2)'")
        self.assertFalse(self.foreign("theirs+0x1/0x30"))
        for text in ("", "f at ??:0", "?? ??:0", "f at f.c:?",
                     "f at f.c:3\n(inlined by) g at ??:0"):
            self.races.chain.cache_clear()
            self.command("addr2line", f"printf '%s' '{text}'")
            with self.assertRaisesRegex(Error, "no source line of .*DWARF5=y"):
                self.foreign("theirs+0x1/0x30")

    def test_unknown_address(self):
        for frame, why in (("gone+0x8/0x30", "no gone"), ("theirs+0x38/0x40", "no theirs with"),
                           ("theirs+0x1/0x30@[zram]", "no module zram;")):
            with self.assertRaisesRegex(Error, why):
                self.foreign(frame)

    def test_cut_short(self):
        """A report without frames cannot be classified as foreign."""
        self.assertFalse(self.foreign())
        self.assertFalse(self.foreign("theirs+0x1/0x30", ""))
