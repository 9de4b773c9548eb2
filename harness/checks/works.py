# SPDX-License-Identifier: GPL-2.0
"""Print what was seen to work on which kernel, as RESULTS.md has it.

Each command that ends well leaves a note in build/works/<version>.json: the date,
and for the tests, one for each kernel that was tested.
"""

import datetime
import json

from shared import BUILD, Error

WORKS = BUILD / "works"
TEST = ("plain", "kasan")
TEST_ALL = ("harness", "model", *TEST, "perturb-zram", "perturb-zswap", "nohz", "sync",
            "kcsan", "rt", "arm64", "torture-kasan", "torture-kcsan", "others", "mutants")
# The rows, and what all has to be noted for a date alone to be in one.
ROWS = {"apply": ("",), "test": TEST, "test-all": TEST_ALL,
        "bench": ("",), "series": ("",)}


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def note(version, command, parts=("",), folder=WORKS):
    """A command has done all that it should on this version."""
    path = folder / f"{version}.json"
    notes = read(path)
    today = datetime.date.today().isoformat()
    notes.setdefault(command, {}).update(dict.fromkeys(parts, today))
    folder.mkdir(parents=True, exist_ok=True)
    tmp = path.with_suffix(".tmp")
    tmp.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")
    tmp.replace(path)


def cell(dates, wanted):
    """The date; where it is of some parts only, these, too; '-' if there is none."""
    done = [part for part in wanted if part in dates]
    if not done:
        return "-"
    oldest = min(dates[part] for part in done)
    return oldest if done == list(wanted) else f"{', '.join(done)}: {oldest}"


def table(folder=WORKS):
    """In Markdown, newest version first."""
    versions = sorted((path.stem for path in folder.glob("*.json")), reverse=True,
                      key=lambda name: [int(part) if part.isdigit() else -1
                                        for part in name.split(".")])
    if not versions:
        raise Error('nothing is noted: run "make apply" or "make test"')
    notes = {version: read(folder / f"{version}.json") for version in versions}
    lines = ["| | " + " | ".join(f"Linux {version}" for version in versions) + " |",
             "|---" * (len(versions) + 1) + "|"]
    for row, wanted in ROWS.items():
        cells = [cell(notes[version].get(row, {}), wanted) for version in versions]
        lines.append(f"| `make {row}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)
