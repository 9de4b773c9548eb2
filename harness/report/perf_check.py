# SPDX-License-Identifier: GPL-2.0
"""Compare the number of instructions per slot with the baseline.

Instructions are counted, not timed, so the load of the machine does not matter.
"""

import os
import statistics
import tomllib

from report.sections import common, instructions
from shared import HARNESS, Error

BASELINE = HARNESS / "report/perf-baseline.toml"
TOLERANCE = 0.05
# Real reclaim leaves short runs; the counts vary by 0.1 % on the same kernel.
TOLERANCES = {"push, runs of 1": 0.01, "push, runs of 64": 0.01}


def compiler(kernel):
    config = (kernel.image.parents[3] / ".config").read_text()
    return config.partition('CONFIG_CC_VERSION_TEXT="')[2].partition('"')[0]


def as_toml(found, kernel):
    """Return the lines of a baseline."""
    lines = ["# SPDX-License-Identifier: GPL-2.0",
             "# Instructions for a slot in the patched kernel, medians; written by",
             "# \"make perf-check UPDATE=1\".",
             f'kernel = "{kernel.version}"', f'compiler = "{compiler(kernel)}"']
    for backend, counts in found.items():
        lines += ["", f"[{backend}]",
                  *(f'"{what}" = {statistics.median(samples):.1f}'
                    for what, samples in counts.items())]
    return lines


def write(found, kernel):
    """Write the baseline, as TOML."""
    tmp = BASELINE.with_suffix(".tmp")
    tmp.write_text("\n".join(as_toml(found, kernel)) + "\n")
    os.replace(tmp, BASELINE)


def compare(found, baseline):
    """Print all counts; return a line for each one above its tolerance."""
    bad = []
    for backend, counts in found.items():
        for what, samples in counts.items():
            before = baseline.get(backend, {}).get(what)
            if not before:
                raise Error(f"{BASELINE.name} has no '{what}' of {backend}: "
                            "make perf-check UPDATE=1")
            change = statistics.median(samples) / before - 1
            tolerance = TOLERANCES.get(what, TOLERANCE)
            line = (f"{backend}, {what}: {common.cell(samples)} instructions for a slot, "
                    f"{before} before, {change:+.1%}")
            print(line)
            if change > tolerance:
                bad.append(f"{line}, more than {tolerance:+.0%}")
    return bad


def run(kernel, update, stage):
    """Return whether no count is worse than the baseline."""
    found = instructions.count_parts(kernel, instructions.PARTS,
                                     instructions.REPETITIONS, stage)
    if update:
        write(found, kernel)
        stage(f"the baseline is harness/report/{BASELINE.name}")
        return True
    baseline = tomllib.loads(BASELINE.read_text())
    bad = compare(found, baseline)
    if bad:
        now = {"kernel": kernel.version, "compiler": compiler(kernel)}
        print("\nabove the tolerance:", *bad, sep="\n")
        print(*(f"the {what} was {baseline[what]}, it is {name}"
                for what, name in now.items() if baseline[what] != name), sep="\n")
    return not bad
