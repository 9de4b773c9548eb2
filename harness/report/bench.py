# SPDX-License-Identifier: GPL-2.0
"""Write a report on measurements of two kernels; its sections are in sections/.

A report is about one state of both kernels. A run with ONLY adds or replaces its sections in
the report of that state. The report of another state is kept next to it, and quick reports
have their own directory. Samples are written as each section finishes, to a directory named
after the time; it becomes the report when all sections are measured and drawn.

A section is a module with
    TITLE              its heading
    SHOWS              a sentence on the purpose
    measure(kernels, quick, stage)
                       boots guests; returns the samples, which must fit in JSON.
                       kernels has .base, .patched, .native() (kernels for user-mode
                       Linux), and .perf, an archive for guests. common.collect() reads
                       the lines that a guest job prints
    grids(data)        yields common.Grid, the source of tables and comparisons: each row
                       has columns "base" and "on", and a label that begins with zram or
                       zswap
and optionally
    more_tables(data)  yields lines of Markdown
    more_comparisons(data)
                       yields common.Samples or common.Events for other comparisons
    headline(data)     yields lines for the beginning of the report
    plots(data)        yields names and gnuplot scripts, which contain their data
"""

import datetime
import importlib
import json
import os
import re
import shutil
import subprocess

from machine import vm
from report.sections import common
from shared import BUILD, Error

RESULTS = BUILD / "results"
ORDER = ("unmap", "native", "short_runs", "busy", "memory", "lmk", "killers", "faults", "others",
         "accounting", "mixed", "attribution", "instructions")
# Sections that explain the times and take long: a quick report has them only on request.
EXPLAINS = ("attribution", "instructions")
# Reports with equal values of these are of the same state.
SAME = ("kernel", "base_kernel", "state", "accelerator", "cpus", "quick")
TERMINAL = 'set terminal svg size 720,420 font "sans-serif,12" background "white"'
STYLE = """body { font: 16px/1.45 sans-serif; max-width: 75em; margin: 2em auto }
table { border-collapse: collapse; margin: 1em 0; font-size: 14px }
th, td { border: 1px solid #bbb; padding: .25em .6em; text-align: right }
th:first-child, td:first-child { text-align: left }
th { background: #eee } svg { max-width: 100%; height: auto }"""


def choose(only):
    """Return the section names in a comma-separated list, in the report's order."""
    wanted = [name for name in only.split(",") if name]
    if unknown := [name for name in wanted if name not in ORDER]:
        raise Error(f"the report has no section '{unknown[0]}'; "
                    f"there are {', '.join(ORDER)}")
    return [name for name in ORDER if name in wanted]


def load(names, quick):
    """Load the sections with these names; the default sections if there are no names."""
    names = names or [name for name in ORDER if not (quick and name in EXPLAINS)]
    return {name: importlib.import_module(f"report.sections.{name}") for name in names}


def draw(name, script):
    """Return the plot as SVG."""
    run = subprocess.run(["gnuplot"], input=f"{TERMINAL}\n{script}", text=True,
                         capture_output=True)
    if run.returncode or not run.stdout.rstrip().endswith("</svg>"):
        said = run.stderr.strip().splitlines() or ["nothing"]
        raise Error(f"gnuplot cannot draw '{name}', it says: {said[-1]}")
    return run.stdout


def opening(report, sections):
    """Return Markdown: headline, regressions, and what was measured."""
    yield "# percpu_defer against the unmodified kernel\n"
    lines = [line for name, section in sections.items() if hasattr(section, "headline")
             for line in section.headline(report["sections"][name])]
    yield from (f"- {line}" for line in lines)
    yield "" if lines else "No section that was measured has a figure for the headline.\n"
    compared = [(name, one) for name, section in sections.items()
                for one in common.comparisons(section, report["sections"][name])]
    lines = [f"- `{name}`: {line}" for name, one in compared if (line := one.worse())]
    if lines:
        yield ("**Regressions** with the patched kernel's defaults, by more than the "
               f"samples vary. Of {len(compared)} comparisons, "
               f"{sum(one.chance() for _name, one in compared):.0f} would stand here if the "
               "kernels did not differ.\n")
        yield from lines
    else:
        yield ("**No regressions** with the patched kernel's defaults, by more than "
               "the samples vary.")
    yield (f"\nLinux {report['kernel']} with percpu_defer against {report['base_kernel']}, "
           f"QEMU {report['accelerator'].upper()}, {report['cpus']} CPUs, "
           f"{report['repetitions']} repetitions unless something else is said"
           f"{', a quick run' if report['quick'] else ''}, {common.dates(report)}. "
           "base: the unmodified kernel; off, patched: the patched one with the switch "
           "off and on, alternating; limit: the patched one on a RAM disk, where swap "
           "has nothing to free. Cells are the median (min-max).\n")


