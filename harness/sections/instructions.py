# SPDX-License-Identifier: GPL-2.0
"""Count the instructions that it takes to free a slot, and to fill it again.

They do not depend on how fast or how busy the machine is.
"""

import vm
from sections import common

TITLE = "Instructions"
SHOWS = ("How many instructions it takes to free a slot, and to swap out a page into a "
         "slot just freed, on one CPU: a number that hardly depends on the machine.")

MEGABYTES = 32
AGAIN_MEGABYTES = 2
REPETITIONS = 9
SLOTS, AGAIN_SLOTS = MEGABYTES * 256, AGAIN_MEGABYTES * 256

# What the lines of the guest job tell, where a nanosecond is an instruction.
FIELDS = {"free": ("munmap", "back", "push", "drain"),
          "again": ("instructions", "cancelled")}
STATES = {"base": ("empty",), "on": ("empty", "waiting")}


def count(kernel, column, repetitions, stage):
    """Returns {backend: {what: [instructions for a slot]}}."""
    data = {}
    for backend in common.BACKENDS:
        stage(f"instructions: {backend}, {column}")
        found = common.collect(
            kernel, "instructions",
            {"pd_backend": backend, "pd_cols": column, "pd_reps": repetitions,
             "pd_mb": MEGABYTES, "pd_again": AGAIN_MEGABYTES,
             "pd_state": ",".join(STATES[column]),
             "brd.rd_nr": 1, "brd.rd_size": (MEGABYTES + 2) << 10},
            FIELDS, stage, cpus=1, accel="icount",
            log=vm.TOP / f"build/log/instructions-{backend}-{column}")
        free, again = found["free"][""], found["again"]
        waited = min(again.get("waiting", {"cancelled": [AGAIN_SLOTS]})["cancelled"])
        if waited < 0.9 * AGAIN_SLOTS:
            raise vm.VmError(f"{backend}: only {waited} of {AGAIN_SLOTS} slots waited")
        data[backend] = {part: [number / SLOTS for number in free[part]]
                         for part in ("push", "drain")}
        data[backend] |= {
            f"swap-out, slot {state}":
                [number / AGAIN_SLOTS for number in again[state]["instructions"]]
            for state in STATES[column]}
    return data


def measure(kernels, quick, stage):
    repetitions = 3 if quick else REPETITIONS
    return {"base": count(kernels.base, "base", repetitions, stage),
            "on": count(kernels.patched, "on", repetitions, stage)}


def comparisons(data):
    for backend in common.BACKENDS:
        base, patched = data["base"][backend], data["on"][backend]
        both = [[push + drain for push, drain in zip(row["push"], row["drain"])]
                for row in (base, patched)]
        for what, *samples in (
                ("munmap of a slot", base["push"], patched["push"]),
                ("munmap and workers, a slot", *both),
                ("swap-out into an empty slot",
                 base["swap-out, slot empty"], patched["swap-out, slot empty"]),
                ("swap-out into a slot not yet emptied",
                 base["swap-out, slot empty"], patched["swap-out, slot waiting"])):
            yield common.Samples(f"{backend}: {what}", *samples, "instructions")


def tables(data):
    yield f"{len(data['base']['zram']['push'])} repetitions:\n"
    yield "| instructions | base | patched | patched/base |"
    yield "|---|---|---|---|"
    for what, base, patched, *_ in comparisons(data):
        yield (f"| {what} | {common.cell(base, 0)} | {common.cell(patched, 0)} "
               f"| {common.ratio(patched, base)} |")
    yield ""


def plots(_data):
    return ()
