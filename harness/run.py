#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The main jobs, from a kernel source to a result: see "make help"."""

import argparse
import fcntl
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time
import types

import apply
import bench
import cross
import kcsan
import lint
import mutants
import mutate_statements
import perf_check
import series
import series_check
import suites
import test
import test_all
import uml
import vm
import works

TOP = pathlib.Path(__file__).resolve().parent.parent
HARNESS = TOP / "harness"
BUILD = TOP / "build"
SELFTESTS = "tools/testing/selftests/percpu_defer"
# Kernels to test, by the fragments in harness/config that make them.
KINDS = {
    "plain": ("x86_64", "symbols"),
    "kasan": ("x86_64", "debug", "torture", "kasan"),
    "kcsan": ("x86_64", "debug", "torture", "kcsan"),
    "perturb": ("x86_64", "perturb", "torture"),
    "nohz": ("x86_64", "nohz"),
    "sync": ("x86_64", "sync"),
    "rt": ("x86_64", "debug", "torture", "rt"),
    "arm64": ("arm64", "debug", "torture"),
}


HELD = []       # open files that scripts inherit


class Failed(vm.VmError):
    """A step failed and has said why."""

    def __init__(self):
        super().__init__("")


def stage(text):
    """One line per stage, with the time since the command began."""
    start = int(os.environ.setdefault("PD_START", str(int(time.time()))))
    passed = int(time.time()) - start
    print(f"[{passed // 60:3}:{passed % 60:02}] {text}", file=sys.stderr, flush=True)


