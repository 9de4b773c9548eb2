# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of swapped-out memory, on two kernels in four columns."""

from machine import vm
from report.sections import common, turns

TITLE = "Unmapping swapped-out memory"
SHOWS = ("How long munmap() of memory in compressed swap takes, when the last page of "
         "it is back, and what CPU time that costs in all, kernel workers included.")

# Fields of swap_unmap's output, in nanoseconds.
TIMES = ("munmap", "back", "cpu", "workers")
COLUMNS = ("base", "off", "on", "limit")
METRICS = (common.MUNMAP, common.CPU, common.BACK)

# Concurrent processes and megabytes each, one list per varied parameter.
PROCESSES = tuple((processes, 256) for processes in (1, 2, 3, 4))
SIZES = tuple((1, mb) for mb in (64, 128, 192, 256, 512, 1024, 2048))
QUICK = PROCESSES[:2]
# Even with few repetitions, these take half of the time.
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
    """Return the rows of a test that were measured."""
    return [shape for shape in test if f"base {shape[0]} {shape[1]}" in samples]


def label(shape):
    return f"{shape[0]} x {shape[1]} MB"


def columns(samples, shape):
    return {column: samples[f"{column} {shape[0]} {shape[1]}"] for column in COLUMNS}


def grids(data):
    for backend, samples in data.items():
        for title, test in TESTS:
            found = shapes(samples, test)
            heading = f"### {backend}, {title}"
            if test is SIZES:
                heading += (f"\n\nFrom {LARGE} MB on it is {LARGE_REPETITIONS} repetitions. No "
                            f"more slots may wait than half of memory ({vm.MEMORY}) has pages; "
                            "what is unmapped beyond that is freed at once.")
            if len(found) > 1:      # a quick run does not vary sizes
                yield common.Grid({f"{backend}, {label(shape)}": columns(samples, shape)
                                   for shape in found}, METRICS, heading)


def headline(data):
    for backend, samples in data.items():
        shape = (1, 1024) if "base 1 1024" in samples else shapes(samples, PROCESSES)[-1]
        unmap, cost, back = ([metric.value(columns(samples, shape)[column])
                              for column in ("on", "base")] for metric in METRICS)
        yield (f"{backend}: munmap of {label(shape)} in {common.cell(unmap[0])} ms instead of "
               f"{common.cell(unmap[1])}, {common.ratio(*reversed(unmap))} times as fast; CPU "
               f"time {common.ratio(*cost)}, all back after {common.ratio(*back)} of the "
               "unmodified kernel's")


def latency_plot(samples, test, axis, title, xlabel, *settings):
    series = {common.NAMES[column]: [
        (shape[axis], common.MUNMAP.value(columns(samples, shape)[column]))
        for shape in shapes(samples, test)] for column in COLUMNS}
    return common.lines_plot(title, xlabel, "ms", series, "set logscale y", *settings)


def plots(data):
    for backend, samples in data.items():
        if len(shapes(samples, SIZES)) > 1:
            yield f"unmap-{backend}-sizes", latency_plot(
                samples, SIZES, 1, f"{backend}: munmap by size", "MB", "set logscale x 2",
                "set xrange [48:2731]")
        yield f"unmap-{backend}-processes", latency_plot(
            samples, PROCESSES, 0, f"{backend}: munmap of 256 MB each, by processes",
            "processes at once", "set xtics 1", "set offsets 0.2, 0.2")
