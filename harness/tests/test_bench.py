# SPDX-License-Identifier: GPL-2.0
"""bench.py, instruction_check.py: samples are kept after failures; regressions are listed first."""

import contextlib
import io
import json
import tomllib
import types
import unittest

from machine import vm
from report import bench, instruction_check
from report.sections import common, unmap
from shared import Error
from tests import patched

KERNELS = types.SimpleNamespace(
    base=types.SimpleNamespace(version="7.3-base"),
    patched=types.SimpleNamespace(version="7.3-patched", image="image"))


def section(base=(1, 2), changed=(1, 2), **functions):
    """Return a section with constant measurements."""
    return types.SimpleNamespace(**{
        "__doc__": "A title\n\nIts purpose.",
        "measure": lambda guests: {"base": base, "on": changed},
        "grids": lambda data: [common.Grid(
            {"it": data}, (common.Metric("time", lambda samples: samples),))],
        "plots": lambda data: [("plot", "plot sin(x)")]} | functions)


@patched.needs("gnuplot", "markdown_py")
class ReportTest(unittest.TestCase):
    def setUp(self):
        self.results = patched.folder(self) / "results"
        self.sections = {}
        patched.replace(self, bench, RESULTS=self.results, ORDER=("one", "two"),
                        load=lambda names, _quick: {name: self.sections[name]
                                                    for name in names or self.sections})
        patched.replace(self, vm, accelerator=lambda _image: "tcg")

    def run_bench(self, only=(), quick=False, state="a", **sections):
        self.sections |= sections
        with contextlib.redirect_stdout(io.StringIO()):
            bench.run(KERNELS, only, quick, state, lambda text: None)

    def files(self):
        return {path.name: path.read_text() for path in self.results.iterdir()}

    def samples(self, folder):
        found = json.loads((folder / "bench.json").read_text())["sections"]
        return {name: data["base"][0] for name, data in found.items()}

    def test_opening(self):
        """The report opens with headlines and regressions; the HTML page needs no other file."""
        self.run_bench(one=section(), two=section((2, 3), (4, 5),
                                                  headline=lambda data: ["fast"]))
        files = self.files()
        _title, _, headline, _, regressions, _, line, *_ = files["report.md"].splitlines()
        self.assertEqual(headline, "- fast")
        self.assertIn("**Regressions**", regressions)
        self.assertEqual(line, "- `two`: it: time: 4.5 (4.0-5.0) ms instead of 2.5 (2.0-3.0), "
                         "+80.0%")
        self.assertRegex(files["report.html"], "(?s)<table>.*<svg")
        self.assertNotRegex(files["report.html"], "<img|<link|src=")
        self.run_bench(two=section((1, 3), (2, 4)))
        self.assertIn("**No regressions**", self.files()["report.md"])

    def test_failure(self):
        """After a failure, the earlier report and the samples of complete sections are kept."""
        self.run_bench(one=section())
        report = self.files()["report.html"]
        for number, broken, text in (
                (3, {"measure": lambda guests: bench.choose("lkm")}, "^the report has no"),
                (4, {"grids": lambda data: [data["x"]]}, "make report FROM=/"),
                (5, {"plots": lambda data: [("x", "polt")]}, "gnuplot.*make report FROM=/")):
            with self.subTest(broken), self.assertRaisesRegex(Error, text):
                self.run_bench(one=section((number, 2)), two=section(**broken))
            self.assertEqual(self.files()["report.html"], report)
            self.assertEqual(self.samples(self.results)["one"], number)
        # A run without samples keeps the report of another state.
        with self.assertRaisesRegex(Error, "^the report has no"):
            self.run_bench(["two"], state="b",
                           two=section(measure=lambda guests: bench.choose("lkm")))
        self.assertEqual(self.files()["report.html"], report)
        self.sections["two"] = section()
        with contextlib.redirect_stdout(io.StringIO()):
            bench.redraw(self.results)
        self.assertIn("`make bench ONLY=two`", self.files()["report.md"])

    def test_states(self):
        """Sections are added to a report of the same state; any other report is kept."""
        self.run_bench(one=section((1, 2)), two=section((1, 2)))
        for number, (only, state, expected, folders) in enumerate((
                (["two"], "a", {"one": 1, "two": 2}, 1), (["two"], "b", {"two": 3}, 2),
                (["one"], "b", {"two": 3, "one": 4}, 2), ([], "b", {"two": 5, "one": 5}, 2),
                (["one"], "", {"one": 6}, 3), (["two"], "", {"two": 7}, 4)), 2):
            with self.subTest(only=only, state=state):
                self.run_bench(only, state=state, one=section((number, 2)),
                               two=section((number, 2)))
                self.assertEqual(self.samples(self.results), expected)
                kept = sorted(self.results.parent.iterdir())
                self.assertEqual(len(kept), folders)
        self.assertEqual(self.samples(kept[1]), {"one": 1, "two": 2})

    def test_quick(self):
        for quick, number in (False, 1), (True, 2):
            self.run_bench(quick=quick, one=section((number, 2)))
        for name, number in ("results", 1), ("results-quick", 2):
            self.assertEqual(self.samples(self.results.with_name(name)), {"one": number})

    def test_redraw_without_samples(self):
        for text in (None, "no JSON", "{}", '{"sections": {"x": 1}}'):
            if text:
                patched.write(self.results, {"bench.json": text})
            with self.subTest(text), self.assertRaisesRegex(Error, "again: make report FROM=/"):
                bench.redraw(self.results)


