# SPDX-License-Identifier: GPL-2.0
"""cross.py and rust_structs.py: faults are found, and no input is silently skipped."""

import pathlib
import subprocess
import tempfile
import types
import unittest
import unittest.mock

from checks import cross, lint_build, rust_structs
from shared import HARNESS, Error
from tests import patched

BASE = """
struct ops {
	/* called with (*nothing)(held); */
	void (*notify) (struct dev *, unsigned long);
	int first, *second, third[4], bit:1;
	struct {
		u8 inner;
	} nest;
};
"""
RUST = """
use kernel::bindings::{imported, other};
// bindings::comment { a: 1 }
const TEXT: &str = "bindings::text {";
fn f() -> bindings::returned {
    bindings::whole { a: 1, b: g(0..3), c: [0; 2] };
    ::kernel::bindings::outer { a: uapi::kind__bindgen_ty_1 { b: 1 } };
    bindings::rest { a: 1, ..Default::default() };
    imported { a: bindings::inner { ..x } };
}
impl T for bindings::implemented {
}
"""
# Minimal versions of the two headers that bits.h includes.
BITOPS = """
static inline void set_bit(long nr, volatile unsigned long *p) { p[nr / 64] |= nr; }
#define MAKE_USED(op) \\
	static inline int op(long nr, volatile unsigned long *p) { return p[nr / 64]; }
MAKE_USED(test_and_clear_bit)
"""


class BitsTest(unittest.TestCase):
    """bits.h, included before one line of C."""

    def compile(self, line):
        with tempfile.TemporaryDirectory() as tmp:
            linux = pathlib.Path(tmp) / "linux"
            linux.mkdir()
            (linux / "bitops.h").write_text(BITOPS)
            (linux / "limits.h").write_text("#define INT_MAX 0x7fffffff\n")
            run = subprocess.run(
                ["gcc", "-O2", "-Wall", "-Werror", "-I", tmp, "-include", cross.BITS,
                 "-x", "c", "-c", "-o", "/dev/null", "-"],
                input=f"int f(unsigned long nr, unsigned int cpu, unsigned long *p);\n"
                      f"int f(unsigned long nr, unsigned int cpu, unsigned long *p)\n"
                      f"{{ {line} }}\n", text=True, capture_output=True)
        self.assertIn(run.returncode, (0, 1))
        self.assertNotIn("implicit declaration", run.stderr)
        return run.stderr

    def test_long(self):
        for line in ("return test_and_clear_bit(nr, p);",
                     "set_bit(nr / 64, p); return cpu;",
                     "set_bit(-1L, p); return nr + cpu;"):
            self.assertIn("bit number may exceed INT_MAX", self.compile(line))

    def test_place(self):
        output = self.compile("\n\nreturn test_and_clear_bit(nr, p);")
        found = cross.findings(output, "/kernel")
        self.assertEqual([(one.path, one.line) for one in found], [("<stdin>", 5)])

    def test_proven(self):
        for line in ("return test_and_clear_bit(nr % 64, p + nr / 64);",
                     "set_bit(3, p); return nr + cpu;",
                     "set_bit(cpu, p); return nr;",
                     "if (nr < 5) set_bit(nr, p); return cpu;"):
            self.assertEqual(self.compile(line), "")


class MachinesTest(unittest.TestCase):
    def test_objects(self):
        """Objects that a machine lacks exist, and every object has a machine."""
        names = {name for names in lint_build.objects() for name in names}
        for machine in cross.MACHINES.values():
            self.assertLessEqual(set(machine.without), names)
            self.assertEqual(set(machine.objects()), names - set(machine.without))
        for name in ("mm/zswap.o", "lib/percpu_defer.o",
                     "lib/tests/percpu_defer_kunit.o", "drivers/block/zram/zram_drv.o"):
            self.assertIn(name, names)

    def test_fragments(self):
        for machine in cross.MACHINES.values():
            for name in machine.fragments:
                self.assertTrue((HARNESS / f"config/{name}.config").is_file(), name)

    def test_compilers(self):
        """deps.sh installs the compiler of each machine."""
        deps = (HARNESS / "machine/deps.sh").read_text()
        packages = deps.split("CROSS_PACKAGES='")[1].split("'")[0].split()
        self.assertEqual({f"gcc-{machine.prefix}".strip("-")
                          for machine in cross.MACHINES.values() if machine.prefix},
                         set(packages))

    def test_choose(self):
        self.assertEqual(cross.choose(""), list(cross.CHECKS))
        self.assertEqual(cross.choose("rust,arm64"), ["arm64", "rust"])
        with self.assertRaisesRegex(Error, "no check is called 'typo'"):
            cross.choose("arm64,typo")


