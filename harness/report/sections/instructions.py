# SPDX-License-Identifier: GPL-2.0
"""Instructions

Number of instructions to free a slot, and to swap out a page to a slot just freed, on one
CPU. The counts hardly depend on the host.
"""

from report.sections import common, short_runs
from shared import Error

METRICS = (common.Metric("count", lambda samples: samples, "instructions", 0),)
# Megabytes that each measurement frees, and the number of their slots.
MEGABYTES, AGAIN_MEGABYTES, REFUSED_MEGABYTES = 32, 2, 16
SLOTS, AGAIN_SLOTS, REFUSED_SLOTS = (
    megabytes * 256 for megabytes in (MEGABYTES, AGAIN_MEGABYTES, REFUSED_MEGABYTES))
# Lengths of runs in swap for pd_runs, and suffixes of the names of counts.
RUNS = {"long": "", "1": ", runs of 1", "64": ", runs of 64"}
CONTENTS = {"filled": "swap-out", "zero": "swap-out of zeros"}
STATES = {"base": ("empty",), "on": ("empty", "pending"), "off": ()}
# Guest with one CPU on which each instruction takes a nanosecond.
ICOUNT = {"cpus": 1, "accel": "icount"}


def expect(what, found, least):
    """Fail if fewer than `least` pages, pushes or slots were in the state to count."""
    if min(found) < least:
        raise Error(f"{what}: only {min(found):.0f}, not {least:.0f} or more")


def slots(row, time, number):
    return [instructions / number for instructions in row[time]]


def frees(backend, name, rows, number):
    """Return {name: [instructions per slot]} of munmap() for each length of runs."""
    for length, row in rows.items():
        # Do not check long runs: most refused pushes are those of the memory unmapped first.
        if length != "long":
            expect(f"{backend}: % of pages in runs of {length}",
                   short_runs.share(row, [length]), 95)
            if "refused" in row:
                expect(f"{backend}: refused pushes of {length}", row["refused"],
                       0.9 * number / int(length))
    return {name + RUNS[length]: slots(row, "cpu", number) for length, row in rows.items()}


def swap_outs(backend, rows, states):
    """Return {name: [instructions per slot]} for swap-outs to freed slots."""
    found = {}
    for content, text in CONTENTS.items():
        for state in states:
            row = rows[f"{content} {state}"]
            # zram drains these slots later: the swap core stores zeros without calling zram.
            if state == "pending" and (backend, content) != ("zram", "zero"):
                expect(f"{backend}: pending slots reused by {text}", row["cancelled"],
                       0.9 * AGAIN_SLOTS)
            found[f"{text}, slot {state}"] = slots(row, "instructions", AGAIN_SLOTS)
    return found


def count(guests, name, column):
    """Count in a column of a kernel; return {backend: {name: [instructions per slot]}}."""
    data, states = {}, STATES[column]
    fields = {"free": short_runs.NAMES}
    if states:
        fields["again"] = ("instructions", "cancelled")
    params = {"pd_cols": column, "pd_reps": guests.part(9, 3), "pd_runs": ",".join(RUNS),
              "pd_mb": MEGABYTES, "pd_again": AGAIN_MEGABYTES, "pd_state": ",".join(states)}
    for backend in common.BACKENDS:
        found = guests.boot(name, "instructions", backend, params, fields, MEGABYTES + 2, column,
                            **ICOUNT)
        data[backend] = frees(backend, "push" if states else "free, off", found["free"], SLOTS)
        if states:
            data[backend]["drain"] = slots(found["free"]["long"], "workers", SLOTS)
            data[backend] |= swap_outs(backend, found["again"], states)
    return data


def count_refused(guests, backend):
    """Count instructions for slots that are freed immediately because of the cap."""
    # Use a small guest: the cap is half of its memory.
    params = {"pd_reps": guests.part(9, 3), "pd_runs": ",".join(RUNS),
              "pd_mb": REFUSED_MEGABYTES, "mem": "192M"}
    fields = {"refused": ("refused", *short_runs.NAMES)}
    found = guests.boot("patched", "refused", backend, params, fields, 160, **ICOUNT)
    return frees(backend, "free, refused", found["refused"], REFUSED_SLOTS)


def count_library(guests):
    """Return medians of the KUnit benchmark: a push and a cancel without a client."""
    fields = {"library": ("instructions",)}
    found = common.collect(guests.kernels.patched, "library", {}, fields, guests.stage, **ICOUNT)
    push, both = (found["library"][f"percpu_defer_map_push{text}"]["instructions"][0]
                  for text in (", by 1", " + cancel"))
    return {"push": [push], "cancel": [both - push]}


def count_all(guests):
    """Return {backend or "library": {name: [instructions per slot]}} of the patched kernel."""
    on, off = (count(guests, "patched", column) for column in ("on", "off"))
    return {backend: on[backend] | off[backend] | count_refused(guests, backend)
            for backend in common.BACKENDS} | {"library": count_library(guests)}


def measure(guests):
    return {"base": count(guests, "base", "base"), "on": count(guests, "patched", "on")}


def grids(data):
    names = [(f"munmap of a slot{run}", f"push{run}", f"push{run}") for run in RUNS.values()]
    names.append(("munmap and workers, a slot", "both", "both"))
    for content in CONTENTS.values():
        for state, name in ("empty", "an empty"), ("pending", "a pending"):
            names.append((f"{content} into {name} slot", f"{content}, slot empty",
                          f"{content}, slot {state}"))
    rows = {}
    for backend in common.BACKENDS:
        base, patched = (counts[backend] | {"both": common.of("push", "drain", unit=1)(
            counts[backend])} for counts in (data["base"], data["on"]))
        for name, before, after in names:
            rows[f"{backend}: {name}"] = {"base": base[before], "on": patched[after]}
    yield common.Grid(rows, METRICS, f"{len(data['base']['zram']['push'])} repetitions.")
