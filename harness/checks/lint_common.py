# SPDX-License-Identifier: GPL-2.0
"""Common code of make lint and make cross: findings, and the execution of checks."""

import collections
import os
import re
import subprocess

from shared import Error, stage

CPUS = len(os.sched_getaffinity(0))
# Absolute paths of the kernel trees that the checks read.
Trees = collections.namedtuple("Trees", "patched base")
LINE = re.compile(r"(?:\./)?([^\s:]+):(\d+):(?:\d+(?:-\d+)?:)? *(.*)")


class Finding(collections.namedtuple("Finding", "path line text")):
    """Finding of a check; sorted by place, printed in compiler format."""

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


def parse(output, form=LINE):
    """Return a finding for each line that has this form."""
    found = map(form.match, output.splitlines())
    return [Finding(one[1], int(one[2]), one[3]) for one in found if one]


def result_of(check, trees):
    """Run a check; return "ok", its findings, or the reason why it could not run."""
    try:
        found = sorted(set(check(trees)))
    except (Error, OSError, subprocess.SubprocessError) as error:
        return f"failed: {str(error) or 'see above'}"
    return "\n  ".join([f"{len(found)} found", *map(str, found)]) if found else "ok"


def run(checks, names, source):
    """Run the named checks to the end; fail if one has findings or cannot run."""
    trees = Trees(source.patched_tree().resolve(), source.base_tree().resolve())
    failed = []
    for name in names:
        stage(name)
        result = result_of(checks[name], trees)
        print(f"{name}: {result}", flush=True)
        if result != "ok":
            failed.append(name)
    if failed:
        raise Error(f"{len(failed)} of {len(names)} checks failed: {', '.join(failed)}")
