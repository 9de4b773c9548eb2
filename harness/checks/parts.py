# SPDX-License-Identifier: GPL-2.0
"""Parts of "make test" and "make test-all"."""

import functools

from checks import mutants, mutate_statements, suites, test, test_all
from checks.expectations import Count
from machine import vm
from machine.kernels import patched_kernel, suites_kernels
from overlay import apply
from shared import BUILD, Error, script, stage

SELFTESTS = "tools/testing/selftests/percpu_defer"


def run_job(source, kind, job, params, names, **more):
    return test.run_guest(patched_kernel(source, kind=kind), kind, job, params, names, stage,
                          **more)


def model_part(_source, _name, _args):
    print(script("checks/model.sh"), flush=True)
    return Count(passed=1)


def test_kind(source, kind, args, only=test.Only()):
    """Run all tests, or the selected test, in a kind of kernel."""
    kernel = patched_kernel(source, kind=kind)
    names, left_out = test.expected(apply.kernel_version(kernel.tree), kind)
    for line in left_out:
        print(line, flush=True)
    if only.section:
        names &= {only.section}
    elif kind == "plain":
        stage("build the library as a module")
        script("machine/modular.sh", kernel.tree, kernel.out, BUILD / "modular")
    stage(f"test in the {kind} kernel ({args.seconds} s of slot reuse)")
    torture = 0 if kind == "plain" else args.torture
    return test.run_guest(
        kernel, kind, "test", {"pd_seconds": args.seconds, "pd_torture": torture,
                               "pd_only": only.section, "pd_case": only.case},
        names, stage, silence=args.seconds + test.SILENCE,
        deadline=test.DEADLINE + 2 * args.seconds + torture)


def perturb_part(source, name, args):
    seconds = args.minutes * 60
    return run_job(source, "perturb", name, {"pd_seconds": seconds}, test.tests_of(name),
                   silence=seconds + test.SILENCE, deadline=test.DEADLINE + seconds, **vm.PATIENT)


def torture_part(source, name, args):
    seconds = args.minutes * 60
    return run_job(source, name.removeprefix("torture-"), "test",
                   {"pd_only": "torture.sh", "pd_torture": seconds, "pd_perturb": 1},
                   {"torture.sh"}, log=BUILD / f"log/{name}", deadline=seconds + 1200,
                   **vm.PATIENT)


def guest_part(source, name, _args):
    """Run the job that has the name of its kind of kernel."""
    boot = ("nohz_full=1", "isolcpus=domain,managed_irq,1") if name == "nohz" else ()
    return run_job(source, name, name, {}, test.tests_of(name), boot=boot)


def mutants_part(source, _name, args):
    return run_mutants(source, args, "")


def others(source, names):
    archive = BUILD / "suites.cpio.gz"
    script("machine/rootfs.sh", source.patched_tree(), archive)
    kernels = suites_kernels(source)
    stage("run third-party suites on both kernels")
    return suites.run(kernels, archive, [suites.load()[name] for name in names], stage)


# Parts of "make test-all" in the order in which they run.
PARTS = {
    "harness": lambda source, _name, _args: test.run_harness_tests(source.tree),
    "model": model_part, "plain": test_kind, "kasan": test_kind,
    "perturb-zram": perturb_part, "perturb-zswap": perturb_part, "nohz": guest_part,
    "sync": guest_part, "kcsan": test_kind, "rt": test_kind, "arm64": test_kind,
    "torture-kasan": torture_part, "torture-kcsan": torture_part,
    "others": lambda source, _name, _args: others(source, suites.load()),
    "mutants": mutants_part}


def parts(source, args):
    """Return the parts of a run with these arguments."""
    short, long = f"{args.seconds} s, torture {args.torture} s", f"{args.minutes} min"
    asked = {test_kind: short, mutants_part: short, perturb_part: long, torture_part: long}
    in_guests = tree_of_guests(source)
    # Parts that depend on other files than guests do; "": on all files.
    trees = {"harness": "", "mutants": "",
             "model": test_all.tree_hash(only=("harness/checks/model",))}
    return {name: test_all.Part(functools.partial(run, source, name, args), asked.get(run, ""),
                                trees.get(name, in_guests)) for name, run in PARTS.items()}


def store(source):
    return test_all.Store(test_all.tree_hash(), source.identity())


def tree_of_guests(source, tests=None):
    """Hash the files that guests depend on; with `tests`, omit the programs of all other tests.

    Of the kernel, hash the generated code, not the patches that generate it.
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
        test_all.tree_hash(only=test_all.IN_GUESTS, form=test_all.code)))


def test_one(source, args, only):
    """Run the test that ONLY= names, and do not keep the result; fail if no kernel has it."""
    count, version = Count(), apply.kernel_version(source.tree)
    for kind in args.kinds:
        if only.section in test.expected(version, kind)[0]:
            count += test_kind(source, kind, args, only)
    if count == Count():
        raise Error(f"ONLY={only.section}: does not run in {', '.join(args.kinds)} "
                    f"with Linux {version}; choose other KINDS")
    test_all.conclude(count)


def run_mutants(source, args, only, statements=False):
    found = mutants.load()
    if statements:
        tree = source.patched_tree()
        found += [mutants.Mutant(**one) for one in mutate_statements.of_tree(tree)]
    chosen = mutants.choose(found, only)
    try:
        # Of the selftests, a result depends only on the one that must fail.
        return mutants.run(lambda change, kind: patched_kernel(source, change, kind), chosen,
                           args.seconds, store(source),
                           lambda mutant: tree_of_guests(source, {mutant.test.partition(":")[0]}),
                           stage)
    finally:
        source.patched_tree()
