# SPDX-License-Identifier: GPL-2.0
"""Measure what a page fault from swap pays for deferral, or gains by it."""

from report.sections import common, turns

MEGABYTES = 64
# The slowest of a hundred vary much from boot to boot.
REPETITIONS = 9

TITLE = "Page faults from swap"
SHOWS = (f"How long it takes to bring back a page, of {MEGABYTES} MB in swap, which frees "
         "its slot too.")

# What swap_in prints, in nanoseconds.
TIMES = ("median", "99th percentile")
COLUMNS = ("base", "off", "on", "limit")


def measure(kernels, quick, stage):
    return turns.collect_columns(kernels, "faults", {"pd_mb": MEGABYTES}, TIMES,
                                 1 if quick else REPETITIONS, stage)


def us(samples, time):
    """Of each column."""
    return [[ns / 1e3 for ns in samples[column][time]] for column in COLUMNS]


def tables(data):
    samples = next(iter(data.values()))["base"][TIMES[0]]
    yield f"{len(samples)} repetitions:\n"
    yield "| a fault in us | base | off | patched | patched/base | limit |"
    yield "|---|---|---|---|---|---|"
    for backend, samples in data.items():
        for time in TIMES:
            base, off, patched, limit = us(samples, time)
            yield (f"| {backend}, {time} | {common.cell(base)} | {common.cell(off)} "
                   f"| {common.cell(patched)} | {common.ratio(patched, base)} "
                   f"| {common.cell(limit)} |")
    yield ""


def plots(_data):
    return ()


def comparisons(data):
    for backend, samples in data.items():
        for time in TIMES:
            base, _off, patched, _limit = us(samples, time)
            yield common.Samples(f"{backend}: {time} of a fault", base, patched, "us")
