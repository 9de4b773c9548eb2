# SPDX-License-Identifier: GPL-2.0
"""Native figures

Measurements of `unmap` in user-mode Linux, which runs kernel code natively, with CPU caches, on
one CPU. The time until all memory is free is the sum of unmap and drain: the drain runs after
the unmap. The patched kernel is slightly slower because a bulk free must look up the size class,
which zsmalloc handles do not contain on this architecture.
"""

from report.sections import common

METRICS = tuple(metric._replace(digits=2, reason="") for metric in common.UNMAP_METRICS)
# Labels of rows "MEGABYTES:RUN"; RUN is in pages, 0 for the runs that madvise() produces.
ROWS = {"64:0": "64 MB, native", "256:0": "256 MB, native",
        "16:1": "16 MB in runs of 1, native", "64:64": "64 MB in runs of 64, native"}
QUICK = ("64:0", "16:1")


def measure(guests):
    native = guests._replace(kernels=guests.kernels.native())
    return native.columns("native", {"pd_rows": ",".join(QUICK if guests.quick else ROWS)},
                          common.UNMAP_TIMES, "on,limit")


def grids(data):
    labels = common.measured(data["zram"], ROWS)
    yield common.Grid(common.rows(data, labels, ("base", "on", "limit")), METRICS)


def headline(data):
    """Yield a line about the first row of the grid."""
    grid, = grids(data)
    name, columns = next(iter(grid.rows.items()))
    base, patched, limit = (common.cell(METRICS[0].value(row), 2) for row in columns.values())
    yield f"{name}: munmap in {patched} ms instead of {base}; {limit} with nothing to free"
