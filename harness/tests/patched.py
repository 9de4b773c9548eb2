# SPDX-License-Identifier: GPL-2.0
"""For all tests: folders, and the text of the patched tree, which is generated once."""

import functools
import os
import pathlib
import shutil
import tempfile
import unittest

from overlay import apply, compat_tables


def needs(*tools):
    """Decorates tests that are skipped where a tool is missing; "make test" installs all."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    return unittest.skipIf(missing, f"no {', '.join(missing)}")


def folder(case):
    """An empty folder that is removed when the test case has ended."""
    tmp = tempfile.TemporaryDirectory()
    case.addCleanup(tmp.cleanup)
    return pathlib.Path(tmp.name)


def skip_older(case):
    """Skip a test about the words of the kernel that the overlay is written for."""
    version = apply.kernel_version(pathlib.Path(os.environ["PD_PRISTINE"]))
    if compat_tables.folder(version).exists():
        case.skipTest(f"is about a newer kernel than {version}")


@functools.cache
def files():
    """Path to text, of what the overlay adds or changes in PD_PRISTINE."""
    ksrc = pathlib.Path(os.environ["PD_PRISTINE"])
    version = apply.kernel_version(ksrc)
    made = apply.generate(ksrc, version, apply.read_overlay(version))
    return {str(path): content.decode() for path, content in made.items()}
