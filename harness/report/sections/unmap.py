# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of swapped-out memory, on two kernels in four columns."""

import statistics

from machine import vm
from report.sections import common, turns

TITLE = "Unmapping swapped-out memory"
SHOWS = ("How long munmap() of memory in compressed swap takes, when the last page of "
         "it is back, and what CPU time that costs in all, kernel workers included.")

# What swap_unmap prints, in nanoseconds.
TIMES = ("munmap", "back", "cpu", "workers")
COLUMNS = ("base", "off", "on", "limit")
NAMES = {"base": "base", "off": "off", "on": "patched", "limit": "limit"}

# Processes at once and megabytes each, by what is varied.
PROCESSES = tuple((processes, 256) for processes in (1, 2, 3, 4))
SIZES = tuple((1, mb) for mb in (64, 128, 192, 256, 512, 1024, 2048))
QUICK = PROCESSES[:2]
# They take half of the time as it is.
LARGE, LARGE_REPETITIONS = 1024, 2
TESTS = (("processes at once, 256 MB each", PROCESSES), ("one process", SIZES))


def collect(kernels, rows, repetitions, stage):
    params = {"pd_rows": ",".join(f"{processes}:{mb}" for processes, mb in rows)}
    return turns.collect_columns(kernels, "unmap", params, TIMES, repetitions, stage)


def measure(kernels, quick, stage):
    if quick:
        return collect(kernels, QUICK, common.repetitions(quick), stage)
    rows = dict.fromkeys(PROCESSES + SIZES)
    data = collect(kernels, [row for row in rows if row[1] < LARGE],
                   common.repetitions(quick), stage)
    large = collect(kernels, [row for row in rows if row[1] >= LARGE], LARGE_REPETITIONS,
                    stage)
    return {backend: data[backend] | large[backend] for backend in data}


def shapes(samples, test):
    """The rows of a test that were measured."""
    return [shape for shape in test if f"base {shape[0]} {shape[1]}" in samples]


def label(shape):
    return f"{shape[0]} x {shape[1]} MB"


def ms(samples, column, shape, *times):
    """The sum of these times in each repetition, in milliseconds."""
    row = samples[f"{column} {shape[0]} {shape[1]}"]
    return [sum(ns) / 1e6 for ns in zip(*(row[time] for time in times))]


def latency_table(samples, test):
    """What the RFC's tables show, and how far the limit is."""
    yield ("| munmap in ms | base | off | patched | base/patched | limit "
           "| patched/limit | off/base |")
    yield "|---|---|---|---|---|---|---|---|"
    for shape in shapes(samples, test):
        base, off, patched, limit = (ms(samples, column, shape, "munmap")
                                     for column in COLUMNS)
        yield (f"| {label(shape)} | {common.cell(base)} | {common.cell(off)} "
               f"| {common.cell(patched)} | {common.ratio(base, patched)} "
               f"| {common.cell(limit)} | {common.ratio(patched, limit)} "
               f"| {common.ratio(off, base)} |")
    yield ""


def slot_ns(samples, column, shape):
    """What it costs to free a slot, beyond what swap itself does."""
    cost = (statistics.median(ms(samples, column, shape, "cpu", "workers"))
            - statistics.median(ms(samples, "limit", shape, "cpu")))
    return cost * 1e6 / (shape[0] * shape[1] * 256)


def cost_table(samples, test):
    """What it costs in all, and when the memory is back."""
    yield ("| CPU time in ms | base | off | patched | patched/base "
           "| base: ns per slot | patched: ns per slot |")
    yield "|---|---|---|---|---|---|---|"
    for shape in shapes(samples, test):
        base, off, patched, _limit = (ms(samples, column, shape, "cpu", "workers")
                                      for column in COLUMNS)
        yield (f"| {label(shape)} | {common.cell(base)} | {common.cell(off)} "
               f"| {common.cell(patched)} | {common.ratio(patched, base)} "
               f"| {slot_ns(samples, 'base', shape):.0f} "
               f"| {slot_ns(samples, 'on', shape):.0f} |")
    yield ""


