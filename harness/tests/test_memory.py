# SPDX-License-Identifier: GPL-2.0
"""sections/memory.py: the report on memory matches the measurements."""

import unittest

from report.sections import common, memory

MB = 2**20
MS = 10**6


def lines(column, returned_ms, *pool_mb):
    """Return guest output for a pool of these sizes, first and then every 10 ms."""
    total = 1000
    moments = [(i * 10 * MS, (total - mb) * MB, mb * MB, 0)
               for i, mb in enumerate(pool_mb)]
    at_return = max(moment for moment in moments if moment[0] <= returned_ms * MS)
    yield f"case {column} munmap 512 0"
    yield "start {} {} {} {}".format(*moments[0])
    yield "returned {} {} {} {}".format(returned_ms * MS, *at_return[1:])
    yield from ("at {} {} {} {}".format(*moment) for moment in moments[1:])
    yield "repetition 1"


class Timeline(unittest.TestCase):
    def setUp(self):
        (self.case, self.run_), = memory.runs_of(
            lines("on", 10, 101, 61, 21, 1)).items()

    def test_case(self):
        self.assertEqual(self.case, "munmap of 512 MB")

    def test_at_return(self):
        self.assertEqual(memory.returned_ms(self.run_), 10)
        self.assertEqual(memory.pool_mb(self.run_), 60)
        self.assertEqual(memory.missing_mb(self.run_), 60)

    def test_all(self):
        self.assertEqual(memory.back_ms(self.run_), 30)
        # 100 MB in 30 ms.
        self.assertAlmostEqual(memory.pages_a_second(self.run_), 25600 / 0.03 / 1000)
        # 80, 40 and 10 MB, 10 ms each.
        self.assertAlmostEqual(memory.held(self.run_), 1.3)


def worse(data):
    return [line for one in common.comparisons(memory, data) if (line := one.worse())]


class Worse(unittest.TestCase):
    def told(self, base, patched):
        """Return the regressions in two identical runs of each kernel."""
        runs = {column: {"munmap of 512 MB": [
            memory.runs_of(one)["munmap of 512 MB"] for one in (
                lines(column, *words), lines(column, *words))]}
            for column, words in (("base", base), ("on", patched))}
        return worse({"back": {"zram": runs}, "oom": {}})

    def test_pending_at_return_is_told(self):
        told = self.told((20, 100, 50, 0), (0, 100, 50, 0))
        self.assertEqual(len(told), 2)
        self.assertIn("then still in the pool: 100.0 (100.0-100.0) MB", told[0])

    def test_kill(self):
        tries = {"kills": [0, 0], "cgroup_kills": [0, 0], "needed": [1, 1], "time": [5, 5]}
        killed = tries | {"kills": [0, 2]}
        data = {"back": {}, "oom": {"zswap, cgroup": {"extra": 1, "base": tries,
                                                      "on": killed}}}
        self.assertEqual(worse(data), [
            "zswap, cgroup short of memory: an OOM kill in 1 of 2 tries instead of 0; "
            "so many or more come by chance in 50% of such comparisons"])

    def test_quick(self):
        self.assertIn("does not look for", "".join(common.tables(memory, {"back": {}, "oom": {}})))
