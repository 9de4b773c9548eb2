# SPDX-License-Identifier: GPL-2.0
"""Fake commands, fake kernels, and calls with captured output."""

import contextlib
import io
import os
import pathlib
import unittest
import unittest.mock

from shared import Error
from tests import patched


def quietly(function, *args, **more):
    """Call a function; return its result and its output."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        result = function(*args, **more)
    return result, said.getvalue()


class FakeKernel:
    """Kernel whose jobs print `lines`, then fail with `fault` if it is set."""

    def __init__(self, lines, fault=""):
        self.tree = pathlib.Path(os.environ["PD_PRISTINE"])
        self.lines, self.fault = lines, fault

    def run(self, job, params, on_line=print, **limits):
        self.job, self.params, self.limits = job, params, limits
        for line in self.lines:
            on_line(line)
        if self.fault:
            raise Error(self.fault, self.lines)
        return self.lines


class Commands(unittest.TestCase):
    """Test case with a temporary directory `tmp`; PATH begins with `tmp/bin`."""

    def setUp(self):
        self.tmp = patched.folder(self)
        self.bin = self.tmp / "bin"
        self.bin.mkdir()
        path = f"{self.bin}:{os.environ['PATH']}"
        self.enterContext(unittest.mock.patch.dict(os.environ, PATH=path))

    def command(self, name, script):
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
