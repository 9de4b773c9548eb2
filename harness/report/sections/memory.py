# SPDX-License-Identifier: GPL-2.0
"""Measure when memory is back, and whether processes are killed for lack of it."""

import itertools

from report.sections import common, turns
from shared import BUILD

TITLE = "When the memory is back"
SHOWS = ("How much memory compressed swap still has when munmap() or exit returns, and in "
         "each millisecond after, and whether a process that needs just that memory is "
         "killed for want of it more often than on the unmodified kernel.")

# Operation, megabytes, and memory.max of its cgroup (0: no cgroup).
CASES = (("munmap", 512, 0), ("exit", 512, 0), ("munmap", 256, 128))
SWAP_MB = 700
TURNS = 3
# Backend, and where memory is short: zram's memory is charged to no cgroup.
SHORT = (("zram", "machine"), ("zswap", "machine"), ("zswap", "cgroup"))
OOM_MB = 48
OOM_SWAP_MB = 80
OOM_MACHINE = "192M"
# Kilobytes: the amount left at first, above all watermarks, and the search steps.
LEFT = {"machine": 4096, "cgroup": 1024}
STEP = {"machine": 256, "cgroup": 64}
# Fields of swap_oom's output.
OOM_FIELDS = ("kills", "cgroup_kills", "needed", "time")
PENDING = ("that is what it means to free later; a flush has all back when it returns, "
           "see `lmk`")


def label(words):
    way, megabytes, limit = words
    return f"{way} of {megabytes} MB" + (
        f" in a cgroup of {limit} MB" if limit != "0" else "")


def runs_of(lines):
    """Return {case: run} from the output of the guest job; ns for times, else bytes."""
    runs = {}
    for line in lines:
        word, *rest = line.split()
        if word == "case":
            run = runs[label(rest[1:])] = {"at": []}
        elif word == "at":
            run["at"].append([int(number) for number in rest])
        elif word in ("start", "returned"):
            run[word] = [int(number) for number in rest]
    return runs


def measure_back(kernels, backend, cases, count, stage):
    """Return {column: {case: [run, ...]}}."""
    data = {column: {} for column in turns.COLUMNS.values()}
    params = {"pd_cases": ",".join(":".join(map(str, case)) for case in cases),
              "pd_reps": 1}
    for column, kernel, own, log in turns.each(
            kernels, "memory", backend, {"base": params, "patched": params}, SWAP_MB,
            count, stage):
        for case, run in runs_of(kernel.run("memory", own, log=log)).items():
            data[column].setdefault(case, []).append(run)
    return data


def measure_oom(kernels, backend, where, tries, good, stage):
    """Search for the edge on the unmodified kernel, then repeat there on both."""
    data = {"extra": "search"}
    for name, column in turns.COLUMNS.items():
        stage(f"oom: {backend}, {where}, {name} kernel")
        found = common.collect(
            getattr(kernels, name), "oom",
            {"pd_backend": backend, "pd_cols": column, "pd_where": where,
             "pd_mb": OOM_MB, "pd_left": LEFT[where], "pd_extra": data["extra"],
             "pd_step": STEP[where], "pd_good": good, "pd_tries": tries, "mem": OOM_MACHINE,
             "brd.rd_nr": 1, "brd.rd_size": OOM_SWAP_MB << 10},
            {"try": OOM_FIELDS, "edge": ("extra",)}, stage,
            log=BUILD / f"log/oom-{backend}-{where}-{name}")
        data["extra"] = found["edge"][where]["extra"][0]
        data[column] = found["try"][where]
    return data


