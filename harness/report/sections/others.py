# SPDX-License-Identifier: GPL-2.0
"""Measure what other processes feel of a big munmap()."""

from report.sections import common, turns

TITLE = "Latency of others"
SHOWS = ("How long another process takes to page out and to fault in while one unmaps "
         "much swapped-out memory, and how late a process of SCHED_FIFO wakes up on the "
         "CPU of that one, which tells how long it holds on to the CPU.")

MEGABYTES = 512
REPETITIONS = 4
# How long before the munmap(), and from its start on.
MILLISECONDS = 500
# What swap_others prints, in nanoseconds.
TIMES = ("median", "99th percentile", "maximum")
WHAT = {"out": "page out 64 pages", "in": "page fault from swap",
        "wake": "wake-up by a timer"}
COLUMNS = {"base": "base", "on": "patched"}


def measure(kernels, quick, stage):
    params = {"pd_mb": MEGABYTES // 8 if quick else MEGABYTES,
              "pd_ms": MILLISECONDS}
    return turns.collect_columns(kernels, "others", params, TIMES,
                                 1 if quick else REPETITIONS, stage, patched=("on",))


def us(samples, column, what, when, time):
    return [ns / 1e3 for ns in samples[f"{column} {what} {when}"][time]]


def munmap_table(data):
    yield "| munmap, ms | base | patched | patched/base |"
    yield "|---|---|---|---|"
    for backend, samples in data.items():
        base, patched = ([ns / 1e6 for ns in samples[f"{column} munmap unmap"]["median"]]
                         for column in COLUMNS)
        yield (f"| {backend} | {common.cell(base)} | {common.cell(patched)} "
               f"| {common.ratio(patched, base)} |")
    yield ""


def latency_table(backend, samples):
    yield (f"| {backend}, in us | base, before | base, munmap | patched, before "
           "| patched, munmap | patched/base in munmap |")
    yield "|---|---|---|---|---|---|"
    for what, name in WHAT.items():
        for time in TIMES:
            cells = {(column, when): us(samples, column, what, when, time)
                     for column in COLUMNS for when in ("quiet", "unmap")}
            shown = " | ".join(map(common.cell, cells.values()))
            change = common.ratio(cells["on", "unmap"], cells["base", "unmap"])
            yield f"| {name}, {time} | {shown} | {change} |"
    yield ""


def tables(data):
    yield f"{MEGABYTES} MB, {REPETITIONS} repetitions; fewer in a quick run.\n"
    yield from munmap_table(data)
    for backend, samples in data.items():
        yield from latency_table(backend, samples)


def plots(data):
    for backend, samples in data.items():
        yield f"others-{backend}", common.bars_plot(
            f"{backend}: longest waits of others during munmap", "us",
            {name: [(what, us(samples, column, key, "unmap", "maximum"))
                    for key, what in WHAT.items()]
             for column, name in COLUMNS.items()})


def comparisons(data):
    for backend, samples in data.items():
        for what, name in WHAT.items():
            for time in TIMES:
                base, patched = (us(samples, column, what, "unmap", time)
                                 for column in COLUMNS)
                yield common.Samples(f"{backend}, during munmap: {name}, {time}",
                                     base, patched, "us")
