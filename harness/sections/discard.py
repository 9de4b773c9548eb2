# SPDX-License-Identifier: GPL-2.0
"""Measure how long it takes to discard what a RAM disk holds."""

from sections import common, turns

TITLE = "Discards of a RAM disk"
SHOWS = ("How long a discard of a RAM disk takes that is full so far, what it costs in "
         "all, and when the last page is back; how long it takes to discard and to write "
         "all anew right after it, and to discard what is not there.")

SIZES = (64, 256, 1024)
TURNS = 3
# What brd_measure prints, in nanoseconds.
TIMES = ("discard", "back", "cpu", "workers", "again", "empty")
COLUMNS = {"base": "base", "off": "off", "on": "patched"}
METRICS = (("discard", ("discard",)), ("all back after", ("back",)),
           ("CPU time of task and workers", ("cpu", "workers")),
           ("discarded and written anew", ("again",)),
           ("discard of what is not there", ("empty",)))


def measure(kernels, quick, stage):
    params = {"pd_mbs": ",".join(map(str, SIZES)), "pd_reps": 1}
    return turns.collect(kernels, "discard", "ram",
                         {"base": params, "patched": params | {"pd_cols": "off,on"}},
                         TIMES, 2 if quick else TURNS, stage, SIZES[-1])


def ms(data, column, size, times):
    """The sum of these times in each repetition, in milliseconds."""
    row = data[f"{column} {size}"]
    return [sum(ns) / 1e6 for ns in zip(*(row[time] for time in times))]


def tables(data):
    for what, times in METRICS:
        yield f"| {what}, ms | base | off | patched | base/patched | base/off |"
        yield "|---|---|---|---|---|---|"
        for size in SIZES:
            base, off, patched = (ms(data, column, size, times) for column in COLUMNS)
            yield (f"| {size} MB | {common.cell(base, 2)} | {common.cell(off, 2)} "
                   f"| {common.cell(patched, 2)} | {common.ratio(base, patched)} "
                   f"| {common.ratio(base, off)} |")
        yield ""


def plots(data):
    yield "discard", common.lines_plot(
        "discard of a RAM disk that is full so far", "MB", "ms",
        {name: [(size, ms(data, column, size, ("discard",))) for size in SIZES]
         for column, name in COLUMNS.items()}, "set logscale xy")


def comparisons(data):
    for size in SIZES:
        for what, times in METRICS:
            yield common.Samples(f"RAM disk, {size} MB: {what}",
                                 ms(data, "base", size, times),
                                 ms(data, "on", size, times), "ms", reason=(
                                     common.WAITS if times == ("back",) else ""))