def chapter(name, section, data, plots):
    """Return Markdown of a section."""
    yield f"## {section.TITLE}\n"
    yield f"{section.SHOWS} Only this: `make bench ONLY={name}`.\n"
    yield from common.tables(section, data)
    yield from (f"\n![{plot}]({plot}.svg)" for plot in plots)
    yield ""


def html(text, plots):
    """Return a self-contained HTML file."""
    body = subprocess.run(["markdown_py", "-x", "tables"], input=text, text=True,
                          check=True, stdout=subprocess.PIPE).stdout
    body = re.sub(r'<img alt="[^"]*" src="([^"]*)\.svg" />',
                  lambda image: plots[image[1]][plots[image[1]].index("<svg"):], body)
    title = text.partition("\n")[0].removeprefix("# ")
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f"<title>{title}</title>\n<style>\n{STYLE}\n</style>\n</head>\n"
            f"<body>\n{body}\n</body>\n</html>\n")


def write(folder, name, text):
    """Write a file of a report atomically: on failure it keeps its old content."""
    folder.mkdir(parents=True, exist_ok=True)
    tmp = folder / f"{name}.tmp"
    tmp.write_text(text)
    os.replace(tmp, folder / name)


def earlier(folder, report):
    """Return the report in a directory if it is of the same state."""
    samples = folder / "bench.json"
    old = json.loads(samples.read_text()) if samples.exists() else {}
    same = report["state"] and all(old.get(name) == report[name] for name in SAME)
    return old if same else {}


def publish(partial, folder, same):
    """Replace an earlier report by a complete one; keep the old report unless it is of the
    same state.
    """
    old = folder.with_name(f"{folder.name}.{datetime.datetime.now():%Y%m%d-%H%M%S.%f}-before")
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    if same:
        shutil.rmtree(old, ignore_errors=True)


def make_files(report, sections):
    """Return the files of a report by name, without the samples."""
    text, drawn = list(opening(report, sections)), {}
    for name, section in sections.items():
        data = report["sections"][name]
        plots = {plot: draw(plot, script) for plot, script in
                 (section.plots(data) if hasattr(section, "plots") else ())}
        text += chapter(name, section, data, plots)
        drawn |= plots
    text = "\n".join(text)
    return {"report.md": text, "report.html": html(text, drawn),
            **{f"{plot}.svg": svg for plot, svg in drawn.items()}}


def finish(folder):
    """Draw the report of the samples in a directory; return its text."""
    try:
        report = json.loads((folder / "bench.json").read_text())
        names = [name for name in ORDER if name in report["sections"]]
        files = make_files(report, load(names, report["quick"]))
    except (Error, OSError, LookupError, subprocess.SubprocessError) as error:
        raise Error(f"{error}; mend that, then draw the samples again: "
                    f"make report FROM={folder}") from error
    for name, text in files.items():
        write(folder, name, text)
    return files["report.md"]


def measure(kernels, sections, report, partial, stage):
    """Run the sections; write the samples after each one."""
    for name, section in sections.items():
        stage(f"section '{name}'")
        report["sections"][name] = section.measure(kernels, report["quick"], stage)
        report["dates"][name] = datetime.date.today().isoformat()
        write(partial, "bench.json", json.dumps(report, indent=1) + "\n")


def run(kernels, names, quick, state, stage):
    """Measure the sections with these names, or all sections, and write the report.

    state: a string that identifies the measured code
    """
    folder = RESULTS.with_name(f"{RESULTS.name}-quick") if quick else RESULTS
    partial = RESULTS.with_name(f"{RESULTS.name}.{datetime.datetime.now():%Y%m%d-%H%M%S}")
    report = {"kernel": kernels.patched.version, "base_kernel": kernels.base.version,
              "state": state, "accelerator": vm.accelerator(kernels.patched.image),
              "cpus": vm.CPUS, "quick": quick, "repetitions": common.repetitions(quick),
              "sections": {}, "dates": {}}
    try:
        measure(kernels, load(names, quick), report, partial, stage)
    finally:
        if partial.exists():
            stage(f"the samples are in build/{partial.name}/bench.json")
    old = earlier(folder, report)
    if names and old:
        for part in "sections", "dates":
            report[part] = old[part] | report[part]
        write(partial, "bench.json", json.dumps(report, indent=1) + "\n")
    text = finish(partial)
    publish(partial, folder, bool(old))
    stage(f"the report is build/{folder.name}/report.html")
    print(text)


def redraw(folder):
    """Redraw the report in a directory."""
    try:
        report = json.loads((folder / "bench.json").read_text())
        choose(",".join(report["sections"]))
        common.dates(report)
    except (Error, OSError, ValueError, LookupError, TypeError) as error:
        raise Error(f"{folder}: {error}; give a folder that make bench wrote") from error
    finish(folder)
    print(f"{folder / 'report.html'}")
