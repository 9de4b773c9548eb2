# SPDX-License-Identifier: GPL-2.0
"""Each semantic patch of scripts/coccinelle finds what it is to find, in all its modes.

coccinelle/<name>.c is what <name>.cocci is tried on, and <name>-<more>.c if there is
one. A comment that begins with "want" marks a line that has to be reported, and all
others must not be; "want: old -> new" tells what patch mode makes of the line as well.

adopting/<name>.c is what the semantic patch for adopters is tried on, and
<name>-converted.c what it has to make of it.
"""

import concurrent.futures
import itertools
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent
FIXTURES = TESTS / "coccinelle"
ADOPTING = TESTS.parent.parent / "Documentation/core-api/percpu_defer_adopting.cocci"
RULES = {path.stem: path for path in
         sorted((TESTS.parent.parent / "scripts/coccinelle").rglob("*.cocci"))}
FILES = sorted(FIXTURES.glob("*.c"))
WANT = re.compile(r"/\* want(?:: (?:(\S+) -> (\S+))?.*)? ?\*/")
LINE = {"report": re.compile(r"^\S+\.c:(\d+):\d+-\d+: \S", re.M),
        "org": re.compile(r"::linb=(\d+)::")}

# What is to be noticed: a text in a rule, and what it is replaced with. The first of
# each rule makes it blind, the others make it see too much.
BROKEN = {
    "cancel_missing": (
        ("filled.setdefault(", "{}.setdefault("),
        ("p != empty.p", "p"),
        ('LOOKS = {CANCEL, "percpu_defer_map_claim", "percpu_defer_map_dead"}',
         "LOOKS = {CANCEL}"),
    ),
    "cancel_missing-anywhere": (
        ("@pushed depends on locks && !cancels@", "@pushed depends on cancels@"),
    ),
    "cancel_missing-benchmark": (
        ("@pushed depends on locks && !cancels@", "@pushed depends on client && !cancels@"),
    ),
    "claim_outside_drain": (
        ("percpu_defer_map_claim@p(map, i)", "percpu_defer_map_claims@p(map, i)"),
        ("todo += calls", "calls"),
        ("position p != tried.p", "position p"),
    ),
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
    "destroy_too_early": (
        ("calls.setdefault(", "{}.setdefault("),
        ("if produces(what, instance)", "if what"),
        ("... when != init(instance, ...)", "..."),
    ),
    "free_under_lock": (
        ("freers.add(fn)", "pass"),
        ("... when != unlock(E, ...)\n    when any\nfree@p2(...)\n\n", "\n"),
        ("... when any\n	    when != guard(class)(...);\n	free@p2(...)\n", ""),
        ("if is_end(p1[0], end[0])", "if end"),
        ("	... when != unlock(...)\n	free(...)", "	... when any\n	free(...)"),
    ),
    "free_under_lock-client": (
        ("#include <linux/percpu_defer.h>", "#include <linux/slab.h>"),
    ),
    "push_ignored": (
        (r'r"^DEFINE_PERCPU_DEFER_PUSH\((\w+)"', '"nothing"'),
        ("q != read.ok", "q"),
        ("... when any\n	return push(...);", "... when any\n	push(...)\n	... when any"),
    ),
    "push_in_drain": (
        ("argument[(p[0].file, fn)] = instance", "pass"),
        (" and in_own_drain(p[0], instance)", ""),
    ),
    "sleep_in_atomic": (
        ("sleepers.add(fn)", "pass"),
        ("if is_end(", "if not note_end("),
        ("p2 != harmless.p", "p2"),
        ("... when != unlock(E, ...)\n    when any", "... when any"),
        ("	... when != unlock(...)\n	sleep@p2", "	... when any\n	sleep@p2"),
    ),
    "use_after_push": (
        ("subE = <+... E@p2 ...+>", "subE = <+... E2@p2 ...+> + 1"),
        ("	... when != break;\n	    when != return ...;", "	... when any"),
        ("p2 != {harmless.p, size.p}", "p2 != size.p"),
        ("p2 != {harmless.p, size.p}", "p2 != harmless.p"),
    ),
    "wait_in_drain": (
        ("percpu_defer_flush_all@p()", "percpu_defer_flush_none@p()"),
        (" percpu_defer_set_enabled(instance, true)\n|\n", ""),
        ("if in_own_drain(p[0], instance)", "if instance"),
        ("if in_drain(p[0])", "if p"),
    ),
}

