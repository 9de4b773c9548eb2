# SPDX-License-Identifier: GPL-2.0
"""Time until memory is free

Memory that compressed swap still uses when munmap() or the wait() for an exiting process returns,
and in each millisecond after that. Number of OOM kills while other processes allocate the memory
that is being freed.
"""

import itertools

from report.sections import common

# Operation, megabytes, and memory.max of the cgroup in megabytes (0: no cgroup).
CASES = (("munmap", 512, 0), ("exit", 512, 0), ("munmap", 256, 128))
# Backend, and place where memory is short. Memory of zram is not charged to cgroups.
SHORT = (("zram", "machine"), ("zswap", "machine"), ("zswap", "cgroup"))
# Kilobytes of memory left at the start, above all watermarks, and step of the search.
LEFT = {"machine": {"pd_left": 4096, "pd_step": 256}, "cgroup": {"pd_left": 1024, "pd_step": 64}}
OOM = {"pd_mb": 48, "pd_good": 8, "pd_tries": 60, "mem": "192M"}
# Fields of swap_oom's output.
OOM_FIELDS = ("kills", "cgroup_kills", "needed", "time")
PENDING = "a consequence of deferral; after a flush, all memory is free, see `lmk`"


def runs_of(lines):
    """Return {case: run} from the output of the guest job.

    A sample of a run is [time in ns, bytes free, bytes in the pool, bytes charged].
    """
    runs = {}
    for line in lines:
        word, *rest = line.split()
        if word == "case":
            _column, way, megabytes, limit = rest
            cgroup = f" in a cgroup of {limit} MB" if limit != "0" else ""
            run = runs[f"{way} of {megabytes} MB{cgroup}"] = {"at": []}
        elif word == "at":
            run["at"].append([int(number) for number in rest])
        elif word in ("start", "returned"):
            run[word] = [int(number) for number in rest]
    return runs


def measure_back(guests, backend):
    """Measure when memory is free; return {column: {case: [run, ...]}}."""
    data = {"base": {}, "on": {}}
    cases = (f"{way}:{guests.part(megabytes, 4)}:{guests.part(limit, 4)}"
             for way, megabytes, limit in CASES)
    params = {"pd_cases": ",".join(cases), "pd_reps": 1}
    for column, lines in guests.alternate("memory", backend, params, params, swap_mb=700):
        for case, run in runs_of(lines).items():
            data[column].setdefault(case, []).append(run)
    return data


def measure(guests):
    # A quick run omits the search: it takes longest, and a few tries are not significant.
    oom = {f"{backend}, {where}": guests.edge(
        "oom", backend, OOM | LEFT[where] | {"pd_where": where}, OOM_FIELDS, swap_mb=80,
        label=f"{where}-") for backend, where in (() if guests.quick else SHORT)}
    return {"back": {backend: measure_back(guests, backend) for backend in common.BACKENDS},
            "oom": oom}


def figures(run):
    """Return the figures of a run: ms, MB, MB x s ("held") and 1000 pages/s ("rate")."""
    returned, last = run["returned"], run["at"][-1]
    missing, pool, charged = ((one - other) / 2**20
                              for one, other in zip(returned[1:], last[1:]))
    points = [[0, *run["start"][1:]], *run["at"]]
    held = sum((b[0] - a[0]) / 1e9 * (a[2] + b[2] - 2 * last[2]) / 2 / 2**20
               for a, b in itertools.pairwise(points))
    return {"returned": returned[0] / 1e6, "back": last[0] / 1e6,
            "pool": pool, "missing": -missing, "charged": charged, "held": held,
            "rate": (run["start"][2] - last[2]) / 4096 / last[0] * 1e6}


def each(name):
    return lambda runs: [figures(run)[name] for run in runs]


METRICS = (
    common.Metric("returns after", each("returned")),
    common.Metric("then still in the pool", each("pool"), "MB", reason=PENDING),
    common.Metric("then still missing in the machine", each("missing"), "MB", reason=PENDING),
    common.Metric("all is back after", each("back")),
    common.Metric("returned per second", each("rate"), "1000 pages", 0, more_is_better=True),
    common.Metric("pool size over time", each("held"), "MB x s", 2),
)
TIME = common.Metric("allocated after", common.of("time"))
CHARGED = common.Metric("then still charged to the cgroup", each("charged"), "MB",
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


def more_tables(data):
    if not data["oom"]:
        yield "A quick report omits the largest demand without an OOM kill.\n"
        return
    yield ("### At the OOM threshold\n\nTwo processes with memory in swap are killed when "
           "almost no memory is free. Once the parent's wait() has returned for both, two "
           "others allocate and lock as much memory as swap used for the killed ones, plus "
           "an excess. The excess is the largest, searched from above, with which the "
           "unmodified kernel killed no process in several consecutive tries.\n")
    lines = []
    for name, samples in data["oom"].items():
        both = samples["base"], samples["on"]
        needed = common.of("needed", unit=2**20)
        lines.append([name, common.cell(needed(both[0]) + needed(both[1])), samples["extra"],
                      *(f"{killed(tries)} of {len(tries['kills'])}" for tries in both),
                      *(common.cell(TIME.value(tries)) for tries in both)])
    yield from common.table(["short of memory", "needed, in MB", "excess over freed, in KB",
                             "base: tries with a kill", "patched", "base: allocated after, in ms",
                             "patched"], *lines)


def more_comparisons(data):
    for name, samples in data["oom"].items():
        base, patched = samples["base"], samples["on"]
        what = f"{name} short of memory: an OOM kill"
        yield what, common.compare_events(what, killed(base), killed(patched),
                                          len(patched["kills"]))
        what = f"{name} short of memory: time to allocate"
        yield what, common.compare(what, TIME, TIME.value(base), TIME.value(patched))
