# SPDX-License-Identifier: GPL-2.0
"""Measure extra kills by a user-space killer, and how much a user can have pending."""

from report.sections import common, turns
from shared import BUILD

TITLE = "Killers in user space, and busy CPUs"
SHOWS = ("Whether a process that watches MemAvailable, as earlyoom does, kills a second "
         "process because the memory of the first one is not back yet; and how much swap "
         "an unprivileged process occupies at most while it frees memory on busy CPUs.")

# Machine of 1 GB, two processes with 250 MB in swap each, polled every 100 ms.
HOLDER_MB = 250
MACHINE = "1024M"
LOW_KB = 100 << 10
POLL_MS = 100
SWAP_MB = 600
# Kilobytes: start and steps of the search for the edge.
MOST, STEP = 16384, 1024
MARGIN = 8192       # of swap_killer
TRIES, GOOD = 60, 6
KILLER_FIELDS = ("kills", "oom_kills", "one")
# Columns of each kernel, in the order of the tries.
COLUMNS = {"base": ("base",), "patched": ("off", "on")}

CHURN_MB, CHURN_SECONDS, SPINNERS = 16, 20, 16
CHURN_FIELDS = ("rounds", "most", "back", "kills")
CHURN_TURNS = 3
# Units of the counter per MB: bytes of mm_stat, pages of zswap.
A_MB = {"zram": 1 << 20, "zswap": 256}


def measure_killer(kernels, backend, tries, stage):
    """Search for the edge on the unmodified kernel, then repeat there on both."""
    data = {"extra": "search"}
    for name, columns in COLUMNS.items():
        stage(f"killer: {backend}, {name} kernel")
        found = common.collect(
            getattr(kernels, name), "killer",
            {"pd_backend": backend, "pd_cols": ",".join(columns), "pd_mb": HOLDER_MB,
             "pd_low": LOW_KB, "pd_poll": POLL_MS, "pd_extra": data["extra"],
             "pd_most": MOST, "pd_step": STEP, "pd_good": GOOD, "pd_tries": tries,
             "mem": MACHINE, "brd.rd_nr": 1, "brd.rd_size": SWAP_MB << 10},
            {"try": KILLER_FIELDS, "edge": ("extra",)}, stage,
            log=BUILD / f"log/killer-{backend}-{name}")
        data["extra"] = found["edge"][columns[0]]["extra"][0]
        data |= {column: found["try"][column] for column in columns}
    return data


def measure(kernels, quick, stage):
    params = {"pd_mb": CHURN_MB, "pd_seconds": 5 if quick else CHURN_SECONDS,
              "pd_spinners": SPINNERS}
    churn = {backend: turns.collect(kernels, "churn", backend,
                                    {"base": params, "patched": params}, CHURN_FIELDS,
                                    1 if quick else CHURN_TURNS, stage)
             for backend in common.BACKENDS}
    # A few tries would not be significant.
    killer = {} if quick else {backend: measure_killer(kernels, backend, TRIES, stage)
                               for backend in common.BACKENDS}
    return {"seconds": params["pd_seconds"], "churn": churn, "killer": killer}


def two_killed(tries):
    return sum(kills > 1 for kills in tries["kills"])


def killer_table(data):
    yield ("| user-space killer | MB in swap per holder | demand beyond one kill, KB "
           "| base: tries with two kills | off | patched |")
    yield "|---|---|---|---|---|---|"
    for backend, samples in data.items():
        one = [number / 2**20 for number in samples["base"]["one"] + samples["on"]["one"]]
        yield (f"| {backend} | {common.cell(one)} | {samples['extra'] - MARGIN} | "
               + " | ".join(f"{two_killed(samples[column])} of {len(samples[column]['kills'])}"
                            for column in ("base", "off", "on")) + " |")
    yield ""


def mb(row):
    """Return the peak in MB; the unit depends on the backend of the row."""
    return [number / A_MB[row["backend"]] for number in row["most"]]


CHURN = (common.Metric("peak in swap", mb, "MB"),
         common.Metric("unmapped", lambda row: [nr * CHURN_MB for nr in row["rounds"]], "MB",
                       more_is_better=True),
         common.Metric("all back after", common.of("back")),
         common.Metric("OOM kills", common.of("kills", unit=1), "kills"))


def grids(data):
    yield common.Grid(
        {f"{backend}, {SPINNERS} spinners on each CPU": {
            column: samples[column] | {"backend": backend} for column in ("base", "on")}
         for backend, samples in data["churn"].items()}, CHURN,
        f"The user nobody fills {CHURN_MB} MB, pages them out and unmaps them, again and again "
        f"for {data['seconds']} s.")


def more_tables(data):
    if not data["killer"]:
        yield "A quick report does not look for the edge of a second kill.\n"
        return
    yield (f"A machine of {MACHINE[:-1]} MB, two processes with {HOLDER_MB} MB in swap each, and "
           "one that takes memory until one of the two has to end. The killer polls every "
           f"{POLL_MS} ms, and kills below {LOW_KB >> 10} MB. The demand is the largest for "
           f"which one kill was enough in {GOOD} tries in a row on the unmodified kernel, "
           "searched from above.\n")
    yield from killer_table(data["killer"])


def more_comparisons(data):
    for backend, samples in data["killer"].items():
        yield common.Events(f"{backend}: a second kill in user space",
                            two_killed(samples["base"]), two_killed(samples["on"]),
                            len(samples["on"]["kills"]))
