# SPDX-License-Identifier: GPL-2.0
"""Mixed work

Cost of a fixed amount of work, to detect slowdowns. Processes fill, use and free twice the memory
that their cgroups allow, and exit.
"""

from report.sections import common

# Fields of a line of mixed.sh: times in nanoseconds; pages, and refused pushes.
TIMES = ("elapsed", "back", "user", "system", "workers")
PAGES = ("pswpout", "pswpin", "zswpout", "zswpin", "refused")
METRICS = (common.Metric("elapsed", common.of("elapsed")),
           common.Metric("all back after", common.of("back")),
           common.Metric("user and system time", common.of("user", "system")),
           common.Metric("system time", common.of("system")),
           # A part of the total CPU time, which is compared instead.
           common.Metric("time of kernel workers", common.of("workers"), compared=False),
           common.Metric("total CPU time", common.of("user", "system", "workers")),
           *(common.Metric(name, common.of(name, unit=1), "pages", 0, compared=False)
             for name in PAGES))


def measure(guests):
    params = {"pd_procs": 3, "pd_lives": guests.part(2, 2), "pd_mb": guests.part(32, 2)}
    return guests.columns("mixed", params, TIMES + PAGES, "off,on")


def grids(data):
    yield common.Grid({f"{backend}, mixed work": columns for backend, columns in data.items()},
                      METRICS, "refused: pushes that failed although deferral was on.")
