# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of swapped-out memory in user-mode Linux, where the code runs natively."""

import statistics

from report.sections import common, turns

TITLE = "Native figures"
SHOWS = ("The same in user-mode Linux, which runs the kernel's code natively, with caches, "
         "on one CPU. There is no drain next to an unmap, so that the time until all is "
         "back is that of both. zsmalloc has no class in a handle there, so that a bulk "
         "free looks each class up: the patched kernel is a bit slower than it need be.")

TIMES = ("munmap", "back", "cpu", "workers")
COLUMNS = {"base": "base", "on": "patched", "limit": "limit"}
# Megabytes, and pages in a run in swap: 0 for what madvise() makes of it.
ROWS = {"64:0": "64 MB", "256:0": "256 MB", "16:1": "16 MB in runs of 1",
        "64:64": "64 MB in runs of 64"}
QUICK = ("64:0", "16:1")
TURNS = 3


def measure(kernels, quick, stage):
    params = {"pd_rows": ",".join(QUICK if quick else ROWS)}
    return turns.collect_columns(kernels.native(), "native", params, TIMES,
                                 1 if quick else TURNS, stage, patched=("on", "limit"))


def rows(samples):
    for row, name in ROWS.items():
        if f"base {row}" in samples:
            yield row, name, {column: samples[f"{column} {row}"] for column in COLUMNS}


def ms(row, *times):
    """The sum of these times in each repetition, in milliseconds."""
    return [sum(ns) / 1e6 for ns in zip(*(row[time] for time in times))]


def slot_ns(row, limit, megabytes):
    """CPU time to free a slot, without what swap itself takes."""
    spent = statistics.median(ms(row, "cpu", "workers")) - \
        statistics.median(ms(limit, "cpu"))
    return spent * 1e6 / (megabytes * 256)


def tables(data):
    yield ("| munmap in ms | base | patched | base/patched | limit | patched/limit "
           "| all back: patched/base |")
    yield "|---|---|---|---|---|---|---|"
    for backend, samples in data.items():
        for _row, name, columns in rows(samples):
            base, patched, limit = (ms(columns[column], "munmap") for column in COLUMNS)
            back = [ms(columns[column], "back") for column in ("on", "base")]
            yield (f"| {backend}, {name} | {common.cell(base, 2)} "
                   f"| {common.cell(patched, 2)} | {common.ratio(base, patched)} "
                   f"| {common.cell(limit, 2)} | {common.ratio(patched, limit)} "
                   f"| {common.ratio(*back)} |")
    yield ""
    yield "| CPU time in ms | base | patched | patched/base | ns for a slot: base | patched |"
    yield "|---|---|---|---|---|---|"
    for backend, samples in data.items():
        for row, name, columns in rows(samples):
            base, patched = (ms(columns[column], "cpu", "workers")
                             for column in ("base", "on"))
            slots = [slot_ns(columns[column], columns["limit"], int(row.partition(":")[0]))
                     for column in ("base", "on")]
            yield (f"| {backend}, {name} | {common.cell(base, 2)} "
                   f"| {common.cell(patched, 2)} | {common.ratio(patched, base)} "
                   f"| {slots[0]:.0f} | {slots[1]:.0f} |")
    yield ""


def headline(data):
    """Only the first row; the sections of QEMU have the rest."""
    backend, samples = next(iter(data.items()))
    _row, name, columns = next(rows(samples))
    base, patched, limit = (ms(columns[column], "munmap") for column in COLUMNS)
    yield (f"native, {backend}: munmap of {name} in {common.cell(patched, 2)} ms instead of "
           f"{common.cell(base, 2)}; {common.cell(limit, 2)} with nothing to free")


def plots(_data):
    return ()


def comparisons(data):
    for backend, samples in data.items():
        for _row, name, columns in rows(samples):
            for what, times in (("munmap", ("munmap",)), ("CPU time", ("cpu", "workers")),
                                ("all back", ("back",))):
                yield common.Samples(f"{backend}, {name}, native: {what}",
                                     ms(columns["base"], *times),
                                     ms(columns["on"], *times), "ms")
