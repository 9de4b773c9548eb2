# SPDX-License-Identifier: GPL-2.0
"""Build the kernel after each patch of the series.

Boot the kernel and run KUnit after each patch that changes a client, and after the last.
All steps share one source tree and one build directory, so each rebuilds little more than
the files that its patch touches.
"""

import pathlib
import re
import subprocess

from checks import ktap
from checks.expectations import Count
from overlay import apply, series
from shared import BUILD, HARNESS, Error

TREE = BUILD / "tree/series-check"
FRAGMENT = BUILD / "series-check.config"
OPTIONS = HARNESS / "config/patched.config"
CLIENTS = ("drivers/", "kernel/", "mm/")


def choose(steps, only):
    """Return the steps to check: all, or the one with this number or name."""
    chosen = [(number, patch, files) for number, (patch, files) in enumerate(steps, 1)
              if only in ("", str(number), patch.name)]
    if not chosen:
        raise Error(f"the series has no patch '{only}': give a number, or a name "
                    "of harness/overlay/series.toml")
    return chosen


def write_fragment(files):
    """Write the configuration of those of our options that exist so far."""
    kconfig = "\n".join(content.decode() for path, content in files.items()
                        if path.name.startswith("Kconfig"))
    known = {f"CONFIG_{name}" for name in re.findall(r"^(?:menu)?config (\w+)$", kconfig, re.M)}
    lines = [line for line in OPTIONS.read_text().splitlines()
             if line.partition("=")[0] in known]
    FRAGMENT.write_text("\n".join([*lines, ""]))


def library_objects(files):
    """Return the library's objects; they must build even if nothing selects them yet."""
    return [str(path.with_suffix(".o")) for path in files
            if path.parent == pathlib.Path("lib") and path.suffix == ".c"
            and path.name.startswith("percpu_defer")]


def compile_objects(kernel, names):
    run = subprocess.run(["make", "-s", "-C", TREE, f"O={kernel.out}", *names],
                         text=True, capture_output=True)
    if run.returncode or run.stderr.strip():
        raise Error(f"{', '.join(names)}: "
                    f"{(run.stderr.strip() or 'make failed').splitlines()[0]}")


def expect_no_warnings(log):
    """Fail on compiler warnings: a step must not leave unused code."""
    if found := re.search(r"^.*warning:.*$", log.read_text(), re.M):
        raise Error(f"the compiler warns: {found[0]} (see {log})")


def run_kunit(kernel, patch):
    """Run the KUnit tests that exist so far; return their count."""
    count = Count()
    lines = kernel.run("kunit", {}, log=BUILD / f"log/series-{patch.name}")
    results = [result for section in ktap.sections(lines)
               for result in ktap.results(kernel.tree, section)]
    # Any test may be skipped here: skips.toml applies to the complete series only.
    for status in ("passed", "failed", "skipped"):
        setattr(count, status, sum(result.status == status for result in results))
    if count.failed:
        raise Error(f"KUnit: {count} (see build/log/series-{patch.name}.*)")
    return count


def touches_client(patch):
    return any(part.startswith(CLIENTS) and ".c." in part for part in patch.parts)


def run(ksrc, build, only, without, stage):
    """Check the steps; build(tree, fragment) returns the kernel."""
    chosen = choose(series.steps(ksrc, without=without), only)
    apply.apply(ksrc, TREE, True)
    for number, patch, files in chosen:
        stage(f"{number}: {patch.subject}")
        apply.update(ksrc, TREE, files)
        write_fragment(files)
        kernel = build(TREE, str(FRAGMENT))
        expect_no_warnings(kernel.out.with_name(kernel.out.name + ".log"))
        compile_objects(kernel, library_objects(files))
        if touches_client(patch) or patch is chosen[-1][1]:
            stage(f"{number}: boots; KUnit: {run_kunit(kernel, patch)}")
    print(f"{len(chosen)} steps build; clients and the last boot and pass KUnit", flush=True)
