# SPDX-License-Identifier: GPL-2.0
"""report/sections: figures match the output of guests, and guarantees are checked."""

import types
import unittest

from report.sections import busy, common, instructions, memory, short_runs
from report.sections.guests import Guests
from shared import Error

MB = 2**20
MS = 10**6


class GuestsTest(unittest.TestCase):
    """Parameters of guests, and samples of alternating turns."""

    def setUp(self):
        self.booted = []

    def guests(self, quick=False):
        def run(job, params, on_line, **_more):
            self.booted.append(params)
            for column in params["pd_cols"].split(","):
                on_line(f"{job} {column} {len(self.booted)}")
                on_line("edge here 7")
        kernel = types.SimpleNamespace(run=run)
        return Guests(types.SimpleNamespace(base=kernel, patched=kernel), quick, lambda text: None)

    def test_columns(self):
        """The limit is measured with zram only."""
        data = self.guests().columns("try", {}, ("number",), turns=2)
        self.assertEqual({key: row["number"] for key, row in data["zswap"].items()},
                         {"base": [5, 7], "off": [6, 8], "on": [6, 8], "limit": [2, 4]})
        self.assertEqual(data["zram"]["base"]["number"], [1, 3])
        data = self.guests(quick=True).columns("try", {}, ("number",))
        self.assertEqual(len(data["zram"]["on"]["number"]), 1)

    def test_edge(self):
        """Both kernels are measured at the threshold of the unmodified kernel."""
        data = self.guests().edge("try", "zram", {}, ("number",), "off,on")
        self.assertEqual(data, {"extra": 7, "base": {"number": [1]}, "off": {"number": [2]},
                                "on": {"number": [2]}})
        self.assertEqual([params["pd_extra"] for params in self.booted], ["search", 7])


def run_of(returned_ms, *pool_mb):
    """Return a run with samples of these pool sizes, at the start and then every 10 ms."""
    moments = [f"{i * 10 * MS} {(1000 - mb) * MB} {mb * MB} {mb * MB}"
               for i, mb in enumerate(pool_mb)]
    _time, *at_return = moments[returned_ms // 10].split()
    lines = ["case on munmap 512 128", f"start {moments[0]}",
             f"returned {returned_ms * MS} {' '.join(at_return)}",
             *(f"at {moment}" for moment in moments[1:]), "repetition 1"]
    return memory.runs_of(lines)["munmap of 512 MB in a cgroup of 128 MB"]


class MemoryTest(unittest.TestCase):
    def test_figures(self):
        found = memory.figures(run_of(10, 101, 61, 21, 1))
        # Rate: 100 MB in 30 ms. Held: on average 80, 40 and 10 MB, for 10 ms each.
        for name, number in (("returned", 10), ("back", 30), ("pool", 60), ("missing", 60),
                             ("charged", 60), ("rate", 25600 / 30), ("held", 1.3)):
            self.assertAlmostEqual(found[name], number, msg=name)

    def test_regressions(self):
        """Pending memory at return and OOM kills are regressions."""
        case = {column: {"munmap": [run_of(*run)] * 2} for column, run in
                (("base", (20, 100, 50, 0)), ("on", (0, 100, 50, 0)))}
        tries = {"kills": [0, 0], "time": [5, 5]}
        oom = {"base": tries, "on": tries | {"kills": [0, 2]}}
        found = common.comparisons(memory, {"back": {"zram": case}, "oom": {"zswap": oom}})
        self.assertEqual([what for what, (line, _chance) in found.items() if line], [
            "zram, munmap: then still in the pool",
            "zram, munmap: then still missing in the machine",
            "zswap short of memory: an OOM kill"])


class BusyTest(unittest.TestCase):
    def test_guarantees(self):
        """A broken guarantee aborts the report, regardless of the times."""
        def check(**numbers):
            row = dict.fromkeys(busy.NAMES, [0]) | {"cap": [800]} | numbers
            busy.check({"zram": {"on starve": row}})
        check(left=[900 * 4096])
        for numbers, text in (({"left": [910 * 4096]}, "910 pages were pending"),
                              ({"pending": [1]}, "stayed pending")):
            with self.subTest(text), self.assertRaisesRegex(Error, text):
                check(**numbers)


class InstructionsTest(unittest.TestCase):
    """A count is refused if too few slots were in the state that its name implies."""

    def frees(self, length, **numbers):
        row = dict.fromkeys(short_runs.SIZES, [0]) | {"64": [8192], "cpu": [81920]} | numbers
        return instructions.frees("zram", "push", {length: row}, 8192)

    def swap_outs(self, cancelled):
        row = {"instructions": [512 * 30], "cancelled": [cancelled]}
        return instructions.swap_outs("zram", {"filled pending": row, "zero pending": row},
                                      ["pending"])

    def test_counts(self):
        self.assertEqual(self.frees("64", refused=[120]), {"push, runs of 64": [10]})
        self.assertEqual(self.swap_outs(500), {"swap-out, slot pending": [30],
                                               "swap-out of zeros, slot pending": [30]})

    def test_other_state(self):
        for count, text in (
                (lambda: self.frees("1"), "zram: % of pages in runs of 1: only 0,"),
                (lambda: self.frees("64", refused=[32]), "pushes of 64: only 32, not 115"),
                (lambda: self.swap_outs(400), "zram: pending slots .* only 400, not 461")):
            with self.subTest(text), self.assertRaisesRegex(Error, text):
                count()