def measure(kernels, quick, stage):
    part = 4 if quick else 1
    cases = [(way, megabytes // part, limit // part) for way, megabytes, limit in CASES]
    back = {backend: measure_back(kernels, backend, cases,
                                  1 if quick else TURNS, stage)
            for backend in common.BACKENDS}
    # A few tries would not be significant, and the search takes longest.
    short = {} if quick else {
        f"{backend}, {where}": measure_oom(kernels, backend, where, 60, 8, stage)
        for backend, where in SHORT}
    return {"back": back, "oom": short}


def back_ms(run):
    return run["at"][-1][0] / 1e6


def returned_ms(run):
    return run["returned"][0] / 1e6


def pool_mb(run):
    """Return the pool's size above its final size."""
    return (run["returned"][2] - run["at"][-1][2]) / 2**20


def missing_mb(run):
    """Return the memory that is still in use when the call returns."""
    return (run["at"][-1][1] - run["returned"][1]) / 2**20


def charged_mb(run):
    return (run["returned"][3] - run["at"][-1][3]) / 2**20


def pages_a_second(run):
    """Return thousands of pages per second, from the start until all memory is back."""
    return (run["start"][2] - run["at"][-1][2]) / 4096 / run["at"][-1][0] * 1e6


def held(run):
    """Return the area below the pool's size over time, in MB times seconds."""
    points = [[0, *run["start"][1:]], *run["at"]]
    return sum((b[0] - a[0]) / 1e9 * (a[2] + b[2] - 2 * points[-1][2]) / 2 / 2**20
               for a, b in itertools.pairwise(points))


def each(value):
    return lambda runs: [value(run) for run in runs]


METRICS = (
    common.Metric("returns after", each(returned_ms)),
    common.Metric("then still in the pool", each(pool_mb), "MB", reason=PENDING),
    common.Metric("then still missing in the machine", each(missing_mb), "MB", reason=PENDING),
    common.Metric("all is back after", each(back_ms)),
    common.Metric("returned per second", each(pages_a_second), "1000 pages", 0,
                  more_is_better=True),
    common.Metric("pool size over time", each(held), "MB x s", 2),
)
CHARGED = common.Metric("then still charged to the cgroup", each(charged_mb), "MB",
                        reason=PENDING)


def grids(data):
    for cgroup in False, True:
        rows = {f"{backend}, {case}": {column: columns[column][case] for column in columns}
                for backend, columns in data["back"].items()
                for case in columns["base"] if ("cgroup" in case) == cgroup}
        if rows:
            yield common.Grid(rows, (*METRICS, CHARGED) if cgroup else METRICS)


def killed(tries):
    return sum(kills > 0 for kills in tries["kills"])


def oom_table(data):
    yield ("| short of memory | needed, in MB | more than comes back, in KB | base: tries with a "
           "kill | patched | base: had it after, in ms | patched |")
    yield "|---|---|---|---|---|---|---|"
    for name, samples in data.items():
        base, patched = samples["base"], samples["on"]
        needed = [number / 2**20 for number in base["needed"] + patched["needed"]]
        yield (f"| {name} | {common.cell(needed)} | {samples['extra']} "
               f"| {killed(base)} of {len(base['kills'])} "
               f"| {killed(patched)} of {len(patched['kills'])} "
               f"| {common.cell([ns / 1e6 for ns in base['time']])} "
               f"| {common.cell([ns / 1e6 for ns in patched['time']])} |")
    yield ""


def more_tables(data):
    if not data["oom"]:
        yield "A quick report does not look for the edge of OOM.\n"
        return
    yield ("### At the edge of OOM\n\nTwo processes with memory in swap are killed when "
           "nearly nothing is free. Once the parent's wait() has returned for both, two "
           "others want the memory that swap had for them, and a little more, and lock "
           "it. How much more is the most with which the unmodified kernel killed nobody "
           "in some tries, in a search from above.\n")
    yield from oom_table(data["oom"])


def more_comparisons(data):
    for name, samples in data["oom"].items():
        yield common.Events(f"{name} short of memory: an OOM kill",
                            killed(samples["base"]), killed(samples["on"]),
                            len(samples["on"]["kills"]))
        yield common.Samples(f"{name} short of memory: to have it",
                             *([ns / 1e6 for ns in samples[column]["time"]]
                               for column in ("base", "on")), "ms")
