# SPDX-License-Identifier: GPL-2.0
"""Measure the effect of deferral on page faults from swap."""

from report.sections import common, turns

MEGABYTES = 64
# The 99th percentile varies much between boots.
REPETITIONS = 9

TITLE = "Page faults from swap"
SHOWS = (f"How long it takes to bring back a page, of {MEGABYTES} MB in swap, which frees "
         "its slot too.")

# Fields of swap_in's output, in nanoseconds.
TIMES = ("median", "99th percentile")
COLUMNS = ("base", "off", "on", "limit")


def measure(kernels, quick, stage):
    return turns.collect_columns(kernels, "faults", {"pd_mb": MEGABYTES}, TIMES,
                                 1 if quick else REPETITIONS, stage)


METRICS = tuple(common.Metric(f"{time} of a fault", common.of(time, unit=1e3), "us")
                for time in TIMES)


def grids(data):
    number = len(data["zram"]["base"][TIMES[0]])
    yield common.Grid(data, METRICS, f"{number} repetitions.")
