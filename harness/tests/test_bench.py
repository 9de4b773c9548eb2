# SPDX-License-Identifier: GPL-2.0
"""bench.py: a report is complete or absent; regressions come first."""

import contextlib
import io
import json
import pathlib
import shutil
import tempfile
import tomllib
import types
import unittest
import unittest.mock

from machine import vm
from report import bench, perf_check
from report.sections import common, unmap
from shared import Error
from tests import patched

KERNELS = types.SimpleNamespace(
    base=types.SimpleNamespace(version="7.3-base"),
    patched=types.SimpleNamespace(version="7.3-patched", image="image"))


def section(base, patched):
    """Return a section with constant measurements."""
    return types.SimpleNamespace(
        TITLE="A title", SHOWS="What it shows.",
        measure=lambda kernels, quick, stage: {"base": base, "patched": patched},
        grids=lambda data: [common.Grid(
            {"it": {"base": data["base"], "on": data["patched"]}},
            (common.Metric("time", lambda samples: samples),))],
        plots=lambda data: [("plot", common.lines_plot(
            "Title", "x", "ms", {name: [(1, y)] for name, y in data.items()}))])


@patched.needs("gnuplot", "markdown_py")
class ReportTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.results = pathlib.Path(tmp.name) / "results"
        for patch in (unittest.mock.patch.object(bench, "RESULTS", self.results),
                      unittest.mock.patch.object(vm, "accelerator", lambda _: "tcg")):
            patch.start()
            self.addCleanup(patch.stop)

    def run_bench(self, only=(), quick=False, state="a", **sections):
        """Run these sections; the report may have others, named one and two."""
        def load(names, _quick):
            return {name: sections.get(name) or section([1, 2], [1, 2])
                    for name in names or sections}
        with (contextlib.redirect_stdout(io.StringIO()),
              unittest.mock.patch.object(bench, "load", load),
              unittest.mock.patch.object(bench, "ORDER", ("one", "two"))):
            bench.run(KERNELS, only, quick, state, lambda text: None)

    def files(self):
        return {path.name: path.read_text() for path in self.results.iterdir()}

    def folders(self):
        return sorted(path.name for path in self.results.parent.iterdir())

    def test_headline_and_regressions_come_first(self):
        two = section([2, 3], [4, 5])
        two.headline = lambda data: [f"from {data['base'][0]}"]
        self.run_bench(one=section([1, 2], [1, 2]), two=two)
        text = self.files()["report.md"].splitlines()
        self.assertEqual(text[2], "- from 2")
        self.assertIn("**Regressions**", text[4])
        self.assertEqual(
            text[6], "- `two`: it: time: 4.5 (4.0-5.0) ms instead of 2.5 (2.0-3.0), +80.0%")

    def test_no_regressions(self):
        self.run_bench(one=section([1, 3], [2, 4]))
        self.assertIn("**No regressions**", self.files()["report.md"].splitlines()[4])

    def test_html_needs_no_other_file(self):
        self.run_bench(one=section([1, 2], [1, 2]))
        html = self.files()["report.html"]
        for has in ("<table>", "<svg", "make bench ONLY=one"):
            self.assertIn(has, html)
        for needs in ("<img", "<link", "src="):
            self.assertNotIn(needs, html)

    def test_earlier_run_leaves_nothing(self):
        self.run_bench(one=section([1, 2], [1, 2]))
        self.assertIn("plot.svg", self.files())
        other = section([1, 2], [1, 2])
        del other.plots
        self.run_bench(two=other)
        self.assertEqual(set(self.files()), {"bench.json", "report.md", "report.html"})
        self.assertNotIn("`one`", self.files()["report.md"])

    def expect_samples(self, *names):
        """Expect samples in the directory of a failed run, next to an earlier report."""
        partial, = (path for path in self.results.parent.iterdir() if path != self.results)
        self.assertRegex(partial.name, r"^results\.\d{8}-\d{6}$")
        samples = json.loads((partial / "bench.json").read_text())
        self.assertEqual(samples["sections"],
                         dict.fromkeys(names, {"base": [5, 6], "patched": [1, 2]}))
        return partial

    def test_failing_section(self):
        """Samples and the report of an earlier run are kept."""
        def fail(*_args):
            raise Error("the guest died")

        self.run_bench(one=section([1, 2], [1, 2]))
        before = self.files()
        for broken, samples in (("measure", ["one"]), ("grids", ["one", "two"]),
                                ("plots", ["one", "two"])):
            bad = section([5, 6], [1, 2])
            setattr(bad, broken, fail)
            with self.assertRaisesRegex(Error, "the guest died"):
                self.run_bench(one=section([5, 6], [1, 2]), two=bad)
            self.assertEqual(self.files(), before)
            shutil.rmtree(self.expect_samples(*samples))

    def test_draw_again(self):
        bad = section([5, 6], [1, 2])
        bad.plots = lambda data: [("plot", "polt")]
        with self.assertRaisesRegex(Error, "cannot draw .*again: make report FROM=/"):
            self.run_bench(one=bad)
        partial = self.expect_samples("one")
        loaded = unittest.mock.patch.object(
            bench, "load", lambda names, quick: {"one": section([5, 6], [1, 2])})
        known = unittest.mock.patch.object(bench, "ORDER", ("one",))
        with loaded, known, contextlib.redirect_stdout(io.StringIO()):
            bench.redraw(partial)
        self.assertIn("plot.svg", {path.name for path in partial.iterdir()})

    def test_draw_what_is_not_there(self):
        self.results.mkdir()
        for text in (None, "no JSON", "[]", '{"sections": {"x": 1}}'):
            if text:
                (self.results / "bench.json").write_text(text)
            with self.assertRaisesRegex(Error, "give a folder that make bench wrote") as caught:
                bench.redraw(self.results)
            self.assertEqual(len(str(caught.exception).splitlines()), 1)

    def sections(self, folder="results"):
        samples = json.loads((self.results.with_name(folder) / "bench.json").read_text())
        return {name: data["base"] for name, data in samples["sections"].items()}

    def test_only_adds(self):
        self.run_bench(["one"], one=section([1, 2], [1, 2]))
        self.run_bench(["two"], two=section([3, 4], [1, 2]))
        self.assertEqual(self.sections(), {"one": [1, 2], "two": [3, 4]})
        self.run_bench(["two"], two=section([5, 6], [1, 2]))
        self.assertEqual(self.sections(), {"one": [1, 2], "two": [5, 6]})
        self.assertEqual(self.folders(), ["results"])

    def test_only_of_another_state(self):
        """The earlier report is kept and not merged with the new one."""
        self.run_bench(one=section([1, 2], [1, 2]), two=section([1, 2], [1, 2]))
        self.run_bench(["two"], state="b", two=section([3, 4], [1, 2]))
        self.assertEqual(self.sections(), {"two": [3, 4]})
        old, = set(self.folders()) - {"results"}
        self.assertRegex(old, r"^results\.\d{8}-\d{6}\.\d+-before$")
        self.assertEqual(self.sections(old), {"one": [1, 2], "two": [1, 2]})

    def test_whole_of_another_state(self):
        for state in "a", "b", "b":
            self.run_bench(state=state, one=section([1, 2], [1, 2]))
        self.assertEqual(len(self.folders()), 2)

    def test_no_state(self):
        """Without git, reports are never considered to be of the same state."""
        self.run_bench(["one"], state="", one=section([1, 2], [1, 2]))
        self.run_bench(["two"], state="", two=section([1, 2], [1, 2]))
        self.assertEqual(list(self.sections()), ["two"])

    def test_fails_to_draw(self):
        """The earlier report still exists."""
        self.run_bench(one=section([1, 2], [1, 2]))
        before = self.files()
        bad = section([1, 2], [1, 2])
        bad.plots = lambda data: [("plot", "polt")]
        with self.assertRaises(Error):
            self.run_bench(["two"], state="b", two=bad)
        self.assertEqual(self.files(), before)

    def test_quick(self):
        self.run_bench(one=section([1, 2], [1, 2]))
        before = self.files()
        self.run_bench(quick=True, one=section([5, 6], [1, 2]))
        self.assertEqual(self.files(), before)
        self.assertEqual(self.folders(), ["results", "results-quick"])

    def test_bad_plot(self):
        with self.assertRaisesRegex(Error, "cannot draw 'x'.*invalid command"):
            bench.draw("x", "polt sin(x)")

    def test_choose(self):
        self.assertEqual(bench.choose("faults,unmap"), ["unmap", "faults"])
        self.assertEqual(bench.choose(""), [])
        with self.assertRaisesRegex(Error, "no section 'lkm'; there are unmap,"):
            bench.choose("lkm")

    def test_load(self):
        self.assertEqual(list(bench.load([], False)), list(bench.ORDER))
        self.assertNotIn("instructions", bench.load([], True))
        self.assertEqual(list(bench.load(["instructions"], True)), ["instructions"])


