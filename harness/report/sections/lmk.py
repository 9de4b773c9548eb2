# SPDX-License-Identifier: GPL-2.0
"""Measure the memory that a low-memory killer gets back, and when."""

from report.sections import common, turns

TITLE = "Processes that are killed because memory is short"
SHOWS = ("After SIGKILL to processes with much of their memory in swap, with or without "
         "`process_mrelease()`: when what they had in memory is free, when all of it is, "
         "when the parent's wait() returns, how long it takes to write to new memory "
         "right after; and what it costs to have all back when a call returns.")

SWAPPED, RESIDENT, ALLOCATED = 400, 100, 300
PROCESSES = (1, 3)
# Fields of swap_kill's output, in nanoseconds.
TIMES = ("told", "resident", "wait", "back", "flush", "flush_cpu", "allocation")
# Ways for either kernel; those that flush are below.
WAYS = {"kill": "SIGKILL", "release": "SIGKILL, process_mrelease"}
FLUSHES = {"flush": "SIGKILL, wait, flush",
           "release+flush": "SIGKILL, process_mrelease, flush"}
SHOWN = {"resident": "all resident memory is free", "wait": "wait() has returned",
         "back": "all is free", "allocation": "to allocate {} MB"}
TURNS = 3


def measure(kernels, quick, stage):
    # A quick run has less memory, but as many processes.
    part = 8 if quick else 1
    rows = [f"{processes}:{way}" for processes in PROCESSES for way in WAYS]
    flushes = [f"1:{way}" for way in FLUSHES]
    params = {"pd_reps": 1, "pd_swapped": SWAPPED // part, "pd_resident": RESIDENT // part,
              "pd_allocated": ALLOCATED // part}
    samples = {backend: turns.collect(
        kernels, "lmk", backend,
        {"base": params | {"pd_rows": ",".join(rows)},
         "patched": params | {"pd_rows": ",".join(rows + flushes)}},
        TIMES, 1 if quick else TURNS, stage) for backend in common.BACKENDS}
    return {"megabytes": [SWAPPED // part, RESIDENT // part, ALLOCATED // part],
            "samples": samples}


def ms(samples, column, way, processes, time):
    return common.of(time)(samples[f"{column} {way} {processes}"])


def grids(data):
    swapped, resident, allocated = data["megabytes"]
    metrics = tuple(common.Metric(name.format(allocated), common.of(time))
                    for time, name in SHOWN.items())
    told = common.Metric("process_mrelease() has returned", common.of("told"))
    for way, title in WAYS.items():
        yield common.Grid(
            {f"{backend}, {title}, {processes} x ({swapped} + {resident} MB)": {
                column: samples[f"{column} {way} {processes}"] for column in ("base", "on")}
             for backend, samples in data["samples"].items() for processes in PROCESSES},
            (told, *metrics) if way == "release" else metrics)


def flush_table(backend, samples):
    """Yield a table: time until everything is free, with and without a flush."""
    yield (f"| {backend}, patched, in ms | flush | its CPU time | all is free | base: "
           "all is free | patched/base |")
    yield "|---|---|---|---|---|---|"
    for way, name in FLUSHES.items():
        flush, cpu, back = (ms(samples, "on", way, 1, time)
                            for time in ("flush", "flush_cpu", "back"))
        base = ms(samples, "base", "release" if "release" in way else "kill", 1, "back")
        yield (f"| 1 x {name} | {common.cell(flush)} | {common.cell(cpu)} "
               f"| {common.cell(back)} | {common.cell(base)} "
               f"| {common.ratio(back, base)} |")
    yield ""


def more_tables(data):
    yield ("A flush switches `deferred_free` or `deferred_invalidate` off and on again; the "
           "write returns when all that was deferred is freed.\n")
    for backend, samples in data["samples"].items():
        yield from flush_table(backend, samples)


def headline(data):
    for backend, samples in data["samples"].items():
        base, patched = (ms(samples, column, "release", 1, "told") for column in ("base", "on"))
        yield (f"{backend}: SIGKILL and process_mrelease() of {data['megabytes'][0]} MB in swap "
               f"return after {common.cell(patched)} ms instead of {common.cell(base)}")
