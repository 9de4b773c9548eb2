# SPDX-License-Identifier: GPL-2.0
"""cross.py: faults are found, and no input is silently skipped."""

import os
import pathlib
import re
import subprocess
import types
import unittest
import unittest.mock

from checks import cross, lint_build, lint_common
from shared import HARNESS
from tests import patched

HEADER = """
struct ops {
	/* called with (*nothing)(held); */
	void (*notify) (struct dev *, unsigned long);
	struct {
		u8 inner;
	} nest;
};
"""
# Minimal version of linux/bitops.h, which bits.h includes.
BITOPS = """
static inline void set_bit(long nr, volatile unsigned long *p) { p[nr / 64] |= nr; }
static inline int test_and_clear_bit(long nr, volatile unsigned long *p) { return p[nr / 64]; }
"""
CODE = """
int f(unsigned long nr, unsigned int cpu, unsigned long *p);
int f(unsigned long nr, unsigned int cpu, unsigned long *p)
{
	%s
}
"""


class BitsTest(unittest.TestCase):
    def test_bits(self):
        """bits.h warns about a line whose bit number may not fit into an int."""
        tmp = patched.folder(self)
        (tmp / "linux").mkdir()
        for name, text in (("linux/bitops.h", BITOPS), ("a.c", "#define pr_fmt(fmt) fmt\n"),
                           ("linux/limits.h", "#define INT_MAX 0x7fffffff\n"), ("b.c", "")):
            (tmp / name).write_text(text)
        flags = dict(one.split("=", 1) for one in cross.bit_flags(tmp, ["a.o", "b.o"]))
        self.assertIn("-DCROSS_PR_FMT", flags["CFLAGS_a.o"])
        self.assertNotIn("-DCROSS_PR_FMT", flags["CFLAGS_b.o"])
        command = ["gcc", "-O2", "-Wall", "-I", tmp, *flags["CFLAGS_b.o"].split(),
                   "-x", "c", "-c", "-o", "/dev/null", "-"]
        for line, lines in (("return test_and_clear_bit(nr, p);", [5]),
                            ("set_bit(nr / 64, p); return cpu;", [5]),
                            ("set_bit(-1L, p); return nr + cpu;", [5]),
                            ("return test_and_clear_bit(nr % 64, p + nr / 64);", []),
                            ("set_bit(cpu, p); return nr;", []),
                            ("if (nr < 5) set_bit(nr, p); return cpu;", [])):
            run = subprocess.run(command, input=CODE % line, text=True, capture_output=True)
            found = lint_build.warnings(run.stderr, tmp)
            with self.subTest(line):
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertEqual([one.line for one in found
                                  if "cross_bit_above_int" in one.text], lines)


class MachinesTest(unittest.TestCase):
    def test_machines(self):
        """Each machine names known objects, existing fragments and a compiler from deps.sh."""
        names = {name for names in lint_build.objects() for name in names}
        self.assertLessEqual({"lib/tests/percpu_defer_kunit.o", "mm/memcontrol.o",
                              "samples/percpu_defer/percpu_defer_objects.o"}, names)
        deps = (HARNESS / "machine/deps.sh").read_text()
        for name, machine in cross.MACHINES.items():
            with self.subTest(name):
                self.assertEqual(set(machine.objects()), names - set(machine.without))
                self.assertLessEqual(set(machine.without), names)
                self.assertIn(f"gcc-{machine.prefix}".strip("-"), deps)
                for fragment in machine.fragments:
                    self.assertTrue((HARNESS / f"config/{fragment}.config").is_file(), fragment)


class CompileTest(unittest.TestCase):
    """Check of one machine with fake tools."""

    def setUp(self):
        self.tree = patched.folder(self)
        for name, text in (("mm/zswap.c", "ours\nkernel's\n"), ("lib/percpu_defer.c", ""),
                           ("base/mm/zswap.c", "kernel's\n"), ("cross/i386/mm/x", ""),
                           ("cross/i386/lib/x", "")):
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)

    def check(self, output="", code=0, missing="", symbols=""):
        names = ["lib/percpu_defer.o", "mm/zswap.o"]

        def run(command, **_how):
            if command[0] == "nm":
                return types.SimpleNamespace(returncode=0, stdout=symbols)
            if names[0] not in command:
                return types.SimpleNamespace(returncode=0, stdout="")
            for name in set(names) - {missing}:
                (self.tree / "cross/i386" / name).touch()
            return types.SimpleNamespace(returncode=code, stdout=output)
        trees = lint_common.Trees(self.tree, self.tree / "base")
        with unittest.mock.patch.object(cross, "BUILD", self.tree), \
             unittest.mock.patch.object(subprocess, "run", run), \
             unittest.mock.patch.multiple(lint_build, script=unittest.mock.DEFAULT,
                                          stage=unittest.mock.DEFAULT,
                                          version_fragment=lambda tree: [],
                                          objects=lambda: (names[:1], names[1:])):
            return lint_common.result_of(cross.CHECKS["i386"], trees)

    def test_check(self):
        # Bit numbers count only on our lines, not on lines of the unmodified kernel.
        bit = "mm/zswap.c:{}:1: warning: call to 'cross_bit_above_int' declared with attribute\n"
        for how, expected in (
                ({"symbols": "mm/zswap.o:         U bad_page\n"}, "^ok$"),
                ({"output": "mm/zswap.c:3:1: error: no\n", "code": 2, "missing": "mm/zswap.o"},
                 "1 found\n  mm/zswap.c:3: error: no"),
                ({"output": bit.format(2)}, "^ok$"),
                ({"output": bit.format(1)}, "1 found\n  mm/zswap.c:1: warning"),
                ({"code": 2}, "failed: make failed"),
                ({"missing": "mm/zswap.o"}, "failed: make failed"),
                ({"output": "CHECK is not available or not up to date\n"}, "failed: sparse is"),
                ({"symbols": "lib/percpu_defer.o:          U memset\n"
                  "lib/percpu_defer.o:       U __xchg_called_with_bad_pointer\n"},
                 "1 found\n  lib/percpu_defer.o:0: error: calls __xchg_called_with_bad_p")):
            with self.subTest(how):
                self.assertRegex(self.check(**how), expected)


def fields(header):
    """Return {(struct, fields as text)}, without comments and parameters of callbacks."""
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    structs = re.findall(r"^struct\s+(\w+)\s*\{\n(.*?)^\}", header, re.M | re.S)
    return {(name, "".join(re.sub(r"\)\s*\([^()]*\)", ")", body).split()))
            for name, body in structs}


class RustTest(unittest.TestCase):
    """Structs of public headers keep their fields because Rust literals name all of them."""

    def test_fields(self):
        for old, new, same in (("u8 inner;", "u8 inner, added;", False),
                               ("u8 inner", "u8 renamed", False),
                               ("unsigned long", "unsigned long nr /* many */", True)):
            with self.subTest(new):
                self.assertEqual(fields(HEADER) == fields(HEADER.replace(old, new)), same)

    def test_headers(self):
        for path, text in patched.files().items():
            base = pathlib.Path(os.environ["PD_PRISTINE"], path)
            if path.startswith("include/linux/") and base.is_file():
                with self.subTest(path):
                    self.assertLessEqual(fields(base.read_text()), fields(text))
