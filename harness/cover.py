# SPDX-License-Identifier: GPL-2.0
"""The cover letter of the series, with the tables of the report in it."""

import importlib
import json
import pathlib
import statistics
import sys
import textwrap

import older
from sections import common, faults, instructions, unmap

RESULTS = pathlib.Path(__file__).resolve().parent.parent / "build/results/bench.json"
WIDTH = 72
NOT_MEASURED = """*** What was measured belongs here: munmap(), CPU time, when the memory is
*** back, page faults, and what got worse. There is no build/results/bench.json,
*** so only you can say. Or run "make bench", and "make series" again.
"""
OWN = ("The patches apply to Linux {version}, at the commit that base-commit names "
       "below.")
FETCHED = ("The patches apply to Linux {version} as the package linux-source-{short} of "
           "Debian has it. That is no git repository; base-commit below is a commit of "
           "its files and of nothing else, and in no public repository.")


def paragraph(text):
    return textwrap.fill(text, WIDTH) + "\n"


def table(head, rows):
    """Columns in line, for a mail: names to the left, numbers to the right."""
    rows = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *others in rows:
        yield "  ".join([first.ljust(widths[0]), *(
            cell.rjust(width) for cell, width in zip(others, widths[1:]))]).rstrip()
    yield ""


def middle(samples, digits=1):
    return f"{statistics.median(samples):.{digits}f}"


def unmap_rows(samples):
    shapes = dict.fromkeys((*unmap.shapes(samples, unmap.SIZES),
                            *unmap.shapes(samples, unmap.PROCESSES)))
    for shape in shapes:
        base, patched, limit = (unmap.ms(samples, column, shape, "munmap")
                                for column in ("base", "on", "limit"))
        cpu, back = ([unmap.ms(samples, column, shape, *times)
                      for column in ("base", "on")]
                     for times in (("cpu", "workers"), ("back",)))
        yield [unmap.label(shape), common.cell(base), common.cell(patched),
               common.ratio(base, patched), middle(limit), common.ratio(*reversed(cpu)),
               *map(middle, back)]


def unmap_tables(data):
    yield paragraph(
        "munmap() in ms; limit: on a RAM disk, where swap has nothing to free; cpu: CPU "
        "time of munmap() and workers, patched/base; back: when the last page is free "
        "again, in ms.")
    for backend, samples in data.items():
        yield from table([backend, "base", "patched", "ratio", "limit", "cpu",
                          "back: base", "patched"], unmap_rows(samples))


def comparison_table(section, data, unit, digits):
    """A line for each thing that a section compares."""
    yield from table([unit, "base", "patched", "patched/base"], (
        [one.what, common.cell(one.base, digits), common.cell(one.patched, digits),
         common.ratio(one.patched, one.base)] for one in section.comparisons(data)))


TABLES = {
    "unmap": unmap_tables,
    "instructions": lambda data: comparison_table(instructions, data, "instructions", 0),
    "faults": lambda data: comparison_table(faults, data, "us", 1),
}


def worse(sections):
    """What the patches make worse comes first, as in the report."""
    lines = [line for name, data in sections.items()
             for one in importlib.import_module(f"sections.{name}").comparisons(data)
             if (line := one.worse())]
    if not lines:
        yield "Nothing that was measured got worse by more than the samples vary.\n"
        return
    yield "What got worse by more than the samples vary:\n"
    for line in lines:
        yield from textwrap.wrap(line, WIDTH, initial_indent="- ",
                                 subsequent_indent="  ")
    yield ""


def runs(name, data):
    """Label with the number of runs behind a table, from its samples."""
    section = importlib.import_module(f"sections.{name}")
    numbers = {len(samples) for one in section.comparisons(data)
               for samples in (one.base, one.patched)}
    low, high = min(numbers), max(numbers)
    return f"{low} to {high} runs:\n" if low < high else f"{low} run{'s' * (low > 1)}:\n"


def measured(report):
    """The paragraphs on what was measured."""
    sections = report["sections"]
    yield paragraph(
        f"Measured on Linux {report['kernel']} with these patches against "
        f"{report['base_kernel']}, in QEMU {report['accelerator'].upper()}, "
        f"{report['cpus']} CPUs, on {report['date']}; median (min-max).")
    yield from worse(sections)
    for name, lines in TABLES.items():
        if name in sections:
            yield runs(name, sections[name])
            yield from lines(sections[name])
    if missing := TABLES.keys() - sections.keys():
        yield f"*** Not in bench.json, so not here: {', '.join(sorted(missing))}.\n"
    if report["quick"]:
        yield "*** This is of a quick run: measure again, without QUICK=1.\n"


def results():
    """What the cover letter says of them, and a word on stderr if that is nothing."""
    if not RESULTS.exists():
        print("there is no build/results/bench.json, so the cover letter has no numbers: "
              "run \"make bench\", then \"make series\" again", file=sys.stderr)
        return NOT_MEASURED
    return "\n".join(measured(json.loads(RESULTS.read_text())))


def text(letter, version, own):
    """The subject, an empty line and the rest."""
    base = paragraph((OWN if own else FETCHED).format(
        version=version, short=".".join(version.split(".")[:2])))
    base += "".join(f"\n{paragraph(line[0].upper() + line[1:] + '.')}"
                    for line in older.says(version))
    body = letter["body"]
    for name, what in (("measured", results()), ("base", base)):
        body = body.replace("{" + name + "}", what.strip())
    return f"{letter['subject']}\n\n{body.strip()}\n"
