# SPDX-License-Identifier: GPL-2.0
"""Parts of "make test" and "make test-all"."""

from checks import mutants, mutate_statements, suites, test, test_all
from machine import vm
from machine.kernels import patched_kernel, suites_kernels
from overlay import apply
from shared import BUILD, Error, script, stage

SELFTESTS = "tools/testing/selftests/percpu_defer"
# Number of vCPUs of a perturbed kernel, independent of the machine.
PERTURBED_CPUS = 6


def perturbed(name, **limits):
    """Return the arguments of a perturbed run, which has more vCPUs than CPUs."""
    return {"cpus": PERTURBED_CPUS, "boot": vm.PATIENT, "log": BUILD / f"log/{name}",
            **limits}


def test_kind(source, kind, args, only=test.Only()):
    kernel = patched_kernel(source, kind=kind)
    if kind == "plain" and not only.section:
        stage("build the library as a module")
        script("machine/modular.sh", kernel.tree, kernel.out, BUILD / "modular")
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
    print(script("checks/model.sh"), flush=True)
    return test.Count(passed=1)


def others(source, only=()):
    archive = BUILD / "suites.cpio.gz"
    script("machine/rootfs.sh", source.patched_tree(), archive)
    kernels = suites_kernels(source)
    stage("run the suites of others on both kernels")
    return suites.run(kernels, archive, only or suites.choose(""), stage)


PERTURBED = ("zram", "zswap")
NAMES = ("harness", "model", "plain", "kasan", "perturb-zram", "perturb-zswap", "nohz", "sync",
         "kcsan", "rt", "arm64", "torture-kasan", "torture-kcsan", "others", "mutants")


def store(source):
    return test_all.Store(test_all.tree_hash(), source.identity())


def tree_of_guests(source, tests=None):
    """Hash the files that guests depend on; of the selftests only the named ones, if any.

    For the kernel, this is the generated code, not its form in this repository.
    """
    version = apply.kernel_version(source.tree)
    made = apply.generate(source.tree, version, apply.read_overlay(version))
    left_out = [] if tests is None else [
        str(path) for path in made
        if path.match(f"{SELFTESTS}/*.c") and path.stem not in tests]
    return "-".join((
        test_all.files_hash({str(path): test_all.code(path.name, content)
                             for path, content in made.items()},
                            without=(*test_all.PROSE, *left_out)),
        test_all.tree_hash(only=test_all.IN_GUESTS)))


def parts(source, args):
    """Return the parts that PARTS names, short ones first."""
    in_guests = tree_of_guests(source)

    def guest(run, name, asked, tree=in_guests):
        return test_all.Part(lambda: run(source, name, args), asked, tree)
    short = f"{args.seconds} s, torture {args.torture} s"
    long = f"{args.minutes} min"
    return {
        "harness": test_all.Part(lambda: test.run_harness_tests(source.tree)),
        "model": test_all.Part(model_part, tree=test_all.tree_hash(only=("harness/checks/model",))),
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
        "others": test_all.Part(lambda: others(source), tree=in_guests),
        "mutants": test_all.Part(lambda: run_mutants(source, args, "")),
    }


def test_one(source, args):
    """Run the single test that ONLY= names; its result is not kept."""
    unit, only = args.only
    if unit:
        count = test.run_harness_tests(source.tree, unit)
    else:
        version = apply.kernel_version(source.tree)
        chosen = [kind for kind in args.kinds
                  if only.section in test.expected(version, kind)[0]]
        if not chosen:
            raise Error(f"ONLY={only.section}: does not run in {', '.join(args.kinds)} "
                        f"with Linux {version}; choose other KINDS")
        count = test.Count()
        for kind in chosen:
            count += test_kind(source, kind, args, only)
    test_all.conclude(count)


def tree_of_mutant(source, mutant):
    """Hash the files its result depends on; of the selftests only the one that must fail."""
    return tree_of_guests(source, {mutant["test"].partition(":")[0]})


def run_mutants(source, args, only, statements=False):
    found = mutants.load()
    if statements:
        found += mutate_statements.of_tree(source.patched_tree())
    chosen = mutants.choose(found, only)
    kept = mutants.Kept(store(source), args.seconds, lambda mutant: tree_of_mutant(source, mutant))
    try:
        return mutants.run(lambda change, kind: patched_kernel(source, change, kind),
                           chosen, args.seconds, kept, stage)
    finally:
        source.patched_tree()
