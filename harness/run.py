#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one job of the harness; "make help" lists the jobs."""

import argparse
import pathlib
import signal
import sys
import types

from checks import cross, docs_check, lint, lint_common, parts, suites, test, test_all
from dkms import package, stock
from machine import vm
from machine.kernels import (KINDS, Kernel, Source, base_kernel, native_kernels,
                             patched_kernel)
from overlay import series, series_check
from report import bench, instruction_check
from shared import BUILD, Error, lock, script, stage


def locked_source(args):
    """Lock build/ against other jobs, and return the kernel source."""
    lock()
    return Source(args)


def do_apply(args):
    source, out = locked_source(args), args.out.expanduser().resolve()
    if args.git:
        stage("apply percpu_defer to the kernel, one commit per patch")
        series.repository(source.tree, source.own, out, args.force, stage)
    else:
        source.patched_tree(out, args.force)


def do_series(args):
    source = locked_source(args)
    script("machine/deps.sh", "series")
    stage("write the series")
    series.make(source.tree, source.own, args.signoff, args.without, stage)


def do_series_check(args):
    source = locked_source(args)
    selftests = source.patched_tree()

    def build(tree, fragment):
        return Kernel(f"series-{source.name}", tree, ("common", *KINDS["plain"], fragment),
                      selftests)
    series_check.run(source.tree, build, args.only, args.without, stage)


def do_docs(args):
    tree = locked_source(args).patched_tree()
    pages = ",".join(map(str, docs_check.to_build(tree)))
    out, log = map(pathlib.Path, script("checks/docs.sh", tree, pages).split())
    if not docs_check.check(tree, out, log):
        raise Error("documentation: built with warnings; see above")
    print(out / "core-api/percpu_defer.html")


def do_lint(args, checks=lint.CHECKS):
    only = names(args.only, checks)
    source = locked_source(args)
    script("machine/deps.sh", args.job)
    lint_common.run(checks, only, source)


def do_cross(args):
    do_lint(args, cross.CHECKS)


def do_boot(args):
    kernel = patched_kernel(locked_source(args))
    stage("boot; type 'poweroff -f' to leave")
    vm.shell(kernel.image, kernel.initramfs)


def do_test(args):
    only = test.choose(args.only)
    source = locked_source(args)
    if only.section:
        parts.test_one(source, args, only)
    else:
        run_parts(source, args, ("harness", *args.kinds), again=True)


def do_test_all(args):
    run_parts(locked_source(args), args, args.parts)


def run_parts(source, args, wanted, again=False):
    every = parts.parts(source, args)
    chosen = {name: every[name] for name in wanted}
    test_all.finish(test_all.run_parts(chosen, parts.store(source), stage, again))


def do_test_others(args):
    only = names(args.only, suites.load())
    test_all.conclude(parts.others(locked_source(args), only))


def do_mutants(args):
    if parts.run_mutants(locked_source(args), args, args.only, args.statements).failed:
        raise Error


def do_bench(args):
    only = bench.choose(args.only)
    source = locked_source(args)
    script("machine/deps.sh", "report")
    state = parts.tree_of_guests(source) + test_all.tree_hash(
        only=("harness/report/sections/", "harness/report/bench.py"), form=test_all.code)
    patched = patched_kernel(source)
    kernels = types.SimpleNamespace(patched=patched, base=base_kernel(source, patched.tree),
                                    native=lambda: native_kernels(source, patched))
    bench.run(kernels, only, bool(args.quick), f"{state} {source.identity()}", stage)


def do_report(args):
    script("machine/deps.sh", "report")
    bench.redraw(pathlib.Path(args.folder or bench.RESULTS))


def do_perf_check(args):
    if not instruction_check.run(patched_kernel(locked_source(args)), args.update, stage):
        raise Error


def do_dkms(args):
    lock()
    print(package.build())


def do_test_stock(args):
    lock()
    stock.test_module(stock.Stock(args.kernel), args.seconds)


def do_bench_stock(args):
    lock()
    stock.measure(stock.Stock(args.kernel))


JOBS = {job.__name__.removeprefix("do_").replace("_", "-"): job for job in (
    do_apply, do_bench, do_bench_stock, do_boot, do_cross, do_dkms, do_docs, do_lint,
    do_mutants, do_perf_check, do_report, do_series, do_series_check, do_test, do_test_all,
    do_test_others, do_test_stock)}


def names(text, choices):
    """Return the names in a comma-separated list, or all choices if it is empty."""
    found = text.split(",") if text else list(choices)
    if unknown := [name for name in found if name not in choices]:
        raise Error(f"unknown name '{unknown[0]}'; choose from {', '.join(choices)}")
    return found


def arguments():
    """Parse the command line; a job ignores the options that it does not use."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    switch = {"type": int, "choices": (0, 1), "default": 0}
    add("job", choices=JOBS, metavar="JOB", help=", ".join(JOBS))
    add("--ksrc", type=pathlib.Path, help="kernel tree to use instead of a fetched one")
    add("--kernel", default="7.3", help="kernel version to fetch")
    add("--out", type=pathlib.Path, default=BUILD / "tree/apply", help="output tree")
    add("--force", **switch, help="accept an untested kernel version")
    add("--git", **switch, help="create a git repository with a commit for each patch")
    add("--signoff", default="", help="'Name <address>'")
    add("--without", default=[], help="optional patches to omit, comma-separated",
        type=lambda text: [name for name in text.split(",") if name])
    add("--quick", **switch, help="take fewer measurements")
    add("--update", **switch, help="write the counts as the new baseline")
    add("--from", dest="folder", help="directory with the samples to draw")
    add("--seconds", type=int, default=60, help="duration of each slot reuse test in seconds")
    add("--minutes", type=int, default=30, help="duration of each long run in minutes")
    add("--torture", type=int, default=60, help="duration of the torture test in seconds")
    add("--kinds", default="plain,kasan", help="kernels to test, comma-separated")
    add("--parts", default="", help="parts to run, comma-separated")
    add("--only", default="", help="restrict the job to these parts; '?' lists them")
    add("--statements", **switch, help="include mutants that delete one statement")
    args = parser.parse_args()
    args.kinds = names(args.kinds, [kind for kind in KINDS if kind not in ("perturb", "sync")])
    args.parts = names(args.parts, parts.PARTS)
    return args


def main():
    """Run a job; print an error without a traceback."""
    # Exit cleanly on SIGTERM, so that no guest outlives this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        args = arguments()
        JOBS[args.job](args)
    except (Error, OSError) as error:
        sys.exit(f"error: {error}" if str(error) else 1)
    except KeyboardInterrupt:
        sys.exit("interrupted")


if __name__ == "__main__":
    main()
