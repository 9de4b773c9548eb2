# SPDX-License-Identifier: GPL-2.0
"""Write the cover letters of the series, with the tables of the report."""

import importlib
import json
import statistics
import sys
import textwrap

from overlay import compat_tables
from report.sections import common, unmap
from shared import BUILD

RESULTS = BUILD / "results/bench.json"
WIDTH = 72
NOT_MEASURED = """*** What was measured belongs here: munmap(), CPU time, when the memory is
*** back, instructions, and regressions. There is no build/results/bench.json, so
*** only you can say. Or run "make bench", and "make series" again.
"""
OWN = ("The patches apply to Linux {version}, at the commit that base-commit names "
       "below.")
FETCHED = ("The patches apply to Linux {version} as the package linux-source-{short} of "
           "Debian has it. That is no git repository; base-commit below is a commit of "
           "its files and of nothing else, and in no public repository.")


def paragraph(text):
    return textwrap.fill(text, WIDTH) + "\n"


def table(head, rows):
    """Yield the lines of a plain-text table: names left-aligned, numbers right-aligned."""
    rows = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *others in rows:
        yield "  ".join([first.ljust(widths[0]), *(
            cell.rjust(width) for cell, width in zip(others, widths[1:]))]).rstrip()
    yield ""


def middle(samples, digits=1):
    return f"{statistics.median(samples):.{digits}f}"


def unmap_rows(samples, column):
    shapes = dict.fromkeys((*unmap.shapes(samples, unmap.SIZES),
                            *unmap.shapes(samples, unmap.PROCESSES)))
    for shape in shapes:
        row = unmap.columns(samples, shape)
        munmap, cpu, back = ([metric.value(row[one])
                              for one in ("base", column, "limit", "off")]
                             for metric in unmap.METRICS)
        yield [unmap.label(shape), common.cell(munmap[0]),
               *([middle(munmap[3])] if column == "on" else ()), common.cell(munmap[1]),
               common.ratio(*munmap[:2]), middle(munmap[2]), common.ratio(cpu[1], cpu[0]),
               *map(middle, back[:2])]


def unmap_tables(data, series):
    yield paragraph(
        "munmap() in ms; off: without deferral, as after the first series; limit: on a RAM "
        "disk, where swap has nothing to free; cpu: CPU time of munmap() and workers, "
        "patched/base; back: when the last page is free again, in ms.")
    off = ["off"] if series.column == "on" else []
    for backend in series.backends:
        yield from table([backend, "base", *off, "patched", "ratio", "limit", "cpu",
                          "back: base", "patched"], unmap_rows(data[backend], series.column))


def comparisons(name, data, backends):
    """Return the comparisons of a section that concern the backends of a series."""
    section = importlib.import_module(f"report.sections.{name}")
    return [one for one in common.comparisons(section, data)
            if one.what.startswith(tuple(backends))]


def worse(sections, backends):
    """Yield the lines about regressions, which come first, as in the report."""
    lines = [line for name, data in sections.items()
             for one in comparisons(name, data, backends) if (line := one.worse())]
    if not lines:
        yield "No regression is larger than the samples vary.\n"
        return
    yield "Regressions that are larger than the samples vary:\n"
    for line in lines:
        yield from textwrap.wrap(line, WIDTH, initial_indent="- ",
                                 subsequent_indent="  ")
    yield ""


def instruction_table(data, backends):
    yield from table(["instructions", "base", "patched", "patched/base"], (
        [one.what, common.cell(one.base, 0), common.cell(one.patched, 0),
         common.ratio(one.patched, one.base)]
        for one in comparisons("instructions", data, backends)))


def measured(report, series):
    """Yield the paragraphs about the measurements."""
    sections = report["sections"]
    yield paragraph(
        f"Measured on Linux {report['kernel']} with all series against "
        f"{report['base_kernel']}, in QEMU {report['accelerator'].upper()}, "
        f"{report['cpus']} CPUs, {common.dates(report)}; median (min-max).")
    if series.column == "off":
        yield paragraph("This series alone is measured as all three with deferral switched "
                        "off.")
    else:
        yield from worse(sections, series.backends)
    if "unmap" in sections:
        yield from unmap_tables(sections["unmap"], series)
    if "instructions" in sections and series.column == "on":
        yield from instruction_table(sections["instructions"], series.backends)
    if missing := {"unmap", "instructions"} - sections.keys():
        yield f"*** Not in bench.json, so not here: {', '.join(sorted(missing))}.\n"
    if report["quick"]:
        yield "*** This is of a quick run: measure again, without QUICK=1.\n"


def results(series):
    """Return the results for the cover letter; without any, warn and return a placeholder."""
    if not RESULTS.exists():
        print("there is no build/results/bench.json, so the cover letter has no numbers: "
              "run \"make bench\", then \"make series\" again", file=sys.stderr)
        return NOT_MEASURED
    return "\n".join(measured(json.loads(RESULTS.read_text()), series))


def text(series, version, own):
    """Return the cover letter: subject, empty line, body."""
    base = paragraph((OWN if own else FETCHED).format(
        version=version, short=".".join(version.split(".")[:2])))
    base += "".join(f"\n{paragraph(line[0].upper() + line[1:] + '.')}"
                    for line in compat_tables.says(version))
    body = series.body
    for name, what in (("measured", results(series)), ("base", base)):
        body = body.replace("{" + name + "}", what.strip())
    return f"{series.subject}\n\n{body.strip()}\n"
