# SPDX-License-Identifier: GPL-2.0
"""kcsan.py: a race is ours if our lines take part, and never if lines are missing."""

import os
import pathlib
import stat
import subprocess
import unittest
import unittest.mock

from checks import kcsan
from overlay import apply
from shared import Error
from tests import patched

REPORT = """\
[    9.001000] BUG: KCSAN: data-race in zram_push [zram] / taken
[    9.001000]
[    9.002000] write (marked) to 0xffff8880075d2000 of 8 bytes by interrupt on cpu 1:
[    9.002000]  zram_push+0x2a/0x130 [zram]
[    9.002000]  caller+0x10/0x20
[    9.002000]
[    9.003000] read to 0xffff8880075d2000 of 8 bytes by task 71 on cpu 0:
[    9.003000]  taken.constprop.0+0x15/0x40
[    9.003000]  |
[    9.003000]  +-> reordered to: later+0x9/0x40
[    9.003000]
[    9.004000] value changed: 0x0000000000000000 -> 0x0000000000000001
[    9.004000]
[    9.005000] Reported by Kernel Concurrency Sanitizer on:
[    9.005000] CPU: 0 UID: 0 PID: 71 Comm: x Not tainted 7.3.4 #1""".splitlines()

UNKNOWN_ORIGIN = """\
[    9.0][   T71] BUG: KCSAN: data-race in taken+0x15/0x40
[    9.0][   T71]
[    9.0][   T71] race at unknown origin, with read-write to 0xff of 4 bytes by task 71 on cpu 0:
[    9.0][   T71]  taken+0x15/0x40
[    9.0][   T71]""".splitlines()


class ParseTest(unittest.TestCase):
    def test_accesses(self):
        self.assertEqual(kcsan.accesses(REPORT), [
            [("zram_push", 0x2a, 0x130, "zram"), ("caller", 0x10, 0x20, "")],
            [("taken.constprop.0", 0x15, 0x40, ""), ("later", 9, 0x40, "")]])

    def test_unknown_origin(self):
        self.assertEqual(kcsan.accesses(UNKNOWN_ORIGIN), [[("taken", 0x15, 0x40, "")]])

    def test_words_of_the_kernel(self):
        """The report has the form that this kernel prints."""
        patched.skip_older(self)
        text = (pathlib.Path(os.environ["PD_PRISTINE"]) / "kernel/kcsan/report.c").read_text()
        for words in ('"BUG: KCSAN: %s in %ps / %ps\\n"', '"BUG: KCSAN: %s in %pS\\n"',
                      '"%s to 0x%px of %zu bytes by %s on cpu %i:\\n"',
                      '"race at unknown origin, with %s to 0x%px of %zu bytes by %s on cpu',
                      '"  |\\n  +-> reordered to: %pS\\n"', '"assert no accesses"'):
            self.assertTrue(words in text, words)
        kinds = [line.split('"')[1] for line in text.splitlines()
                 if line.strip().startswith("return \"")]
        for kind in kinds:
            if kind not in ("assert: race", "data-race", "interrupt"):
                line = f"{kind} to 0xff of 8 bytes by task 7 on cpu 0:"
                self.assertTrue(kcsan.ACCESS.search(line), line)

    def test_changed_lines(self):
        self.assertEqual(kcsan.changed_lines("a\nb\nc\nd\n", "a\nB\nc\nnew\nd\n"), {2, 4})
        self.assertEqual(kcsan.changed_lines("a\nb\nc\n", "a\nc\n"), set())


class Tree(unittest.TestCase):
    """Pristine and patched tree: f.c gets a line, own.c is new, g.c is unchanged."""

    def setUp(self):
        self.tmp = patched.folder(self)
        self.out = self.tmp / "out"
        self.out.mkdir()
        for tree in ("pristine", "tree"):
            (self.tmp / tree / "lib").mkdir(parents=True)
        self.write("pristine/f.c", self.F.replace(self.ADDED, ""))
        self.write("tree/f.c", self.F)
        self.write("tree/own.c", self.OWN)
        self.write("tree/g.c", self.G)
        self.write("tree/lib/h.c", self.H)
        self.write(f"tree/{apply.STAMP}", "origin\nf.c\nown.c\n")

    # Kernel function with a line of the overlay.
    ADDED = "\tx->b = v;\n"
    F = ("struct s { long a, b; };\n"
         "void theirs(struct s *x, long v)\n{\n\tx->a = v;\n}\n"
         "void mixed(struct s *x, long v)\n{\n\tx->a = v;\n" + ADDED + "}\n")
    OWN = "long ours(long *x)\n{\n\treturn *x;\n}\n"
    G = "long others(long *x)\n{\n\treturn *x;\n}\n"
    H = "long helper(long *x)\n{\n\treturn *x;\n}\n"

    def write(self, name, text):
        (self.tmp / name).write_text(text)

    def races(self):
        return kcsan.Races(self.out, self.tmp / "pristine", self.tmp / "tree")

    def report(self, *frames):
        lines = ["BUG: KCSAN: data-race in a / b", ""]
        for frame in frames:
            lines += ["read to 0xff of 8 bytes by task 1 on cpu 0:",
                      *(f" {line}" for line in frame.split()), ""]
        return [line.replace("@", " ") for line in lines]


FAKE_NM = """#!/bin/sh
for symbol in others ours mixed helper bare; do
    n=$((n + 1))
    echo "$symbol|000000000000${n}000|   t  |   FUNC|0000000000000030|     |.text"
done
"""
FAKE_ADDR2LINE = """#!/bin/sh
while read -r address; do
    echo "$address"
    case $address in
    0x1*) echo others; echo @tree/g.c:3 ;;
    0x2*) echo inlined; echo "@tree/own.c:3 (discriminator 2)"; echo others
        echo @tree/g.c:3 ;;
    0x300f) echo mixed; echo ./f.c:9 ;;
    0x3*) echo mixed; echo ./f.c:8 ;;
    0x4*) echo helper; echo @tree/lib/h.c:3 ;;
    *) echo '??'; echo '??:0' ;;
    esac
done
"""