class ChooseTest(unittest.TestCase):
    def test_sections(self):
        self.assertEqual(bench.choose("faults,unmap"), ["unmap", "faults"])
        with self.assertRaisesRegex(Error, "no section 'lkm'; choose from unmap,"):
            bench.choose("lkm")
        self.assertEqual(list(bench.load([], False)), list(bench.ORDER))
        self.assertNotIn("instructions", bench.load([], True))
        self.assertEqual(list(bench.load(["instructions"], True)), ["instructions"])


class CompareTest(unittest.TestCase):
    """Regressions, and the probability of a false one."""

    def test_samples(self):
        less, more = (common.Metric("", None, reason="why", more_is_better=more)
                      for more in (False, True))
        # In 1 of 20 orders of six samples, the three of `new` are last.
        for metric, base, new, worse, chance in (
                (less, [1, 2, 3], [4, 5, 6], True, 1 / 20), (less, [2, 4], [4, 5], False, 1 / 6),
                (more, [2, 3], [1, 1], True, 1 / 6), (more, [1, 1], [2, 3], False, 1 / 6),
                (less, [1], [4, 5], False, 0)):
            with self.subTest(base=base, new=new):
                line, found = common.compare("it", metric, base, new)
                self.assertEqual(line.endswith("; why"), worse)
                self.assertAlmostEqual(found, chance)

    def test_events(self):
        # Two events occur in different kernels in 50 of 99 cases.
        for base, new, chance in (0, 0, 0), (0, 1, 0.5), (2, 0, 49 / 99 / 2):
            line, found = common.compare_events("it", base, new, 50)
            self.assertEqual(bool(line), new > base)
            self.assertAlmostEqual(found, chance)
        # Three events fall on four tries in four ways; in two ways, both patched tries have one.
        self.assertIn("by chance in 50% of", common.compare_events("", 1, 2, 2)[0])


