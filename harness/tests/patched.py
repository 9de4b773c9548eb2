# SPDX-License-Identifier: GPL-2.0
"""Shared test helpers: directories, replaced attributes, and the text of the patched tree."""

import functools
import os
import pathlib
import shutil
import tempfile
import unittest
import unittest.mock

from overlay import apply, compat_tables


def needs(*tools):
    """Skip the decorated tests if a tool is missing; "make test" installs all tools."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    return unittest.skipIf(missing, f"no {', '.join(missing)}")


def folder(case):
    """Return an empty directory that is removed when the test case ends."""
    tmp = tempfile.TemporaryDirectory()
    case.addCleanup(tmp.cleanup)
    return pathlib.Path(tmp.name)


def replace(case, module, **values):
    """Replace attributes of a module until the test case ends."""
    patch = unittest.mock.patch.multiple(module, **values)
    patch.start()
    case.addCleanup(patch.stop)


def write(top, files):
    """Write files, {name: text}, below a directory."""
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def skip_older(case):
    """Skip a test on a kernel that is older than the target of the overlay."""
    version = apply.kernel_version(pathlib.Path(os.environ["PD_PRISTINE"]))
    if compat_tables.folder(version).exists() or compat_tables.table(version):
        case.skipTest(f"requires a newer kernel than {version}")


@functools.cache
def files():
    """Return {path: text} of all files that the overlay adds or changes in PD_PRISTINE."""
    ksrc = pathlib.Path(os.environ["PD_PRISTINE"])
    version = apply.kernel_version(ksrc)
    made = apply.generate(ksrc, version, apply.read_overlay(version))
    return {str(path): content.decode() for path, content in made.items()}
