# SPDX-License-Identifier: GPL-2.0
"""Static analysis of all that is ours: a table of checks, and how they are told."""

import functools
import subprocess
import types

import lint_build
import lint_text
import vm
from lint_common import Skip

CHECKS = {
    "gcc": lint_build.gcc,
    "clang": lint_build.clang,
    "context": lint_build.context,
    "sparse": lint_build.sparse,
    "coccicheck": lint_text.coccicheck,
    "checkpatch": lint_text.checkpatch,
    "kernel-doc": lint_text.kernel_doc,
    "shellcheck": lint_text.shellcheck,
    "pyflakes": lint_text.pyflakes,
    "codespell": lint_text.codespell,
}


def choose(only):
    """The checks with these names, with commas between them; all, if none is told."""
    wanted = [name for name in only.split(",") if name] or list(CHECKS)
    if unknown := [name for name in wanted if name not in CHECKS]:
        raise vm.VmError(f"no check is called '{unknown[0]}'; "
                         f"there are {', '.join(CHECKS)}")
    return [name for name in CHECKS if name in wanted]


def newer(newer_sh, package, command):
    """How to call a tool that is newer than the machine's own."""
    run = subprocess.run([newer_sh, package, command], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode:
        raise Skip(run.stderr.strip().splitlines()[-1].removeprefix("error: "))
    return run.stdout.strip()


def one(check, work):
    """(whether it is well, what is said of it)."""
    try:
        found = sorted(set(check(work)))
    except Skip as why:
        return True, f"skipped: {why}"
    except work.errors as error:
        return False, f"failed: {error or 'see above'}"
    if not found:
        return True, "ok"
    return False, "\n  ".join([f"{len(found)} found", *map(str, found)])


def run(work, names):
    """Do these checks, all of them. Returns whether all is well."""
    good = True
    for name in names:
        work.stage(f"lint: {name}")
        well, text = one(CHECKS[name], work)
        good = good and well
        print(f"{name}: {text}", flush=True)
    return good


def prepare(source, configure, newer_sh, errors, stage):
    """What the checks need, trees and tools made when first asked for.

    configure() makes a tree ready to compile; errors are what it and source raise.
    """
    return types.SimpleNamespace(
        patched=functools.cache(source.patched_tree),
        base=functools.cache(source.base_tree),
        configure=configure, newer=functools.partial(newer, newer_sh), folders={},
        errors=(*errors, OSError, subprocess.SubprocessError), stage=stage)
