# SPDX-License-Identifier: GPL-2.0
"""docs_check.py: pages to build, and warnings to report."""

import contextlib
import io
import unittest

from checks import docs_check
from overlay import apply
from shared import Error
from tests import patched

CHANGED = ("Documentation/ABI/testing/sysfs-block-zram", "Documentation/core-api/index.rst",
           "Documentation/core-api/percpu_defer.rst", "Documentation/filesystems/locking.rst",
           "include/linux/percpu_defer.h", "lib/percpu_defer.c")
ABOUT_US = """\
/t/Documentation/core-api/percpu_defer.rst:12: WARNING: Title underline too short.
/t/Documentation/filesystems/locking.rst: WARNING: document isn't included in any toctree
/t/Documentation/core-api/index.rst:3: WARNING: toctree contains reference to nonexisting document 'core-api/gone'
/t/Documentation/core-api/percpu_defer.rst:4: WARNING: unknown document: '/gone'
/t/Documentation/core-api/percpu_defer.rst:5: WARNING: undefined label: 'gone'
Warning: lib/percpu_defer.c:12 function parameter 'x' not described in 'f'
WARNING: ./include/linux/percpu_defer.h:3 Excess struct member
[WARNING] /sys/x is defined 2 times: Documentation/ABI/testing/a:1; Documentation/ABI/testing/sysfs-block-zram:3
./lib/percpu_defer.c:9: error: Cannot parse struct or union!
"""
ABOUT_OTHERS = """\
/t/Documentation/core-api/index.rst:3: WARNING: toctree contains reference to nonexisting document 'core-api/kref'
/t/Documentation/core-api/index.rst:3: WARNING: toctree contains reference to nonexisting document 'RCU/index'
/t/Documentation/core-api/percpu_defer.rst:4: WARNING: unknown document: 'kref'
/t/Documentation/core-api/percpu_defer.rst:4: WARNING: unknown document: '/RCU/index'
/t/Documentation/core-api/percpu_defer.rst:5: WARNING: undefined label: 'rcu_concepts'
/t/Documentation/core-api/index.rst: WARNING: document isn't included in any toctree
/t/Documentation/core-api/kref.rst:1: WARNING: Title underline too short.
WARNING: lib/percpu_defer.c.orig:1 no such file
lib/percpu_defer.c is read
"""


class DocsTest(unittest.TestCase):
    def setUp(self):
        self.tree = patched.folder(self)
        for name in (*CHANGED, "Documentation/RCU/index.rst", "Documentation/index.rst",
                     "Documentation/core-api/kref.rst", "Documentation/filesystems/index.rst"):
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text("")
        (self.tree / "Documentation/RCU/index.rst").write_text(".. _RCU_concepts:\n")
        (self.tree / apply.STAMP).write_text("\n".join(["origin", *CHANGED]) + "\n")

    def check(self, log, *pages):
        (self.tree / "log").write_text(log)
        for page in ("core-api/index", "core-api/percpu_defer", *pages):
            path = self.tree / "out" / f"{page}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
        with contextlib.redirect_stderr(io.StringIO()) as said:
            good = docs_check.check(self.tree, self.tree / "out", self.tree / "log")
        return good, said.getvalue()

    def test_pages(self):
        self.assertEqual(
            [str(page) for page in docs_check.to_build(self.tree)],
            ["core-api/index.rst", "core-api/percpu_defer.rst", "filesystems/index.rst",
             "filesystems/locking.rst", "index.rst"])

    def test_warnings(self):
        """Unbuilt pages and relevant warnings are errors; other warnings are ignored."""
        self.assertEqual(self.check(ABOUT_OTHERS),
                         (False, "filesystems/locking.rst: not built\n"))
        self.assertEqual(self.check(ABOUT_OTHERS, "filesystems/locking"), (True, ""))
        self.assertEqual(self.check(ABOUT_US + ABOUT_OTHERS), (False, ABOUT_US))

    def test_no_pages(self):
        (self.tree / apply.STAMP).write_text("origin\nlib/percpu_defer.c\n")
        with self.assertRaisesRegex(Error, "no changed page"):
            docs_check.to_build(self.tree)
