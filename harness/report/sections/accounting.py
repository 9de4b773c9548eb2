# SPDX-License-Identifier: GPL-2.0
"""Measure which task is charged for deferred work, and the effect of workqueue settings."""

from report.sections import common, turns

TITLE = "Where the work is accounted"
SHOWS = ("Which part of the CPU time of an unmap is the task's and which the kernel "
         "workers', and what changes with the nice value and the CPUs that "
         "`/sys/devices/virtual/workqueue/percpu_defer/` gives to them.")

MEGABYTES = 512
SWAP_MB = 700
TURNS = 3
# Fields of swap_unmap's output, in nanoseconds.
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


METRICS = (common.MUNMAP, common.BACK._replace(reason=""), common.CPU,
           common.Metric("CPU time of the task", common.of("cpu"), compared=False),
           common.Metric("CPU time of workers", common.of("workers"), compared=False))


def label(setting):
    return "nice {}, CPUs {}".format(*setting) + (
        ", the default" if setting == SETTINGS[0] else "")


def rows(data, settings):
    return {f"{backend}, {label(setting)}": {
        "base": samples["base {} {}".format(*SETTINGS[0])],
        "on": samples["on {} {}".format(*setting)]}
        for backend, samples in data.items() for setting in settings}


def grids(data):
    yield common.Grid(rows(data, SETTINGS[:1]), METRICS,
                      "CPUs are a mask: 1 is the first, 2 the second, 3 both.")
    yield common.Grid(rows(data, SETTINGS[1:]),
                      tuple(metric._replace(compared=False) for metric in METRICS))
