# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of swapped-out memory while all CPUs are busy."""

from machine import vm
from report.sections import common, turns
from shared import BUILD, Error

TITLE = "When all CPUs are busy"
SHOWS = ("What munmap() takes and costs, and when the memory is back, while each CPU runs "
         "a process that loops; and that what is pending stays below its bound, and "
         "comes back in the end, when SCHED_FIFO lets no worker run.")

MEGABYTES = 256
REPETITIONS = 3
# The loops end after this time unless all memory is back earlier.
MILLISECONDS = 2000
# In a guest of this size, MEGABYTES are more pages than may be pending.
SMALL_GUEST_MB = 700
# Fields of swap_busy's output: times in nanoseconds; the amount that was not free when
# munmap() returned and when the loops ended, in units of the backend; then the counters of
# percpu_defer, in pages.
TIMES = ("munmap", "back", "cpu", "workers")
NAMES = (*TIMES, "left", "held", "pending", "cap", "refused")
UNIT = {"zram": 4096, "zswap": 1}
STARVED = ("workers get only what the kernel keeps from SCHED_FIFO, or nothing until it "
           "ends; what may wait is bounded")
HOGS = {"other": "normal priority", "fifo": "SCHED_FIFO",
        "starve": "SCHED_FIFO, nothing kept for others"}


def measure(kernels, quick, stage):
    params = {"pd_mb": MEGABYTES // 8 if quick else MEGABYTES, "pd_ms": MILLISECONDS,
              "pd_hogs": ",".join(HOGS)}
    data = {"usual": turns.collect_columns(kernels, "busy", params, NAMES,
                                           1 if quick else REPETITIONS, stage,
                                           patched=("on",)),
            "small": {} if quick else measure_small(kernels.patched, params, stage)}
    check(data)
    return data


def measure_small(kernel, params, stage):
    """Measure in a guest where less may be pending than is unmapped."""
    data = {}
    for backend in common.BACKENDS:
        stage(f"busy: {backend}, guest of {SMALL_GUEST_MB} MB")
        data[backend] = common.collect(
            kernel, "busy",
            params | {"pd_backend": backend, "pd_cols": "on", "pd_hogs": "starve",
                      "brd.rd_nr": 1, "brd.rd_size": 2 * MEGABYTES << 10,
                      "mem": f"{SMALL_GUEST_MB}M"},
            {"busy": NAMES}, stage,
            log=BUILD / f"log/busy-{backend}-small")["busy"]
    return data


def kinds(samples):
    return [hogs for hogs in HOGS if f"on {hogs}" in samples]


def base(samples, hogs):
    """Return the baseline; it has no workers, so "starve" is the same as "fifo"."""
    return samples["base fifo" if hogs == "starve" else f"base {hogs}"]


def check(data):
    """Check the guarantees, which hold whatever the times are."""
    for guest in data.values():
        for backend, samples in guest.items():
            for hogs in kinds(samples):
                row = samples[f"on {hogs}"]
                where = f"{backend}, hogs of {HOGS[hogs]}"
                if any(row["pending"]):
                    raise Error(f"{where}: {row['pending']} pages stayed pending")
                for left, cap in zip(row["left"], row["cap"]):
                    left //= UNIT[backend]
                    # See percpu_defer_set_cap().
                    if left > cap * 9 / 8 + vm.CPUS:
                        raise Error(f"{where}: {left} pages were pending, "
                                    f"which is more than {cap} and an eighth")


def rows(guest, chosen):
    return {f"{backend}, CPUs busy with {HOGS[hogs]}": {"base": base(samples, hogs),
                                                       "on": samples[f"on {hogs}"]}
            for backend, samples in guest.items() for hogs in kinds(samples) if chosen(hogs)}


def grids(data):
    metrics = (common.MUNMAP, common.CPU, common.BACK._replace(reason=""))
    yield common.Grid(rows(data["usual"], lambda hogs: hogs == "other"), metrics,
                      f"{MEGABYTES} MB, {REPETITIONS} repetitions; fewer in a quick run.")
    yield common.Grid(
        rows(data["usual"], lambda hogs: hogs != "other"),
        (*metrics[:2], common.BACK._replace(reason=STARVED)),
        f"The loops end when all is back, or after {MILLISECONDS} ms: a longer time until all "
        "is back means that it took their end.")


def bound_table(guest):
    yield ("| patched, in pages | not free when munmap returns | when the loops end "
           "| in the end | bound | freed at once for it |")
    yield "|---|---|---|---|---|---|"
    for backend, samples in guest.items():
        for hogs in kinds(samples):
            row = samples[f"on {hogs}"]
            left, held = ([number // UNIT[backend] for number in row[name]]
                          for name in ("left", "held"))
            yield (f"| {backend}, {HOGS[hogs]} | {common.cell(left, 0)} "
                   f"| {common.cell(held, 0)} | {max(row['pending'])} "
                   f"| {row['cap'][0]} | {common.cell(row['refused'], 0)} |")
    yield ""


def more_tables(data):
    yield from bound_table(data["usual"])
    if data["small"]:
        yield (f"The same in a guest of {SMALL_GUEST_MB} MB, where less may be pending "
               "than is unmapped:\n")
        yield from bound_table(data["small"])
