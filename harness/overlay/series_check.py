# SPDX-License-Identifier: GPL-2.0
"""Build the kernel after each patch of the series.

Boot the kernel and run KUnit after each patch that changes a client, and after the last.
All steps share one source tree and one build directory, so that a step rebuilds little more
than the files that its patch touches.
"""

import re

from checks import ktap
from overlay import apply, series
from shared import BUILD, HARNESS, Error

TREE = BUILD / "tree/series-check"
FRAGMENT = BUILD / "series-check.config"
OPTIONS = HARNESS / "config/patched.config"
CLIENTS = ("drivers/", "kernel/", "mm/")


def choose(steps, only):
    """Return the steps to check: all, or the step with this number or name."""
    chosen = [(number, patch, files) for number, (patch, files) in enumerate(steps, 1)
              if only in ("", str(number), patch.name)]
    if not chosen:
        raise Error(f"the series has no patch '{only}'; give a number, or a name "
                    "from harness/overlay/series.toml")
    return chosen


def write_fragment(files):
    """Write a configuration fragment with the added options that exist after this step."""
    kconfig = "\n".join(content.decode() for path, content in files.items()
                        if path.name.startswith("Kconfig"))
    known = {f"CONFIG_{name}" for name in re.findall(r"^(?:menu)?config (\w+)$", kconfig, re.M)}
    # Enable the library, which nothing selects after the patch "core", and the torture test.
    lines = [line for line in ("CONFIG_PERCPU_DEFER=y", "CONFIG_PERCPU_DEFER_TORTURE_TEST=m",
                               *OPTIONS.read_text().splitlines())
             if line.partition("=")[0] in known]
    FRAGMENT.write_text("\n".join([*lines, ""]))


def expect_no_warnings(log):
    """Fail on compiler warnings, such as those about unused code."""
    if found := re.search(r"^.*warning:.*$", log.read_text(), re.M):
        raise Error(f"the compiler warns: {found[0]} (see {log})")


def run_kunit(kernel, patch):
    """Run the KUnit tests that exist after this patch; return the number of passed tests.

    Accept all skips: skips.toml applies to the complete series only.
    """
    lines = kernel.run("kunit", {}, log=BUILD / f"log/series-{patch.name}")
    results = [result for section in ktap.sections(lines)
               for result in ktap.results(kernel.tree, section)]
    if failed := [result.name for result in results if result.status == "failed"]:
        raise Error(f"KUnit: {failed[0]} failed (see build/log/series-{patch.name}.*)")
    return sum(result.status == "passed" for result in results)


def touches_client(patch):
    return any(part.startswith(CLIENTS) and ".c." in part for part in patch.parts)


def run(ksrc, build, only, without, stage):
    """Check the chosen steps; build(tree, fragment) returns the kernel."""
    chosen = choose(series.steps(ksrc, without=without), only)
    apply.apply(ksrc, TREE, True)
    for number, patch, files in chosen:
        stage(f"{number}: {patch.subject}")
        apply.update(ksrc, TREE, files)
        write_fragment(files)
        kernel = build(TREE, str(FRAGMENT))
        expect_no_warnings(kernel.out.with_name(kernel.out.name + ".log"))
        if touches_client(patch) or patch is chosen[-1][1]:
            stage(f"{number}: boots; KUnit: {run_kunit(kernel, patch)} passed")
    print(f"{len(chosen)} steps build; all kernels that were booted pass KUnit", flush=True)
