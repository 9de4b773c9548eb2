# SPDX-License-Identifier: GPL-2.0
"""Common parts of all checks of lint.py: findings and their places."""

import collections
import os
import re
import subprocess

from overlay import apply
from shared import Error

# Exceptions that make a check fail, and not the whole job.
FAULTS = (Error, OSError, subprocess.SubprocessError)
CPUS = len(os.sched_getaffinity(0))
LINE = re.compile(r"(?:\./)?([^\s:]+):(\d+):(?:\d+(?:-\d+)?:)? *(.*)")


class Finding(collections.namedtuple("Finding", "path line text")):
    """Finding; sorts by place, prints in compiler format."""

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


class Skip(Exception):
    """The check cannot run here; the message says why."""


def parse(output):
    """Return a finding for each line that has the form of one."""
    for line in output.splitlines():
        if found := LINE.match(line):
            yield Finding(found[1], int(found[2]), found[3])


def own_c():
    """Return our C files and headers for the kernel, relative to its top."""
    return [path for path in apply.overlay() if path.suffix in (".c", ".h")]
