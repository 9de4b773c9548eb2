# SPDX-License-Identifier: GPL-2.0
"""Inject faults into the patched kernel, one at a time; the right test must fail for each.

mutants.toml lists the faults and the test that must detect each. An interrupted run can be
resumed, because the result of each mutant is kept.
"""

import contextlib
import dataclasses
import hashlib
import io
import re
import tomllib

from checks import ktap, test
from checks.expectations import Count, make
from machine import vm
from shared import BUILD, HARNESS, Error

LOG = BUILD / "log/mutant"
STORE = "each_mutant"   # file in build/tested
SILENCE = 60            # seconds; short, because a mutant may hang
DEADLINE = 1200


@dataclasses.dataclass(frozen=True)
class Mutant:
    """Fault; see mutants.toml."""
    name: str           # "file: fault"
    replace: str
    test: str           # "section:*": any test of the section, or a fault of the guest
    text: str = ""
    complaint: str = ""
    kernel: str = ""
    job: str = "test"
    seconds: int = 0

    @property
    def file(self):
        return self.name.partition(": ")[0]

    @property
    def kind(self):
        return self.kernel or ("perturb" if self.test.endswith(", held") else "plain")

    def changed(self, text):
        """Inject the fault into the text of the file; fail unless `replace` occurs once."""
        if (count := text.count(self.replace)) != 1:
            raise Error(f"matched {count} times, not 1; adapt it to the file")
        return text.replace(self.replace, self.text)

    def apply(self, tree):
        path = tree / self.file
        path.write_text(self.changed(path.read_text()))


def load(path=HARNESS / "checks/mutants.toml"):
    return [make(Mutant, f"{path.name}, '{name}'", name=name, **entry)
            for name, entry in tomllib.loads(path.read_text()).items()]


def choose(mutants, only):
    """Select mutants by a part of the name; fail if no name matches."""
    chosen = [mutant for mutant in mutants if only in mutant.name]
    if not chosen:
        raise Error("\n".join([f"ONLY={only}: no mutant name contains this text; choose from:",
                               *(mutant.name for mutant in mutants)]))
    return chosen


def failed_on_console(section):
    """Return the failed tests of a KUnit suite whose guest died before it printed its results."""
    text = LOG.with_suffix(".console").read_text(errors="replace")
    return {f"{section}:{name.strip()}" for name in
            re.findall(r"^\[[\d. ]+\] +not ok \d+ (?:- )?([^#\n]*)", text, re.M)}


def symptoms(kernel, mutant, seconds):
    """Boot a mutant; return the failed tests, and the complaint or fault of the guest or ''."""
    section, _, case = mutant.test.partition(":")
    seconds = mutant.seconds or seconds
    params = {"pd_seconds": seconds, "pd_torture": 0, "pd_only": section,
              "pd_case": case if case in test.kunit_cases().get(section, ()) else ""}
    said = ""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            lines = kernel.run(mutant.job, params, log=LOG, expected=test.EXPECTED,
                               silence=SILENCE + seconds, deadline=DEADLINE + seconds,
                               **({} if mutant.job == "test" else vm.PATIENT))
    except Error as error:
        said, lines = str(error), error.lines
    failed = {result.name for found in ktap.sections(lines)
              for result in ktap.results(kernel.tree, found) if result.status == "failed"}
    return failed | failed_on_console(section), said


def fault(build, mutant, seconds):
    """Build and boot a mutant; return '' if the right test failed, else the reason."""
    try:
        kernel = build(mutant.apply, mutant.kind)
    except Error as error:
        return f"not built: {str(error) or 'see build/kernel/*.log, and change it'}"
    failed, said = symptoms(kernel, mutant, seconds)
    for line in filter(None, [*sorted(failed), said]):
        print(f"    {line}", flush=True)
    if mutant.test.endswith(":*"):
        caught = failed or said
    else:
        caught = mutant.test in failed or mutant.complaint and re.search(mutant.complaint, said)
    return "" if caught else f"SURVIVED: {mutant.test} did not fail"


def run(build, mutants, seconds, store, tree_of, stage):
    """Test the mutants without a valid result in the store; return the Count of all.

    build(mutate, kind) builds a kernel. tree_of(mutant) hashes the files that the result
    of the mutant depends on. store is a test_all.Store.
    """
    kept, faults = store.read(STORE), []
    for number, mutant in enumerate(mutants, 1):
        asked = hashlib.sha256(f"{mutant} {seconds}".encode()).hexdigest()[:16]
        # Compute the key before the build, because the tree may change meanwhile.
        key = store.key(asked, tree_of(mutant))
        if not key or kept.get(mutant.name, {}).get("key") != key:
            stage(f"mutant {number} of {len(mutants)}: {mutant.name}")
            kept[mutant.name] = {"key": key, "fault": fault(build, mutant, seconds)}
            store.write(STORE, kept)
        if why := kept[mutant.name]["fault"]:
            print(f"    {why}", flush=True)
            faults.append(f"{mutant.name}: {why}")
    for line in faults:
        print(line)
    caught = len(mutants) - len(faults)
    print(f"{caught} of {len(mutants)} mutants caught", flush=True)
    return Count(passed=caught, failed=len(faults))