# The files that are converted, with what the semantic patch is told about each.
ADOPTERS = {
    "function": {"prefix": "foo", "free": "foo_free", "in": "foo_clear",
                 "init": "foo_init", "exit": "foo_exit"},
    "cache": {"prefix": "bar", "cache": "bar_cache", "in": "bar_clear",
              "init": "bar_init", "exit": "bar_exit"},
}


def rule_of(file):
    return RULES[file.stem.split("-")[0]]


def modes(rule):
    return re.findall(r"^virtual (\w+)$", rule.read_text(), re.M)


def spatch(rule, mode, *more):
    """As scripts/coccicheck runs a rule, for one file."""
    options = re.search(r"^// Options:(.*)$", rule.read_text(), re.M)[1].split()
    if mode in ("report", "org"):
        options.append("--no-show-diff")
    run = subprocess.run(["spatch", "-D", mode, "--very-quiet", "--cocci-file",
                          rule, *options, *more], capture_output=True, text=True)
    if run.returncode or "rror:" in run.stderr:
        raise AssertionError(f"{rule.name}, {mode}: {run.stdout}{run.stderr}")
    return run.stdout


def lines_removed(diff):
    """Numbers of the lines that a unified diff takes away: context mode's findings."""
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
    """What patch mode has to make of a fixture."""
    def line_of(line):
        want = WANT.search(line)
        return line.replace(want[1], want[2], 1) if want and want[1] else line
    return "\n".join(map(line_of, file.read_text().split("\n")))


def compile_error(path):
    run = subprocess.run(["gcc", "-fsyntax-only", "-Wall", "-Werror", "-I", FIXTURES,
                          path], capture_output=True, text=True)
    return run.stderr


def broken(file, old, new):
    """What the rule of a fixture reports with one of its parts exchanged."""
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
        """What coccicheck and its readers look for."""
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


def convert(name, told, rule=ADOPTING):
    """A file as the semantic patch for adopters leaves it, and what that says."""
    with tempfile.TemporaryDirectory() as tmp:
        out = pathlib.Path(tmp) / "out.c"
        out.write_text((TESTS / "adopting" / f"{name}.c").read_text())
        run = subprocess.run(
            ["spatch", "--smpl-spacing", "--very-quiet", "--in-place", "--sp-file", rule,
             *(word for pair in told.items() for word in ("-D", "=".join(pair))), out],
            capture_output=True, text=True)
        if run.returncode:
            raise AssertionError(run.stderr)
        return out.read_text(), run.stderr


class AdoptingTest(unittest.TestCase):
    """The semantic patch that converts a file to object mode."""

    def test_result(self):
        for name, told in ADOPTERS.items():
            with self.subTest(name):
                wanted = TESTS / "adopting" / f"{name}-converted.c"
                text, said = convert(name, told)
                self.assertEqual(text, wanted.read_text())
                self.assertNotIn("no place found", said)
                self.assertEqual(compile_error(wanted), "")

    def test_checkers(self):
        """What comes out breaks no rule of the API."""
        for name, rule in itertools.product(ADOPTERS, RULES.values()):
            with self.subTest(name, rule=rule.stem):
                self.assertEqual(spatch(rule, "report", TESTS / "adopting" /
                                        f"{name}-converted.c"), "")

    def test_again(self):
        """Calls are converted once, in another function to the same instance."""
        for name, told in ADOPTERS.items():
            converted = (TESTS / "adopting" / f"{name}-converted.c").read_text()
            self.assertEqual(convert(f"{name}-converted", told)[0], converted)
        text, said = convert("function-converted", ADOPTERS["function"] | {"in": "foo_drop"})
        self.assertNotIn("no place found", said)
        self.assertEqual(text.count("percpu_defer_push(&foo_defer, (unsigned long)foo)"), 2)
        for once in ("DEFINE_STATIC_PERCPU_DEFER(", "percpu_defer_start(",
                     "percpu_defer_destroy(", "#include <linux/percpu_defer.h>"):
            self.assertEqual(text.count(once), 1, once)

    def test_no_place(self):
        """It says what it has left to be done by hand."""
        for option, step in (("in", "push"), ("init", "start"), ("exit", "destroy")):
            said = convert("function", ADOPTERS["function"] | {option: "nothing"})[1]
            self.assertIn(f"no place found for: {step}\n", said)
            self.assertEqual(said.count("no place found"), 1, said)


if __name__ == "__main__":
    unittest.main()
