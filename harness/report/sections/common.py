# SPDX-License-Identifier: GPL-2.0
"""Common code of the report's sections: collection, comparison and tables of samples.

Samples are lists of numbers, one number per repetition.
"""

import itertools
import math
import statistics
import typing

from shared import Error

BACKENDS = ("zram", "zswap")
COLUMNS = {"base": "base", "off": "off", "on": "patched", "limit": "limit"}
RATIOS = (("on", "base"), ("off", "base"), ("on", "limit"))


class Metric(typing.NamedTuple):
    """Figure computed from the samples in one cell of a grid."""

    name: str
    value: typing.Callable      # function that turns a cell into samples
    unit: str = "ms"
    digits: int = 1
    reason: str = ""            # reason for a regression, if a regression is expected
    more_is_better: bool = False
    compared: bool = True       # whether a worse value is a regression


class Grid(typing.NamedTuple):
    """Rows of one measurement; the columns of each row include "base" and "on"."""

    rows: dict                  # {label: {column: samples}}; a label begins with the backend
    metrics: tuple
    heading: str = ""           # text before the tables
    compared: bool = True


def of(*names, unit=1e6):
    """Return a function for Metric.value: the sum of fields, by default from ns to ms."""
    return lambda row: [sum(ns) / unit for ns in zip(*(row[name] for name in names))]


# Fields of swap_unmap's output, in nanoseconds.
UNMAP_TIMES = ("munmap", "back", "cpu", "workers")
MUNMAP = Metric("munmap", of("munmap"))
CPU = Metric("CPU time of unmap and workers", of("cpu", "workers"))
BACK = Metric("all back after", of("back"), reason="freed slots are collected for up to "
              "10 ms before a worker drains them")
UNMAP_METRICS = (MUNMAP, CPU, BACK)


def compare(what, metric, base, patched):
    """Return a line about a regression, and its probability if the kernels do not differ.

    The line is empty unless all samples of patched are worse than all samples of base. It
    is also empty if a kernel has a single sample, as in a quick run of some sections.
    """
    if min(len(base), len(patched)) < 2:
        return "", 0
    chance = 1 / math.comb(len(base) + len(patched), len(base))
    low, high = (patched, base) if metric.more_is_better else (base, patched)
    if max(low) >= min(high):
        return "", chance
    middle = statistics.median(base)
    change = f", {statistics.median(patched) / middle - 1:+.1%}" if middle else ""
    return (f"{what}: {cell(patched)} {metric.unit} instead of {cell(base)}{change}"
            f"{metric.reason and '; ' + metric.reason}", chance)


def compare_events(what, base, patched, tries):
    """Compare the numbers of tries with a bad event; return values like compare()."""
    def at_random(least):
        """Return the probability of `least` or more events in patched for equal kernels."""
        both = base + patched
        return sum(math.comb(tries, one) * math.comb(tries, both - one)
                   for one in range(least, both + 1)) / math.comb(2 * tries, both)
    line = (f"{what} in {patched} of {tries} tries instead of {base}; {patched} or "
            f"more occur by chance in {at_random(patched):.0%} of comparisons of equal kernels")
    return line if patched > base else "", at_random((base + patched) // 2 + 1)


def collect(kernel, job, params, fields, stage, **more):
    """Run a guest job; return its samples as {line: {key: {field: [numbers]}}}.

    `fields` maps the first word of a line to the names of its fields. Such a line is
    "LINE KEY... NUMBER...", with one number for each field. A line "repetition N" shows
    progress. Fail if there is no line for a word, or, with pd_reps in `params`, if a key
    does not occur that many times.
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


def cells(samples, key, columns=("base", "on")):
    """Return a row of a grid, {column: samples}, from {"COLUMN KEY": samples}."""
    return {column: samples[f"{column} {key}"] for column in columns}


def rows(data, labels, columns=("base", "on")):
    """Return the rows of all backends and keys; `labels` is {key: label}."""
    return {f"{backend}, {label}": cells(samples, key, columns)
            for backend, samples in data.items() for key, label in labels.items()}


def measured(samples, labels):
    """Return the labels of the measured keys; a quick run omits keys."""
    return {key: label for key, label in labels.items() if f"base {key}" in samples}


def cell(samples, digits=1):
    """Format a table cell: "median (min-max)"."""
    middle, low, high = (f"{number:.{digits}f}" for number in
                         (statistics.median(samples), min(samples), max(samples)))
    return f"{middle} ({low}-{high})"


def ratio(a, b):
    """Format a table cell: the median of a divided by the median of b."""
    middle = statistics.median(b)
    if not middle:
        return "-"
    found = statistics.median(a) / middle
    return f"{found:.{2 if found >= 0.1 else 3}f}"


def table(head, *lines):
    """Yield the Markdown lines of a table."""
    for line in head, ["---"] * len(head), *lines:
        yield f"| {' | '.join(map(str, line))} |"
    yield ""


def grid_tables(grid):
    """Yield a table per metric, or per row if there are more metrics than rows.

    The last columns are those RATIOS for which the grid has both columns.
    """
    columns = next(iter(grid.rows.values()))
    ratios = [pair for pair in RATIOS if set(pair) <= set(columns)]
    head = [COLUMNS[column] for column in columns]
    head += ["/".join(map(COLUMNS.get, pair)) for pair in ratios]
    found = {}
    for (label, row), metric in itertools.product(grid.rows.items(), grid.metrics):
        names = [f"{metric.name}, {metric.unit}", label]
        title, name = reversed(names) if len(grid.metrics) > len(grid.rows) else names
        samples = {column: metric.value(row[column]) for column in columns}
        found.setdefault(title, []).append(
            [name, *(cell(samples[column], metric.digits) for column in columns),
             *(ratio(samples[one], samples[other]) for one, other in ratios)])
    if grid.heading:
        yield f"{grid.heading}\n"
    for title, lines in found.items():
        yield from table([title, *head], *lines)


def optional(section, function, data):
    """Call an optional function of a section; return () if the section lacks it."""
    return getattr(section, function, lambda data: ())(data)


def tables(section, data):
    """Yield the Markdown lines of all tables of a section."""
    for grid in section.grids(data):
        yield from grid_tables(grid)
    yield from optional(section, "more_tables", data)


def comparisons(section, data):
    """Return a section's comparisons: {name: result of compare() or compare_events()}."""
    found = {}
    for grid in section.grids(data):
        for (label, row), metric in itertools.product(grid.rows.items(), grid.metrics):
            if grid.compared and metric.compared:
                what = f"{label}: {metric.name}"
                found[what] = compare(what, metric, *(metric.value(row[column])
                                                      for column in ("base", "on")))
    return found | dict(optional(section, "more_comparisons", data))
