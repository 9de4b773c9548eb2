# SPDX-License-Identifier: GPL-2.0
"""User-space killers and busy CPUs

Number of tries in which a process that watches MemAvailable, like earlyoom, kills a second
process because the memory of the first one is not free in time. Peak swap usage of an
unprivileged process that frees memory on busy CPUs.
"""

from report.sections import common

# Machine of 1 GB, two processes with 250 MB in swap each, MemAvailable polled every 100 ms.
# The search for the threshold, the largest demand without a second kill, begins at pd_most.
KILLER = {"mem": "1024M", "pd_mb": 250, "pd_low": 100 << 10, "pd_poll": 100, "pd_most": 16384,
          "pd_step": 1024, "pd_good": 6, "pd_tries": 60}
MARGIN = 8192       # MARGIN of swap_killer.c, in KB
CHURN_MB, SPINNERS = 16, 16
# Units of peak swap usage per MB: bytes in mm_stat of zram, pages in stored_pages of zswap.
A_MB = {"zram": 1 << 20, "zswap": 256}
METRICS = (common.Metric("peak in swap", lambda row: [nr / row["a_mb"] for nr in row["most"]],
                         "MB"),
           common.Metric("unmapped", common.of("rounds", unit=1 / CHURN_MB), "MB",
                         more_is_better=True),
           common.Metric("all back after", common.of("back")),
           common.Metric("OOM kills", common.of("kills", unit=1), "kills"))


def measure(guests):
    params = {"pd_mb": CHURN_MB, "pd_seconds": guests.part(20, 4), "pd_spinners": SPINNERS}
    churn = {backend: guests.collect("churn", backend, params, params,
                                     ("rounds", "most", "back", "kills"))
             for backend in common.BACKENDS}
    # A quick run omits the search: a few tries would not be significant.
    killer = {backend: guests.edge("killer", backend, KILLER, ("kills", "oom_kills", "one"),
                                   "off,on", swap_mb=600)
              for backend in (() if guests.quick else common.BACKENDS)}
    return {"seconds": params["pd_seconds"], "churn": churn, "killer": killer}


def grids(data):
    yield common.Grid(
        {f"{backend}, {SPINNERS} spinners on each CPU": {
            column: samples[column] | {"a_mb": A_MB[backend]} for column in ("base", "on")}
         for backend, samples in data["churn"].items()}, METRICS,
        f"A process of user nobody repeatedly fills {CHURN_MB} MB, pages them out and unmaps "
        f"them, for {data['seconds']} s.")


def two_killed(tries):
    return sum(kills > 1 for kills in tries["kills"])


def more_tables(data):
    if not data["killer"]:
        yield "A quick report omits the largest demand at which one kill is enough.\n"
        return
    yield (f"Of {KILLER['mem'][:-1]} MB of memory, two processes have {KILLER['pd_mb']} MB in "
           "swap each, and a third allocates until one of the two must be killed. The killer "
           f"polls every {KILLER['pd_poll']} ms, and kills below {KILLER['pd_low'] >> 10} MB. The "
           f"demand is the largest with which one kill was enough in {KILLER['pd_good']} "
           "consecutive tries on the unmodified kernel, searched from above.\n")
    lines = []
    for backend, samples in data["killer"].items():
        one = [number / 2**20 for number in samples["base"]["one"] + samples["on"]["one"]]
        lines.append([backend, common.cell(one), samples["extra"] - MARGIN,
                      *(f"{two_killed(samples[column])} of {len(samples[column]['kills'])}"
                        for column in ("base", "off", "on"))])
    yield from common.table(["user-space killer", "MB in swap per holder",
                             "demand beyond one kill, KB", "base: tries with two kills", "off",
                             "patched"], *lines)


def more_comparisons(data):
    for backend, samples in data["killer"].items():
        what = f"{backend}: a second kill in user space"
        yield what, common.compare_events(what, two_killed(samples["base"]),
                                          two_killed(samples["on"]), len(samples["on"]["kills"]))
