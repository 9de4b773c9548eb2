#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The main jobs, from a kernel source to a result: see "make help"."""

import argparse
import os
import pathlib
import signal
import sys
import types

from checks import cross, docs_check, lint, parts, suites, test, test_all
from dkms import package, stock
from machine import vm
from machine.kernels import (KINDS, Kernel, base_kernel, native_kernels, patched_kernel,
                             version_fragment)
from machine.source import Source
from overlay import series, series_check
from report import bench, perf_check
from shared import BUILD, HARNESS, HELD, Error, lock, script, stage


def do_apply(source, args):
    out = args.out.expanduser().resolve()
    if not args.git:
        source.patched_tree(out, args.force)
        return
    script("machine/deps.sh", "series")
    stage("apply percpu_defer to the kernel, a commit for each patch")
    series.repository(source.tree, source.own, out, stage, args.force)


def do_series(source, args):
    script("machine/deps.sh", "series")
    stage("write the series")
    series.make(source.tree, source.own, args.signoff, args.without, stage)


def do_series_check(source, args):
    selftests = source.patched_tree()

    def build(tree, fragment):
        return Kernel(f"series-{source.name}", tree, ("common", *KINDS["plain"], fragment),
                      selftests)
    series_check.run(source.tree, build, args.only, args.without, stage)


def do_docs(source, _args):
    tree = source.patched_tree()
    out, log = map(pathlib.Path, script("checks/docs.sh", tree,
                                        ",".join(map(str, docs_check.to_build(tree)))).split())
    if not docs_check.check(tree, out, log):
        raise Error("warnings about our documentation, see above")
    print(out / "core-api/percpu_defer.html")


def compile_work(source):
    """Return the trees and tools of a job that compiles single objects."""
    def configure(tree, out, fragments, env):
        script("machine/configure.sh", tree, out, *fragments, *version_fragment(tree), env=env)
    return lint.prepare(source, configure, HARNESS / "machine/newer.sh", stage)


def do_lint(source, args):
    script("machine/deps.sh", "lint")
    if not lint.run(compile_work(source), args.only, args.skip):
        raise Error


def do_cross(source, args):
    script("machine/deps.sh", "cross")
    if not cross.run(compile_work(source), args.only):
        raise Error


def do_boot(source, _args):
    kernel = patched_kernel(source)
    stage("boot; type 'poweroff -f' to leave")
    vm.shell(kernel.image, kernel.initramfs)


def do_test(source, args):
    unit, only = args.only
    if unit or only.section:
        parts.test_one(source, args)
        return
    every = parts.parts(source, args)
    chosen = {name: every[name] for name in ("harness", *args.kinds)}
    test_all.finish(test_all.run_parts(chosen, parts.store(source), stage, again=True))


def do_test_all(source, args):
    chosen = {name: part for name, part in parts.parts(source, args).items()
              if name in args.parts}
    test_all.finish(test_all.run_parts(chosen, parts.store(source), stage))


def do_test_others(source, args):
    test_all.conclude(parts.others(source, args.only))


def do_torture(source, args):
    if "plain" in args.kinds:
        raise Error("the plain kernel has no torture test, only debug kernels do")
    kernels = {kind: patched_kernel(source, kind=kind) for kind in args.kinds}
    # Torture may take hours and does not disturb other runs: release the lock.
    os.close(HELD.pop())
    for kind, kernel in kernels.items():
        stage(f"torture the {kind} kernel for {args.minutes} minutes")
        kernel.run("torture", {"pd_torture": args.minutes * 60}, on_line=print,
                   log=BUILD / f"log/torture-{kind}")


def do_mutants(source, args):
    if parts.run_mutants(source, args, args.only, args.statements).failed:
        raise Error


def do_bench(source, args):
    script("machine/deps.sh", "report")
    state = parts.tree_of_guests(source) + test_all.tree_hash(
        only=("harness/report/sections/", "harness/report/bench.py"))
    patched = patched_kernel(source)
    kernels = types.SimpleNamespace(patched=patched, base=base_kernel(source, patched.tree),
                                    native=lambda: native_kernels(source, patched),
                                    perf=pathlib.Path(script("report/perf.sh")))
    bench.run(kernels, args.only, args.quick, f"{state} {source.identity()}", stage)


def do_report(args):
    script("machine/deps.sh", "report")
    bench.redraw(args.folder)


def do_perf_check(source, args):
    if not perf_check.run(patched_kernel(source), args.update, stage):
        raise Error


def do_dkms(args):
    print(package.build(args.versions))


def do_test_stock(args):
    stock.test_module(stock.Stock(args.kernel), args.seconds)


