# SPDX-License-Identifier: GPL-2.0
"""Boot both kernels by turns, so that a machine that is busy for a while is so for both."""

from report.sections import common
from shared import BUILD

# The column that each kernel's samples are in.
COLUMNS = {"base": "base", "patched": "on"}


def each(kernels, job, backend, params, swap_mb, turns, stage):
    """Yields what to boot: column, kernel, parameters, and where its log is.

    `params` has those of each kernel.
    """
    for turn in range(1, turns + 1):
        for name, column in COLUMNS.items():
            stage(f"{job}: {backend}, {name} kernel, turn {turn} of {turns}")
            yield (column, getattr(kernels, name),
                   {"pd_backend": backend, "pd_cols": column, "brd.rd_nr": 1,
                    "brd.rd_size": swap_mb << 10} | params.get(name, {}),
                   BUILD / f"log/{job}-{backend}-{name}")


def collect(kernels, job, backend, params, names, turns, stage, swap_mb=common.SWAP_MB):
    """Collect the lines `job` of that guest job, which sources columns.sh.

    Returns {"COLUMN KEY...": {name: [numbers]}}.
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
    """The same for each backend, with these columns of the patched kernel.

    The limit has nothing to do with what is in front of the RAM disk, so it is
    measured once.
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
