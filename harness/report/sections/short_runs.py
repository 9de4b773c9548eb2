# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of memory that real reclaim has scattered in swap."""

import statistics

from report.sections import common, turns

TITLE = "Short runs"
SHOWS = ("How long munmap() takes, and what it costs in all, when the limit of a cgroup "
         "had the kernel swap out page by page, so that few neighbours in memory are "
         "neighbours in swap, beside memory that madvise() paged out in one go.")

MEGABYTES = 64
# In pages: how long the runs are that are counted together, at least.
SIZES = tuple(1 << i for i in range(10))
# What swap_unmap -r prints: times in nanoseconds, and pages.
TIMES = ("munmap", "back", "cpu", "workers")
NAMES = (*TIMES, "median", "90th percentile", *map(str, SIZES))
COLUMNS = {"base": "base", "off": "off", "on": "patched", "limit": "limit"}
WAYS = {"reclaim": "cgroup limit", "pageout": "madvise"}
# The columns of the table of runs, by the sizes that they sum up.
GROUPS = {"1": (1,), "2-3": (2,), "4-15": (4, 8), "16-127": (16, 32, 64),
          "128 and more": (128, 256, 512)}


def measure(kernels, quick, stage):
    params = {"pd_mb": MEGABYTES // 4 if quick else MEGABYTES}
    return turns.collect_columns(kernels, "short_runs", params, NAMES,
                                 1 if quick else 5, stage)


def pages(row):
    """How many there were in all, in each repetition."""
    return [sum(counts) for counts in zip(*(row[str(size)] for size in SIZES))]


def share(row, sizes):
    """Of the pages that are in runs of these sizes, in percent."""
    found = [sum(counts) for counts in zip(*(row[str(size)] for size in sizes))]
    return [100 * part / whole for part, whole in zip(found, pages(row))]


def rows(samples):
    for way, name in WAYS.items():
        yield name, {column: samples[f"{column} {way}"] for column in COLUMNS}


def total(row, *times):
    """The sum of these times in each repetition, in milliseconds."""
    return [sum(ns) / 1e6 for ns in zip(*(row[time] for time in times))]


def slot_ns(row):
    """CPU time for each page, of the unmap and the workers."""
    return [ms * 1e6 / nr for ms, nr in zip(total(row, "cpu", "workers"), pages(row))]


def runs_table(data):
    yield (f"| run length in pages | median | 90th percentile "
           f"| {' | '.join(f'% of pages in {name}' for name in GROUPS)} |")
    yield "|---" * (len(GROUPS) + 3) + "|"
    for backend, samples in data.items():
        for name, columns in rows(samples):
            for column in ("base", "on"):
                row = columns[column]
                shares = " | ".join(common.cell(share(row, sizes))
                                    for sizes in GROUPS.values())
                yield (f"| {backend}, {name}, {COLUMNS[column]} "
                       f"| {statistics.median(row['median']):.0f} "
                       f"| {statistics.median(row['90th percentile']):.0f} | {shares} |")
    yield ""


def time_table(data, title, value):
    yield (f"| {title} | base | off | patched | patched/base | off/base | limit "
           "| patched/limit |")
    yield "|---|---|---|---|---|---|---|---|"
    for backend, samples in data.items():
        for name, columns in rows(samples):
            base, off, patched, limit = (value(columns[column]) for column in COLUMNS)
            yield (f"| {backend}, {name} | {common.cell(base)} | {common.cell(off)} "
                   f"| {common.cell(patched)} | {common.ratio(patched, base)} "
                   f"| {common.ratio(off, base)} | {common.cell(limit)} "
                   f"| {common.ratio(patched, limit)} |")
    yield ""


METRICS = (("munmap", "ms", lambda row: total(row, "munmap")),
           ("CPU time of unmap and workers", "ms",
            lambda row: total(row, "cpu", "workers")),
           ("CPU time for a slot", "ns", slot_ns),
           ("all back after", "ms", lambda row: total(row, "back")))


def tables(data):
    yield from runs_table(data)
    for what, unit, value in METRICS:
        yield from time_table(data, f"{what}, {unit}", value)


def plots(data):
    for backend, samples in data.items():
        yield f"short_runs-{backend}-lengths", common.bars_plot(
            f"{backend}: where the pages are", "% of pages",
            {name: [(str(size), share(columns["base"], (size,))) for size in SIZES]
             for name, columns in rows(samples)}, 'set xlabel "run length, at least"')
        yield f"short_runs-{backend}-munmap", common.bars_plot(
            f"{backend}: munmap by how the memory was swapped out", "ms",
            {COLUMNS[column]: [(name, total(columns[column], "munmap"))
                               for name, columns in rows(samples)]
             for column in COLUMNS})


def comparisons(data):
    for backend, samples in data.items():
        for name, columns in rows(samples):
            for what, unit, value in METRICS:
                # What a slot costs is the same once more.
                if unit == "ms":
                    yield common.Samples(
                        f"{backend}, swapped out by {name}: {what}",
                        value(columns["base"]), value(columns["on"]), unit,
                        reason=common.WAITS if "back" in what else "")
