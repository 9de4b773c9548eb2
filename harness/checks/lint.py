# SPDX-License-Identifier: GPL-2.0
"""Static analysis of the project's files: a table of checks, and their report."""

import functools
import subprocess
import types

from checks import lint_build, lint_text
from checks.lint_common import FAULTS, Skip
from shared import Error

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


def named(text):
    """Return the checks in a comma-separated list of names."""
    wanted = [name for name in text.split(",") if name]
    if unknown := [name for name in wanted if name not in CHECKS]:
        raise Error(f"no check is called '{unknown[0]}'; "
                    f"there are {', '.join(CHECKS)}")
    return [name for name in CHECKS if name in wanted]


def choose(only):
    """Return the checks with these names; all checks if there are no names."""
    return named(only) or list(CHECKS)


def newer(newer_sh, package, command):
    """Return the command for a tool that must be newer than the installed one."""
    run = subprocess.run([newer_sh, package, command], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode:
        raise Skip(run.stderr.strip().splitlines()[-1].removeprefix("error: "))
    return run.stdout.strip()


def one(check, work):
    """Return (result, text to show); the result is "ok", "failed" or "skipped"."""
    try:
        found = sorted(set(check(work)))
    except Skip as why:
        return "skipped", f"skipped: {why}"
    except FAULTS as error:
        return "failed", f"failed: {error or 'see above'}"
    if not found:
        return "ok", "ok"
    return "failed", "\n  ".join([f"{len(found)} found", *map(str, found)])


def summary(results, skippable):
    """Return the last line: number of checks by result, skipped ones by name."""
    def names(wanted):
        return [name for name, result in results.items() if result == wanted]
    skipped = names("skipped")
    line = f"lint: {len(names('ok'))} ok, {len(names('failed'))} failed"
    if skipped:
        line += f", {len(skipped)} skipped: {', '.join(skipped)}"
    if refused := [name for name in skipped if name not in skippable]:
        line += f"; install what is missing, or allow it with SKIP={','.join(refused)}"
    return line


def run(work, names, skippable=()):
    """Run these checks to the end; return whether all of them passed.

    A check that cannot run counts as passed if it is in skippable.
    """
    results = {}
    for name in names:
        work.stage(f"lint: {name}")
        results[name], text = one(CHECKS[name], work)
        print(f"{name}: {text}", flush=True)
    print(summary(results, skippable), flush=True)
    return all(result == "ok" or result == "skipped" and name in skippable
               for name, result in results.items())


def prepare(source, configure, newer_sh, stage):
    """Return what the checks need; trees and tools are made on first use.

    configure() makes a tree ready to compile.
    """
    return types.SimpleNamespace(
        patched=functools.cache(source.patched_tree),
        base=functools.cache(source.base_tree),
        configure=configure, newer=functools.partial(newer, newer_sh), folders={},
        stage=stage)
