# SPDX-License-Identifier: GPL-2.0
"""The Makefile: how it passes on its variables."""

import os
import pathlib
import subprocess
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


class SwitchTest(unittest.TestCase):
    """Switches and their corresponding options."""

    SWITCHES = (("perf-check", "UPDATE", "--update"), ("bench", "QUICK", "--quick"),
                ("mutants", "STATEMENTS", "--statements"))

    def make(self, *args):
        """Return the commands of make, without the options of a surrounding make."""
        env = {name: text for name, text in os.environ.items() if "MAKE" not in name}
        return subprocess.run(["make", "-n", "-C", TOP, *args], capture_output=True,
                              text=True, env=env)

    def test_on(self):
        for target, name, option in self.SWITCHES:
            self.assertIn(option, self.make(target, f"{name}=1").stdout)

    def test_off(self):
        for target, name, option in self.SWITCHES:
            for args in ((), (f"{name}=",), (f"{name}=0",), (f"{name}= 0 ",)):
                run = self.make(target, *args)
                self.assertIn(f"run.py --kernel='7.3' {target}",
                              " ".join(run.stdout.split()))
                self.assertNotIn(option, run.stdout)

    def test_nonsense(self):
        for target, name, _option in self.SWITCHES:
            for text in ("no", "2", "-1", "0 1 x"):
                run = self.make(target, f"{name}={text}")
                self.assertEqual(run.returncode, 2)
                self.assertIn(f"{name}: invalid value '{text}'; use 0 or 1.", run.stderr)

    def test_skip(self):
        self.assertIn("--only='gcc' --skip='clang,context'",
                      self.make("lint", "ONLY=gcc", "SKIP=clang,context").stdout)