class CompileTest(unittest.TestCase):
    """compile_for() with a fake make."""

    def setUp(self):
        self.build = patched.folder(self)
        self.work = types.SimpleNamespace(
            patched=lambda: self.build, base=lambda: self.build / "base",
            configure=lambda *_: None)
        self.symbols = ""
        for name in cross.MACHINES["i386"].objects():
            path = (self.build / name).with_suffix(".c")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        (self.build / "mm/zswap.c").write_text("#define pr_fmt(fmt) fmt\n")

    def one(self, code=0, output="", missing=()):
        machine, out = cross.MACHINES["i386"], self.build / "cross/i386"

        real = cross.subprocess.run

        def run(command, **more):
            # git lists the overlay.
            if command[0] == "git":
                return real(command, **more)
            if command[0] == "make" and "prepare" not in command:
                for name in set(machine.objects()) - set(missing):
                    (out / name).parent.mkdir(parents=True, exist_ok=True)
                    (out / name).touch()
                return types.SimpleNamespace(returncode=code, stdout=output)
            out.mkdir(parents=True, exist_ok=True)
            return types.SimpleNamespace(returncode=0, stdout=self.symbols)
        with unittest.mock.patch.object(cross, "BUILD", self.build), \
             unittest.mock.patch.object(cross.subprocess, "run", run):
            return cross.one("i386", self.work)

    def test_bit_flags(self):
        """Every object has the flags; printk.h must not define pr_fmt before the source."""
        flags = dict(one.split("=", 1) for one in cross.bit_flags(
            self.build, ["mm/zswap.o", "mm/zsmalloc.o"]))
        self.assertEqual(list(flags), ["CFLAGS_zswap.o", "CFLAGS_zsmalloc.o"])
        self.assertTrue(flags["CFLAGS_zswap.o"].endswith(" -DCROSS_PR_FMT"))
        self.assertNotIn("PR_FMT", flags["CFLAGS_zsmalloc.o"])
        self.assertIn(f"-include {cross.BITS}", flags["CFLAGS_zsmalloc.o"])

    def test_good(self):
        self.symbols = "mm/zswap.o:         U bad_page\n"
        self.assertEqual(self.one()[0], True)

    def test_warning(self):
        passed, text = self.one(2, "mm/zswap.c:3:1: error: unused 'x' [-Werror]\n")
        self.assertFalse(passed)
        self.assertIn("mm/zswap.c:3: error: unused 'x'", text)

    def test_bits(self):
        """A bit number counts only on our lines, not on lines that the kernel has."""
        (self.build / "base/mm").mkdir(parents=True)
        (self.build / "base/mm/zswap.c").write_text("kernel's\n")
        (self.build / "mm/zswap.c").write_text("ours\nkernel's\n")
        text = "warning: call to 'cross_bit_above_int' declared with attribute"
        self.assertTrue(self.one(0, f"mm/zswap.c:2:1: {text}\n")[0])
        passed, shown = self.one(0, f"mm/zswap.c:1:1: {text}\n")
        self.assertFalse(passed)
        self.assertIn("mm/zswap.c:1: warning", shown)

    def test_failed(self):
        self.assertIn("make failed", self.one(2)[1])

    def test_missing(self):
        passed, text = self.one(missing=["mm/zswap.o"])
        self.assertFalse(passed)
        self.assertIn("make failed", text)

    def test_unlinkable(self):
        self.symbols = ("lib/percpu_defer.o:                 U memset\n"
                        "lib/percpu_defer.o:                 U "
                        "__xchg_called_with_bad_pointer\n")
        passed, text = self.one()
        self.assertFalse(passed)
        self.assertIn("1 found\n  lib/percpu_defer.o:0: error: calls "
                      "__xchg_called_with_bad_pointer()", text)


class RustTest(unittest.TestCase):
    def test_literals(self):
        self.assertEqual(list(rust_structs.literals(RUST)),
                         [(6, "whole"), (7, "outer"), (7, "kind"), (9, "imported")])

    def test_fields(self):
        self.assertEqual(rust_structs.structs(BASE), {"ops": sorted(
            ["notify", "first", "second", "third", "bit", "inner", "nest"])})

    def test_changed(self):
        more = BASE.replace("int first,", "void (*flush)(void);\n\tint first,")
        self.assertEqual(list(rust_structs.changed(BASE, more)), [("ops", ["flush"], [])])
        self.assertEqual(list(rust_structs.changed(more, BASE)), [("ops", [], ["flush"])])

    def test_unchanged(self):
        """A changed field type and changed comments do not affect a literal."""
        other = BASE.replace("struct dev *, unsigned long",
                             "struct dev *dev, unsigned long nr /* many */")
        self.assertNotEqual(other, BASE)
        self.assertEqual(list(rust_structs.changed(BASE, other)), [])

    def check(self, rust, patched):
        with tempfile.TemporaryDirectory() as tmp:
            trees = [pathlib.Path(tmp) / name for name in ("base", "patched")]
            for tree, header in zip(trees, (BASE, patched)):
                (tree / "rust").mkdir(parents=True)
                (tree / "rust/a.rs").write_text(rust)
                (tree / "ops.h").write_text(header)
            return list(rust_structs.check(*trees, ["ops.h"]))

    def test_check(self):
        rust = "bindings::block_device_operations { a: 1 };\nbindings::ops { b: 1 };\n"
        more = BASE.replace("int first,", "int added, first,")
        found = self.check(rust, more)
        self.assertEqual([(one.path, one.line) for one in found], [("rust/a.rs", 2)])
        self.assertIn("ops.h adds 'added'", found[0].text)
        self.assertEqual(self.check(rust, BASE), [])
        self.assertEqual(self.check(rust.replace("b: 1", "..b"), more), [])

    def test_blind(self):
        """A tree in which no literal is found at all is an error."""
        with self.assertRaisesRegex(OSError, "no literal of struct block_device_oper"):
            self.check("", BASE)
