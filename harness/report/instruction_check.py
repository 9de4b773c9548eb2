# SPDX-License-Identifier: GPL-2.0
"""Compare the number of instructions per slot with the baseline.

The load of the machine does not matter, because instructions are counted, not timed.
"""

import statistics
import tomllib
import types

from report.sections import common, instructions
from report.sections.guests import Guests
from shared import HARNESS, Error, write

BASELINE = HARNESS / "report/perf-baseline.toml"
TOLERANCE = 0.05
# Stricter for short runs, which real reclaim leaves. On one kernel, counts vary by 0.1 %.
TOLERANCES = {"push, runs of 1": 0.01, "push, runs of 64": 0.01}


def built(kernel):
    """Return {key: version} of the kernel and the compiler, on which the counts depend."""
    config = (kernel.image.parents[3] / ".config").read_text()
    compiler = config.partition('CONFIG_CC_VERSION_TEXT="')[2].partition('"')[0]
    return {"kernel": kernel.version, "compiler": compiler}


def as_toml(found, versions):
    """Format counts and versions as a baseline in TOML."""
    lines = ["# SPDX-License-Identifier: GPL-2.0",
             "# Instructions per slot in the patched kernel, medians; written by "
             '"make perf-check UPDATE=1".',
             *(f'{what} = "{version}"' for what, version in versions.items())]
    for backend, counts in found.items():
        lines += ["", f"[{backend}]", *(f'"{what}" = {statistics.median(samples):.1f}'
                                        for what, samples in counts.items())]
    return "\n".join(lines) + "\n"


def compare(found, baseline):
    """Print all counts; return a line for each count above tolerance. Fail without a baseline."""
    bad = []
    for backend, counts in found.items():
        for what, samples in counts.items():
            before = baseline.get(backend, {}).get(what)
            if not before:
                raise Error(f"{BASELINE.name} has no '{what}' of {backend}; "
                            "run make perf-check UPDATE=1")
            change = statistics.median(samples) / before - 1
            tolerance = TOLERANCES.get(what, TOLERANCE)
            line = (f"{backend}, {what}: {common.cell(samples)} instructions per slot, "
                    f"baseline {before}, {change:+.1%}")
            print(line)
            if change > tolerance:
                bad.append(f"{line}, more than {tolerance:+.0%}")
    return bad


def run(kernel, update, stage):
    """Compare a kernel with the baseline, or update the baseline; return whether it passes."""
    found = instructions.count_all(Guests(types.SimpleNamespace(patched=kernel), False, stage))
    versions = built(kernel)
    if update:
        write(BASELINE, as_toml(found, versions))
        stage(f"new baseline: harness/report/{BASELINE.name}")
        return True
    baseline = tomllib.loads(BASELINE.read_text())
    bad = compare(found, baseline)
    if bad:
        print("\nabove the tolerance:", *bad, sep="\n")
        print(*(f"the {what} was {baseline[what]}, now it is {version}"
                for what, version in versions.items() if baseline[what] != version), sep="\n")
    return not bad
