# SPDX-License-Identifier: GPL-2.0
"""Low-memory kills

Times from SIGKILL to processes with most of their memory in swap, with and without
`process_mrelease()`, until their resident memory is free, until the parent's wait() returns, and
until all of their memory is free. Time to allocate and write to new memory immediately after the
kill. Cost of a flush, after which all memory is free.
"""

from report.sections import common

SIZES = {"pd_swapped": 400, "pd_resident": 100, "pd_allocated": 300}
PROCESSES = (1, 3)
# Fields of swap_kill's output, in nanoseconds.
TIMES = ("told", "resident", "wait", "back", "flush", "flush_cpu", "allocation")
# WAYS run on both kernels, FLUSHES only on the patched one: title, and way to compare with.
WAYS = {"kill": "SIGKILL", "release": "SIGKILL, process_mrelease"}
FLUSHES = {"flush": ("SIGKILL, wait, flush", "kill"),
           "release+flush": ("SIGKILL, process_mrelease, flush", "release")}
SHOWN = {"told": "process_mrelease() has returned", "resident": "all resident memory is free",
         "wait": "wait() has returned", "back": "all is free", "allocation": "to allocate {} MB"}


def measure(guests):
    # A quick run uses less memory, but the same number of processes.
    sizes = {name: guests.part(megabytes, 8) for name, megabytes in SIZES.items()}
    rows = [f"{processes}:{way}" for processes in PROCESSES for way in WAYS]
    flushes = [f"1:{way}" for way in FLUSHES]
    params = sizes | {"pd_reps": 1, "pd_rows": ",".join(rows)}
    patched = params | {"pd_rows": ",".join(rows + flushes)}
    return {"megabytes": list(sizes.values()),
            "samples": {backend: guests.collect("lmk", backend, params, patched, TIMES)
                        for backend in common.BACKENDS}}


def grids(data):
    swapped, resident, allocated = data["megabytes"]
    metrics = [common.Metric(name.format(allocated), common.of(time))
               for time, name in SHOWN.items()]
    for way, title in WAYS.items():
        labels = {f"{way} {processes}": f"{title}, {processes} x ({swapped} + {resident} MB)"
                  for processes in PROCESSES}
        yield common.Grid(common.rows(data["samples"], labels),
                          metrics if way == "release" else metrics[1:])


def more_tables(data):
    """Yield a table for each backend: time until all is free, with and without a flush."""
    yield ("A flush switches `deferred_free` or `deferred_invalidate` off, which waits until all "
           "deferred frees are complete, and on again.\n")
    for backend, samples in data["samples"].items():
        lines = []
        for way, (name, without) in FLUSHES.items():
            flush, cpu, back = (common.of(time)(samples[f"on {way} 1"])
                                for time in ("flush", "flush_cpu", "back"))
            base = common.of("back")(samples[f"base {without} 1"])
            lines.append([f"1 x {name}", *map(common.cell, (flush, cpu, back, base)),
                          common.ratio(back, base)])
        yield from common.table([f"{backend}, patched, in ms", "flush", "CPU time of flush",
                                 "all is free", "base: all is free", "patched/base"], *lines)


def headline(data):
    for backend, samples in data["samples"].items():
        base, patched = (common.cell(common.of("told")(row))
                         for row in common.cells(samples, "release 1").values())
        yield (f"{backend}: SIGKILL and process_mrelease() of {data['megabytes'][0]} MB in swap "
               f"return after {patched} ms instead of {base}")
