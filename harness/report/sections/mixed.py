# SPDX-License-Identifier: GPL-2.0
"""Measure a fixed amount of mixed work in cgroups with too little memory."""

from report.sections import common, turns

TITLE = "Mixed work"
SHOWS = ("What a fixed amount of work costs when processes fill, use, free and leave "
         "twice the memory that their cgroups may have: a watch for what got slower.")

PROCESSES = 3
LIVES = 2
MEGABYTES = 32
# Fields of swap_mixed's output: times in nanoseconds, and pages.
TIMES = ("elapsed", "back", "user", "system", "workers")
PAGES = ("pswpout", "pswpin", "zswpout", "zswpin", "refused")
METRICS = (common.Metric("elapsed", common.of("elapsed")),
           common.Metric("all back after", common.of("back")),
           common.Metric("user and system time", common.of("user", "system")),
           common.Metric("system time", common.of("system")),
           # Only the total cost is compared.
           common.Metric("time of kernel workers", common.of("workers"), compared=False),
           common.Metric("CPU time in all", common.of("user", "system", "workers")),
           *(common.Metric(name, common.of(name, unit=1), "pages", 0, compared=False)
             for name in PAGES))


def measure(kernels, quick, stage):
    params = {"pd_procs": PROCESSES, "pd_lives": 1 if quick else LIVES,
              "pd_mb": MEGABYTES // 2 if quick else MEGABYTES}
    return turns.collect_columns(kernels, "mixed", params, TIMES + PAGES,
                                 1 if quick else 3, stage, patched=("off", "on"))


def grids(data):
    yield common.Grid({f"{backend}, mixed work": columns for backend, columns in data.items()},
                      METRICS, "refused: pushes that percpu_defer did not take.")
