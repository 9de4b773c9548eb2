# SPDX-License-Identifier: GPL-2.0
"""Boot the guest jobs of the sections on both kernels, and collect their samples.

The kernels alternate so that a temporary load on the host affects both.
"""

import typing

from report.sections import common
from shared import BUILD

TURNS, QUICK_TURNS = 3, 2
# Size of a swap device: 2 GB, plus slots still in use from earlier repetitions.
SWAP_MB = 2200
# Default column of the samples of each kernel.
COLUMNS = {"base": "base", "patched": "on"}


class Guests(typing.NamedTuple):
    """Kernels to measure, and methods that boot jobs on them."""

    kernels: typing.Any         # see bench.py
    quick: bool                 # take fewer and smaller measurements
    stage: typing.Callable

    def part(self, number, divisor):
        """Return the number, in a quick run a fraction of it."""
        return number // divisor if self.quick else number

    def boot(self, name, job, backend, params, fields=None, swap_mb=SWAP_MB, label="", **more):
        """Boot a job on the named kernel; return its samples from common.collect().

        Without `fields`, return the lines of the job. The name of the log ends with `label`.
        """
        kernel, label = getattr(self.kernels, name), label or name
        params = {"pd_backend": backend, "pd_cols": COLUMNS[name], "brd.rd_nr": 1,
                  "brd.rd_size": swap_mb << 10} | params
        more["log"] = BUILD / f"log/{job}-{backend}-{label}"
        self.stage(f"  {job}: {backend}, {label}")
        if not fields:
            return kernel.run(job, params, **more)
        return common.collect(kernel, job, params, fields, self.stage, **more)

    def alternate(self, job, backend, base, patched, turns=TURNS, quick_turns=1, **more):
        """Boot a job on both kernels in turn; yield (column, result of boot())."""
        turns = quick_turns if self.quick else turns
        for turn in range(1, turns + 1):
            self.stage(f"{job}: {backend}, turn {turn} of {turns}")
            for name, params in ("base", base), ("patched", patched):
                yield COLUMNS[name], self.boot(name, job, backend, params, **more)

    def collect(self, job, backend, base, patched, names, **more):
        """Run a job on both kernels; return samples as {"COLUMN KEY...": {name: [numbers]}}."""
        data = {}
        for _column, found in self.alternate(job, backend, base, patched,
                                             fields={job: names}, **more):
            for key, samples in found[job].items():
                row = data.setdefault(key, {name: [] for name in names})
                for name in names:
                    row[name] += samples[name]
        return data

    def columns(self, job, params, names, patched="off,on,limit", **more):
        """Collect the samples of each backend, with these columns of the patched kernel.

        Measure the limit only once, because swap on the RAM disk uses neither backend.
        """
        zram = self.collect(job, "zram", params, params | {"pd_cols": patched}, names, **more)
        limit = {key: row for key, row in zram.items() if key.startswith("limit")}
        patched = patched.removesuffix(",limit")
        zswap = self.collect(job, "zswap", params, params | {"pd_cols": patched}, names, **more)
        return {"zram": zram, "zswap": zswap | limit}

    def edge(self, job, backend, params, fields, columns="on", label="", **more):
        """Search for the threshold (see edge.sh) on the base kernel; repeat tries there on both.

        Return {"extra": the threshold, column: samples of its tries}.
        """
        data = {"extra": "search"}
        for name, tried in ("base", "base"), ("patched", columns):
            found = self.boot(name, job, backend,
                              params | {"pd_cols": tried, "pd_extra": data["extra"]},
                              {"try": fields, "edge": ("extra",)}, label=label + name, **more)
            data["extra"] = next(iter(found["edge"].values()))["extra"][0]
            data |= zip(tried.split(","), found["try"].values(), strict=True)
        return data
