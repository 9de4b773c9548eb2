# SPDX-License-Identifier: GPL-2.0
"""console.py: all kinds of complaints are found, and ignored only where expected."""

import os
import pathlib
import re
import unittest

from machine import console
from tests import patched

# Messages of the kernel: file, prefix from pr_fmt(), format.
OF_THE_KERNEL = (
    ("mm/zsmalloc.c", "", "Class-%d fullness group %d is not empty"),
    ("mm/swapfile.c", "get_swap_device: ", "Bad swap file entry"),
    ("mm/swapfile.c", "get_swap_device: ", "Bad swap offset entry"),
    ("mm/page_io.c", "", "Write-error on swap-device (%u:%u:%llu)"),
    ("mm/page_io.c", "", "Read-error on swap-device (%u:%u:%llu)"),
    ("mm/page_io.c", "", "Read-error on swap-device\\n"),
    ("mm/page_io.c", "", "Write error %ld on dio swapfile (%llu)"),
    ("block/blk-mq.c", "", "%s error, dev %s, sector %llu"),
    ("fs/buffer.c", "", "Buffer I/O error on dev %pg"),
    ("mm/zswap.c", "zswap: ", "Decompression error from zswap"),
    ("drivers/block/zram/zram_drv.c", "zram: ", "Decompression failed!"),
    ("drivers/block/zram/zram_drv.c", "zram: ", "Compression failed!"),
    ("mm/kmemleak.c", "kmemleak: ", "%d new suspected memory leaks"),
    ("mm/kmemleak.c", "kmemleak: ", "Cannot allocate a kmemleak_object structure"),
    ("mm/kmemleak.c", "kmemleak: ", "Kernel memory leak detector disabled"))
OTHERS = ("BUG: KASAN: use-after-free in f", "WARNING: CPU: 0 PID: 1 at x",
          "WARNING: possible circular locking dependency detected",
          "INFO: task sh:1 blocked for more than 120 seconds.",
          "rcu: INFO: rcu_sched self-detected stall on CPU",
          "BUG: KCSAN: data-race in a / percpu_defer_flush",
          "Kernel panic - not syncing: x", "Oops: 0000 [#1]",
          "EXT4-fs error (device zram0): x", "Unused swap offset entry 3ffffff",
          "percpu_defer-torture: !!! slot 3 freed twice",
          "percpu_defer-torture: End of test: FAILURE")
LEAK = "kmemleak: 5 new suspected memory leaks"
RACE = ["BUG: KCSAN: data-race in a / b", "", "read to 0x1 ...", " a+0x1/0x2",
        "Reported by Kernel Concurrency Sanitizer on:"]
OTHER = "BUG: KASAN: x"


def texts(lines, **more):
    return [lines[number] for number in console.complaints(lines, **more)]


class ComplaintsTest(unittest.TestCase):
    def test_seen(self):
        printed = [start + re.sub(r"%l*\w", "5", text) for _path, start, text in OF_THE_KERNEL]
        for line in (*printed, *OTHERS):
            with self.subTest(line):
                line = f"[    1.234567] {line}"
                self.assertEqual(texts(["fine", line, "fine"]), [line])

    def test_words_of_the_kernel(self):
        """The sources of this kernel contain the messages."""
        patched.skip_older(self)
        for path, _start, text in OF_THE_KERNEL:
            with self.subTest(text):
                file = pathlib.Path(os.environ["PD_PRISTINE"], path)
                self.assertTrue(text in file.read_text(), path)

    def test_expected(self):
        """Only complaints of the expected kind are ignored, and only in their section."""
        lines = ["pd_section: a", LEAK, LEAK, OTHER, "[ 1.0] pd_section: b", LEAK]
        self.assertEqual(texts(lines, expected={"a": ["planted leak"]}), [OTHER, LEAK])
        self.assertEqual(len(texts(lines)), 4)

    def test_race(self):
        """is_foreign_race() receives only whole reports; without it, all races are complaints."""
        lines, reports = ["=" * 66, *RACE, "=" * 66, OTHER], []
        self.assertEqual(texts(lines), [RACE[0], OTHER])
        for foreign, found in ((True, [OTHER]), (False, [RACE[0], OTHER])):
            self.assertEqual(texts(lines, is_foreign_race=lambda report, foreign=foreign:
                                   reports.append(report) or foreign), found)
        self.assertEqual(reports, [RACE, RACE])
