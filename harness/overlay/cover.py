# SPDX-License-Identifier: GPL-2.0
"""Generate the cover letters of the series, with tables from the last report."""

import itertools
import json
import sys
import textwrap

from report import bench
from report.sections import common
from shared import Error

RESULTS = bench.RESULTS / "bench.json"
NOT_MEASURED = """
*** Figures and regressions: missing, because build/results/bench.json does not exist. Run
*** "make bench", then "make series" again, or fill in the figures by hand.
"""
OWN = "The patches apply to Linux {version}, at the base-commit given below."
FETCHED = ("The patches apply to Linux {version} from Debian's package linux-source-{short}. "
           "The package is not a git repository. The base-commit below is a commit of its files, "
           "which exists in no public repository.")


def wrap(text, **indent):
    return textwrap.fill(text, 72, **indent)


def align(markdown):
    """Yield the lines of Markdown, with its tables as plain text."""
    for is_table, lines in itertools.groupby(markdown, lambda line: line.startswith("|")):
        if not is_table:
            yield from lines
            continue
        head, _rule, *rows = [line.strip("| ").split(" | ") for line in lines]
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        for first, *others in (head, *rows):
            yield "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])])


def tables(series, section, data):
    """Yield Markdown of a section's tables, with the backends and column of the series."""
    found = {}
    for grid in section.grids(data):
        for label, row in grid.rows.items():
            if label.startswith(tuple(series.backends)):
                found.setdefault(tuple(grid.metrics), {})[label] = {
                    column: row[column] for column in ("base", series.column)}
    for metrics, rows in found.items():
        yield from common.grid_tables(common.Grid(rows, metrics))


def regressions(series, report, sections):
    """Yield text about the regressions of the patched kernel with its defaults."""
    lines = [line for name, section in sections.items()
             for line, _chance in common.comparisons(section, report["sections"][name]).values()
             if line.startswith(tuple(series.backends))]
    yield ("Regressions beyond the spread of the samples:\n" if lines else
           "No regressions beyond the spread of the samples.")
    for line in lines:
        yield wrap(line, initial_indent="- ", subsequent_indent="  ")


def measured(series, report, sections):
    """Yield text about the measurements: conditions, regressions, and tables."""
    yield wrap(f"Measured on Linux {report['kernel']} with all series against "
               f"{report['base_kernel']}, in QEMU {report['accelerator'].upper()}, "
               f"{report['cpus']} CPUs, {', '.join(sorted(set(report['dates'].values())))}; "
               "median (min-max).") + "\n"
    if series.column == "off":
        yield "off: all series applied, not only this series, with deferral switched off."
    else:
        yield from regressions(series, report, sections)
    yield ""
    for name in series.sections:
        if name in sections:
            yield from align(tables(series, sections[name], report["sections"][name]))
        else:
            yield f"*** Missing in bench.json: {name}.\n"


def figures(every):
    """Return the text about the measurements of each series; warn if they are missing."""
    if not RESULTS.exists():
        print("build/results/bench.json: not found, no figures in the cover letters; run "
              "\"make bench\", then \"make series\" again", file=sys.stderr)
        return [NOT_MEASURED] * len(every)
    try:
        report = json.loads(RESULTS.read_text())
        sections = bench.load(bench.choose(",".join(report["sections"])), report["quick"])
        return ["\n".join(measured(series, report, sections)) for series in every]
    except (Error, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Error(f"build/results/bench.json: unreadable ({error}); run \"make bench\", or "
                    "remove it") from error


def letters(every, version, own):
    """Return {name of the series: cover letter}; a letter is subject, empty line, body."""
    short, found = ".".join(version.split(".")[:2]), {}
    base = wrap((OWN if own else FETCHED).format(version=version, short=short))
    for series, text in zip(every, figures(every)):
        body = series.body.replace("{measured}", text.strip()).replace("{base}", base)
        found[series.name] = f"{series.subject}\n\n{body}\n"
    return found
