# SPDX-License-Identifier: GPL-2.0
"""Each semantic patch of scripts/coccinelle finds the right lines in all its modes.

The fixtures of <name>.cocci are coccinelle/<name>.c and <name>-<more>.c, if any. A comment
that begins with "want" marks a line that must be reported; no other line may be.
"want: old -> new" also gives the line after patch mode.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent
FIXTURES = TESTS / "coccinelle"
RULES = {path.stem: path for path in
         sorted((TESTS.parent.parent / "scripts/coccinelle").rglob("*.cocci"))}
FILES = sorted(FIXTURES.glob("*.c"))
WANT = re.compile(r"/\* want(?:: (?:(\S+) -> (\S+))?.*)? ?\*/")
LINE = {"report": re.compile(r"^\S+\.c:(\d+):\d+-\d+: \S", re.M),
        "org": re.compile(r"::linb=(\d+)::")}

# Faults to detect: a text in a rule, and its replacement. The first of each rule suppresses
# reports, the others cause false ones.
BROKEN = {
    "deferral_candidate": (
        ("frees(work) is None", "False"),
        ("or not known and", "or"),
        ("return any(map(FREES.search, reached))", "return True"),
        ("... when != unlock(E, ...)\n    when any", "... when any"),
        ("array[i++] = E", "array[i] = E"),
    ),
    "deferral_candidate-client": (
        ("#include <linux/percpu_defer.h>", "#include <linux/llist.h>"),
    ),
    "look_before_claim": (
        ("walk@p(..., found, ...) {", "walk@p(found, ..., found) {"),
        (" ... when != found = E\n(", " ... when any\n("),
    ),
    "own_drain": (
        ("percpu_defer_init(..., fn)", "percpu_defer_init(fn, ...)"),
        ("push@p(&owner->member, ...)", "push@p(...)"),
        ("wait@p(&owner->member.core, ...)", "wait@p(...)"),
    ),
    "sleep_in_atomic": (
        ("spin_lock_irqsave, xa_lock}", "spin_lock_irqsave}"),
        (" ... when != unlock(E, ...)\n", " ... when any\n"),
    ),
    "use_after_push": (
        (" ... when != x = E\n(\n x->f@p", " ... when != x->f\n(\n x->f@p"),
        ("if (!percpu_defer_push(pd, (unsigned long)x)) S\n ... when != x = E", "if (!percpu_defer_push(pd, (unsigned long)x)) S\n ... when any"),
    ),
}


def rule_of(file):
    return RULES[file.stem.split("-")[0]]


def modes(rule):
    return re.findall(r"^virtual (\w+)$", rule.read_text(), re.M)


def spatch(rule, mode, *more):
    """Run a rule on one file as scripts/coccicheck does."""
    options = re.search(r"^// Options:(.*)$", rule.read_text(), re.M)[1].split()
    if mode in ("report", "org"):
        options.append("--no-show-diff")
    run = subprocess.run(["spatch", "-D", mode, "--very-quiet", "--cocci-file",
                          rule, *options, *more], capture_output=True, text=True)
    if run.returncode or "rror:" in run.stderr:
        raise AssertionError(f"{rule.name}, {mode}: {run.stdout}{run.stderr}")
    return run.stdout


def lines_removed(diff):
    """Return the line numbers that a unified diff removes: context mode's findings."""
    found, line = set(), None
    for text in diff.splitlines():
        if start := re.match(r"@@ -(\d+)", text):
            line = int(start[1])
        elif line is not None and text[:1] in ("-", " "):
            if text[0] == "-":
                found.add(line)
            line += 1
    return found


def lines_found(mode, output):
    if mode == "context":
        return lines_removed(output)
    return {int(line) for line in LINE[mode].findall(output)}


def lines_wanted(file):
    return {number for number, line in
            enumerate(file.read_text().splitlines(), 1) if WANT.search(line)}


def patched(file):
    """Return the expected result of patch mode for a fixture."""
    def line_of(line):
        want = WANT.search(line)
        return line.replace(want[1], want[2], 1) if want and want[1] else line
    return "\n".join(map(line_of, file.read_text().split("\n")))


def compile_error(path):
    run = subprocess.run(["gcc", "-fsyntax-only", "-Wall", "-Werror", "-I", FIXTURES,
                          path], capture_output=True, text=True)
    return run.stderr


def broken(file, old, new):
    """Return the reports of a fixture's rule with one of its parts replaced."""
    rule = rule_of(file)
    text = rule.read_text()
    if old not in text:
        raise AssertionError(f"{rule.name}: has no '{old}'")
    with tempfile.TemporaryDirectory() as tmp:
        copy = pathlib.Path(tmp) / rule.name
        copy.write_text(text.replace(old, new))
        return lines_found("report", spatch(copy, "report", file))


class CoccinelleTest(unittest.TestCase):
    def setUp(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(
            len(os.sched_getaffinity(0)))
        self.addCleanup(self.pool.shutdown)

    def test_all_have_a_fixture(self):
        self.assertEqual({rule_of(file).stem for file in FILES}, RULES.keys())
        self.assertLessEqual(BROKEN.keys(), {file.stem for file in FILES})
        for rule in RULES:
            self.assertTrue(lines_wanted(FIXTURES / f"{rule}.c"), rule)

    def test_form(self):
        """Rules have the header that coccicheck and its readers expect."""
        for name, rule in RULES.items():
            text = rule.read_text()
            with self.subTest(name):
                self.assertTrue(text.startswith("// SPDX-License-Identifier: GPL-2.0\n///"))
                self.assertRegex(text, r"\n// Confidence: (Low|Moderate|High)\n"
                                 r"// Options: \S.*\n// Keywords: \S")
                self.assertIn("report", modes(rule))

    def test_fixtures_compile(self):
        for file, error in zip(FILES, self.pool.map(compile_error, FILES)):
            with self.subTest(file.stem):
                self.assertEqual(error, "")

    def test_modes(self):
        jobs = [(file, mode) for file in FILES for mode in modes(rule_of(file))
                if mode != "patch"]

        def run(job):
            file, mode = job
            return lines_found(mode, spatch(rule_of(file), mode, file))
        for (file, mode), found in zip(jobs, self.pool.map(run, jobs)):
            with self.subTest(file.stem, mode=mode):
                self.assertEqual(found, lines_wanted(file))

    def test_patch(self):
        for file in FILES:
            if "patch" not in modes(rule_of(file)):
                continue
            with self.subTest(file.stem), tempfile.TemporaryDirectory() as tmp:
                out = pathlib.Path(tmp) / "out.c"
                spatch(rule_of(file), "patch", file, "-o", out)
                self.assertEqual(out.read_text(), patched(file))
                self.assertNotEqual(out.read_text(), file.read_text())
                self.assertEqual(compile_error(out), "")

    def test_broken_rules_are_noticed(self):
        jobs = [(file, *change) for file in FILES for change in BROKEN.get(file.stem, ())]
        for job, found in zip(jobs, self.pool.map(lambda job: broken(*job), jobs)):
            with self.subTest(job[0].stem, old=job[1]):
                self.assertNotEqual(found, lines_wanted(job[0]))
