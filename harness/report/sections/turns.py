# SPDX-License-Identifier: GPL-2.0
"""Alternate between the kernels so that a temporary load on the machine affects both."""

from report.sections import common
from shared import BUILD

# Column of each kernel's samples.
COLUMNS = {"base": "base", "patched": "on"}


def each(kernels, job, backend, params, swap_mb, turns, stage):
    """Yield each boot: column, kernel, parameters, and path of the log.

    `params` has the parameters of each kernel.
    """
    for turn in range(1, turns + 1):
        for name, column in COLUMNS.items():
            stage(f"{job}: {backend}, {name} kernel, turn {turn} of {turns}")
            yield (column, getattr(kernels, name),
                   {"pd_backend": backend, "pd_cols": column, "brd.rd_nr": 1,
                    "brd.rd_size": swap_mb << 10} | params.get(name, {}),
                   BUILD / f"log/{job}-{backend}-{name}")


def collect(kernels, job, backend, params, names, turns, stage, swap_mb=common.SWAP_MB):
    """Collect the lines named `job` of the guest job `job`, which sources columns.sh.

    Return {"COLUMN KEY...": {name: [numbers]}}.
    """
    data = {}
    for _column, kernel, own, log in each(kernels, job, backend, params, swap_mb, turns,
                                          stage):
        found = common.collect(kernel, job, own, {job: names}, stage, log=log)[job]
        for key, samples in found.items():
            row = data.setdefault(key, {name: [] for name in names})
            for name in names:
                row[name] += samples[name]
    return data


def collect_columns(kernels, job, params, names, turns, stage,
                    patched=("off", "on", "limit")):
    """Do the same for each backend, with these columns of the patched kernel.

    The limit does not depend on the layer in front of the RAM disk, so it is measured
    only once.
    """
    data, limit = {}, {}
    for backend in common.BACKENDS:
        again = ",".join(column for column in patched if column != "limit" or not data)
        data[backend] = collect(kernels, job, backend,
                                {"base": params, "patched": params | {"pd_cols": again}},
                                names, turns, stage)
        limit |= {key: row for key, row in data[backend].items()
                  if key.startswith("limit")}
    return {backend: rows | limit for backend, rows in data.items()}