class ChanceTest(unittest.TestCase):
    """Probability of a false regression."""

    def test_samples(self):
        # One in twenty orders of six samples has these three last.
        self.assertAlmostEqual(common.Samples("", [1, 2, 3], [4, 5, 6], "").chance(), 0.05)
        self.assertEqual(common.Samples("", [1], [4], "").chance(), 0)

    def test_events(self):
        self.assertEqual(common.Events("", 0, 0, 50).chance(), 0)
        self.assertEqual(common.Events("", 0, 1, 50).chance(), 0.5)
        # Two events are in different kernels in 50 of 99 cases.
        self.assertAlmostEqual(common.Events("", 2, 0, 50).chance(), 49 / 99 / 2)
        # Three events in four tries can occur in four ways; in two of them, both of patched.
        self.assertIn("by chance in 50% of", common.Events("", 1, 2, 2).worse())
        self.assertIsNone(common.Events("", 2, 2, 50).worse())


@patched.needs("gnuplot")
class UnmapTest(unittest.TestCase):
    """Plots and tables of the largest section, quick and full."""

    def draw(self, shapes):
        data = {backend: {f"{column} {processes} {mb}":
                          dict.fromkeys(unmap.TIMES, [processes * mb * 1000] * 3)
                          for column in unmap.COLUMNS for processes, mb in shapes}
                for backend in common.BACKENDS}
        found = common.comparisons(unmap, data)
        self.assertEqual(len(found), len(shapes) * len(common.BACKENDS) * len(unmap.METRICS))
        self.assertFalse([one for one in found if one.worse()])
        list(common.tables(unmap, data))
        self.assertEqual(len(list(unmap.headline(data))), len(common.BACKENDS))
        return [name for name, script in unmap.plots(data) if bench.draw(name, script)]

    def test_quick(self):
        self.assertEqual(self.draw(unmap.QUICK), ["unmap-zram-processes", "unmap-zswap-processes"])

    def test_all(self):
        self.assertEqual(len(self.draw(dict.fromkeys(unmap.PROCESSES + unmap.SIZES))), 4)


