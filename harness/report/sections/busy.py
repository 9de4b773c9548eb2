# SPDX-License-Identifier: GPL-2.0
"""Busy CPUs

Duration and CPU time of munmap(), and time until the memory is back, while each CPU runs a
process that loops. SCHED_FIFO loops leave workers only the CPU time reserved for other tasks. The
section fails if more slots are pending than the bound allows, or if any are pending at the end.
"""

from machine import vm
from report.sections import common
from report.sections.guests import TURNS
from shared import Error

MEGABYTES = 256
# Maximum duration of the loops, which end earlier when all memory is back.
MILLISECONDS = 2000
# Fields of a line of busy.sh: times in nanoseconds; amount that was not free when munmap()
# returned and when the loops ended, in units of the backend; counters of percpu_defer, in
# pages except for the number of refused pushes.
NAMES = (*common.UNMAP_TIMES, "left", "held", "pending", "cap", "refused")
UNIT = {"zram": 4096, "zswap": 1}
HOGS = {"other": "normal priority", "fifo": "SCHED_FIFO",
        "starve": "SCHED_FIFO, no time reserved for others"}
STARVED = ("workers get only the CPU time that is reserved for tasks without SCHED_FIFO, or "
           "none until the loops end; the pending amount is bounded")


def measure(guests):
    params = {"pd_mb": guests.part(MEGABYTES, 8), "pd_ms": MILLISECONDS,
              "pd_hogs": ",".join(HOGS)}
    data = guests.columns("busy", params, NAMES, "on")
    check(data)
    return data


def patched(data):
    """Yield (backend, hogs, samples) of the patched kernel."""
    for backend, samples in data.items():
        for hogs in HOGS:
            if f"on {hogs}" in samples:
                yield backend, hogs, samples[f"on {hogs}"]


def check(data):
    """Fail if more pages are pending than the cap allows, or if any are pending at the end."""
    for backend, hogs, row in patched(data):
        where = f"{backend}, hogs of {HOGS[hogs]}"
        if any(row["pending"]):
            raise Error(f"{where}: {row['pending']} pages stayed pending")
        for left, cap in zip(row["left"], row["cap"]):
            left //= UNIT[backend]
            # percpu_defer_set_cap() describes the permitted excess.
            if left > cap * 9 / 8 + vm.CPUS:
                raise Error(f"{where}: {left} pages were pending, more than the cap of "
                            f"{cap} plus an eighth")


def grid(data, chosen, reason, heading):
    rows = {}
    for backend, hogs, row in patched(data):
        if hogs in chosen:
            # In the unmodified kernel, without workers, "starve" does not differ from "fifo".
            base = data[backend]["base fifo" if hogs == "starve" else f"base {hogs}"]
            rows[f"{backend}, CPUs busy with {HOGS[hogs]}"] = {"base": base, "on": row}
    metrics = common.MUNMAP, common.CPU, common.BACK._replace(reason=reason)
    return common.Grid(rows, metrics, heading)


def grids(data):
    yield grid(data, ["other"], "",
               f"{MEGABYTES} MB, {TURNS} repetitions; fewer in a quick run.")
    yield grid(data, ["fifo", "starve"], STARVED,
               f"The loops end when all is back, or after {MILLISECONDS} ms. In rows with a "
               "longer time, memory was still in use when the loops ended.")


def more_tables(data):
    lines = []
    for backend, hogs, row in patched(data):
        left, held = ([number // UNIT[backend] for number in row[name]]
                      for name in ("left", "held"))
        lines.append([f"{backend}, {HOGS[hogs]}", common.cell(left, 0), common.cell(held, 0),
                      max(row["pending"]), row["cap"][0], common.cell(row["refused"], 0)])
    return common.table(["patched, in pages", "not free when munmap returns",
                         "when the loops end", "pending at the end", "bound",
                         "number of pushes that were refused"], *lines)