class GridTest(unittest.TestCase):
    """Tables and comparisons of the grids that sections declare."""

    ROW = {"base": {"a": [2, 4], "b": [1, 1]}, "on": {"a": [1, 1], "b": [3, 3]},
           "limit": {"a": [1, 1], "b": [0, 0]}}
    METRICS = (common.Metric("one", common.of("a", unit=1)),
               common.Metric("both", common.of("a", "b", unit=1), "s", 0))

    def test_row_with_metrics(self):
        grid = common.Grid({"row": self.ROW}, self.METRICS, "H")
        self.assertEqual(list(common.grid_tables(grid)), [
            "H\n", "| row | base | patched | limit | patched/base | patched/limit |",
            "| --- | --- | --- | --- | --- | --- |",
            "| one, ms | 3.0 (2.0-4.0) | 1.0 (1.0-1.0) | 1.0 (1.0-1.0) | 0.33 | 1.00 |",
            "| both, s | 4 (3-5) | 4 (4-4) | 1 (1-1) | 1.00 | 4.00 |", ""])

    def test_metric_with_rows(self):
        metric = common.Metric("b", common.of("b", unit=1))
        text = list(common.grid_tables(common.Grid({"x": self.ROW, "y": self.ROW}, (metric,))))
        self.assertEqual([line.split(" | ")[0] for line in text[:-1]],
                         ["| b, ms", "| ---", "| x", "| y"])
        self.assertTrue(text[2].endswith("| 3.00 | - |"))

    def test_comparisons(self):
        """Each comparison is counted once; an improvement has no line."""
        metrics = (self.METRICS[0], common.Metric("b", common.of("b", unit=1)),
                   common.Metric("c", common.of("b", unit=1), compared=False))
        grids = [common.Grid({"row": self.ROW}, metrics, compared=compared)
                 for compared in (True, True, False)]
        found = common.comparisons(types.SimpleNamespace(
            grids=lambda data: grids, more_comparisons=lambda data: [("kill", ("line", 0))]), {})
        self.assertEqual({what: bool(line) for what, (line, _chance) in found.items()},
                         {"row: one": False, "row: b": True, "kill": True})


class CollectTest(unittest.TestCase):
    def collect(self, *lines):
        def run(_job, _params, on_line):
            for line in lines:
                on_line(line)

        return common.collect(types.SimpleNamespace(run=run), "job", {"pd_reps": 2},
                              {"it": ("a", "b")}, lambda text: None)

    def test_lines(self):
        self.assertEqual(self.collect("it on 1 2 3", "else 1", "", "it on 1 4 5.5"),
                         {"it": {"on 1": {"a": [2, 4], "b": [3, 5.5]}}})
        for lines in ((), ("it on 1 2 3",)):
            with self.subTest(lines), self.assertRaisesRegex(Error, "'job' printed"):
                self.collect(*lines)


@patched.needs("gnuplot")
class PlotTest(unittest.TestCase):
    def test_unmap(self):
        for shapes, number in (unmap.QUICK, 2), (unmap.PROCESSES | unmap.SIZES, 4):
            row = dict.fromkeys(common.UNMAP_TIMES, [1000, 2000])
            samples = {f"{column} {shape}": row for column in common.COLUMNS for shape in shapes}
            plots = list(unmap.plots(dict.fromkeys(common.BACKENDS, samples)))
            self.assertEqual(len([bench.draw(script) for _name, script in plots]), number)


class PerfCheckTest(unittest.TestCase):
    def compare(self, what, now):
        with contextlib.redirect_stdout(io.StringIO()):
            return instruction_check.compare({"zram": {what: [now]}}, {"zram": {"push": 100, what: 100}})

    def test_tolerance(self):
        for what, good, bad in (("push", 104.9, 106), ("push, runs of 1", 100.9, 101.1),
                                ("push, runs of 64", 100.9, 101.1)):
            with self.subTest(what):
                self.assertEqual(self.compare(what, good), [])
                self.assertIn(f"zram, {what}", self.compare(what, bad)[0])

    def test_baseline(self):
        """A written baseline can be read back, and a missing count is an error."""
        baseline = tomllib.loads(instruction_check.as_toml(
            {"zram": {"push, runs of 1": [3, 1, 2]}}, {"kernel": "7.3.4"}))
        self.assertEqual(baseline, {"kernel": "7.3.4", "zram": {"push, runs of 1": 2.0}})
        with self.assertRaisesRegex(Error, "has no 'drain' of zram"):
            instruction_check.compare({"zram": {"drain": [1]}}, baseline)
        baseline = tomllib.loads(instruction_check.BASELINE.read_text())
        self.assertLessEqual(set(instruction_check.TOLERANCES), set(baseline["zram"]))
