# SPDX-License-Identifier: GPL-2.0
"""The models list their variants; model.sh detects failures. "make model" runs the models."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from shared import HARNESS

MODELS = sorted((HARNESS / "checks/model").glob("*.pml"))

COUNTER = """/*
 * Variants that must be found faulty:
 *   BROKEN  counts wrongly
 */
byte n;
active proctype count()
{
#ifdef BROKEN
	n++;
#endif
	%s
	assert(n == 1)
}
"""


def run(folder=None, build=None):
    """Run model.sh on the models in a directory."""
    env = dict(os.environ)
    if folder:
        env.update(PD_MODELS=str(folder), PD_BUILD=str(build))
    return subprocess.run([HARNESS / "checks/model.sh"], capture_output=True, text=True,
                          env=env, check=False)


def listed(text):
    """Return the variants that the head of a model names."""
    head = text[:text.index("\n */")]
    return set(re.findall(r"^ \*   ([A-Z][A-Z0-9_]*) ", head, re.M))


def tested(text):
    """Return the names that the code of a model depends on."""
    lines = "\n".join(re.findall(r"^#(?:if|elif).*", text, re.M))
    return set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", lines)) - {"ROUNDS"}


class ModelTest(unittest.TestCase):
    def check(self, model):
        """Run model.sh on a single model with this text."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "counter.pml").write_text(model)
            return run(folder, folder / "build")

    def test_variants_are_listed(self):
        self.assertTrue(MODELS)
        for path in MODELS:
            text = path.read_text()
            self.assertEqual(tested(text), listed(text), path.name)

    def test_right_model(self):
        done = self.check(COUNTER % "n++;")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("counter: 0 errors in", done.stdout)
        self.assertIn("counter with BROKEN: 1 errors", done.stdout)

    def test_wrong_model(self):
        done = self.check(COUNTER % "n = 2;")
        self.assertEqual(done.returncode, 1)
        self.assertIn("counter: wrong;", done.stderr)

    def test_variant_not_found(self):
        done = self.check(COUNTER % "n = 1;")
        self.assertEqual(done.returncode, 1)
        self.assertIn("counter with BROKEN: not found;", done.stderr)

    def test_search_not_exhaustive(self):
        deep = "int i; do :: i < 200000 -> i++ :: else -> break od; n++;"
        done = self.check(COUNTER % deep)
        self.assertEqual(done.returncode, 1)
        self.assertIn("counter: not searched exhaustively;", done.stderr)

    def test_syntax_error(self):
        done = self.check(COUNTER % "n ++ n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not build; see", done.stderr)

    def test_no_models(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run(folder, pathlib.Path(folder) / "build")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no models;", done.stderr)
