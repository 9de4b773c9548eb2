# SPDX-License-Identifier: GPL-2.0
"""Checks that compile. Added files must have no findings; converted files may have only the
findings of the unmodified files."""

import collections
import functools
import os
import re
import shutil
import subprocess

from checks import lint_common
from machine.kernels import version_fragment
from overlay import apply
from overlay.parts import COCCI
from shared import BUILD, Error, script, stage

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
    """Yield findings that occur more often than in `known`, ignoring line numbers."""
    def key(one):
        # The text of some messages contains another line number.
        return one.path, re.sub(r":\d+", "", one.text)
    left = collections.Counter(map(key, known))
    for one in found:
        if left[key(one)]:
            left[key(one)] -= 1
        else:
            yield one


def warnings(output, tree):
    """Return compiler warnings and errors, with paths relative to the tree."""
    return [one._replace(path=one.path.removeprefix(f"{tree}/"))
            for one in lint_common.parse(output)
            if re.match("(fatal )?(warning|error): ", one.text)]


def make(folder, *args, env):
    return subprocess.run(["make", "-C", folder, "-k", "-Otarget", f"-j{lint_common.CPUS}",
                           *args], env=os.environ | env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Folder:
    """Build directory for single objects of a tree."""

    def __init__(self, out, tree, fragments, *variables):
        self.out, self.tree, self.log = out, tree, out.with_suffix(".log")
        # Like make's command line, MAKEFLAGS overrides assignments in the Makefile.
        self.env = {"MAKEFLAGS": " ".join(variables)}
        stage(f"  prepare {out.name}")
        script("machine/configure.sh", tree, out, *fragments, *version_fragment(tree),
               env=os.environ | self.env)
        # Without effect if the kernel or the compiler lacks the option.
        subprocess.run([tree / "scripts/config", "--file", out / ".config", "-e", CONTEXT],
                       check=True)
        if self.make("olddefconfig", "prepare").returncode:
            raise Error(f"make prepare failed; see {self.log}")

    def make(self, *args):
        """Run make; also write its output to the log."""
        run = make(self.tree, f"O={self.out}", *args, env=self.env)
        self.log.write_text(run.stdout)
        return run

    def compile(self, names, *args):
        """Return the warnings and errors in these objects; fail if one was not checked."""
        stage(f"  compile {len(names)} files in {self.out.name}")
        for name in names:
            (self.out / name).unlink(missing_ok=True)
        run = self.make(*args, *names)
        if "not available or not up to date" in run.stdout:
            raise Error(f"sparse is too old for this kernel; see {self.log}")
        found = warnings(run.stdout, self.tree)
        complete = not run.returncode and all((self.out / name).exists() for name in names)
        if not complete and not any("error: " in one.text for one in found):
            raise Error(f"make failed; see {self.log}")
        return found


@functools.cache
def folders(trees, compiler):
    """Return (patched, base): the prepared build directories of both trees."""
    cc = []
    if compiler == "clang":
        cc.append("CC=" + script("machine/fetch_tool.sh", "clang-[0-9]+", "clang"))
    out = BUILD / "kernel"
    return (Folder(out / f"lint-{compiler}-patched", trees.patched, FRAGMENTS + PATCHED, *cc),
            Folder(out / f"lint-{compiler}-base", trees.base, FRAGMENTS, *cc))


def compare(trees, compiler, *args):
    """Return the findings in added files, and new findings in converted files."""
    patched, base = folders(trees, compiler)
    ours, converted = objects()
    names = {str(path) for path in apply.overlay() if path.suffix in (".c", ".h")}
    return ([one for one in patched.compile(ours, *args) if one.path in names] +
            list(new(patched.compile(converted, *args), base.compile(converted, *args))))


def selftests(trees):
    """Return the findings in the selftests, which are programs, not kernel objects."""
    out, folder = BUILD / "lint/selftests", trees.patched / SELFTESTS
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    run = make(folder, f"OUTPUT={out}", "all",
               env={"CFLAGS": "-Wshadow -Wunused-macros -Wmissing-prototypes"})
    found = warnings(run.stdout, folder)
    if run.returncode and not found:
        raise Error(f"the selftests do not build: {run.stdout[-300:]}")
    return [one._replace(path=f"{SELFTESTS}/{one.path}") for one in found]


def gcc(trees):
    return compare(trees, "gcc", "W=12") + selftests(trees)


def clang(trees):
    return compare(trees, "clang", "W=12")


def context(trees):
    patched, _base = folders(trees, "clang")
    if f"CONFIG_{CONTEXT}=y\n" not in (patched.out / ".config").read_text():
        raise Error(f"this clang or this kernel has no CONFIG_{CONTEXT}")
    # The check "clang" reports the other warnings.
    return [one for one in compare(trees, "clang", "CONTEXT_ANALYSIS=y")
            if "thread-safety" in one.text or "error: " in one.text]


def sparse(trees):
    command = script("machine/fetch_tool.sh", "sparse", "sparse")
    return compare(trees, "gcc", "C=2", f"CHECK={command}")
