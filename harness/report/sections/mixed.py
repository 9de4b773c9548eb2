# SPDX-License-Identifier: GPL-2.0
"""Measure a fixed amount of mixed work in cgroups with too little memory."""

from report.sections import common, turns

TITLE = "Mixed work"
SHOWS = ("What a fixed amount of work costs when processes fill, use, free and leave "
         "twice the memory that their cgroups may have: a watch for what got slower.")

PROCESSES = 3
LIVES = 2
MEGABYTES = 32
# What swap_mixed prints: times in nanoseconds, and pages.
TIMES = ("elapsed", "back", "user", "system", "workers")
PAGES = ("pswpout", "pswpin", "zswpout", "zswpin", "refused")
COLUMNS = {"base": "base", "off": "off", "on": "patched"}
METRICS = (("elapsed", ("elapsed",)), ("all back after", ("back",)),
           ("user and system time", ("user", "system")), ("system time", ("system",)),
           ("time of kernel workers", ("workers",)),
           ("CPU time in all", ("user", "system", "workers")))


def measure(kernels, quick, stage):
    params = {"pd_procs": PROCESSES, "pd_lives": 1 if quick else LIVES,
              "pd_mb": MEGABYTES // 2 if quick else MEGABYTES}
    return turns.collect_columns(kernels, "mixed", params, TIMES + PAGES,
                                 1 if quick else 3, stage, patched=("off", "on"))


def total(samples, column, times):
    """The sum of these times in each repetition, in milliseconds."""
    return [sum(ns) / 1e6 for ns in zip(*(samples[column][time] for time in times))]


def time_table(backend, samples):
    yield f"| {backend}, in ms | base | off | patched | patched/base | off/base |"
    yield "|---|---|---|---|---|---|"
    for what, times in METRICS:
        base, off, patched = (total(samples, column, times) for column in COLUMNS)
        yield (f"| {what} | {common.cell(base)} | {common.cell(off)} "
               f"| {common.cell(patched)} | {common.ratio(patched, base)} "
               f"| {common.ratio(off, base)} |")
    yield ""


def pages_table(backend, samples):
    yield f"| {backend}, in pages | base | off | patched | patched/base |"
    yield "|---|---|---|---|---|"
    for name in PAGES:
        base, off, patched = (samples[column][name] for column in COLUMNS)
        if any(base + off + patched) or name == "refused":
            yield (f"| {name} | {common.cell(base, 0)} | {common.cell(off, 0)} "
                   f"| {common.cell(patched, 0)} | {common.ratio(patched, base)} |")
    yield ""


def tables(data):
    for backend, samples in data.items():
        yield from time_table(backend, samples)
        yield from pages_table(backend, samples)
    yield ("refused: what percpu_defer, switched on, did not take and was freed at "
           "once.\n")


def plots(data):
    yield "mixed", common.bars_plot(
        "mixed work: CPU time in all", "ms",
        {name: [(backend, total(samples, column, ("user", "system", "workers")))
                for backend, samples in data.items()]
         for column, name in COLUMNS.items()})


def comparisons(data):
    for backend, samples in data.items():
        for what, times in METRICS:
            # Of those, only what the work costs in all is of interest.
            if what == "time of kernel workers":
                continue
            yield common.Samples(f"{backend}, mixed work: {what}",
                                 total(samples, "base", times),
                                 total(samples, "on", times), "ms")
