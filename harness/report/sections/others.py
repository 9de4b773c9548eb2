# SPDX-License-Identifier: GPL-2.0
"""Measure the effect of a large munmap() on other processes."""

from report.sections import common, turns

TITLE = "Latency of others"
SHOWS = ("How long another process takes to page out and to fault in while one unmaps "
         "much swapped-out memory, and how late a process of SCHED_FIFO wakes up on the "
         "CPU of that one, which tells how long it holds on to the CPU.")

MEGABYTES = 512
REPETITIONS = 4
# Length of both measurements: before munmap(), and from its start.
MILLISECONDS = 500
# Fields of swap_others's output, in nanoseconds.
TIMES = ("median", "99th percentile", "maximum")
WHAT = {"out": "page out 64 pages", "in": "page fault from swap",
        "wake": "wake-up by a timer"}
METRICS = tuple(common.Metric(time, common.of(time, unit=1e3), "us") for time in TIMES)


def measure(kernels, quick, stage):
    params = {"pd_mb": MEGABYTES // 8 if quick else MEGABYTES,
              "pd_ms": MILLISECONDS}
    return turns.collect_columns(kernels, "others", params, TIMES,
                                 1 if quick else REPETITIONS, stage, patched=("on",))


def rows(data, when, name):
    return {f"{backend}, {text}, {name}": {column: samples[f"{column} {what} {when}"]
                                           for column in ("base", "on")}
            for backend, samples in data.items() for what, text in WHAT.items()}


def grids(data):
    yield common.Grid(
        {backend: {column: samples[f"{column} munmap unmap"] for column in ("base", "on")}
         for backend, samples in data.items()},
        (common.Metric("munmap", common.of("median"), compared=False),),
        f"{MEGABYTES} MB, {REPETITIONS} repetitions; fewer in a quick run.")
    yield common.Grid(rows(data, "quiet", "before"),
                      tuple(metric._replace(compared=False) for metric in METRICS))
    yield common.Grid(rows(data, "unmap", "during munmap"), METRICS)
