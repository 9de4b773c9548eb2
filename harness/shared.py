# SPDX-License-Identifier: GPL-2.0
"""Code that all modules share: paths, errors, the build lock, commands, progress output."""

import datetime
import fcntl
import os
import pathlib
import subprocess
import sys
import time

HARNESS = pathlib.Path(__file__).resolve().parent
TOP = HARNESS.parent
BUILD = TOP / "build"

HELD = []       # open files that scripts inherit


class Error(Exception):
    """Error to report without a traceback; has no text if a step has already printed the error.

    lines: output of the guest job that failed, if any
    """

    def __init__(self, text="", lines=()):
        super().__init__(text)
        self.lines = list(lines)


def stage(text):
    """Print a line about the current stage, with the time since the command started."""
    start = int(os.environ.setdefault("PD_START", str(int(time.time()))))
    passed = int(time.time()) - start
    print(f"[{passed // 60:3}:{passed % 60:02}] {text}", file=sys.stderr, flush=True)


def lock():
    """Lock build/ against other runs, even if this process dies and its children continue."""
    BUILD.mkdir(exist_ok=True)
    file = os.open(BUILD / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Error("build/: locked by another run, or by a build that it left behind; wait "
                    "until it ends") from error
    HELD.append(file)


def write(path, text):
    """Write a file atomically; on failure, keep its old content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f"{path.name}.tmp")
    tmp.write_text(text)
    tmp.replace(path)


def set_aside(path, suffix=""):
    """Append the time to the name of a file or directory; return the new path."""
    now = datetime.datetime.now()
    return path.rename(path.with_name(f"{path.name}.{now:%Y%m%d-%H%M%S.%f}{suffix}"))


def run(*command, cwd=None):
    """Run a command; return its output, or fail with its output."""
    done = subprocess.run(command, text=True, capture_output=True, cwd=cwd)
    if done.returncode:
        said = done.stdout + done.stderr
        raise Error(f"{command[0]} failed: {said.strip()[-2000:]}")
    return done.stdout


def script(name, *args, env=None):
    """Run a script of the harness; return its output, or fail after the script printed an error.

    If interrupted, terminate the script, and wait until it has cleaned up.
    """
    with subprocess.Popen([HARNESS / name, *map(str, args)], text=True,
                          stdout=subprocess.PIPE, env=env, pass_fds=HELD) as run:
        try:
            said = run.communicate()[0]
        except BaseException:
            run.terminate()
            raise
    if run.returncode:
        raise Error
    return said.strip()
