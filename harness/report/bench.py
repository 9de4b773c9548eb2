# SPDX-License-Identifier: GPL-2.0
"""Measure the unmodified and the patched kernel, and write a report of their differences.

A report is about one state of the code. A run stores the samples of each section as soon as the
section finishes, and draws the report after the last section. A report about another state is
moved to a directory with the time in its name. Quick reports have a directory of their own.

A section is a module in sections/. Its docstring is a heading and a purpose. The module defines
    measure(guests)    boot jobs with a guests.Guests; return samples that JSON can store.
                       guests.kernels has .base, .patched, and .native() for user-mode Linux.
    grids(data)        yield each common.Grid, the source of tables and comparisons
and, optionally, functions of the samples that yield
    more_tables        lines of Markdown
    more_comparisons   (name, result of common.compare() or common.compare_events())
    headline           lines for the head of the report
    plots              (name, gnuplot script with inline data)
"""

import datetime
import importlib
import json
import re
import subprocess

from machine import vm
from report.sections import common
from report.sections.guests import QUICK_TURNS, TURNS, Guests
from shared import BUILD, Error, set_aside, write

RESULTS = BUILD / "results"
ORDER = ("unmap", "native", "short_runs", "busy", "memory", "lmk", "killers", "faults",
         "bystanders", "worker_placement", "mixed", "instructions")
