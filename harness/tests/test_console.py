# SPDX-License-Identifier: GPL-2.0
"""console.py: complaints of each kind are recognized, expected ones only where expected."""




# A console line, and the kernel file that prints it, with the words to find there.

import os
import pathlib
import re
import unittest

from checks import test
from machine import console
from shared import HARNESS
from tests import patched

OF_THE_KERNEL = (
    ("Class-64 fullness group 3 is not empty", "mm/zsmalloc.c",
     "Class-%d fullness group %d is not empty"),
    ("get_swap_device: Bad swap file entry 3ffffff", "mm/swapfile.c",
     "Bad swap file entry "),
    ("get_swap_device: Bad swap offset entry 3ffffff", "mm/swapfile.c",
     "Bad swap offset entry "),
    ("Write-error on swap-device (253:0:16)", "mm/page_io.c",
     "Write-error on swap-device (%u:%u:%llu)"),
    ("Read-error on swap-device (253:0:16)", "mm/page_io.c",
     "Read-error on swap-device (%u:%u:%llu)"),
    ("Read-error on swap-device", "mm/page_io.c", "Read-error on swap-device\\n"),
    ("Write error -5 on dio swapfile (4096)", "mm/page_io.c",
     "Write error %ld on dio swapfile (%llu)"),
    ("I/O error, dev zram0, sector 8 op 0x0:(READ) flags 0x0", "block/blk-mq.c",
     "%s error, dev %s, sector %llu"),
    ("Buffer I/O error on dev zram0, logical block 0, async page read", "fs/buffer.c",
     "Buffer I/O error on dev %pg"),
    ("zswap: Decompression error from zswap (0:12 lzo 40->3)", "mm/zswap.c",
     "Decompression error from zswap"),
    ("zram: Decompression failed! err=-22, page=3", "drivers/block/zram/zram_drv.c",
     "Decompression failed!"),
    ("zram: Compression failed! err=-22", "drivers/block/zram/zram_drv.c",
     "Compression failed!"),
    ("kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
     "mm/kmemleak.c", "%d new suspected memory leaks"),
    ("kmemleak: Cannot allocate a kmemleak_object structure", "mm/kmemleak.c",
     "Cannot allocate a kmemleak_object structure"),
    ("kmemleak: Kernel memory leak detector disabled", "mm/kmemleak.c",
     "Kernel memory leak detector disabled"),
)
OTHERS = ("BUG: KASAN: use-after-free in f", "WARNING: CPU: 0 PID: 1 at x",
          "WARNING: possible circular locking dependency detected",
          "INFO: task sh:1 blocked for more than 120 seconds.",
          "rcu: INFO: rcu_sched self-detected stall on CPU",
          "BUG: KCSAN: data-race in a / percpu_defer_flush",
          "Kernel panic - not syncing: x", "Oops: 0000 [#1]",
          "EXT4-fs error (device zram0): x", "Unused swap offset entry 3ffffff",
          "percpu_defer-torture: !!! slot 3 freed twice",
          "percpu_defer-torture: End of test: FAILURE")


def texts(lines, **more):
    return [one.text for one in console.complaints(lines, **more)]


class ComplaintsTest(unittest.TestCase):
    def test_seen(self):
        for line in (*(line for line, _file, _words in OF_THE_KERNEL), *OTHERS):
            line = f"[    1.234567] {line}"
            self.assertEqual(texts(["fine", line, "fine"]), [line])

    def test_words_of_the_kernel(self):
        """The patterns match the messages of this kernel."""
        patched.skip_older(self)
        for line, path, words in OF_THE_KERNEL:
            text = (pathlib.Path(os.environ["PD_PRISTINE"]) / path).read_text()
            self.assertTrue(words in text, f"{path} does not print {line}")

    def test_healthy(self):
        self.assertEqual(texts(["zram: Added device: zram0", "Adding 1k swap on /dev/x.",
                                "kmemleak: Automatic memory scanning thread started",
                                "percpu_defer-torture: End of test: SUCCESS"]), [])


class ExpectedTest(unittest.TestCase):
    LEAK = "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"
    WRITE = "Write-error on swap-device (253:0:16)"

    def test_in_its_section(self):
        lines = ["pd_section: a", self.WRITE, self.WRITE, "[ 1.0] pd_section: b",
                 self.WRITE]
        expected = {"a": ["swap write error"]}
        self.assertEqual(len(texts(lines, expected=expected)), 1)
        self.assertEqual(len(texts(lines)), 3)

    def test_planted_leak(self):
        expected = {"a": ["planted leak"]}
        self.assertFalse(texts(["pd_section: a", self.LEAK], expected=expected))
        self.assertEqual(len(texts(["pd_section: b", self.LEAK], expected=expected)), 1)

    def test_names(self):
        """The sections and kinds that test.py names exist."""
        written = set(re.findall(r"pd_section: (\w+)", "".join(
            path.read_text() for path in (HARNESS / "guest").glob("*.sh"))))
        self.assertLessEqual(test.EXPECTED.keys(), written | set(test.sections_of_guest()))
        for names in test.EXPECTED.values():
            self.assertLessEqual(set(names), console.EXPECTABLE.keys())


class RaceTest(unittest.TestCase):
    LINES = ["=" * 66, "BUG: KCSAN: data-race in a / b", "", "read to 0x1 ...",
             " a+0x1/0x2", "Reported by Kernel Concurrency Sanitizer on:", "=" * 66,
             "BUG: KASAN: x"]

    def test_report(self):
        """The judge gets a whole report and nothing else."""
        reports = []
        found = texts(self.LINES, is_foreign_race=lambda report: reports.append(report) or True)
        self.assertEqual(reports, [self.LINES[1:6]])
        self.assertEqual(found, ["BUG: KASAN: x"])

    def test_ours(self):
        found = texts(self.LINES, is_foreign_race=lambda report: False)
        self.assertEqual(found, [self.LINES[1], "BUG: KASAN: x"])

    def test_nobody_can_tell(self):
        self.assertEqual(len(texts(self.LINES)), 2)
