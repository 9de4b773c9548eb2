# SPDX-License-Identifier: GPL-2.0
"""Native figures

The measurements of `unmap` in user-mode Linux, which runs the kernel's code natively, with CPU
caches, on one CPU. The drain runs after the unmap, so the time until all is back is the sum of
both. zsmalloc handles do not contain the class there, so a bulk free has to look it up, which
makes the patched kernel slightly slower.
"""

from report.sections import common

METRICS = tuple(metric._replace(digits=2, reason="") for metric in common.UNMAP_METRICS)
# Megabytes, and pages per run in swap; 0 for the runs that madvise() makes.
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
    """Yield a line about the first row only."""
    grid, = grids(data)
    name, columns = next(iter(grid.rows.items()))
    base, patched, limit = (common.cell(METRICS[0].value(row), 2) for row in columns.values())
    yield f"{name}: munmap in {patched} ms instead of {base}; {limit} with nothing to free"
