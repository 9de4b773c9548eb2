# SPDX-License-Identifier: GPL-2.0
"""Latency of other processes

Latency of pageout and of page faults in another process during munmap() of a large amount of
swapped-out memory. Wakeup latency of a SCHED_FIFO process on the CPU of the munmap(): the time
for which the munmap() keeps other tasks off that CPU.
"""

from report.sections import common

MEGABYTES = 512
REPETITIONS = 4
# Fields of swap_others's output, in nanoseconds.
TIMES = ("median", "99th percentile", "maximum")
METRICS = tuple(common.Metric(time, common.of(time, unit=1e3), "us") for time in TIMES)
WHAT = {"out": "page out 64 pages", "in": "page fault from swap", "wake": "wakeup by a timer"}


def measure(guests):
    # Measure for 500 ms before munmap(), and for 500 ms or more from its start.
    return guests.columns("bystanders", {"pd_mb": guests.part(MEGABYTES, 8), "pd_ms": 500}, TIMES,
                          "on", turns=REPETITIONS)


def grids(data):
    yield common.Grid(
        {backend: common.cells(samples, "munmap unmap") for backend, samples in data.items()},
        (common.Metric("munmap", common.of("median")),),
        f"{MEGABYTES} MB, {REPETITIONS} repetitions; fewer in a quick run.", compared=False)
    for when, name in ("quiet", "before"), ("unmap", "during munmap"):
        labels = {f"{what} {when}": f"{text}, {name}" for what, text in WHAT.items()}
        yield common.Grid(common.rows(data, labels), METRICS, compared=when == "unmap")
