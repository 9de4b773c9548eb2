# SPDX-License-Identifier: GPL-2.0
"""Shared parts of the report's sections: samples, and how they are shown and plotted.

Samples are lists of numbers, one per repetition.
"""

import math
import statistics
import typing

from shared import Error

BACKENDS = ("zram", "zswap")
# Size of a swap device: 2 GB plus leftovers of earlier repetitions.
SWAP_MB = 2200
# Why the last page may be back later than on the unmodified kernel.
WAITS = "what was freed waits for more, for up to 10 ms, before it goes to a worker"


def repetitions(quick):
    """Return the default number of repetitions of a section."""
    return 2 if quick else 3


def cell(samples, digits=1):
    """Format a table cell: "median (min-max)"."""
    middle, low, high = (f"{number:.{digits}f}" for number in
                         (statistics.median(samples), min(samples), max(samples)))
    return f"{middle} ({low}-{high})"


def ratio(a, b):
    """Format a table cell: the ratio a / b of the medians."""
    middle = statistics.median(b)
    if not middle:
        return "-"
    found = statistics.median(a) / middle
    return f"{found:.{2 if found >= 0.1 else 3}f}"


NAMES = {"base": "base", "off": "off", "on": "patched", "limit": "limit"}
RATIOS = (("on", "base"), ("off", "base"), ("on", "limit"))


class Metric(typing.NamedTuple):
    """A figure computed from the samples in one cell of a grid."""

    name: str
    value: typing.Callable      # computes samples from the cell
    unit: str = "ms"
    digits: int = 1
    reason: str = ""            # why the patched kernel is expected to be worse, if so
    more_is_better: bool = False
    compared: bool = True       # whether a worse value is a regression


class Grid(typing.NamedTuple):
    """Rows of the same measurement: {label: {column: what was measured}}."""

    rows: dict
    metrics: tuple
    heading: str = ""           # text before its tables


def of(*names, unit=1e6):
    """Return a function for a metric: the sum of these times in ns, in ms by default."""
    return lambda row: [sum(ns) / unit for ns in zip(*(row[name] for name in names))]


MUNMAP = Metric("munmap", of("munmap"))
CPU = Metric("CPU time of unmap and workers", of("cpu", "workers"))
BACK = Metric("all back after", of("back"), reason=WAITS)


class Samples(typing.NamedTuple):
    """A comparison of repeated measurements."""

    what: str
    base: list
    patched: list
    unit: str
    more_is_better: bool = False
    reason: str = ""    # why it is expected to be worse, if so

    def worse(self):
        """Return a line if no sample of patched is as good as any of base, else None.

        A single sample, as in a quick run of some sections, is not evidence.
        """
        base, patched = self.base, self.patched
        if min(len(base), len(patched)) < 2:
            return None
        if (max(patched) >= min(base) if self.more_is_better
                else min(patched) <= max(base)):
            return None
        middle = statistics.median(base)
        change = f", {statistics.median(patched) / middle - 1:+.1%}" if middle else ""
        return (f"{self.what}: {cell(patched)} {self.unit} instead of {cell(base)}"
                f"{change}{self.reason and '; ' + self.reason}")

    def chance(self):
        """Return the probability of that line if the kernels do not differ."""
        if min(len(self.base), len(self.patched)) < 2:
            return 0
        return 1 / math.comb(len(self.base) + len(self.patched), len(self.base))


