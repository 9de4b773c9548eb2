# SPDX-License-Identifier: GPL-2.0
"""Measure what a page fault from swap pays for deferral, or gains by it."""

from sections import common

TITLE = "Page faults from swap"
SHOWS = "How long it takes to bring a page back from swap, which frees its slot too."

MEGABYTES = 64
# What swap_in prints, in nanoseconds.
TIMES = ("median", "99th percentile")
COLUMNS = ("base", "off", "on", "limit")


def measure(kernels, quick, stage):
    params = {"pd_mb": MEGABYTES // 4 if quick else MEGABYTES,
              "pd_reps": common.repetitions(quick)}
    return common.collect_columns(kernels, "faults", params, TIMES, stage)


def us(samples, time):
    """Of each column."""
    return [[ns / 1e3 for ns in samples[column][time]] for column in COLUMNS]


def tables(data):
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


def regressions(data):
    for backend, samples in data.items():
        for time in TIMES:
            base, _off, patched, _limit = us(samples, time)
            yield from common.worse(f"{backend}: {time} of a fault", base, patched, "us")
