# SPDX-License-Identifier: GPL-2.0
"""The model of index mode holds, and each faulty variant of it is found."""

import pathlib
import subprocess
import unittest

HARNESS = pathlib.Path(__file__).resolve().parent.parent


class ModelTest(unittest.TestCase):
    def test_index_mode(self):
        run = subprocess.run([HARNESS / "model.sh"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)


if __name__ == "__main__":
    unittest.main()
