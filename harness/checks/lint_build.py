# SPDX-License-Identifier: GPL-2.0
"""Checks that compile: added files must have no findings, and converted files none that the
unmodified ones do not have."""

import collections
import os
import re
import subprocess

from checks import lint_common
from checks.lint_common import Skip
from overlay.parts import COCCI
from overlay import apply
from shared import BUILD

FRAGMENTS = ("common", "x86_64", "debug")
PATCHED = ("torture", "patched")
SELFTESTS = "tools/testing/selftests/percpu_defer"
CONTEXT = "WARN_CONTEXT_ANALYSIS"


def objects():
    """Return (ours, converted): the object files to make."""
    ours, converted = set(), set()
    for path in apply.overlay():
        if path.parts[0] in ("scripts", "tools"):
            continue
        if path.suffix == ".c":
            ours.add(path)
        elif path.name.endswith((*COCCI, ".c.edit.toml")):
            converted.add(path.with_name(path.name.split(".c.")[0] + ".c"))
    return tuple([str(path.with_suffix(".o")) for path in sorted(paths)]
                 for paths in (ours, converted))


def new(found, known):
    """Return findings that occur more often than in known, ignoring their line numbers."""
    def key(one):
        # Some messages contain another line number.
        return one.path, re.sub(r":\d+", "", one.text)
    left = collections.Counter(map(key, known))
    for one in found:
        if left[key(one)]:
            left[key(one)] -= 1
        else:
            yield one


def warnings(output, tree):
    """Return compiler warnings and errors, with paths relative to the tree."""
    for one in lint_common.parse(output):
        if re.match("(fatal )?(warning|error): ", one.text):
            yield one._replace(path=one.path.removeprefix(f"{tree}/"))


class Folder:
    """Build directory for single files of a tree."""

    def __init__(self, work, name, tree, fragments, *variables):
        self.tree, self.variables = tree.resolve(), variables
        self.out = BUILD / "kernel" / f"lint-{name}"
        self.log = self.out.with_suffix(".log")
        self.stage = work.stage
        self.stage(f"  prepare {self.out.name}")
        # Like make's command line: overrides assignments in the Makefile.
        env = os.environ | {"MAKEFLAGS": " ".join(variables)}
        work.configure(self.tree, self.out, fragments, env)
        # No effect if this kernel or this compiler lacks the option.
        subprocess.run([self.tree / "scripts/config", "--file", self.out / ".config",
                        "-e", CONTEXT], check=True)
        if self.make("olddefconfig", "prepare").returncode:
            raise OSError(f"cannot prepare to compile (see {self.log})")

    def has(self, option):
        return f"CONFIG_{option}=y\n" in (self.out / ".config").read_text()

    def make(self, *args):
        run = subprocess.run(
            ["make", "-C", self.tree, f"O={self.out}", "-k", "-Otarget",
             f"-j{lint_common.CPUS}", *self.variables, *args],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log.write_text(run.stdout)
        return run

    def compile(self, names, *args):
        """Return the findings in these objects."""
        self.stage(f"  compile {len(names)} files in {self.out.name}")
        for name in names:
            (self.out / name).unlink(missing_ok=True)
        run = self.make(*args, *names)
        if "not available or not up to date" in run.stdout:
            raise Skip("it is too old for this kernel")
        found = list(warnings(run.stdout, self.tree))
        if run.returncode and not any("error: " in one.text for one in found):
            raise OSError(f"make failed (see {self.log})")
        return found


def folders(work, compiler):
    """Return (patched, base): both trees, ready to compile in."""
    if compiler not in work.folders:
        cc = [f"CC={work.newer('clang-[0-9]+', 'clang')}"] if compiler == "clang" else []
        work.folders[compiler] = (
            Folder(work, f"{compiler}-patched", work.patched(), FRAGMENTS + PATCHED, *cc),
            Folder(work, f"{compiler}-base", work.base(), FRAGMENTS, *cc))
    return work.folders[compiler]


def compare(work, compiler, *args):
    patched, base = folders(work, compiler)
    ours, converted = objects()
    names = set(map(str, lint_common.own_c()))
    return ([one for one in patched.compile(ours, *args) if one.path in names] +
            list(new(patched.compile(converted, *args),
                     base.compile(converted, *args))))


def selftests(work):
    """Build the selftests as for a guest: they are programs, not kernel objects."""
    out = BUILD / "lint/selftests"
    subprocess.run(["rm", "-rf", out], check=True)
    out.mkdir(parents=True)
    run = subprocess.run(
        ["make", "-C", work.patched() / SELFTESTS, "-k", f"-j{lint_common.CPUS}",
         f"OUTPUT={out}", "all"], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"CFLAGS": "-Wshadow -Wunused-macros -Wmissing-prototypes"})
    found = [one._replace(path=f"{SELFTESTS}/{one.path}")
             for one in warnings(run.stdout, work.patched() / SELFTESTS)]
    if run.returncode and not found:
        raise OSError(f"the selftests do not build: {run.stdout[-300:]}")
    return found


def gcc(work):
    return compare(work, "gcc", "W=12") + selftests(work)


def clang(work):
    return compare(work, "clang", "W=12")


def context(work):
    if not folders(work, "clang")[0].has(CONTEXT):
        raise Skip(f"this clang or this kernel has no CONFIG_{CONTEXT}")
    # The check "clang" reports the other warnings.
    return [one for one in compare(work, "clang", "CONTEXT_ANALYSIS=y")
            if "thread-safety" in one.text or "error: " in one.text]


def sparse(work):
    return compare(work, "gcc", "C=2", f"CHECK={work.newer('sparse', 'sparse')}")