class Events(typing.NamedTuple):
    """A comparison of how often a bad event occurred in the same number of tries."""

    what: str
    base: int
    patched: int
    tries: int

    def at_random(self, least):
        """Return the chance of `least` or more in patched if the events are random."""
        both = self.base + self.patched
        return sum(math.comb(self.tries, one) * math.comb(self.tries, both - one)
                   for one in range(least, both + 1)) / math.comb(2 * self.tries, both)

    def worse(self):
        if self.patched <= self.base:
            return None
        return (f"{self.what} in {self.patched} of {self.tries} tries instead of {self.base}; "
                f"so many or more come by chance in {self.at_random(self.patched):.0%} of "
                "such comparisons")

    def chance(self):
        """Return the probability of that line if the kernels do not differ."""
        return self.at_random((self.base + self.patched) // 2 + 1)


def collect(kernel, job, params, fields, stage, **more):
    """Boot a guest job, and return {line: {key: {field: [numbers]}}}.

    `fields` names the lines to collect, and the fields of each. Such a line is
    "LINE KEY... NUMBER...", with a number for each field; the words in between are the
    key. A line "repetition N" shows progress. With pd_reps in `params` each key must
    occur that many times.
    """
    found = {line: {} for line in fields}
    wanted = params.get("pd_reps")

    def on_line(text):
        line, *words = text.split() or [""]
        if line == "repetition":
            stage(f"  {job}: repetition {words[0]} of {wanted}")
        elif line in fields:
            names = fields[line]
            key = " ".join(words[:-len(names)])
            samples = found[line].setdefault(key, {name: [] for name in names})
            for name, number in zip(names, words[-len(names):], strict=True):
                samples[name].append(float(number) if "." in number else int(number))

    kernel.run(job, params, on_line=on_line, **more)
    for line, keys in found.items():
        if not keys:
            raise Error(f"the job '{job}' printed no line '{line}'")
        for key, samples in keys.items():
            got = len(next(iter(samples.values())))
            if got != (wanted or got):
                raise Error(f"the job '{job}' printed '{line} {key}' {got} times, "
                            f"not {wanted}")
    return found


def table(title, columns, lines):
    """Return Markdown of lines (label, {column: samples}, digits), with column ratios."""
    ratios = [pair for pair in RATIOS if set(pair) <= set(columns)]
    rows = [[title, *(NAMES[column] for column in columns),
             *("/".join(map(NAMES.get, pair)) for pair in ratios)]]
    for label, samples, digits in lines:
        rows.append([label, *(cell(samples[column], digits) for column in columns),
                     *(ratio(samples[one], samples[other]) for one, other in ratios)])
    rows.insert(1, ["---"] * len(rows[0]))
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def grid_tables(grid):
    """Return a table per metric, or per row if there are more metrics than rows."""
    if grid.heading:
        yield f"{grid.heading}\n"
    cells = {(label, metric): {column: metric.value(row) for column, row in columns.items()}
             for label, columns in grid.rows.items() for metric in grid.metrics}
    if len(grid.metrics) > len(grid.rows):
        for label, columns in grid.rows.items():
            yield from table(label, columns, [
                (f"{metric.name}, {metric.unit}", cells[label, metric], metric.digits)
                for metric in grid.metrics])
        return
    for metric in grid.metrics:
        yield from table(f"{metric.name}, {metric.unit}", next(iter(grid.rows.values())), [
            (label, cells[label, metric], metric.digits) for label in grid.rows])


def tables(section, data):
    """Return Markdown of all tables of a section."""
    for grid in section.grids(data):
        yield from grid_tables(grid)
    if hasattr(section, "more_tables"):
        yield from section.more_tables(data)


def comparisons(section, data):
    """Return all samples and events that a section compares, each once."""
    found = {}
    for grid in section.grids(data):
        for label, columns in grid.rows.items():
            for metric in grid.metrics:
                if metric.compared:
                    what = f"{label}: {metric.name}"
                    found[what] = Samples(what, metric.value(columns["base"]),
                                          metric.value(columns["on"]), metric.unit,
                                          metric.more_is_better, metric.reason)
    if hasattr(section, "more_comparisons"):
        found |= {one.what: one for one in section.more_comparisons(data)}
    return list(found.values())


def dates(report):
    """Return when the sections were measured: one day, or the first and the last."""
    days = sorted(report["dates"].values())
    return days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"


def lines_plot(title, xlabel, ylabel, series, *settings):
    """Return a gnuplot script: lines with ranges; series is {name: [(x, samples), ...]}."""
    lines = [f'set title "{title}"', f'set xlabel "{xlabel}"', f'set ylabel "{ylabel}"',
             "set key outside", "set grid", *settings]
    for number, rows in enumerate(series.values()):
        lines += [f"$data{number} << EOD",
                  *(f"{x} {statistics.median(y)} {min(y)} {max(y)}" for x, y in rows),
                  "EOD"]
    plots = (f'$data{number} using 1:2:3:4 with yerrorlines linetype {number + 1} '
             f'linewidth 1.5 title "{name}"' for number, name in enumerate(series))
    return "\n".join([*lines, "plot " + ", \\\n     ".join(plots), ""])
