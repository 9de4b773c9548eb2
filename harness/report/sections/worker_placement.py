# SPDX-License-Identifier: GPL-2.0
"""CPU time and placement of workers

Split of the CPU time of an unmap between the task and the kernel workers, and the effect of
the workers' nice value and CPU mask, which are set in
`/sys/devices/virtual/workqueue/percpu_defer/`.
"""

from report.sections import common

# Nice value and CPU mask, the default first.
SETTINGS = ("5:3", "0:3", "19:3", "-10:3", "5:1", "5:2")
METRICS = (common.MUNMAP, common.BACK._replace(reason=""), common.CPU,
           common.Metric("CPU time of the task", common.of("cpu"), compared=False),
           common.Metric("CPU time of workers", common.of("workers"), compared=False))


def measure(guests):
    params = {"pd_mb": guests.part(512, 4), "pd_reps": 1, "pd_settings": SETTINGS[0]}
    patched = params | {"pd_settings": ",".join(SETTINGS)}
    return {backend: guests.collect("worker_placement", backend, params, patched,
                                    common.UNMAP_TIMES, swap_mb=700)
            for backend in common.BACKENDS}


def rows(data, settings, note=""):
    """Return a row for each setting; all have the same base, a kernel without workers."""
    return {f"{backend}, nice {setting.replace(':', ', CPUs ')}{note}": {
        "base": samples[f"base {SETTINGS[0]}".replace(":", " ")],
        "on": samples[f"on {setting}".replace(":", " ")]}
        for backend, samples in data.items() for setting in settings}


def grids(data):
    yield common.Grid(rows(data, SETTINGS[:1], ", the default"), METRICS,
                      "CPUs are a mask: 1 is the first, 2 the second, 3 both.")
    yield common.Grid(rows(data, SETTINGS[1:]), METRICS, compared=False)
