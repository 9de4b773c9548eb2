# SPDX-License-Identifier: GPL-2.0
"""Break the patched kernel on purpose; each time the right test has to fail.

What is broken, and which test has to notice, is in mutants.toml.
"""

import contextlib
import io
import pathlib
import re
import tomllib

import vm
from expectations import Count

LIST = pathlib.Path(__file__).resolve().parent / "mutants.toml"
LOG = vm.TOP / "build/log/mutant"
SILENCE = 60    # a mutant may well hang


def mutate(tree, mutant):
    path = tree / mutant["file"]
    text = path.read_text()
    if (count := text.count(mutant["replace"])) != 1:
        raise vm.VmError(f"mutants.toml: '{mutant['name']}' matched {count} times "
                         f"in {mutant['file']}, not 1")
    path.write_text(text.replace(mutant["replace"], mutant["text"]))


def suite(mutant):
    """What of harness/guest/test.sh has its test."""
    prefix = {"o_": "percpu_defer", "m_": "percpu_defer_map"}
    return mutant.get("suite") or prefix.get(mutant["test"][:2]) or \
        ("swap_reuse" if "reuse" in mutant["test"] else "zram_dead")


def symptoms(kernel, seconds, only):
    """What a boot of the mutant shows: failed tests, complaints, remarks."""
    found = []
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            kernel.run("test", {"pd_seconds": seconds, "pd_torture": 0,
                                "pd_only": only},
                       silence=SILENCE, log=LOG)
    except vm.VmError as error:
        found.append(str(error))
    for suffix in (".console", ".output"):
        log = LOG.with_suffix(suffix)
        found += re.findall(r"not ok .*|# .* slots freed", log.read_text())
    return list(dict.fromkeys(found))


def run(build, seconds, only, stage):
    """build(mutate) makes a kernel. Returns how many mutants were caught, and how many not."""
    mutants = [m for m in tomllib.loads(LIST.read_text())["mutant"]
               if only in m["name"]]
    caught = 0
    for number, mutant in enumerate(mutants, 1):
        stage(f"mutant {number} of {len(mutants)}: {mutant['name']}")
        kernel = build(lambda tree, m=mutant: mutate(tree, m))
        found = symptoms(kernel, seconds, suite(mutant))
        for line in found:
            print("   ", line)
        if any(mutant["test"] in line for line in found if "not ok" in line):
            caught += 1
        else:
            print(f"    SURVIVED: '{mutant['test']}' did not notice")
    print(f"{caught} of {len(mutants)} mutants caught", flush=True)
    return Count(passed=caught, failed=len(mutants) - caught)