class GridTest(unittest.TestCase):
    """Tables and comparisons of the grids that sections declare."""

    ROW = {"base": {"a": [2, 4], "b": [1, 1]}, "on": {"a": [1, 1], "b": [3, 3]},
           "limit": {"a": [1, 1], "b": [0, 0]}}

    def tables(self, metrics, rows=1):
        return list(common.grid_tables(common.Grid(
            {f"row {i}": self.ROW for i in range(rows)}, metrics, "Heading.")))

    def test_row_with_metrics(self):
        metrics = (common.Metric("one", common.of("a", unit=1)),
                   common.Metric("both", common.of("a", "b", unit=1), "s", 0))
        self.assertEqual(self.tables(metrics), [
            "Heading.\n", "| row 0 | base | patched | limit | patched/base | patched/limit |",
            "| --- | --- | --- | --- | --- | --- |",
            "| one, ms | 3.0 (2.0-4.0) | 1.0 (1.0-1.0) | 1.0 (1.0-1.0) | 0.33 | 1.00 |",
            "| both, s | 4 (3-5) | 4 (4-4) | 1 (1-1) | 1.00 | 4.00 |", ""])

    def test_metric_with_rows(self):
        text = self.tables((common.Metric("b", common.of("b", unit=1)),), rows=2)
        self.assertEqual([line.split(" | ")[0] for line in text[1:-1]],
                         ["| b, ms", "| ---", "| row 0", "| row 1"])
        self.assertTrue(text[3].endswith("| 3.00 | - |"))

    def test_comparisons(self):
        metrics = (common.Metric("a", common.of("a", unit=1)),
                   common.Metric("b", common.of("b", unit=1), reason="why"),
                   common.Metric("c", common.of("b", unit=1), compared=False))
        grid = common.Grid({"row": self.ROW}, metrics)
        section_ = types.SimpleNamespace(
            grids=lambda data: [grid, grid],
            more_comparisons=lambda data: [common.Events("kill", 0, 1, 2)])
        self.assertEqual([line for one in common.comparisons(section_, {})
                          if (line := one.worse())],
                         ["row: b: 3.0 (3.0-3.0) ms instead of 1.0 (1.0-1.0), +200.0%; why",
                          common.Events("kill", 0, 1, 2).worse()])


