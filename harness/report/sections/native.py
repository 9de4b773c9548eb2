# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of swapped-out memory in user-mode Linux, where the code runs natively."""

from report.sections import common, turns

TITLE = "Native figures"
SHOWS = ("The same in user-mode Linux, which runs the kernel's code natively, with caches, "
         "on one CPU. There is no drain next to an unmap, so that the time until all is "
         "back is that of both. zsmalloc has no class in a handle there, so that a bulk "
         "free looks each class up: the patched kernel is a bit slower than it need be.")

TIMES = ("munmap", "back", "cpu", "workers")
COLUMNS = ("base", "on", "limit")
METRICS = tuple(metric._replace(digits=2, reason="") for metric in (
    common.MUNMAP, common.CPU, common.BACK))
# Megabytes, and pages per run in swap; 0 for the runs that madvise() makes.
ROWS = {"64:0": "64 MB", "256:0": "256 MB", "16:1": "16 MB in runs of 1",
        "64:64": "64 MB in runs of 64"}
QUICK = ("64:0", "16:1")
TURNS = 3


def measure(kernels, quick, stage):
    params = {"pd_rows": ",".join(QUICK if quick else ROWS)}
    return turns.collect_columns(kernels.native(), "native", params, TIMES,
                                 1 if quick else TURNS, stage, patched=("on", "limit"))


def grids(data):
    yield common.Grid({f"{backend}, {name}, native": {
        column: samples[f"{column} {row}"] for column in COLUMNS}
        for backend, samples in data.items() for row, name in ROWS.items()
        if f"base {row}" in samples}, METRICS)


def headline(data):
    """Yield the first row only; the sections that use QEMU have the others."""
    grid, = grids(data)
    name, columns = next(iter(grid.rows.items()))
    base, patched, limit = (common.cell(METRICS[0].value(columns[column]), 2)
                            for column in COLUMNS)
    yield f"{name}: munmap in {patched} ms instead of {base}; {limit} with nothing to free"