def back_table(samples, test):
    """When all of the memory is back, which is not when munmap() returns."""
    yield ("| all back after, in ms | base: munmap | base | off | patched "
           "| patched/base | patched/base munmap |")
    yield "|---|---|---|---|---|---|---|"
    for shape in shapes(samples, test):
        base, off, patched, _limit = (ms(samples, column, shape, "back")
                                      for column in COLUMNS)
        unmap = ms(samples, "base", shape, "munmap")
        yield (f"| {label(shape)} | {common.cell(unmap)} | {common.cell(base)} "
               f"| {common.cell(off)} | {common.cell(patched)} "
               f"| {common.ratio(patched, base)} | {common.ratio(patched, unmap)} |")
    yield ""


def tables(data):
    for backend, samples in data.items():
        for title, test in TESTS:
            if len(shapes(samples, test)) < 2:
                continue        # when quick
            yield f"### {backend}, {title}\n"
            if test is SIZES:
                yield (f"From {LARGE} MB on it is {LARGE_REPETITIONS} repetitions. No more "
                       f"slots may wait than half of memory ({vm.MEMORY}) has pages; "
                       "what is unmapped beyond that is freed at once.\n")
            for table in (latency_table, cost_table, back_table):
                yield from table(samples, test)


def headline(data):
    for backend, samples in data.items():
        shape = (1, 1024) if "base 1 1024" in samples else shapes(samples, PROCESSES)[-1]
        base, patched = (ms(samples, column, shape, "munmap") for column in ("base", "on"))
        cost = [ms(samples, column, shape, "cpu", "workers") for column in ("on", "base")]
        back = [ms(samples, column, shape, "back") for column in ("on", "base")]
        yield (f"{backend}: munmap of {label(shape)} in {common.cell(patched)} ms instead of "
               f"{common.cell(base)}, {common.ratio(base, patched)} times as fast; CPU time "
               f"{common.ratio(*cost)}, all back after {common.ratio(*back)} of the "
               "unmodified kernel's")


def latency_plot(samples, test, axis, title, xlabel, *settings):
    series = {NAMES[column]: [(shape[axis], ms(samples, column, shape, "munmap"))
                              for shape in shapes(samples, test)]
              for column in COLUMNS}
    return common.lines_plot(title, xlabel, "ms", series, "set logscale y", *settings)


def cpu_plot(backend, samples):
    """For a slot, so that rows can be compared."""
    rows = dict.fromkeys(shapes(samples, SIZES) + shapes(samples, PROCESSES))
    series = {NAMES[column]: [
        (label(shape), [time * 1e6 / (shape[0] * shape[1] * 256)
                        for time in ms(samples, column, shape, "cpu", "workers")])
        for shape in rows] for column in COLUMNS}
    return common.bars_plot(f"{backend}: CPU time of unmap and workers for a slot", "ns",
                            series, "set xtics rotate by -30")


def plots(data):
    for backend, samples in data.items():
        if len(shapes(samples, SIZES)) > 1:
            yield f"unmap-{backend}-sizes", latency_plot(
                samples, SIZES, 1, f"{backend}: munmap by size", "MB", "set logscale x 2",
                "set xrange [48:2731]")
        yield f"unmap-{backend}-processes", latency_plot(
            samples, PROCESSES, 0, f"{backend}: munmap of 256 MB each, by processes",
            "processes at once", "set xtics 1", "set offsets 0.2, 0.2")
        yield f"unmap-{backend}-cpu", cpu_plot(backend, samples)


def comparisons(data):
    for backend, samples in data.items():
        for shape in dict.fromkeys(shapes(samples, PROCESSES) + shapes(samples, SIZES)):
            for what, times, reason in (
                    ("munmap", ("munmap",), ""),
                    ("CPU time of unmap and workers", ("cpu", "workers"), ""),
                    ("the last page is back after", ("back",), common.WAITS)):
                yield common.Samples(f"{backend}, {label(shape)}: {what}",
                                     ms(samples, "base", shape, *times),
                                     ms(samples, "on", shape, *times), "ms",
                                     reason=reason)
