# SPDX-License-Identifier: GPL-2.0
"""Page faults from swap

Latency of page faults that swap in 64 MB page by page; each fault also frees a slot.
"""

from report.sections import common

MEGABYTES = 64
# Fields of swap_in's output, in nanoseconds.
TIMES = ("median", "99th percentile")
METRICS = tuple(common.Metric(f"{time} of a fault", common.of(time, unit=1e3), "us")
                for time in TIMES)


def measure(guests):
    # Boot often, because the 99th percentile varies considerably between boots.
    return guests.columns("faults", {"pd_mb": MEGABYTES}, TIMES, turns=9)


def grids(data):
    yield common.Grid(data, METRICS, f"{len(data['zram']['base']['median'])} repetitions.")
