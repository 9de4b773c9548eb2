# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of swapped-out memory, on two kernels in four columns."""

import collections
import json
import os
import pathlib
import statistics

import vm

RESULTS = pathlib.Path(__file__).resolve().parent.parent / "build/results"
COLUMNS = ("base", "off", "on", "limit")
REPETITIONS = 5

# test, title, and its rows as (processes, megabytes)
TESTS = (
    ("procs", "processes at once, 256 MB each", ((1, 256), (2, 256), (3, 256))),
    ("sizes", "one process", tuple((1, mb) for mb in (64, 128, 192, 256, 512, 1024))),
)
QUICK_TESTS = (("procs", "processes at once, 256 MB each", ((1, 256), (2, 256))),)


def measure(kernel, columns, rows, stage):
    """Boot a kernel and return {(column, row): [(ns, settle_ms), ...]}."""
    samples = collections.defaultdict(list)

    def on_line(line):
        word = line.split()
        if word[0] == "sample":
            samples[word[1], (int(word[2]), int(word[3]))].append(
                (int(word[4]), word[5]))
        elif word[0] == "repetition":
            stage(f"  {'/'.join(columns)}: repetition {word[1]} of {REPETITIONS}")

    kernel.run("bench",
               {"pd_rows": ",".join(f"{p}:{mb}" for p, mb in rows),
                "pd_cols": ",".join(columns), "pd_reps": REPETITIONS,
                "brd.rd_nr": 1, "brd.rd_size": 1600 << 10},
               log=RESULTS.parent / f"log/bench-{columns[0]}", on_line=on_line)
    for column in columns:
        for row in rows:
            if len(samples[column, row]) != REPETITIONS:
                raise vm.VmError(f"column {column}, row {row}: "
                                 f"{len(samples[column, row])} samples, "
                                 f"not {REPETITIONS}")
    return samples


def make_report(tests, samples, base, patched):
    rows = []
    for test, _title, shapes in tests:
        for shape in shapes:
            row = {"test": test, "backend": "zram",
                   "procs": shape[0], "size_mb": shape[1]}
            for column in COLUMNS:
                row[f"{column}_ms"] = [round(ns / 1e6, 3)
                                       for ns, _ in samples[column, shape]]
            row["on_settle_ms"] = [None if ms == "never" else int(ms)
                                   for _, ms in samples["on", shape]]
            rows.append(row)
    return {"kernel": patched.version, "base_kernel": base.version,
            "accelerator": vm.accelerator(patched.image), "cpus": vm.CPUS,
            "repetitions": REPETITIONS, "rows": rows}


def cell(times):
    return (f"{statistics.median(times):.1f} "
            f"({min(times):.1f}-{max(times):.1f})")


def table(title, name, rows):
    """Markdown: what the RFC's tables show, and how far the limit is."""
    yield f"**zram, {title}**: munmap in ms, median (min-max)\n"
    yield (f"| {name} | base | off | patched | speed-up | limit "
           "| patched/limit | off/base |")
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        middle = {c: statistics.median(row[f"{c}_ms"]) for c in COLUMNS}
        label = (f"{row['procs']} x {row['size_mb']} MB" if name == "mode"
                 else f"{row['size_mb']} MB")
        yield (f"| {label} | {cell(row['base_ms'])} | {cell(row['off_ms'])} "
               f"| {cell(row['on_ms'])} | {middle['base'] / middle['on']:.1f}x "
               f"| {cell(row['limit_ms'])} | {middle['on'] / middle['limit']:.2f} "
               f"| {middle['off'] / middle['base']:.2f} |")
    yield ""


def markdown(report, tests):
    lines = [f"Linux {report['kernel']}, QEMU {report['accelerator'].upper()}, "
             f"{report['cpus']} CPUs, {report['repetitions']} repetitions. "
             "base: the unmodified kernel; off, patched: the patched one with the "
             "switch off and on, alternating; limit: the patched one on a RAM disk, "
             "where swap has nothing to free.", ""]
    for test, title, _shapes in tests:
        rows = [row for row in report["rows"] if row["test"] == test]
        lines += table(title, "mode" if test == "procs" else "size", rows)
    settle = [ms for row in report["rows"] for ms in row["on_settle_ms"]]
    if None in settle:
        lines.append("zram did NOT return to its former content within 10 s "
                     f"in {settle.count(None)} of {len(settle)} cases.")
    else:
        lines.append("After the munmap, zram held what it held before within "
                     f"{max(settle)} ms (median {statistics.median(settle):.0f}).")
    return "\n".join(lines) + "\n"


def write(name, text):
    RESULTS.mkdir(parents=True, exist_ok=True)
    tmp = RESULTS / (name + ".tmp")
    tmp.write_text(text)
    os.replace(tmp, RESULTS / name)


def run(base, patched, quick, stage):
    tests = QUICK_TESTS if quick else TESTS
    rows = list(dict.fromkeys(row for *_, rows in tests for row in rows))
    stage(f"measure the unmodified kernel, {len(rows)} rows")
    samples = measure(base, ("base",), rows, stage)
    stage("measure the patched kernel")
    samples |= measure(patched, ("off", "on", "limit"), rows, stage)
    report = make_report(tests, samples, base, patched)
    text = markdown(report, tests)
    write("bench.json", json.dumps(report, indent=1) + "\n")
    write("bench.md", text)
    stage("results are in build/results")
    print(text)
