# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of memory that real reclaim has scattered in swap."""

import statistics

from report.sections import common, turns

TITLE = "Short runs"
SHOWS = ("How long munmap() takes, and what it costs in all, when the limit of a cgroup "
         "had the kernel swap out page by page, so that few neighbours in memory are "
         "neighbours in swap, beside memory that madvise() paged out in one go.")

MEGABYTES = 64
# Minimum length, in pages, of the runs in each counter.
SIZES = tuple(1 << i for i in range(10))
# Fields of the output of swap_unmap -r: times in nanoseconds, and pages.
TIMES = ("munmap", "back", "cpu", "workers")
NAMES = (*TIMES, "median", "90th percentile", *map(str, SIZES))
COLUMNS = ("base", "off", "on", "limit")
WAYS = {"reclaim": "cgroup limit", "pageout": "madvise"}
# Columns of the table of runs, and the sizes that each sums up.
GROUPS = {"1": (1,), "2-3": (2,), "4-15": (4, 8), "16-127": (16, 32, 64),
          "128 and more": (128, 256, 512)}


def measure(kernels, quick, stage):
    params = {"pd_mb": MEGABYTES // 4 if quick else MEGABYTES}
    return turns.collect_columns(kernels, "short_runs", params, NAMES,
                                 1 if quick else 5, stage)


def pages(row):
    """Return the total number of pages in each repetition."""
    return [sum(counts) for counts in zip(*(row[str(size)] for size in SIZES))]


def share(row, sizes):
    """Return the percentage of pages in runs of these sizes."""
    found = [sum(counts) for counts in zip(*(row[str(size)] for size in sizes))]
    return [100 * part / whole for part, whole in zip(found, pages(row))]


def slot_ns(row):
    """Return the CPU time per page, unmap and workers together."""
    return [ms * 1e6 / nr for ms, nr in zip(common.CPU.value(row), pages(row))]


METRICS = (common.MUNMAP, common.CPU, common.BACK,
           common.Metric("CPU time for a slot", slot_ns, "ns", 0, compared=False))


def rows(data):
    return {f"{backend}, {name}": {column: samples[f"{column} {way}"] for column in COLUMNS}
            for backend, samples in data.items() for way, name in WAYS.items()}


def grids(data):
    yield common.Grid(rows(data), METRICS)


def more_tables(data):
    yield (f"| run length in pages | median | 90th percentile "
           f"| {' | '.join(f'% of pages in {name}' for name in GROUPS)} |")
    yield "|---" * (len(GROUPS) + 3) + "|"
    for name, columns in rows(data).items():
        for column in ("base", "on"):
            row = columns[column]
            shares = " | ".join(common.cell(share(row, sizes)) for sizes in GROUPS.values())
            yield (f"| {name}, {common.NAMES[column]} | {statistics.median(row['median']):.0f} "
                   f"| {statistics.median(row['90th percentile']):.0f} | {shares} |")
    yield ""
