# SPDX-License-Identifier: GPL-2.0
"""Break the patched kernel on purpose; the right test must fail each time.

mutants.toml lists the faults and the test that must detect each. The result of each
mutant is kept, so an interrupted run can be resumed.
"""

import contextlib
import hashlib
import io
import json
import re
import tomllib

from checks import ktap, test
from checks.expectations import Count
from machine import vm
from shared import BUILD, HARNESS, Error

LIST = HARNESS / "checks/mutants.toml"
LOG = BUILD / "log/mutant"
STORE = "each_mutant"   # in build/tested
SILENCE = 60            # seconds; a mutant may well hang
DEADLINE = 1200
NOT_BUILT = "does not build;"
KEYS = {"name", "file", "replace", "text", "test"}
MORE = {"complaint", "kernel", "job", "params", "cpus", "survives"}


class NoMatch(Error):
    """The text of a mutant does not occur exactly once in its file."""


def check(mutant):
    """Refuse an entry that lacks a key or has an unknown one."""
    name = mutant.get("name", "(without a name)")
    if not KEYS <= mutant.keys() <= KEYS | MORE:
        wrong = (KEYS - mutant.keys()) | (mutant.keys() - KEYS - MORE)
        raise Error(f"mutant '{name}': {', '.join(sorted(wrong))} is missing or "
                    "unknown; see the head of mutants.toml")


def load(path=LIST):
    mutants = tomllib.loads(path.read_text())["mutant"]
    names = [mutant.get("name") for mutant in mutants]
    for mutant in mutants:
        check(mutant)
        if names.count(mutant["name"]) > 1:
            raise Error(f"mutant '{mutant['name']}': there are two; rename one")
    return mutants


def choose(mutants, only):
    """Select mutants by a part of the name; fail if there are none."""
    chosen = [mutant for mutant in mutants if only in mutant["name"]]
    if not chosen:
        raise Error(f"ONLY={only}: no mutant has this in its name; there are:\n"
                         + "\n".join(mutant["name"] for mutant in mutants))
    return chosen


def mutated(text, mutant):
    """Return the text of its file with the fault in it."""
    if (count := text.count(mutant["replace"])) != 1:
        raise NoMatch(f"mutant '{mutant['name']}': matched {count} times in "
                      f"{mutant['file']}, not 1; adapt it to the file")
    return text.replace(mutant["replace"], mutant["text"])


def mutate(tree, mutant):
    path = tree / mutant["file"]
    path.write_text(mutated(path.read_text(), mutant))


def arguments(mutant, seconds):
    """Return parameters and limits of the guest."""
    params = {"pd_seconds": seconds, "pd_torture": 0}
    section, _, case = mutant["test"].partition(":")
    if mutant.get("job", "test") == "test":
        case = case if case in test.kunit_cases().get(section, ()) else ""
        params |= test.Only(section, case).params()
    params |= mutant.get("params", {})
    limits = {"silence": SILENCE + seconds, "log": LOG, "expected": test.EXPECTED,
              "deadline": DEADLINE + seconds + int(params["pd_torture"])}
    if "cpus" in mutant:
        limits |= {"cpus": mutant["cpus"], "boot": vm.PATIENT}
    return params, limits


def failed_tests(tree, job, lines):
    """Return the full names of the tests that failed in the output of a job."""
    found = list(ktap.sections(lines))
    if job != "test" and not found:
        found = [ktap.Section(f"{job}.sh", lines, 0)]
    return {result.name for section in found for result in ktap.results(tree, section)
            if result.status == "failed"}


def failed_on_console(section, text):
    """Do the same for a KUnit suite whose guest died before it printed its results."""
    return {f"{section}:{name.strip()}" for name in
            re.findall(r"^\[[\d. ]+\] +not ok \d+ (?:- )?([^#\n]*)", text, re.M)}


def symptoms(kernel, mutant, seconds):
    """Return the failed tests, and the kernel's complaint or the guest's fault, or ''."""
    job = mutant.get("job", "test")
    params, limits = arguments(mutant, seconds)
    said = ""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            lines = kernel.run(job, params, **limits)
    except Error as error:
        said, lines = str(error), error.lines
    console = LOG.with_suffix(".console")
    text = console.read_text(errors="replace") if console.exists() else ""
    section = mutant["test"].partition(":")[0]
    return (failed_tests(kernel.tree, job, lines) | failed_on_console(section, text),
            said)


def caught(mutant, failed, said):
    """Return whether the right test failed; '*' is any test or a faulty guest."""
    if mutant["test"].endswith(":*"):
        return bool(failed or said)
    return mutant["test"] in failed or \
        bool("complaint" in mutant and re.search(mutant["complaint"], said))


class Kept:
    """Results of single mutants by name, in the store of test_all.py.

    tree_of(mutant) is the hash of the files that its result depends on.
    """

    def __init__(self, store, seconds, tree_of):
        self.store, self.seconds, self.tree_of = store, seconds, tree_of
        self.results = store.read(STORE)

    def key(self, mutant):
        text = json.dumps([mutant, self.seconds], sort_keys=True)
        return self.store.key(hashlib.sha256(text.encode()).hexdigest()[:16],
                              self.tree_of(mutant))

    def get(self, mutant, key):
        kept = self.results.get(mutant["name"], {})
        return kept.get("result") if kept.get("key") == key != "" else None

    def put(self, mutant, key, result):
        self.results[mutant["name"]] = {"key": key, "result": result}
        self.store.write(STORE, self.results)


def try_one(build, mutant, seconds):
    """Build and boot a mutant; return {"caught", "failed", "said"}."""
    try:
        kernel = build(lambda tree: mutate(tree, mutant), mutant.get("kernel", "plain"))
    except NoMatch:
        raise
    except Error as error:
        return {"caught": False, "failed": [], "said": f"{NOT_BUILT} {error}".strip()}
    failed, said = symptoms(kernel, mutant, seconds)
    return {"caught": caught(mutant, failed, said), "failed": sorted(failed),
            "said": said}


def verdict(mutant, result):
    """Return (good, a line on the problem or '')."""
    if result["caught"] and "survives" in mutant:
        return False, "caught, but listed as a survivor; remove `survives`"
    if result["caught"]:
        return True, ""
    if result["said"].startswith(NOT_BUILT):
        return False, f"{NOT_BUILT} see build/kernel/*.log, and change it"
    if "survives" in mutant:
        return True, f"survives: {mutant['survives']}"
    return False, f"SURVIVED: {mutant['test']} did not fail"


def run(build, mutants, seconds, kept, stage):
    """Test the mutants; build(mutate, kind) makes a kernel. Return their Count."""
    count, remarks, number_caught = Count(), [], 0
    for number, mutant in enumerate(mutants, 1):
        # Before it is built: the tree may change meanwhile.
        key = kept.key(mutant)
        result = kept.get(mutant, key)
        if not result:
            stage(f"mutant {number} of {len(mutants)}: {mutant['name']}")
            result = try_one(build, mutant, seconds)
            kept.put(mutant, key, result)
        for line in [*result["failed"], *([result["said"]] if result["said"] else [])]:
            print("   ", line)
        good, remark = verdict(mutant, result)
        number_caught += result["caught"]
        count += Count(passed=int(good), failed=int(not good))
        if remark:
            print(f"    {remark}", flush=True)
            remarks.append(f"{mutant['name']}: {remark}")
    for line in remarks:
        print(line)
    print(f"{number_caught} of {len(mutants)} mutants caught", flush=True)
    return count
