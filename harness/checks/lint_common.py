# SPDX-License-Identifier: GPL-2.0
"""What all checks of lint.py have in common: what they find, and where."""

import collections
import os
import re

from overlay import apply

CPUS = len(os.sched_getaffinity(0))
LINE = re.compile(r"(?:\./)?([^\s:]+):(\d+):(?:\d+(?:-\d+)?:)? *(.*)")


class Finding(collections.namedtuple("Finding", "path line text")):
    """Sorts by place; shown as compilers show it."""

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


class Skip(Exception):
    """A check cannot be done here, and why."""


def parse(output):
    """A finding of each line that has the form of one."""
    for line in output.splitlines():
        if found := LINE.match(line):
            yield Finding(found[1], int(found[2]), found[3])


def own_c():
    """C and headers of ours that are meant for the kernel, relative to its top."""
    return [path for path in apply.overlay() if path.suffix in (".c", ".h")]
