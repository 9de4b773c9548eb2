# SPDX-License-Identifier: GPL-2.0
"""Unmapping swapped-out memory

Duration of munmap() of memory in compressed swap, time until all of this memory is free, and
total CPU time, including kernel workers.
"""

import statistics

from machine import vm
from report.sections import common
from report.sections.guests import QUICK_TURNS

# Labels of rows "PROCESSES MEGABYTES", for varied numbers of processes and varied sizes.
PROCESSES = {f"{processes} 256": f"{processes} x 256 MB" for processes in (1, 2, 3, 4)}
SIZES = {f"1 {mb}": f"1 x {mb} MB" for mb in (64, 128, 192, 256, 512, 1024, 2048)}
QUICK = ("1 256", "2 256")
# Even with few repetitions, the large sizes take half of the total time.
LARGE, LARGE_REPETITIONS = ("1 1024", "1 2048"), 2
SIZES_HEADING = (f"one process\n\n1024 MB and more: {LARGE_REPETITIONS} repetitions. The number "
                 f"of pending slots is limited to half of the pages of memory ({vm.MEMORY}); "
                 "slots beyond this limit are freed during munmap().")


def collect(guests, shapes, **more):
    params = {"pd_rows": ",".join(shapes).replace(" ", ":")}
    return guests.columns("unmap", params, common.UNMAP_TIMES, **more)


def measure(guests):
    if guests.quick:
        return collect(guests, QUICK, quick_turns=QUICK_TURNS)
    data = collect(guests, [shape for shape in PROCESSES | SIZES if shape not in LARGE])
    large = collect(guests, LARGE, turns=LARGE_REPETITIONS)
    return {backend: data[backend] | large[backend] for backend in data}


def rows(backend, samples, labels):
    return common.rows({backend: samples}, common.measured(samples, labels), common.COLUMNS)


def grids(data):
    for backend, samples in data.items():
        for heading, labels in (("concurrent processes, 256 MB each", PROCESSES),
                                (SIZES_HEADING, SIZES)):
            found = rows(backend, samples, labels)
            if len(found) > 1:      # a quick run does not vary sizes
                yield common.Grid(found, common.UNMAP_METRICS, f"### {backend}, {heading}")


def headline(data):
    for backend, samples in data.items():
        found = (rows(backend, samples, {"1 1024": "1 x 1024 MB"}) or
                 rows(backend, samples, PROCESSES))
        label, row = found.popitem()
        unmap, cost, back = ([metric.value(row[column]) for column in ("on", "base")]
                             for metric in common.UNMAP_METRICS)
        yield (f"{label.replace(', ', ': munmap of ')} in {common.cell(unmap[0])} ms instead of "
               f"{common.cell(unmap[1])}, {common.ratio(*reversed(unmap))} times as fast; CPU "
               f"time {common.ratio(*cost)}, time until all is back {common.ratio(*back)} of the "
               "unmodified kernel's")


def latency_plot(samples, labels, axis, *settings):
    """Return a gnuplot script: latency by processes (axis 0) or by megabytes (axis 1)."""
    lines = ["set key outside", "set grid", 'set ylabel "ms"', "set logscale y", *settings,
             "$data << EOD"]
    for shape in common.measured(samples, labels):
        numbers = [shape.split()[axis]]
        for row in common.cells(samples, shape, common.COLUMNS).values():
            ms = common.MUNMAP.value(row)
            numbers += [statistics.median(ms), min(ms), max(ms)]
        lines.append(" ".join(map(str, numbers)))
    names = " ".join(common.COLUMNS.values())
    return "\n".join([*lines, "EOD", "plot for [i = 1:4] $data using "
                      "1:(column(3 * i - 1)):(column(3 * i)):(column(3 * i + 1)) "
                      f'with yerrorlines linewidth 1.5 title word("{names}", i)'])


def plots(data):
    for backend, samples in data.items():
        if "base 1 64" in samples:
            yield f"unmap-{backend}-sizes", latency_plot(
                samples, SIZES, 1, f'set title "{backend}: munmap by size"', 'set xlabel "MB"',
                "set logscale x 2", "set xrange [48:2731]")
        yield f"unmap-{backend}-processes", latency_plot(
            samples, PROCESSES, 0, f'set title "{backend}: munmap of 256 MB each, by processes"',
            'set xlabel "concurrent processes"', "set xtics 1", "set offsets 0.2, 0.2")
