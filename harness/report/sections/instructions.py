# SPDX-License-Identifier: GPL-2.0
"""Count the instructions for freeing a slot and for refilling it.

The counts do not depend on the speed or the load of the machine.
"""

import functools

from report.sections import common, short_runs
from shared import BUILD, Error

TITLE = "Instructions"
SHOWS = ("How many instructions it takes to free a slot, and to swap out a page into a "
         "slot just freed, on one CPU: a number that hardly depends on the machine.")

MEGABYTES = 32
AGAIN_MEGABYTES = 2
REPETITIONS = 9
SLOTS, AGAIN_SLOTS = MEGABYTES * 256, AGAIN_MEGABYTES * 256

# Lines of the guest jobs, where a nanosecond is an instruction.
FREE = {"free": short_runs.NAMES}
AGAIN = {"again": ("instructions", "cancelled")}
REFUSED = {"refused": ("refused", *short_runs.NAMES)}
LIBRARY = {"library": ("instructions",)}
# Lengths of runs in swap, as in pd_runs.
RUNS = {"long": "", "1": ", runs of 1", "64": ", runs of 64"}
CONTENTS = {"filled": "swap-out", "zero": "swap-out of zeros"}
STATES = {"base": ("empty",), "on": ("empty", "waiting"), "off": ()}
# The guest is small because the cap is half of its memory.
REFUSED_MEMORY, REFUSED_SWAP_MB = "192M", 160
REFUSED_MEGABYTES = 16
REFUSED_SLOTS = REFUSED_MEGABYTES * 256


def _run(kernel, job, backend, column, repetitions, fields, swap_mb, params, stage):
    stage(f"{job}: {backend}, {column}")
    return common.collect(
        kernel, job,
        {"pd_backend": backend, "pd_cols": column, "pd_reps": repetitions,
         "pd_runs": ",".join(RUNS),
         "brd.rd_nr": 1, "brd.rd_size": swap_mb << 10} | params,
        fields, stage, cpus=1, accel="icount",
        log=BUILD / f"log/{job}-{backend}-{column}")


def check_length(backend, length, row):
    """Fail unless the memory lay in runs of the requested length."""
    if length == "long":
        return
    found = min(short_runs.share(row, (int(length),)))
    if found < 95:
        raise Error(f"{backend}: only {found:.0f} % of the pages are in runs of "
                    f"{length}")


def check_waiting(backend, again):
    """Fail if slots were drained before they were refilled."""
    # The swap core stores zeros without zram, which drains the old content later.
    for content in ("filled", "zero") if backend == "zswap" else ("filled",):
        row = again.get(f"{content} waiting", {"cancelled": [AGAIN_SLOTS]})
        waited = min(row["cancelled"])
        if waited < 0.9 * AGAIN_SLOTS:
            raise Error(f"{backend}: only {waited} of {AGAIN_SLOTS} slots waited")


def check_refused(backend, length, row):
    """Fail if pushes were accepted."""
    # Long runs need few calls; memory that was unmapped before has more refused.
    if length == "long":
        return
    calls = REFUSED_SLOTS / int(length)
    refused = min(row["refused"])
    if refused < 0.9 * calls:
        raise Error(f"{backend}: only {refused} of {calls:.0f} pushes were refused")


def slots(row, time, number=SLOTS):
    return [instructions / number for instructions in row[time]]


def frees(backend, name, rows, number=SLOTS):
    """Yield {name: [instructions per slot]} of munmap() for each length of runs."""
    for length, row in rows.items():
        check_length(backend, length, row)
    return {name + RUNS[length]: slots(row, "cpu", number) for length, row in rows.items()}


def swap_outs(backend, rows, states):
    """Return {name: [instructions per slot]} for swapping out again."""
    check_waiting(backend, rows)
    return {f"{text}, slot {state}":
            slots(rows[f"{content} {state}"], "instructions", AGAIN_SLOTS)
            for content, text in CONTENTS.items() for state in states}


def count(column, kernel, repetitions, stage):
    """Return {backend: {name: [instructions per slot]}}."""
    data = {}
    name = "free, off" if column == "off" else "push"
    for backend in common.BACKENDS:
        fields = FREE | (AGAIN if STATES[column] else {})
        found = _run(kernel, "instructions", backend, column, repetitions, fields,
                     MEGABYTES + 2,
                     {"pd_mb": MEGABYTES, "pd_again": AGAIN_MEGABYTES,
                      "pd_state": ",".join(STATES[column])}, stage)
        data[backend] = frees(backend, name, found["free"])
        if column != "off":
            data[backend]["drain"] = slots(found["free"]["long"], "workers")
        data[backend] |= swap_outs(backend, found.get("again", {}), STATES[column])
    return data


def count_refused(kernel, repetitions, stage):
    """Count instructions for slots that are freed at once because of the cap."""
    data = {}
    for backend in common.BACKENDS:
        rows = _run(kernel, "refused", backend, "on", repetitions, REFUSED,
                    REFUSED_SWAP_MB,
                    {"pd_mb": REFUSED_MEGABYTES, "mem": REFUSED_MEMORY},
                    stage)["refused"]
        for length, row in rows.items():
            check_refused(backend, length, row)
        data[backend] = frees(backend, "free, refused", rows, REFUSED_SLOTS)
    return data


def count_library(kernel, _repetitions, stage):
    """Count a push and a cancel without a client; medians of the KUnit benchmark."""
    stage("library")
    rows = common.collect(kernel, "library", {}, LIBRARY, stage, cpus=1,
                          accel="icount")["library"]
    push, both = (rows[f"percpu_defer_map_push{text}"]["instructions"][0]
                  for text in (", by 1", " + cancel"))
    return {"library": {"push": [push], "cancel": [both - push]}}


# Counts of the patched kernel; "on" and "off" are the state of the switch.
PARTS = {"on": functools.partial(count, "on"),
         "off": functools.partial(count, "off"),
         "refused": count_refused,
         "library": count_library}


def count_parts(kernel, names, repetitions, stage):
    """Return {backend or "library": {name: [instructions per slot]}}."""
    data = {}
    for name in names:
        for backend, counts in PARTS[name](kernel, repetitions, stage).items():
            data.setdefault(backend, {}).update(counts)
    return data


def measure(kernels, quick, stage):
    repetitions = 3 if quick else REPETITIONS
    return {"base": count("base", kernels.base, repetitions, stage),
            "on": count("on", kernels.patched, repetitions, stage)}


def grids(data):
    rows = {}
    for backend in common.BACKENDS:
        base, patched = data["base"][backend], data["on"][backend]
        both = [[push + drain for push, drain in zip(row["push"], row["drain"])]
                for row in (base, patched)]
        for what, *samples in (
                *((f"munmap of a slot{suffix}", base[f"push{suffix}"],
                   patched[f"push{suffix}"]) for suffix in RUNS.values()),
                ("munmap and workers, a slot", *both),
                *((f"{content} into {name} slot", base[f"{content}, slot empty"],
                   patched[f"{content}, slot {state}"]) for content in CONTENTS.values()
                  for state, name in (("empty", "an empty"), ("waiting", "a pending")))):
            rows[f"{backend}: {what}"] = dict(zip(("base", "on"), samples))
    yield common.Grid(rows, (common.Metric("count", lambda samples: samples, "instructions",
                                           0),),
                      f"{len(data['base']['zram']['push'])} repetitions.")
