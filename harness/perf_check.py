# SPDX-License-Identifier: GPL-2.0
"""Compare the instructions that a slot takes with those it took before.

They are counted, not timed, so this tells on a busy machine, too.
"""

import os
import pathlib
import statistics
import tomllib

import vm
from sections import common, instructions

BASELINE = pathlib.Path(__file__).resolve().parent / "perf-baseline.toml"
TOLERANCE = 0.05


def compiler(kernel):
    config = (kernel.image.parents[3] / ".config").read_text()
    return config.partition('CONFIG_CC_VERSION_TEXT="')[2].partition('"')[0]


def write(found, kernel):
    """Write the baseline, as TOML."""
    lines = ["# SPDX-License-Identifier: GPL-2.0",
             "# Instructions for a slot in the patched kernel, medians; written by",
             "# \"make perf-check UPDATE=1\".",
             f'kernel = "{kernel.version}"', f'compiler = "{compiler(kernel)}"']
    for backend, counts in found.items():
        lines += ["", f"[{backend}]",
                  *(f'"{what}" = {statistics.median(samples):.1f}'
                    for what, samples in counts.items())]
    tmp = BASELINE.with_suffix(".tmp")
    tmp.write_text("\n".join(lines) + "\n")
    os.replace(tmp, BASELINE)


def compare(found, baseline):
    """Prints all; returns a line for each count that went above its tolerance."""
    bad = []
    for backend, counts in found.items():
        for what, samples in counts.items():
            before = baseline.get(backend, {}).get(what)
            if not before:
                raise vm.VmError(f"{BASELINE.name} has no '{what}' of {backend}: "
                                 "make perf-check UPDATE=1")
            change = statistics.median(samples) / before - 1
            line = (f"{backend}, {what}: {common.cell(samples)} instructions for a slot, "
                    f"{before} before, {change:+.1%}")
            print(line)
            if change > TOLERANCE:
                bad.append(line)
    return bad


def run(kernel, update, stage):
    """Returns whether no count is worse than the baseline."""
    found = instructions.count(kernel, "on", instructions.REPETITIONS, stage)
    if update:
        write(found, kernel)
        stage(f"the baseline is harness/{BASELINE.name}")
        return True
    baseline = tomllib.loads(BASELINE.read_text())
    bad = compare(found, baseline)
    if bad:
        now = {"kernel": kernel.version, "compiler": compiler(kernel)}
        print(f"\nabove {TOLERANCE:+.0%}:", *bad, sep="\n")
        print(*(f"the {what} was {baseline[what]}, it is {name}"
                for what, name in now.items() if baseline[what] != name), sep="\n")
    return not bad
