# SPDX-License-Identifier: GPL-2.0
"""Measure who pays for what is freed later, and what the workqueue's settings change."""

from report.sections import common, turns

TITLE = "Where the work is accounted"
SHOWS = ("Which part of the CPU time of an unmap is the task's and which the kernel "
         "workers', and what changes with the nice value and the CPUs that "
         "`/sys/devices/virtual/workqueue/percpu_defer/` gives to them.")

MEGABYTES = 512
SWAP_MB = 700
TURNS = 3
# What swap_unmap prints, in nanoseconds.
TIMES = ("munmap", "back", "cpu", "workers")
# Nice value and CPU mask, the defaults first.
SETTINGS = ((5, 3), (0, 3), (19, 3), (-10, 3), (5, 1), (5, 2))


def measure(kernels, quick, stage):
    settings = ",".join(f"{nice}:{mask}" for nice, mask in SETTINGS)
    params = {"pd_mb": MEGABYTES // 4 if quick else MEGABYTES, "pd_reps": 1}
    return {backend: turns.collect(
        kernels, "accounting", backend,
        {"base": params | {"pd_settings": "{}:{}".format(*SETTINGS[0])},
         "patched": params | {"pd_settings": settings}},
        TIMES, 1 if quick else TURNS, stage, SWAP_MB)
        for backend in common.BACKENDS}


def ms(samples, column, setting, *times):
    """The sum of these times in each repetition, in milliseconds."""
    row = samples["{} {} {}".format(column, *setting)]
    return [sum(ns) / 1e6 for ns in zip(*(row[time] for time in times))]


def label(setting):
    return "nice {}, CPUs {}".format(*setting) + (
        ", the default" if setting == SETTINGS[0] else "")


def tables(data):
    for backend, samples in data.items():
        base = ms(samples, "base", SETTINGS[0], "cpu", "workers")
        yield (f"| {backend}, in ms | munmap | all back | CPU time: task | workers "
               "| both | both/base |")
        yield "|---|---|---|---|---|---|---|"
        for column, name, setting in (
                ("base", "base", SETTINGS[0]),
                *(("on", f"patched, {label(setting)}", setting) for setting in SETTINGS)):
            both = ms(samples, column, setting, "cpu", "workers")
            cells = [common.cell(ms(samples, column, setting, time))
                     for time in ("munmap", "back", "cpu", "workers")]
            yield (f"| {name} | {' | '.join(cells)} | {common.cell(both)} "
                   f"| {common.ratio(both, base)} |")
        yield ""
    yield "CPUs are a mask: 1 is the first, 2 the second, 3 both.\n"


def plots(data):
    for backend, samples in data.items():
        rows = (("base", "base", SETTINGS[0]),
                *(("on", "nice {}, CPUs {}".format(*setting), setting)
                  for setting in SETTINGS))
        series = {name: [(group, ms(samples, column, setting, time))
                         for column, group, setting in rows]
                  for name, time in (("task", "cpu"), ("workers", "workers"),
                                     ("all back after", "back"))}
        yield f"accounting-{backend}", common.bars_plot(
            f"{backend}: CPU time of an unmap, and when all is back", "ms", series,
            "set xtics rotate by -30")


def comparisons(data):
    for backend, samples in data.items():
        for what, times in (("munmap", ("munmap",)),
                            ("CPU time of task and workers", ("cpu", "workers")),
                            ("the last page is back after", ("back",))):
            yield common.Samples(f"{backend}: {what}",
                                 ms(samples, "base", SETTINGS[0], *times),
                                 ms(samples, "on", SETTINGS[0], *times), "ms")