def do_bench_stock(args):
    stock.measure(stock.Stock(args.kernel))


def names(choices, what, empty=()):
    """Return an argument type for a comma-separated list of these choices."""
    def of(text):
        found = text.split(",") if text or not empty else list(empty)
        if unknown := [name for name in found if name not in choices]:
            raise argparse.ArgumentTypeError(
                f"no {what} is called '{unknown[0]}'; there are {', '.join(choices)}")
        return found
    return of


def chosen(choose):
    """Return an argument type that calls choose() and exits on its errors."""
    def of(text):
        try:
            return choose(text)
        except Error as error:
            sys.exit(f"error: {error}")
    return of


def option(name, what="", **how):
    return f"--{name}", how | {"help": what}


def only(choose, what):
    return option("only", f"{what}, with commas", type=chosen(choose), default="")


OUT = option("out", type=pathlib.Path, required=True)
FORCE = option("force", "also to a version that was never tested", action="store_true")
GIT = option("git", "a repository with a commit for each patch", action="store_true")
SIGNOFF = option("signoff", "'Name <address>'", default="")
WITHOUT = option("without", "optional patches, with commas", default=[],
                 type=lambda text: text.split(",") if text else [])
QUICK = option("quick", action="store_true")
UPDATE = option("update", "take what is counted as the baseline", action="store_true")
SECONDS = option("seconds", "how long the reuse test runs", type=int, default=60)
MINUTES = option("minutes", "how long each of torture and perturbation runs", type=int,
                 default=30)
TORTURE = option("torture", "how many seconds the torture test runs", type=int, default=60)
CHOSEN_KINDS = option("kinds", f"kernels: {','.join(KINDS)}", required=True, type=names(
    [kind for kind in KINDS if kind not in ("perturb", "sync")], "kernel"))
PARTS = option("parts", f"parts, with commas: {','.join(parts.NAMES)}", default="",
               type=names(parts.NAMES, "part", parts.NAMES))
# (function, options) of jobs on a kernel source; STOCK_JOBS fetch their own source,
# READING_JOBS only read.
JOBS = {
    "apply": (do_apply, OUT, FORCE, GIT),
    "bench": (do_bench, QUICK, only(bench.choose, "sections of the report")),
    "test": (do_test, SECONDS, TORTURE, MINUTES, CHOSEN_KINDS,
             only(test.choose, "the name of one test")),
    "test-all": (do_test_all, SECONDS, TORTURE, MINUTES, PARTS),
    "test-others": (do_test_others, only(suites.choose, "suites")),
    "torture": (do_torture, MINUTES, CHOSEN_KINDS),
    "mutants": (do_mutants, SECONDS, option("only", "part of a mutant's name", default=""),
                option("statements", "also one mutant per statement", action="store_true")),
    "perf-check": (do_perf_check, UPDATE),
    "series": (do_series, SIGNOFF, WITHOUT),
    "series-check": (do_series_check, WITHOUT,
                     option("only", "number or name of a patch", default="")),
    "docs": (do_docs,),
    "lint": (do_lint, only(lint.choose, "checks"),
             option("skip", "checks that need not be possible here", default="",
                    type=chosen(lint.named))),
    "cross": (do_cross, only(cross.choose, "checks")),
    "boot": (do_boot,),
}
STOCK_JOBS = {
    "dkms": (do_dkms, ("versions", {"nargs": "*"})),
    "test-stock": (do_test_stock, SECONDS),
    "bench-stock": (do_bench_stock,),
}
READING_JOBS = {
    "report": (do_report, ("folder", {"nargs": "?", "type": pathlib.Path,
                                      "default": bench.RESULTS})),
}


def do(args):
    """Run a job. Jobs that build exclude each other. An error is printed as one line."""
    # Exit cleanly on SIGTERM, so no guest outlives this process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    function = (JOBS | STOCK_JOBS | READING_JOBS)[args.job][0]
    try:
        if args.job not in READING_JOBS:
            lock()
        function(*([Source(args)] if args.job in JOBS else ()), args)
    except (Error, OSError) as error:
        sys.exit(f"error: {error}" if str(error) else 1)
    except KeyboardInterrupt:
        sys.exit("interrupted")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ksrc", type=pathlib.Path, help="a kernel tree of your own")
    parser.add_argument("--kernel", default="7.3", help="the version to fetch")
    jobs = parser.add_subparsers(required=True, dest="job")
    for name, (_function, *options) in (JOBS | STOCK_JOBS | READING_JOBS).items():
        job = jobs.add_parser(name)
        for flag, how in options:
            job.add_argument(flag, **how)
    do(parser.parse_args())


if __name__ == "__main__":
    main()
