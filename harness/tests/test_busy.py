# SPDX-License-Identifier: GPL-2.0
"""sections/busy.py: a broken guarantee aborts the report, whatever the times are."""

import unittest

from report.sections import busy, common
from shared import Error


def samples(**told):
    """Return the samples of one unmap, with these values."""
    row = dict.fromkeys(busy.NAMES, 0) | {"cap": 800, "left": 900 * 4096} | told
    return {"small": {}, "usual": {"zram": {
        key: {name: [number] for name, number in row.items()}
        for key in ("base other", "base fifo", "on other", "on starve")}}}


class CheckTest(unittest.TestCase):
    def test_bound_kept(self):
        busy.check(samples())

    def test_bound_overrun(self):
        with self.assertRaisesRegex(Error, "910 pages were pending"):
            busy.check(samples(left=910 * 4096))

    def test_left_behind(self):
        with self.assertRaisesRegex(Error, "stayed pending"):
            busy.check(samples(pending=1))

    def test_base_of_starved(self):
        table = "\n".join(common.tables(busy, samples()))
        self.assertIn(busy.HOGS["starve"], table)
