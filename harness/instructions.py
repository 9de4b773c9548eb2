# SPDX-License-Identifier: GPL-2.0
"""Count the instructions that it takes to swap out a page into a slot just freed.

They do not depend on how fast or how busy the machine is.
"""

import statistics

import vm

MEGABYTES = 2
PAGES = MEGABYTES * 256
REPETITIONS = 9


def measure(kernel, columns):
    """Column to the instructions for a page, in each repetition."""
    samples = {column: [] for column in columns}
    for line in kernel.run("instructions",
                           {"pd_mb": MEGABYTES, "pd_reps": REPETITIONS,
                            "pd_cols": ",".join(columns)},
                           cpus=1, accel="icount"):
        word = line.split()
        if word[0] != "again":
            continue
        if word[1] == "waiting" and int(word[3]) < 0.9 * PAGES:
            raise vm.VmError(f"only {word[3]} of {PAGES} slots waited")
        samples[word[1]].append(int(word[2]) / PAGES)
    return samples


def table(base, patched):
    """Markdown, from what measure() returned for each."""
    rows = (("base", base["empty"]),
            ("patched, slots empty", patched["empty"]),
            ("patched, slots not yet emptied", patched["waiting"]))
    usual = statistics.median(base["empty"])
    lines = ["**Swap-out of a page into a slot just freed**, one CPU: instructions, "
             "median (min-max)\n",
             "| | instructions | to base |", "|---|---|---|"]
    for name, samples in rows:
        middle = statistics.median(samples)
        lines.append(f"| {name} | {middle:.0f} ({min(samples):.0f}-{max(samples):.0f}) "
                     f"| {middle / usual:.3f} |")
    return "\n".join(lines) + "\n"