class FakeTest(Tree):
    """Races, with tools that know a few addresses."""

    def setUp(self):
        super().setUp()
        for name, script in (("nm", FAKE_NM), ("addr2line", FAKE_ADDR2LINE)):
            path = self.tmp / name
            path.write_text(script.replace("@", f"{self.tmp}/"))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        env = unittest.mock.patch.dict(
            os.environ, {"PATH": f"{self.tmp}:{os.environ['PATH']}"})
        env.start()
        self.addCleanup(env.stop)

    def foreign(self, *frames):
        return self.races().is_foreign(self.report(*frames))

    def test_foreign(self):
        self.assertTrue(self.foreign("others+0x8/0x30", "others+0x9/0x30"))

    def test_inlined(self):
        """A function of ours is inlined into a kernel function."""
        self.assertFalse(self.foreign("others+0x8/0x30", "ours+0x8/0x30"))

    def test_line_of_ours(self):
        self.assertFalse(self.foreign("mixed+0x10/0x30", "others+0x8/0x30"))
        self.assertTrue(self.foreign("mixed+0x8/0x30", "others+0x8/0x30"))

    def test_caller(self):
        """A caller counts only below a helper."""
        self.assertTrue(self.foreign("others+0x8/0x30 ours+0x8/0x30"))
        self.assertFalse(self.foreign("helper+0x8/0x30 ours+0x8/0x30"))
        self.assertTrue(self.foreign("helper+0x8/0x30 others+0x8/0x30 ours+0x8/0x30"))

    def test_no_lines(self):
        with self.assertRaisesRegex(Error, "no source line of bare.*DWARF5=y"):
            self.foreign("others+0x8/0x30", "bare+0x8/0x30")

    def test_no_symbol(self):
        for frame in ("gone+0x8/0x30", "others+0x38/0x40"):
            with self.assertRaisesRegex(Error, "has no "):
                self.foreign(frame)

    def test_no_module(self):
        with self.assertRaisesRegex(Error, "has no module zram;"):
            self.foreign("others+0x8/0x30@[zram]")

    def test_module(self):
        (self.out / "my-mod.ko").write_text("")
        self.assertFalse(self.foreign("ours+0x8/0x30@[my_mod]"))

    def test_cut_short(self):
        """A report without frames cannot be classified as foreign."""
        self.assertFalse(self.races().is_foreign(self.report("others+0x8/0x30")[:2]))
        self.assertFalse(self.races().is_foreign(self.report("others+0x8/0x30", "")))


class ElfTest(Tree):
    """Races, with a small program, and an object file like that of a module."""

    INLINED = "#include \"own.h\"\nvoid caller(long *x)\n{\n\tx[2]++;\n\tours(x);\n}\n"

    def compile(self, *options, name, source, debug="-g"):
        tree = self.tmp / "tree"
        subprocess.run(["gcc", "-O1", debug, "-fno-pic", *options, "-o", self.out / name,
                        *(tree / one for one in source)], check=True)

    def setUp(self):
        super().setUp()
        self.write("tree/own.h", "static inline __attribute__((always_inline))\n"
                                 "void ours(long *x)\n{\n\t*x = 5;\n}\n")
        self.write("tree/caller.c", self.INLINED)
        self.write(f"tree/{apply.STAMP}", "origin\nf.c\nown.h\n")
        self.compile("-nostdlib", "-no-pie", "-Wl,-e,theirs", name="vmlinux",
                     source=["f.c", "g.c", "caller.c"])

    def offsets(self, path, symbol):
        """Return the end of each instruction of a function, like return addresses."""
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", self.out / path],
                              check=True, text=True, capture_output=True).stdout
        body = text.partition(f"<{symbol}>:\n")[2].partition("\n\n")[0]
        address = [int(line.split(":")[0], 16) for line in body.splitlines()]
        return [one - address[0] for one in address[1:]]

    def foreign(self, path, symbol, module=""):
        races = self.races()
        return [races.is_foreign(self.report(f"{symbol}+{offset:#x}/0x100{module}"))
                for offset in self.offsets(path, symbol)]

    def test_line_of_ours(self):
        self.assertTrue(all(self.foreign("vmlinux", "theirs")))
        self.assertTrue(all(self.foreign("vmlinux", "others")))
        self.assertIn(False, self.foreign("vmlinux", "mixed"))
        self.assertIn(True, self.foreign("vmlinux", "mixed"))

    def test_inlined(self):
        self.assertIn(False, self.foreign("vmlinux", "caller"))
        self.assertIn(True, self.foreign("vmlinux", "caller"))

    def test_module(self):
        """Addresses of an object file start from 0 in each section."""
        self.compile("-c", "-ffunction-sections", name="m.ko", source=["f.c"])
        self.assertIn(False, self.foreign("m.ko", "mixed", "@[m]"))
        self.assertTrue(all(self.foreign("m.ko", "theirs", "@[m]")))

    def test_no_debug_info(self):
        self.compile("-nostdlib", "-no-pie", "-Wl,-e,theirs", name="vmlinux",
                     source=["f.c"], debug="-g0")
        with self.assertRaisesRegex(Error, "no source line of theirs"):
            self.foreign("vmlinux", "theirs")

    def test_not_built(self):
        (self.out / "vmlinux").unlink()
        with self.assertRaisesRegex(Error, "nm: .*is binutils installed"):
            self.races().is_foreign(self.report("theirs+0x1/0x9"))
