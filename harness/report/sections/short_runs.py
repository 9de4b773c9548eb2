# SPDX-License-Identifier: GPL-2.0
"""Short runs

Duration and total CPU time of munmap(), for memory that reclaim swapped out page by page at a
cgroup's limit, and for memory that madvise() paged out in one call. After reclaim, few
neighbours in memory are neighbours in swap.
"""

import statistics

from report.sections import common

# Fields: number of pages in runs of at least this length, and below the next length.
SIZES = tuple(str(1 << i) for i in range(10))
# Fields of the output of swap_unmap -r: times in nanoseconds, and pages.
NAMES = (*common.UNMAP_TIMES, "median", "90th percentile", *SIZES)
WAYS = {"reclaim": "cgroup limit", "pageout": "madvise"}
# Columns of the table of runs, and the SIZES that each column adds up.
GROUPS = {"1": SIZES[:1], "2-3": SIZES[1:2], "4-15": SIZES[2:4], "16-127": SIZES[4:7],
          "128 and more": SIZES[7:]}


def pages(row, sizes=SIZES):
    """Return the number of pages in runs of these sizes, in each repetition."""
    return common.of(*sizes, unit=1)(row)


def share(row, sizes):
    """Return the percentage of pages in runs of these sizes."""
    return [100 * part / whole for part, whole in zip(pages(row, sizes), pages(row))]


def measure(guests):
    return guests.columns("short_runs", {"pd_mb": guests.part(64, 4)}, NAMES, turns=5)


def slot_ns(row):
    """Return the CPU time of unmap and workers together, in ns per page."""
    return [ms * 1e6 / nr for ms, nr in zip(common.CPU.value(row), pages(row))]


METRICS = (*common.UNMAP_METRICS,
           common.Metric("CPU time per slot", slot_ns, "ns", 0, compared=False))


def grids(data):
    yield common.Grid(common.rows(data, WAYS, common.COLUMNS), METRICS)


def more_tables(data):
    rows = [["run length in pages", "median", "90th percentile",
             *(f"% of pages in {name}" for name in GROUPS)]]
    for name, columns in common.rows(data, WAYS).items():
        for column, row in columns.items():
            rows.append([f"{name}, {common.COLUMNS[column]}",
                         *(f"{statistics.median(row[which]):.0f}"
                           for which in ("median", "90th percentile")),
                         *(common.cell(share(row, sizes)) for sizes in GROUPS.values())])
    yield from common.table(*rows)
