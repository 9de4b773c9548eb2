# SPDX-License-Identifier: GPL-2.0
"""Compile the added and changed code for architectures and options that no guest covers."""

import functools
import re
import subprocess
import typing

from checks import lint_build
from checks.lint_common import Finding
from shared import BUILD, HARNESS

FRAGMENTS = ("common", "patched", "torture", "cross")
BITS = HARNESS / "checks/cross/bits.h"
# Undefined functions, which headers call for operands of a wrong size to make linking fail.
UNDEFINED = re.compile(r"^(\S+?):\s+U (__\w*bad_?\w*)$", re.M)


class Machine(typing.NamedTuple):
    """Configuration: ARCH, compiler prefix, additional fragments, and objects not built."""

    arch: str
    prefix: str
    fragments: tuple
    without: tuple = ()

    def objects(self):
        names = [name for names in lint_build.objects() for name in names]
        return [name for name in names if name not in self.without]


MACHINES = {
    "arm64": Machine("arm64", "aarch64-linux-gnu-", ("arm64", "cross-builtin")),
    "riscv": Machine("riscv", "riscv64-linux-gnu-", ("cross-modules",), ("mm/zswap.o",)),
    "s390": Machine("s390", "s390x-linux-gnu-", ("cross-builtin", "cross-s390")),
    "sparc64": Machine("sparc64", "sparc64-linux-gnu-",
                       ("cross-modules", "cross-sparc64"), ("mm/zswap.o",)),
    "i386": Machine("i386", "", ("cross-builtin", "cross-i386")),
    "small": Machine("x86_64", "", ("cross-builtin", "cross-small"),
                     ("mm/memcontrol.o",)),
}


def bit_flags(tree, names):
    """Yield make variables that include bits.h in these objects, and in no others."""
    for name in names:
        path = (tree / name).with_suffix(".c")
        # Report a bit number at the use of the macro, and only as a warning, because the
        # kernel's own code may trigger it.
        flags = f"-include {BITS} -ftrack-macro-expansion=0 -Wno-error=attribute-warning"
        if "#define pr_fmt(" in path.read_text():
            flags += " -DCROSS_PR_FMT"
        yield f"CFLAGS_{path.stem}.o={flags}"


def of_kernel(one, trees):
    """Return whether a finding is about a bit number on a line that the unmodified file has."""
    base = trees.base / one.path
    if "cross_bit_above_int" not in one.text or not base.is_file():
        return False
    line = (trees.patched / one.path).read_text().splitlines()[one.line - 1]
    return line in base.read_text().splitlines()


def unlinkable(machine, out, names):
    """Return findings for calls to functions that are deliberately undefined."""
    run = subprocess.run([f"{machine.prefix}nm", "-u", "-A", *names], cwd=out, text=True,
                         check=True, stdout=subprocess.PIPE)
    return [Finding(path, 0, f"error: calls {name}(), which no kernel defines; use an "
                    "operand as wide as a long")
            for path, name in UNDEFINED.findall(run.stdout)]


def compile_for(name, trees):
    """Return the findings in all objects of a machine."""
    machine, out = MACHINES[name], BUILD / "cross" / name
    names = machine.objects()
    folder = lint_build.Folder(out, trees.patched, FRAGMENTS + machine.fragments,
                               f"ARCH={machine.arch}", f"CROSS_COMPILE={machine.prefix}")
    found = folder.compile(names, *bit_flags(trees.patched, names))
    return [one for one in found if not of_kernel(one, trees)] or \
        unlinkable(machine, out, names)


CHECKS = {name: functools.partial(compile_for, name) for name in MACHINES}