def lock():
    """One run at a time below build/; held by our children too, should we die."""
    BUILD.mkdir(exist_ok=True)
    file = os.open(BUILD / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise vm.VmError("another run is at work here: wait for its end, or for "
                         "the build that it left behind") from error
    return file


def script(name, *args, env=None):
    """Run a script of the harness; returns what it prints.

    Should we be terminated, the script is so, too, and has the time to clean up.
    """
    with subprocess.Popen([HARNESS / name, *map(str, args)], text=True,
                          stdout=subprocess.PIPE, env=env, pass_fds=HELD) as run:
        try:
            said = run.communicate()[0]
        except BaseException:
            run.terminate()
            raise
    if run.returncode:
        raise Failed
    return said.strip()


class Source:
    """A kernel source, the user's own or the distribution's."""

    def __init__(self, args):
        if args.ksrc:
            self.tree = args.ksrc.expanduser().resolve()
            tag = hashlib.sha256(str(self.tree).encode()).hexdigest()[:8]
            self.name = f"own-{tag}"
        else:
            self.tree = pathlib.Path(script("fetch.sh", args.kernel))
            self.name = self.tree.name.removeprefix("linux-")
        self.own = bool(args.ksrc)

    def patched_tree(self, out=None, force=True):
        """force: of a version that was never tested, too: it is about to be."""
        out = out or BUILD / "tree" / f"patched-{self.name}"
        stage("apply percpu_defer to the kernel")
        script("apply.py", self.tree, out, *(["--force"] if force else ()))
        self.note("apply")
        return out

    def note(self, *what):
        """For "make kernels", which tells nothing about a tree of the user's own."""
        if not self.own:
            works.note(apply.kernel_version(self.tree), *what)

    def identity(self):
        """Changes when the kernel source does."""
        return apply.origin(self.tree).strip() if self.own else \
            apply.kernel_version(self.tree)

    def base_tree(self):
        """What we fetched is clean and stays so; another's tree is copied."""
        if not self.own:
            return self.tree
        out = BUILD / "tree" / f"base-{self.name}"
        script("apply.py", "--pristine", self.tree, out)
        return out


def version_fragment(tree):
    """Configuration that one version wants in other words."""
    name = ".".join(apply.kernel_version(tree).split(".")[:2])
    return [name] if (HARNESS / f"config/{name}.config").exists() else []


class Kernel:
    """A built kernel and the initramfs that goes with it."""

    def __init__(self, name, tree, fragments, selftests, pristine=None):
        self.tree = tree
        self.arch = vm.X86_64
        env = os.environ.copy()
        if "arm64" in fragments:
            self.arch = vm.ARM64
            env |= {"ARCH": "arm64", "CROSS_COMPILE": "aarch64-linux-gnu-"}
            script("deps.sh", "arm64")
        self.out = out = BUILD / "kernel" / name
        script("build.sh", tree, out, *fragments, *version_fragment(tree), env=env)
        self.image = out / self.arch.image
        self.initramfs = out.with_name(name + ".cpio.gz")
        self.version = (out / "include/config/kernel.release").read_text().strip()
        script("initramfs.sh", tree, out, self.initramfs, selftests, env=env)

        self.is_foreign_race = None
        if "kcsan" in fragments:
            self.is_foreign_race = kcsan.Races(out, pristine, tree).is_foreign

    def run(self, job, params, **more):
        more.setdefault("is_foreign_race", self.is_foreign_race)
        return vm.run(self.image, self.initramfs, job, params, arch=self.arch, **more)


def patched_kernel(source, change=lambda tree: None, kind="plain"):
    tree = source.patched_tree()
    change(tree)
    return Kernel(f"{kind}-{source.name}", tree, ("common", "patched", *KINDS[kind]),
                  tree, source.tree)


def base_kernel(source, selftests):
    return Kernel(f"base-{source.name}", source.base_tree(),
                  ("common", "x86_64", "symbols"), selftests)


def native_kernels(source, patched):
    """Both kernels for user-mode Linux, with the programs of the patched kernel."""
    env = os.environ | {"ARCH": "um"}

    def build(name, tree):
        out = BUILD / "kernel" / f"{name}-{source.name}"
        script("build.sh", tree, out, "um", env=env)
        return uml.Kernel(out, patched.initramfs)
    return types.SimpleNamespace(base=build("um-base", source.base_tree()),
                                 patched=build("um", patched.tree))


def suites_kernels(source):
    """Kernels for the suites; the options that the mm selftests ask for come first."""
    patched, base = source.patched_tree(), source.base_tree()

    def build(name, tree, *more):
        return Kernel(f"{name}-{source.name}", tree,
                      ("common", *KINDS["plain"], tree / "tools/testing/selftests/mm/config",
                       "suites", *more), patched)
    return {"base": build("suites-base", base),
            "patched": build("suites", patched, "patched")}


def do_apply(source, args):
    out = args.out.expanduser().resolve()
    if not args.git:
        source.patched_tree(out, args.force)
        return
    script("deps.sh", "series")
    stage("apply percpu_defer to the kernel, a commit for each patch")
    series.repository(source.tree, source.own, out, stage, args.force)


def do_series(source, args):
    script("deps.sh", "series")
    stage("write the series")
    series.make(source.tree, source.own, args.signoff, args.without, stage)
    source.note("series")


def do_series_check(source, args):
    selftests = source.patched_tree()

    def build(tree, fragment):
        return Kernel(f"series-{source.name}", tree,
                      ("common", *KINDS["plain"], fragment), selftests)

    series_check.run(source.tree, build, args.only, args.without, stage)


def do_docs(source, _args):
    print(script("docs.sh", source.patched_tree()))


def compile_work(source):
    """The trees and tools of a job that compiles single objects."""
    def configure(tree, out, fragments, env):
        script("configure.sh", tree, out, *fragments, *version_fragment(tree), env=env)
    return lint.prepare(source, configure, HARNESS / "newer.sh", (Failed, apply.Error),
                        stage)


def do_lint(source, args):
    script("deps.sh", "lint")
    if not lint.run(compile_work(source), args.only, args.skip):
        raise Failed


def do_cross(source, args):
    script("deps.sh", "cross")
    if not cross.run(compile_work(source), args.only):
        raise Failed


def do_boot(source, _args):
    kernel = patched_kernel(source)
    stage("boot; type 'poweroff -f' to leave")
    vm.shell(kernel.image, kernel.initramfs)


# Number of vCPUs of a perturbed kernel, on any machine.
PERTURBED_CPUS = 6


def perturbed(name, **limits):
    """Arguments of a run under perturbation: more vCPUs than CPUs."""
    return {"cpus": PERTURBED_CPUS, "boot": vm.PATIENT, "log": BUILD / f"log/{name}",
            **limits}


def test_kind(source, kind, args, only=test.Only()):
    kernel = patched_kernel(source, kind=kind)
    if kind == "plain" and not only.section:
        stage("build the library as a module")
        script("modular.sh", kernel.tree, kernel.out, BUILD / "modular")
    stage(f"test in the {kind} kernel ({args.seconds} s of slot reuse)")
    return test.run_guest_tests(kernel, kind, args.seconds, args.torture, stage, only)


def perturb(source, client, args):
    kernel = patched_kernel(source, kind="perturb")
    seconds = args.minutes * 60
    return test.run_guest(kernel, "perturb", f"perturb-{client}", {"pd_seconds": seconds},
                          test.perturbed(client), stage, **perturbed(
                              f"perturb-{client}", silence=seconds + test.SILENCE,
                              deadline=test.DEADLINE + seconds))


def nohz_part(source, _name, _args):
    kernel = patched_kernel(source, kind="nohz")
    return test.run_guest(kernel, "nohz", "nohz", {}, {"quiet_cpu.sh"}, stage,
                          boot=("nohz_full=1", "isolcpus=domain,managed_irq,1"))


def sync_part(source, _name, _args):
    kernel = patched_kernel(source, kind="sync")
    return test.run_guest(kernel, "sync", "sync", {}, test.tests_of("sync"), stage)


def torture_part(source, kind, args):
    kernel = patched_kernel(source, kind=kind)
    seconds = args.minutes * 60
    lines, results = test.run_job(
        kernel, "torture", {"pd_torture": seconds, "pd_perturb": 1}, stage,
        **perturbed(f"torture-{kind}", deadline=seconds + 1200))
    results += test.ktap.results(kernel.tree, test.ktap.Section("torture.sh", lines, 0))
    count = test.Count()
    test.judge(results, test.Expectations(kind, kernel.version), count)
    return count


def model_part():
    print(script("model.sh"), flush=True)
    return test.Count(passed=1)


def others_part(source, only=()):
    archive = BUILD / "suites.cpio.gz"
    script("rootfs.sh", source.patched_tree(), archive)
    kernels = suites_kernels(source)
    stage("run the suites of others on both kernels")
    return suites.run(kernels, archive, only or suites.choose(""), stage)


PERTURBED = ("zram", "zswap")
PARTS = works.TEST_ALL


def tree_of_guests(source, tests=None):
    """Hash what guests depend on; of the selftests only those named, if any are.

    Of the kernel that is the code that comes out, not how it is written in this repository.
    """
    version = apply.kernel_version(source.tree)
    made = apply.generate(source.tree, version, apply.read_overlay(version))
    others = [] if tests is None else [
        str(path) for path in made
        if path.match(f"{SELFTESTS}/*.c") and path.stem not in tests]
    return "-".join((
        test_all.files_hash({str(path): test_all.code(path.name, content)
                             for path, content in made.items()},
                            without=(*test_all.PROSE, *others)),
        test_all.tree_hash(only=test_all.IN_GUESTS)))


def parts(source, args):
    """The parts that PARTS names; the quick ones come first."""
    in_guests = tree_of_guests(source)

    def guest(run, name, asked, tree=in_guests):
        return test_all.Part(lambda: run(source, name, args), asked, tree)
    short = f"{args.seconds} s, torture {args.torture} s"
    long = f"{args.minutes} min"
    return {
        "harness": test_all.Part(lambda: test.run_harness_tests(source.tree)),
        "model": test_all.Part(model_part, tree=test_all.tree_hash(only=("harness/model",))),
        **{kind: guest(test_kind, kind, short) for kind in ("plain", "kasan")},
        **{f"perturb-{name}": guest(perturb, name, long,
                                    tree_of_guests(source, test.perturbed(name)))
           for name in PERTURBED},
        "nohz": guest(nohz_part, "nohz", ""),
        "sync": guest(sync_part, "sync", ""),
        **{kind: guest(test_kind, kind, short) for kind in ("kcsan", "rt", "arm64")},
        **{f"torture-{kind}": guest(torture_part, kind, long,
                                    tree_of_guests(source, ()))
           for kind in ("kasan", "kcsan")},
        "others": test_all.Part(lambda: others_part(source), tree=in_guests),
        "mutants": test_all.Part(lambda: run_mutants(source, args, "")),
    }


def conclude(count):
    """Print the count; fail if a test did."""
    print(count, flush=True)
    if count.failed:
        raise Failed


def finish(results):
    """Print the table and the count; fail if a test did."""
    for line in test_all.table(results):
        print(line)
    conclude(test_all.total(results))


def test_one(source, args):
    """ONLY=: one test, whose result is not kept."""
    unit, only = args.only
    if unit:
        count = test.run_harness_tests(source.tree, unit)
    else:
        version = apply.kernel_version(source.tree)
        chosen = [kind for kind in args.kinds
                  if only.section in test.expected(version, kind)[0]]
        if not chosen:
            raise vm.VmError(f"ONLY={only.section}: does not run in {', '.join(args.kinds)} "
                             f"with Linux {version}; choose other KINDS")
        count = test.Count()
        for kind in chosen:
            count += test_kind(source, kind, args, only)
    conclude(count)


def do_test(source, args):
    unit, only = args.only
    if unit or only.section:
        test_one(source, args)
        return
    store = test_all.Store(test_all.tree_hash(), source.identity())
    every = parts(source, args)
    chosen = {name: every[name] for name in ("harness", *args.kinds)}
    results = test_all.run_parts(chosen, store, stage, again=True)
    finish(results)
    source.note("test", args.kinds)


def do_test_all(source, args):
    chosen = {name: part for name, part in parts(source, args).items()
              if name in args.parts}
    store = test_all.Store(test_all.tree_hash(), source.identity())
    results = test_all.run_parts(chosen, store, stage)
    source.note("test-all", [name for name in results
                             if results[name]["result"] == "green"])
    finish(results)


def do_test_others(source, args):
    count = others_part(source, args.only)
    conclude(count)


def do_torture(source, args):
    if "plain" in args.kinds:
        raise vm.VmError("the plain kernel has no torture test, only debug kernels do")
    kernels = {kind: patched_kernel(source, kind=kind) for kind in args.kinds}
    # These may take hours, and disturb nobody.
    os.close(HELD.pop())
    for kind, kernel in kernels.items():
        stage(f"torture the {kind} kernel for {args.minutes} minutes")
        kernel.run("torture", {"pd_torture": args.minutes * 60}, on_line=print,
                   log=BUILD / f"log/torture-{kind}")


def tree_of_mutant(source, mutant):
    """Hash what its result depends on: of the selftests only the one that must fail."""
    return tree_of_guests(source, {mutant["test"].partition(":")[0]})


def run_mutants(source, args, only, statements=False):
    found = mutants.load()
    if statements:
        found += mutate_statements.of_tree(source.patched_tree())
    chosen = mutants.choose(found, only)
    store = test_all.Store(test_all.tree_hash(), source.identity())
    kept = mutants.Kept(store, args.seconds, lambda mutant: tree_of_mutant(source, mutant))
    try:
        return mutants.run(lambda change, kind: patched_kernel(source, change, kind),
                           chosen, args.seconds, kept, stage)
    finally:
        source.patched_tree()


def do_mutants(source, args):
    if run_mutants(source, args, args.only, args.statements).failed:
        raise Failed


def do_bench(source, args):
    script("deps.sh", "report")
    state = tree_of_guests(source) + test_all.tree_hash(only=("harness/sections/", "harness/bench"))
    patched = patched_kernel(source)
    kernels = types.SimpleNamespace(patched=patched,
                                    base=base_kernel(source, patched.tree),
                                    native=lambda: native_kernels(source, patched),
                                    perf=pathlib.Path(script("perf.sh")))
    bench.run(kernels, args.only, args.quick, f"{state} {source.identity()}", stage)
    if not args.only and not args.quick:
        source.note("bench")


def do_perf_check(source, args):
    if not perf_check.run(patched_kernel(source), args.update, stage):
        raise Failed


def kinds(text):
    """A list of kernels to test, as an argument."""
    tested = [kind for kind in KINDS if kind not in ("perturb", "sync")]
    if unknown := [kind for kind in text.split(",") if kind not in tested]:
        raise argparse.ArgumentTypeError(
            f"no kernel is called '{unknown[0]}'; there are {', '.join(tested)}")
    return text.split(",")


def part_names(text):
    """A list of parts, as an argument."""
    names = text.split(",") if text else PARTS
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(
            f"no part is called '{unknown[0]}'; there are {', '.join(PARTS)}")
    return names


def chosen(choose):
    """Some of what there is to choose from, as an argument."""
    def of(text):
        try:
            return choose(text)
        except vm.VmError as error:
            sys.exit(f"error: {error}")
    return of


def alone(job):
    """Do a job while nothing else is at work below build/; errors become a line."""
    # So that a guest does not outlive us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        HELD.append(lock())
        job()
    except Failed:
        sys.exit(1)
    except (apply.Error, vm.VmError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ksrc", type=pathlib.Path, help="a kernel tree of your own")
    parser.add_argument("--kernel", default="7.3", help="the version to fetch")
    jobs = parser.add_subparsers(required=True)
    for name, function in (("apply", do_apply), ("bench", do_bench),
                           ("test", do_test), ("test-all", do_test_all),
                           ("test-others", do_test_others), ("torture", do_torture),
                           ("mutants", do_mutants), ("perf-check", do_perf_check),
                           ("series", do_series),
                           ("series-check", do_series_check), ("docs", do_docs),
                           ("lint", do_lint), ("cross", do_cross),
                           ("boot", do_boot)):
        job = jobs.add_parser(name)
        job.set_defaults(function=function)
        if name == "apply":
            job.add_argument("--out", type=pathlib.Path, required=True)
            job.add_argument("--force", action="store_true",
                             help="also to a version that was never tested")
            job.add_argument("--git", action="store_true",
                             help="a repository with a commit for each patch")
        if name == "series":
            job.add_argument("--signoff", default="", help="'Name <address>'")
        if name in ("series", "series-check"):
            job.add_argument("--without", type=lambda text: text.split(",") if text else [],
                             default=[], help="optional patches, with commas")
        if name == "series-check":
            job.add_argument("--only", default="", help="number or name of a patch")
        if name == "bench":
            job.add_argument("--quick", action="store_true")
            job.add_argument("--only", type=chosen(bench.choose), default="",
                             help="sections of the report, with commas")
        if name == "lint":
            job.add_argument("--only", type=chosen(lint.choose), default="",
                             help="checks, with commas")
            job.add_argument("--skip", type=chosen(lint.named), default="",
                             help="checks that need not be possible here")
        if name == "test-others":
            job.add_argument("--only", type=chosen(suites.choose), default="",
                             help="suites, with commas")
        if name == "cross":
            job.add_argument("--only", type=chosen(cross.choose), default="",
                             help="checks, with commas")
        if name == "perf-check":
            job.add_argument("--update", action="store_true",
                             help="take what is counted as the baseline")
        if name in ("test", "test-all", "mutants"):
            job.add_argument("--seconds", type=int, default=60,
                             help="how long the reuse test runs")
        if name in ("test", "torture"):
            job.add_argument("--kinds", type=kinds, required=True,
                             help=f"kernels: {','.join(KINDS)}")
        if name in ("test", "test-all"):
            job.add_argument("--torture", type=int, default=60,
                             help="how many seconds the torture test runs")
        if name in ("test", "test-all", "torture"):
            job.add_argument("--minutes", type=int, default=30,
                             help="how long each of torture and perturbation runs")
        if name == "test":
            job.add_argument("--only", type=chosen(test.choose), default="",
                             help="the name of one test")
        if name == "test-all":
            job.add_argument("--parts", type=part_names, default="",
                             help=f"parts, with commas: {','.join(PARTS)}")
        if name == "mutants":
            job.add_argument("--only", default="", help="part of a mutant's name")
            job.add_argument("--statements", action="store_true",
                             help="also one mutant per statement")
    args = parser.parse_args()
    alone(lambda: args.function(Source(args), args))


if __name__ == "__main__":
    main()