class CollectTest(unittest.TestCase):
    def collect(self, *lines):
        def run(_job, _params, on_line):
            for line in lines:
                on_line(line)

        return common.collect(types.SimpleNamespace(run=run), "job", {"pd_reps": 2},
                              {"it": ("a", "b")}, lambda text: None)

    def test_good(self):
        self.assertEqual(self.collect("it on 1 2 3", "else 1", "", "it on 1 4 5.5"),
                         {"it": {"on 1": {"a": [2, 4], "b": [3, 5.5]}}})

    def test_lines_missing(self):
        for lines in ((), ("it on 1 2 3",)):
            with self.assertRaisesRegex(Error, "'job' printed"):
                self.collect(*lines)


class PerfCheckTest(unittest.TestCase):
    def compare(self, now, what="push"):
        with contextlib.redirect_stdout(io.StringIO()):
            return perf_check.compare({"zram": {what: [now]}}, {"zram": {what: 100}})

    def test_tolerance(self):
        self.assertEqual(self.compare(104.9), [])
        self.assertIn("zram, push", self.compare(106)[0])

    def test_tolerance_of_short_runs(self):
        for what in ("push, runs of 1", "push, runs of 64"):
            self.assertEqual(self.compare(100.9, what), [])
            self.assertIn(f"zram, {what}", self.compare(101.1, what)[0])

    def test_baseline(self):
        """The written lines can be read back."""
        with tempfile.TemporaryDirectory() as tmp:
            build = pathlib.Path(tmp)
            (build / ".config").write_text('CONFIG_CC_VERSION_TEXT="gcc 12"\n')
            lines = perf_check.as_toml({"zram": {"push, runs of 1": [3, 1, 2]}},
                                       types.SimpleNamespace(
                                           image=build / "arch/x86/boot/bzImage", version="7.3.4"))
        self.assertEqual(tomllib.loads("\n".join(lines)),
                         {"kernel": "7.3.4", "compiler": "gcc 12",
                          "zram": {"push, runs of 1": 2.0}})

    def test_no_baseline(self):
        with self.assertRaisesRegex(Error, "has no 'drain' of zram"):
            perf_check.compare({"zram": {"drain": [1]}}, {"zram": {"push": 100}})