# Slow section, which a quick report includes only if ONLY= names it.
SLOW = "instructions"
TERMINAL = 'set terminal svg size 720,420 font "sans-serif,12" background "white"'
TITLE = "percpu_defer against the unmodified kernel"
PAGE = f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{TITLE}</title>
<style>
body {{ font: 16px/1.45 sans-serif; max-width: 75em; margin: 2em auto }}
table {{ border-collapse: collapse; margin: 1em 0; font-size: 14px }}
th, td {{ border: 1px solid #bbb; padding: .25em .6em; text-align: right }}
th:first-child, td:first-child {{ text-align: left }}
th {{ background: #eee }} svg {{ max-width: 100%; height: auto }}
</style>
"""


def choose(only):
    """Return the names in a comma-separated list, in report order; fail if one is unknown."""
    wanted = [name for name in only.split(",") if name]
    if unknown := [name for name in wanted if name not in ORDER]:
        raise Error(f"the report has no section '{unknown[0]}'; "
                    f"choose from {', '.join(ORDER)}")
    return [name for name in ORDER if name in wanted]


def load(names, quick):
    """Import the named sections; without names, all sections (if quick, all but SLOW)."""
    names = names or [name for name in ORDER if not (quick and name == SLOW)]
    return {name: importlib.import_module(f"report.sections.{name}") for name in names}


def draw(script):
    """Run a gnuplot script; return the plot as SVG. gnuplot prints its own errors."""
    return subprocess.run(["gnuplot"], input=f"{TERMINAL}\n{script}", text=True, check=True,
                          stdout=subprocess.PIPE).stdout


def regressions(report, sections):
    """Yield Markdown lines for the comparisons in which the patched kernel is worse."""
    compared = [(name, *found) for name, section in sections.items()
                for found in common.comparisons(section, report["sections"][name]).values()]
    lines = [f"- `{name}`: {line}" for name, line, _chance in compared if line]
    if not lines:
        yield ("**No regressions** with the patched kernel's defaults beyond the spread of "
               "the samples.")
        return
    chance = sum(chance for _name, _line, chance in compared)
    yield ("**Regressions** with the patched kernel's defaults beyond the spread of the "
           f"samples. Of {len(compared)} comparisons, {chance:.0f} would be listed by chance if "
           "the kernels did not differ.\n")
    yield from lines


def opening(report, sections):
    """Yield Markdown lines: headlines, regressions, and conditions of the measurements."""
    yield f"# {TITLE}\n"
    for name, section in sections.items():
        for line in common.optional(section, "headline", report["sections"][name]):
            yield f"- {line}"
    yield ""
    yield from regressions(report, sections)
    days = sorted(report["dates"].values())
    days = " to ".join(sorted({days[0], days[-1]}))
    yield (f"\nLinux {report['kernel']} with percpu_defer against {report['base_kernel']}, "
           f"QEMU {report['accelerator'].upper()}, {report['cpus']} CPUs, "
           f"{report['repetitions']} repetitions unless stated otherwise"
           f"{', a quick run' if report['quick'] else ''}, {days}. "
           "base: the unmodified kernel; off, patched: the patched kernel with deferral "
           "off and on, alternating; limit: the patched kernel with swap on a RAM disk, "
           "where there is nothing to free. Cells are the median (min-max).\n")


def html(text, plots):
    """Return the report as a self-contained HTML page."""
    body = subprocess.run(["markdown_py", "-x", "tables"], input=text, text=True,
                          check=True, stdout=subprocess.PIPE).stdout
    body = re.sub(r'<img alt="[^"]*" src="([^"]*)\.svg" />',
                  lambda image: plots[image[1]][plots[image[1]].index("<svg"):], body)
    return f"{PAGE}{body}\n"


def make_files(report, sections):
    """Return {name: content} of the files of a report, except for the samples."""
    text, plots = [*opening(report, sections)], {}
    for name, section in sections.items():
        data = report["sections"][name]
        title, _, purpose = section.__doc__.partition("\n\n")
        text += [f"## {title}\n",
                 f"{' '.join(purpose.split())} Rerun this section: `make bench ONLY={name}`.\n",
                 *common.tables(section, data)]
        for plot, script in common.optional(section, "plots", data):
            plots[plot] = draw(script)
            text.append(f"\n![{plot}]({plot}.svg)")
        text.append("")
    text = "\n".join(text)
    return {"report.md": text, "report.html": html(text, plots),
            **{f"{plot}.svg": svg for plot, svg in plots.items()}}


def finish(folder):
    """Draw the report from the samples in its directory; return the Markdown."""
    try:
        report = json.loads((folder / "bench.json").read_text())
        names = choose(",".join(report["sections"]))
        files = make_files(report, load(names, report["quick"]))
    except (Error, OSError, LookupError, ValueError,
            subprocess.SubprocessError) as error:
        raise Error(f"cannot draw a report: {error}; fix the error, then draw the samples again: "
                    f"make report FROM={folder}") from error
    for name, text in files.items():
        write(folder / name, text)
    return files["report.md"]


def resume(folder, about):
    """Return the report in a directory if it is about this state, else an empty report.

    An empty string is an unknown state, which matches no report.
    """
    samples = folder / "bench.json"
    try:
        old = json.loads(samples.read_text()) if samples.exists() else {}
    except ValueError as error:
        raise Error(f"{samples}: {error}; move it away") from error
    if about["state"] and about.items() <= old.items():
        return old
    return about | {"sections": {}, "dates": {}}


def run(kernels, names, quick, state, stage):
    """Measure the sections that load() returns for these names, and write the report.

    state: identifier of the measured code; '' if unknown
    """
    folder = RESULTS.with_name(f"{RESULTS.name}-quick") if quick else RESULTS
    report = resume(folder, {
        "kernel": kernels.patched.version, "base_kernel": kernels.base.version, "state": state,
        "accelerator": vm.accelerator(kernels.patched.image), "cpus": vm.CPUS, "quick": quick,
        "repetitions": QUICK_TURNS if quick else TURNS})
    fresh = not report["dates"]
    for name, section in load(names, quick).items():
        stage(f"section '{name}'; file for the samples: build/{folder.name}/bench.json")
        report["sections"][name] = section.measure(Guests(kernels, quick, stage))
        report["dates"][name] = datetime.date.today().isoformat()
        # Move the earlier report only now, so that it stays if the first section fails.
        if fresh and folder.exists():
            stage(f"earlier report, of another state: moved to {set_aside(folder, '-before')}")
        fresh = False
        write(folder / "bench.json", json.dumps(report, indent=1) + "\n")
    print(finish(folder))
    stage(f"the report is build/{folder.name}/report.html")


def redraw(folder):
    """Redraw the report in a directory."""
    finish(folder)
    print(folder / "report.html")
