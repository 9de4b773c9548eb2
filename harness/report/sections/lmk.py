# SPDX-License-Identifier: GPL-2.0
"""Measure what a low-memory killer gets, and when."""

from report.sections import common, turns

TITLE = "Processes that are killed because memory is short"
SHOWS = ("After SIGKILL to processes with much of their memory in swap, with or without "
         "`process_mrelease()`: when what they had in memory is free, when all of it is, "
         "when the parent's wait() returns, how long it takes to write to new memory "
         "right after; and what it costs to have all back when a call returns.")

SWAPPED, RESIDENT, ALLOCATED = 400, 100, 300
PROCESSES = (1, 3)
# What swap_kill prints, in nanoseconds.
TIMES = ("told", "resident", "wait", "back", "flush", "flush_cpu", "allocation")
# As it may be done with either kernel, and those that flush.
WAYS = {"kill": "SIGKILL", "release": "SIGKILL, process_mrelease"}
FLUSHES = {"flush": "SIGKILL, wait, flush",
           "release+flush": "SIGKILL, process_mrelease, flush"}
SHOWN = {"resident": "all resident memory is free", "wait": "wait() has returned",
         "back": "all is free", "allocation": "to allocate {} MB"}
TURNS = 3


def measure(kernels, quick, stage):
    # In a quick run the memory is less, not the processes.
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
    return [ns / 1e6 for ns in samples[f"{column} {way} {processes}"][time]]


def shown(way, data):
    """What is told of a way, and how that is called."""
    names = {time: name.format(data["megabytes"][2]) for time, name in SHOWN.items()}
    return names | ({"told": "process_mrelease() has returned"} if way == "release"
                    else {})


def way_table(data, backend, way, samples):
    for processes in PROCESSES:
        yield (f"| {backend}, {WAYS[way]}, {processes} x ({data['megabytes'][0]} + "
               f"{data['megabytes'][1]} MB), in ms | base | patched | patched/base |")
        yield "|---|---|---|---|"
        for time, name in shown(way, data).items():
            base, patched = (ms(samples, column, way, processes, time)
                             for column in ("base", "on"))
            yield (f"| {name} | {common.cell(base)} | {common.cell(patched)} "
                   f"| {common.ratio(patched, base)} |")
        yield ""


def flush_table(backend, samples):
    """To have all back when the call returns, beside when it is back anyway."""
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


def tables(data):
    for backend, samples in data["samples"].items():
        for way in WAYS:
            yield from way_table(data, backend, way, samples)
    yield ("A flush is `echo 1 >/sys/module/percpu_defer/parameters/flush`, which "
           "returns when all that was deferred is freed.\n")
    for backend, samples in data["samples"].items():
        yield from flush_table(backend, samples)


def headline(data):
    for backend, samples in data["samples"].items():
        base, patched = (ms(samples, column, "release", 1, "told") for column in ("base", "on"))
        yield (f"{backend}: SIGKILL and process_mrelease() of {data['megabytes'][0]} MB in swap "
               f"return after {common.cell(patched)} ms instead of {common.cell(base)}")


def plots(data):
    for backend, samples in data["samples"].items():
        for processes in PROCESSES:
            series = {name: [(group, ms(samples, column, "kill", processes, time))
                             for time, group in shown("kill", data).items()]
                      for column, name in (("base", "base"), ("on", "patched"))}
            yield f"lmk-{backend}-{processes}", common.bars_plot(
                f"{backend}: {processes} x SIGKILL, time until", "ms", series,
                "set xtics rotate by -20")


def comparisons(data):
    for backend, samples in data["samples"].items():
        for way, title in WAYS.items():
            for processes in PROCESSES:
                for time, name in shown(way, data).items():
                    yield common.Samples(
                        f"{backend}, {title}, {processes} at once: {name}",
                        *(ms(samples, column, way, processes, time)
                          for column in ("base", "on")), "ms")
