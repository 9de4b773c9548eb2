# SPDX-License-Identifier: GPL-2.0
"""build.sh: no process outlives a build, however it ends."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from shared import HARNESS
from tests import patched

SECONDS = 20


def heed_signals():
    """Undo nohup and "&", which keep a shell from trapping these signals."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


class BuildTest(unittest.TestCase):
    """A preconfigured tree, and a make that signals when it runs."""

    def setUp(self):
        self.top = patched.folder(self)
        self.script("tree/scripts/kconfig/merge_config.sh", "exit 0")
        # Progress is shown continuously.
        self.slept = self.top / "slept"
        self.slept.write_text("")
        self.script("bin/sleep", f"/bin/sleep 0.1; echo >>{self.slept}")

    def script(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def start(self, make):
        """Return the build, and a pipe that closes with its last process."""
        self.script("bin/make", make)
        (self.top / "empty").write_text("")
        end, lock = os.pipe()
        os.set_blocking(end, False)
        build = subprocess.Popen(
            [HARNESS / "machine/build.sh", self.top / "tree", self.top / "out", self.top / "empty"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=[lock],
            preexec_fn=heed_signals,
            env=os.environ | {"PATH": f"{self.top}/bin:{os.environ['PATH']}",
                              "PD_BUILD": str(self.top)})
        os.close(lock)
        self.addCleanup(build.stdout.close)
        self.addCleanup(os.close, end)
        return build, end

    def expect_all_gone(self, end):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                self.assertEqual(os.read(end, 1), b"")
                return
            except BlockingIOError:
                time.sleep(0.1)
        self.fail("a process is left, and has the lock")

    def interrupt(self, number):
        """Send a signal to the build only, while make is running."""
        working = self.top / "working"
        build, end = self.start(f"echo $$ >{working}.tmp; mv {working}.tmp {working}\n"
                                "exec /bin/sleep 60")
        deadline = time.monotonic() + SECONDS
        while not working.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        build.send_signal(number)
        return build, end, int(working.read_text())

    def test_signals(self):
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130),
                             (signal.SIGHUP, 143)):
            with self.subTest(number):
                build, end, _make = self.interrupt(number)
                self.assertEqual(build.wait(SECONDS), code)
                self.expect_all_gone(end)
                (self.top / "working").unlink()

    def test_killed(self):
        """Make survives SIGKILL of the build, but the progress display ends."""
        build, end, make = self.interrupt(signal.SIGKILL)
        build.wait(SECONDS)
        os.kill(make, signal.SIGKILL)
        self.expect_all_gone(end)

    def test_good(self):
        build, end = self.start(f"until [ $(wc -l <{self.slept}) -gt 1 ]; do\n"
                                "/bin/sleep 0.1\ndone")
        self.assertIn("build: step", build.communicate(timeout=SECONDS)[0])
        self.assertEqual(build.returncode, 0)
        self.expect_all_gone(end)

    def test_failing(self):
        build, end = self.start("echo 'x.c:1: error: no such thing'; exit 2")
        said = build.communicate(timeout=SECONDS)[0].splitlines()
        self.assertEqual(build.returncode, 1)
        self.assertEqual(said[-2], "x.c:1: error: no such thing")
        self.assertIn("error: the kernel does not build", said[-1])
        self.expect_all_gone(end)


class ScriptTest(unittest.TestCase):
    """Execution of scripts by run.py."""

    def test_terminated(self):
        """A script has time to clean up."""
        with tempfile.TemporaryDirectory() as tmp:
            script = pathlib.Path(tmp) / "script.sh"
            script.write_text("#!/bin/sh\ncd " + tmp + "\n"
                              "trap 'sleep 1; touch cleaned; exit 1' TERM\n"
                              "touch ready\nsleep 60 &\nwait\n")
            script.chmod(0o755)
            code = (f"import pathlib, signal, sys; sys.path.insert(0, '{HARNESS}'); "
                    f"import shared; shared.HARNESS = pathlib.Path('{tmp}'); "
                    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); "
                    "shared.script('script.sh')")
            runner = subprocess.Popen([sys.executable, "-B", "-c", code])
            while not (script.parent / "ready").exists() and runner.poll() is None:
                time.sleep(0.1)
            runner.terminate()
            self.assertEqual(runner.wait(SECONDS), 3)
            self.assertTrue((script.parent / "cleaned").exists())
