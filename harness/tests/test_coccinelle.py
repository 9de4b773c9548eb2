# SPDX-License-Identifier: GPL-2.0
"""Each semantic patch in scripts/coccinelle reports the right lines in each of its modes.

The fixtures of <name>.cocci are coccinelle/<name>.c and <name>-<more>.c, if any. A comment
that begins with "want" marks a line that must be reported; other lines must not be reported.
"want: old -> new" also gives the replacement in patch mode.
"""

import re
import subprocess
import unittest

from shared import HARNESS, TOP
from tests import patched

FIXTURES = HARNESS / "tests/coccinelle"
RULES = {path.stem: path for path in (TOP / "scripts/coccinelle").rglob("*.cocci")}
WANT = re.compile(r"/\* want(?:: (?:(\S+) -> (\S+))?.*)? ?\*/")
LINE = {"report": re.compile(r"^\S+\.c:(\d+):\d+-\d+: \S", re.M),
        "org": re.compile(r"::linb=(\d+)::")}
# Context mode prints a diff that removes the reported lines.
REMOVED = re.compile(r"^-(?!--)(.*)", re.M)


def spatch(rule, mode, *more):
    """Run a rule on one file as scripts/coccicheck does."""
    options = re.search(r"^// Options:(.*)$", rule.read_text(), re.M)[1].split()
    if mode in LINE:
        options.append("--no-show-diff")
    run = subprocess.run(["spatch", "-D", mode, "--very-quiet", "--cocci-file",
                          rule, *options, *more], capture_output=True, text=True)
    if run.returncode or "rror:" in run.stderr:
        raise AssertionError(f"{rule.name}, {mode}: {run.stdout}{run.stderr}")
    return run.stdout


class CoccinelleTest(unittest.TestCase):
    def compile(self, path):
        run = subprocess.run(["gcc", "-fsyntax-only", "-Wall", "-Werror", "-I", FIXTURES,
                              path], capture_output=True, text=True)
        self.assertEqual(run.stderr, "")

    def test_rules(self):
        fixtures = {path.stem.partition("-")[0] for path in FIXTURES.glob("*.c")}
        self.assertEqual(fixtures, RULES.keys())
        for name, rule in RULES.items():
            modes = re.findall(r"^virtual (\w+)$", rule.read_text(), re.M)
            self.assertIn("report", modes)
            self.assertRegex((FIXTURES / f"{name}.c").read_text(), WANT)
            for file in (FIXTURES / f"{name}.c", *FIXTURES.glob(f"{name}-*.c")):
                self.compile(file)
                for mode in modes:
                    with self.subTest(file.stem, mode=mode):
                        check = self.check_patch if mode == "patch" else self.check_lines
                        check(rule, mode, file)

    def check_lines(self, rule, mode, file):
        lines = file.read_text().splitlines()
        wanted = [number for number, line in enumerate(lines, 1) if WANT.search(line)]
        output = spatch(rule, mode, file)
        if mode == "context":
            self.assertEqual(REMOVED.findall(output), [lines[number - 1] for number in wanted])
        else:
            self.assertEqual({int(number) for number in LINE[mode].findall(output)}, set(wanted))

    def check_patch(self, rule, mode, file):
        out, lines = patched.folder(self) / "out.c", []
        spatch(rule, mode, file, "-o", out)
        for line in file.read_text().split("\n"):
            want = WANT.search(line)
            lines.append(line.replace(want[1], want[2], 1) if want and want[1] else line)
        self.assertEqual(out.read_text(), "\n".join(lines))
        self.assertNotEqual(out.read_text(), file.read_text())
        self.compile(out)
