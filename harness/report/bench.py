# SPDX-License-Identifier: GPL-2.0
"""Write a report on measurements of two kernels; its sections are in sections/.

A report describes one state of both kernels. A run adds or replaces the samples of each section
as the section finishes, and draws the report when all are measured. The report of another state
is moved to a directory named after the time. Quick reports have their own directory.

A section is a module. Its docstring is its heading and its purpose. It has
    measure(guests)    boots jobs with a guests.Guests; returns samples that JSON can store.
                       guests.kernels has .base, .patched, and .native() (for user-mode Linux)
    grids(data)        yields common.Grid, the source of tables and comparisons
and optionally functions of the samples that yield
    more_tables        lines of Markdown
    more_comparisons   names of other comparisons, and results of common.compare()
    headline           lines for the beginning of the report
    plots              names and gnuplot scripts, which contain their data
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
# A section that takes a long time: a quick report includes it only on request.
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
    """Return the section names in a comma-separated list, in the report's order."""
    wanted = [name for name in only.split(",") if name]
    if unknown := [name for name in wanted if name not in ORDER]:
        raise Error(f"the report has no section '{unknown[0]}'; "
                    f"choose from {', '.join(ORDER)}")
    return [name for name in ORDER if name in wanted]


def load(names, quick):
    """Load the sections with these names; the default sections if there are no names."""
    names = names or [name for name in ORDER if not (quick and name == SLOW)]
    return {name: importlib.import_module(f"report.sections.{name}") for name in names}


def draw(script):
    """Return the plot as SVG; gnuplot prints its errors itself."""
    return subprocess.run(["gnuplot"], input=f"{TERMINAL}\n{script}", text=True, check=True,
                          stdout=subprocess.PIPE).stdout


def regressions(report, sections):
    """Yield Markdown: the comparisons in which the patched kernel is worse."""
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
    """Yield Markdown: headlines, regressions, and the conditions of the measurements."""
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
           "base: the unmodified kernel; off, patched: the patched one with the switch "
           "off and on, alternating; limit: the patched one on a RAM disk, where swap "
           "has nothing to free. Cells are the median (min-max).\n")


def html(text, plots):
    """Return a self-contained HTML file."""
    body = subprocess.run(["markdown_py", "-x", "tables"], input=text, text=True,
                          check=True, stdout=subprocess.PIPE).stdout
    body = re.sub(r'<img alt="[^"]*" src="([^"]*)\.svg" />',
                  lambda image: plots[image[1]][plots[image[1]].index("<svg"):], body)
    return f"{PAGE}{body}\n"


def make_files(report, sections):
    """Return the files of a report by name, without the samples."""
    text, plots = [*opening(report, sections)], {}
    for name, section in sections.items():
        data = report["sections"][name]
        title, _, purpose = section.__doc__.partition("\n\n")
        text += [f"## {title}\n",
                 f"{' '.join(purpose.split())} This section only: `make bench ONLY={name}`.\n",
                 *common.tables(section, data)]
        for plot, script in common.optional(section, "plots", data):
            plots[plot] = draw(script)
            text.append(f"\n![{plot}]({plot}.svg)")
        text.append("")
    text = "\n".join(text)
    return {"report.md": text, "report.html": html(text, plots),
            **{f"{plot}.svg": svg for plot, svg in plots.items()}}


def finish(folder):
    """Draw a report from the samples in a directory; return its text."""
    try:
        report = json.loads((folder / "bench.json").read_text())
        names = choose(",".join(report["sections"]))
        files = make_files(report, load(names, report["quick"]))
    except (Error, OSError, LookupError, ValueError,
            subprocess.SubprocessError) as error:
        raise Error(f"cannot draw a report: {error}; fix that, then draw the samples again: "
                    f"make report FROM={folder}") from error
    for name, text in files.items():
        write(folder / name, text)
    return files["report.md"]


def resume(folder, about):
    """Return the report in a directory if it describes this state, else a new one.

    An unknown state differs from all others.
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
    """Measure the sections with these names, or all sections, and write the report.

    state: a string that identifies the measured code
    """
    folder = RESULTS.with_name(f"{RESULTS.name}-quick") if quick else RESULTS
    report = resume(folder, {
        "kernel": kernels.patched.version, "base_kernel": kernels.base.version, "state": state,
        "accelerator": vm.accelerator(kernels.patched.image), "cpus": vm.CPUS, "quick": quick,
        "repetitions": QUICK_TURNS if quick else TURNS})
    fresh = not report["dates"]
    for name, section in load(names, quick).items():
        stage(f"section '{name}'; its samples will be in build/{folder.name}/bench.json")
        report["sections"][name] = section.measure(Guests(kernels, quick, stage))
        report["dates"][name] = datetime.date.today().isoformat()
        # Only now: without a first sample, the earlier report stays.
        if fresh and folder.exists():
            stage(f"the earlier report, of another state, is in {set_aside(folder, '-before')}")
        fresh = False
        write(folder / "bench.json", json.dumps(report, indent=1) + "\n")
    print(finish(folder))
    stage(f"the report is build/{folder.name}/report.html")


def redraw(folder):
    """Redraw the report in a directory."""
    finish(folder)
    print(folder / "report.html")
