# SPDX-License-Identifier: GPL-2.0
"""Compile the added and changed code for architectures and options that no guest has."""

import os
import re
import subprocess

from checks import lint_build, lint_common, rust_structs
from checks.lint_common import FAULTS, Finding
from overlay import apply
from shared import BUILD, HARNESS, Error

FRAGMENTS = ("common", "patched", "torture", "cross")
BITS = HARNESS / "checks/cross/bits.h"
# Functions without a definition: headers call them if the size of an operand is wrong, so
# the kernel does not link.
UNDEFINED = re.compile(r"^\S+?:\s+U (__\w*bad_?\w*)$", re.M)


class Machine:
    """Configuration: ARCH, compiler prefix, additional fragments, objects it lacks."""

    def __init__(self, arch, prefix, fragments, without=()):
        self.arch, self.prefix = arch, prefix
        self.fragments, self.without = FRAGMENTS + fragments, without

    def env(self):
        return os.environ | {"ARCH": self.arch, "CROSS_COMPILE": self.prefix}

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
CHECKS = (*MACHINES, "rust")


def choose(only):
    """Return the checks in a comma-separated list; all checks if the list is empty."""
    wanted = [name for name in only.split(",") if name] or list(CHECKS)
    if unknown := [name for name in wanted if name not in CHECKS]:
        raise Error(f"no check is called '{unknown[0]}'; "
                    f"there are {', '.join(CHECKS)}")
    return [name for name in CHECKS if name in wanted]


def bit_flags(tree, names):
    """Return make variables that include bits.h in these objects and in no other."""
    for name in names:
        path = (tree / name).with_suffix(".c")
        # Only a warning: the kernel's own code may trigger it.
        flags = f"-include {BITS} -Wno-error=attribute-warning"
        if "#define pr_fmt(" in path.read_text():
            flags += " -DCROSS_PR_FMT"
        yield f"CFLAGS_{path.stem}.o={flags}"


def make(work, machine, out, *args):
    """Run make for a machine; also write its output to a log."""
    run = subprocess.run(
        ["make", "-C", work.patched().resolve(), f"O={out}", "-k", "KCFLAGS=-Werror",
         f"-j{lint_common.CPUS}", *args], text=True, env=machine.env(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out.with_suffix(".log").write_text(run.stdout)
    return run


def findings(output, tree):
    """Return warnings and errors; those in a macro of bits.h at the place of its use."""
    found = []
    for one in lint_common.parse(output):
        one = one._replace(path=one.path.removeprefix(f"{tree}/"))
        if re.match("(fatal )?(warning|error): ", one.text):
            found.append(one)
        elif "in expansion of macro" in one.text and one.path != str(BITS) and \
                found and found[-1].path == str(BITS):
            found[-1] = found[-1]._replace(path=one.path, line=one.line)
    return found


def of_kernel(one, tree, base):
    """Return whether this is a bit number on a line that the unmodified file also has."""
    if "cross_bit_above_int" not in one.text or not (base / one.path).is_file():
        return False
    line = (tree / one.path).read_text().splitlines()[one.line - 1]
    return line in (base / one.path).read_text().splitlines()


def unlinkable(machine, out, names):
    """Return findings for calls of functions that are deliberately undefined."""
    run = subprocess.run([f"{machine.prefix}nm", "-u", "-A", *names], cwd=out, text=True,
                         check=True, stdout=subprocess.PIPE)
    for line in run.stdout.splitlines():
        if found := UNDEFINED.match(line):
            yield Finding(line.split(":")[0], 0, f"error: calls {found[1]}(), which "
                          "no kernel defines; use an operand as wide as a long")


def compile_for(name, work):
    """Return the findings in all objects of a machine."""
    machine, out = MACHINES[name], BUILD / "cross" / name
    tree, names = work.patched().resolve(), machine.objects()
    work.configure(tree, out, machine.fragments, machine.env())
    if make(work, machine, out, "prepare").returncode:
        raise OSError(f"{out}: cannot prepare to compile; see {out}.log")
    for one in names:
        (out / one).unlink(missing_ok=True)
    run = make(work, machine, out, *bit_flags(tree, names), *names)
    found = [one for one in findings(run.stdout, tree)
             if not of_kernel(one, tree, work.base())]
    built = [one for one in names if (out / one).exists()]
    if (len(built) < len(names) or run.returncode) and not found:
        raise OSError(f"{out}: make failed; see {out}.log")
    return found + list(unlinkable(machine, out, built))


def rust(work):
    """Return findings in Rust code that the changes to headers break."""
    headers = [path.with_name(path.name.removesuffix(".edit.toml"))
               for path in apply.overlay()
               if path.name.endswith(".h.edit.toml")]
    return list(rust_structs.check(work.base(), work.patched(), headers))


def one(name, work):
    """Return whether a check passed, and its result as text."""
    try:
        found = sorted(set(rust(work) if name == "rust" else compile_for(name, work)))
    except FAULTS as error:
        return False, f"failed: {error or 'see above'}"
    if found:
        return False, "\n  ".join([f"{len(found)} found", *map(str, found)])
    return True, "ok" if name == "rust" else f"ok, {len(MACHINES[name].objects())} objects"


def run(work, names):
    """Run these checks to the end; return whether all of them passed."""
    good = True
    for name in names:
        work.stage(f"cross: {name}")
        passed, text = one(name, work)
        good = good and passed
        print(f"{name}: {text}", flush=True)
    return good
