# SPDX-License-Identifier: GPL-2.0
"""Measure when memory is back, and whether anybody is killed for want of it."""

import itertools
import statistics

from report.sections import common, turns
from shared import BUILD

TITLE = "When the memory is back"
SHOWS = ("How much memory compressed swap still has when munmap() or exit returns, and in "
         "each millisecond after, and whether a process that needs just that memory is "
         "killed for want of it more often than on the unmodified kernel.")

# How, megabytes, and the memory.max of a cgroup, or 0 for none.
CASES = (("munmap", 512, 0), ("exit", 512, 0), ("munmap", 256, 128))
SWAP_MB = 700
TURNS = 3
# Where memory is short of which backend's: zram's is charged to no cgroup.
SHORT = (("zram", "machine"), ("zswap", "machine"), ("zswap", "cgroup"))
OOM_MB = 48
OOM_SWAP_MB = 80
OOM_MACHINE = "192M"
# Kilobytes: what is left at first, above all watermarks, and the steps of the search.
LEFT = {"machine": 4096, "cgroup": 1024}
STEP = {"machine": 256, "cgroup": 64}
# What swap_oom prints.
OOM_FIELDS = ("kills", "cgroup_kills", "needed", "time")
POINTS = 60     # in a plot
PENDING = ("that is what it means to free later; a flush has all back when it returns, "
           "see `lmk`")


def label(words):
    way, megabytes, limit = words
    return f"{way} of {megabytes} MB" + (
        f" in a cgroup of {limit} MB" if limit != "0" else "")


def runs_of(lines):
    """{case: run} from what the guest job printed; times in ns, the rest in bytes."""
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
    """{column: {case: [run, ...]}}"""
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
    """Search the edge on the unmodified kernel, then try there on both."""
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
    # A few tries would say nothing, and the search takes longest.
    short = {} if quick else {
        f"{backend}, {where}": measure_oom(kernels, backend, where, 60, 8, stage)
        for backend, where in SHORT}
    return {"back": back, "oom": short}


def back_ms(run):
    return run["at"][-1][0] / 1e6


def returned_ms(run):
    return run["returned"][0] / 1e6


def pool_mb(run):
    """Beyond what there is in the end."""
    return (run["returned"][2] - run["at"][-1][2]) / 2**20


def missing_mb(run):
    """What has yet to be free when the call returns."""
    return (run["at"][-1][1] - run["returned"][1]) / 2**20


def charged_mb(run):
    return (run["returned"][3] - run["at"][-1][3]) / 2**20


def pages_a_second(run):
    """In thousands, from the start until all is back."""
    return (run["start"][2] - run["at"][-1][2]) / 4096 / run["at"][-1][0] * 1e6


def held(run):
    """The area below the pool's size over time, in MB times seconds."""
    points = [[0, *run["start"][1:]], *run["at"]]
    return sum((b[0] - a[0]) / 1e9 * (a[2] + b[2] - 2 * points[-1][2]) / 2 / 2**20
               for a, b in itertools.pairwise(points))


# What is told of a run, its unit and digits, and whether more is better.
METRICS = (
    ("returns after", returned_ms, "ms", 1, False),
    ("then yet in the pool", pool_mb, "MB", 1, False),
    ("then yet to be free in the machine", missing_mb, "MB", 1, False),
    ("then yet charged to the cgroup", charged_mb, "MB", 1, False),
    ("all is back after", back_ms, "ms", 1, False),
    ("returned per second, in thousands", pages_a_second, "pages", 0, True),
    ("pool size over time", held, "MB x s", 2, False),
)


def metrics(case):
    """Those that make sense for it."""
    return [metric for metric in METRICS
            if metric[1] is not charged_mb or "cgroup" in case]


def back_table(backend, case, base, patched):
    yield f"| {backend}, {case} | base | patched | patched/base |"
    yield "|---|---|---|---|"
    for name, value, unit, digits, _more in metrics(case):
        samples = [[value(run) for run in runs] for runs in (base, patched)]
        yield (f"| {name}, {unit} | {common.cell(samples[0], digits)} "
               f"| {common.cell(samples[1], digits)} "
               f"| {common.ratio(samples[1], samples[0])} |")
    yield ""


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


def tables(data):
    for backend, columns in data["back"].items():
        for case, base in columns["base"].items():
            yield from back_table(backend, case, base, columns["on"][case])
    if not data["oom"]:
        yield "A quick report does not look for the edge of OOM.\n"
        return
    yield ("### At the edge of OOM\n\nTwo processes with memory in swap are killed when "
           "nearly nothing is free. Once the parent's wait() has returned for both, two "
           "others want the memory that swap had for them, and a little more, and lock "
           "it. How much more is the most with which the unmodified kernel killed nobody "
           "in some tries, in a search from above.\n")
    yield from oom_table(data["oom"])


def at(run, time):
    """The pool's size at that time, in MB."""
    points = [[0, *run["start"][1:]], *run["at"]]
    return max(point for point in points if point[0] <= time)[2] / 2**20


def plots(data):
    for backend, columns in data["back"].items():
        for number, case in enumerate(columns["base"]):
            runs = {name: columns[column][case]
                    for name, column in turns.COLUMNS.items()}
            end = max(run["at"][-1][0] for run in itertools.chain(*runs.values()))
            times = [end * i // POINTS for i in range(POINTS + 1)]
            series = {name: [(time / 1e6, [at(run, time) for run in some])
                             for time in times] for name, some in runs.items()}
            marks = [f"set arrow from {x}, graph 0 to {x}, graph 1 nohead dashtype 2 "
                     f"linetype {line}" for line, x in enumerate((
                         statistics.median(map(returned_ms, some))
                         for some in runs.values()), 1)]
            yield f"memory-{backend}-{number}", common.lines_plot(
                f"{backend}, {case}: size of the pool (dashed: the call returns)",
                "ms since its start", "MB", series, *marks)


def comparisons(data):
    for name, samples in data["oom"].items():
        yield common.Events(f"{name} short of memory: an OOM kill",
                            killed(samples["base"]), killed(samples["on"]),
                            len(samples["on"]["kills"]))
        yield common.Samples(f"{name} short of memory: to have it",
                             *([ns / 1e6 for ns in samples[column]["time"]]
                               for column in ("base", "on")), "ms")
    for backend, columns in data["back"].items():
        for case, base in columns["base"].items():
            for name, value, unit, _digits, more in metrics(case):
                yield common.Samples(
                    f"{backend}, {case}: {name}", [value(run) for run in base],
                    [value(run) for run in columns["on"][case]], unit, more,
                    PENDING if name.startswith("then yet") else "")
