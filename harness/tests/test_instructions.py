# SPDX-License-Identifier: GPL-2.0
"""sections/instructions.py: a count matches the case in its name, or is missing."""

import tomllib
import types
import unittest

from report import perf_check
from report.sections import common, instructions, short_runs
from shared import Error


def pages(length):
    """Return the pages in runs of each size; all runs have this length."""
    wanted = 512 if length == "long" else int(length)
    return [8192 if size == wanted else 0 for size in short_runs.SIZES]


class Guest:
    """Output of a guest, which a test may change."""

    def __init__(self):
        self.cancelled = {"empty": 0, "waiting": 500}
        self.refused = {"long": 40, "1": 4100, "64": 70}
        self.pages = pages

    def unmaps(self, params):
        for length in params["pd_runs"].split(","):
            yield length, [1, 2, 8192 * 10, 8192 * 20, 1, 1, *self.pages(length)]

    def instructions(self, params):
        for length, numbers in self.unmaps(params):
            yield "free", length, *numbers
        for state in filter(None, params["pd_state"].split(",")):
            for content in ("filled", "zero"):
                yield "again", content, state, 512 * 30, self.cancelled[state]

    def refused_(self, params):
        for length, numbers in self.unmaps(params):
            yield "refused", length, self.refused[length], *numbers

    def library(self, _params):
        yield "library", "percpu_defer_map_push, by 1", 70.5
        yield "library", "percpu_defer_map_push + cancel", 90.0

    def run(self, job, params, on_line, **_more):
        lines = {"instructions": self.instructions, "refused": self.refused_,
                 "library": self.library}[job]
        for _ in range(params.get("pd_reps", 1)):
            for words in lines(params):
                on_line(" ".join(map(str, words)))


class CountTest(unittest.TestCase):
    def setUp(self):
        self.guest = Guest()

    def count(self, *parts):
        kernel = types.SimpleNamespace(run=self.guest.run)
        return instructions.count_parts(kernel, parts or instructions.PARTS, 2,
                                        lambda text: None)

    def test_for_a_slot(self):
        found = self.count()
        self.assertEqual(found["zram"]["push, runs of 64"], [10, 10])
        self.assertEqual(found["zram"]["drain"], [20, 20])
        self.assertEqual(found["zswap"]["free, off, runs of 1"], [10, 10])
        # Half as many slots.
        self.assertEqual(found["zram"]["free, refused"], [20, 20])
        self.assertEqual(found["zram"]["swap-out of zeros, slot waiting"], [30, 30])

    def test_cancel(self):
        self.assertEqual(self.count("library"),
                         {"library": {"push": [70.5], "cancel": [19.5]}})

    def test_baseline_has_all(self):
        baseline = tomllib.loads(perf_check.BASELINE.read_text())
        for backend, counts in self.count().items():
            self.assertEqual(set(counts), set(baseline[backend]))

    def test_tolerances_are_of_counts(self):
        self.assertLessEqual(set(perf_check.TOLERANCES), set(self.count("on")["zram"]))

    def test_other_length(self):
        self.guest.pages = lambda length: pages("long")
        with self.assertRaisesRegex(Error, "zram: only 0 % .* in runs of 1"):
            self.count("off")

    def test_drained_before(self):
        self.guest.cancelled["waiting"] = 400
        with self.assertRaisesRegex(Error, "zram: only 400 of 512 slots waited"):
            self.count("on")

    def test_taken(self):
        self.guest.refused["64"] = 32
        with self.assertRaisesRegex(Error, "zram: only 32 of 64 pushes were refused"):
            self.count("refused")


class ReportTest(unittest.TestCase):
    def test_all(self):
        guest = types.SimpleNamespace(run=Guest().run)
        data = instructions.measure(types.SimpleNamespace(base=guest, patched=guest), True,
                                    lambda text: None)
        rows = [line for line in common.tables(instructions, data) if "munmap of a slot, runs" in line]
        self.assertEqual(len(rows), 4)
