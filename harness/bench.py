# SPDX-License-Identifier: GPL-2.0
"""Measure munmap() of swapped-out memory, on two kernels in four columns."""

import collections
import itertools
import json
import os
import pathlib
import statistics

import attribution
import instructions
import vm

RESULTS = pathlib.Path(__file__).resolve().parent.parent / "build/results"
BACKENDS = ("zram", "zswap")
COLUMNS = ("base", "off", "on", "limit")
# What swap_unmap prints, in nanoseconds: the keys of bench.json, in milliseconds.
TIMES = ("ms", "back_ms", "cpu_ms", "workers_ms")
# What swap_in prints, in nanoseconds.
FAULTS = ("median", "99th percentile")
REPETITIONS = 5

# test, title, and its rows as (processes, megabytes)
TESTS = (
    ("procs", "processes at once, 256 MB each", ((1, 256), (2, 256), (3, 256))),
    ("sizes", "one process", tuple((1, mb) for mb in (64, 128, 192, 256, 512, 1024))),
)
QUICK_TESTS = (("procs", "processes at once, 256 MB each", ((1, 256), (2, 256))),)


def measure(kernel, backend, columns, rows, stage):
    """Boot a kernel and return {(column, row or "faults"): [times in ns, ...]}."""
    samples = collections.defaultdict(list)

    def on_line(line):
        word = line.split()
        if word[0] == "sample":
            samples[word[1], (int(word[2]), int(word[3]))].append(
                [int(ns) for ns in word[4:]])
        elif word[0] == "faults":
            samples[word[1], "faults"].append([int(ns) for ns in word[2:]])
        elif word[0] == "repetition":
            stage(f"  {'/'.join(columns)}: repetition {word[1]} of {REPETITIONS}")

    kernel.run("bench",
               {"pd_backend": backend,
                "pd_rows": ",".join(f"{p}:{mb}" for p, mb in rows),
                "pd_cols": ",".join(columns), "pd_reps": REPETITIONS,
                "brd.rd_nr": 1, "brd.rd_size": 1600 << 10},
               log=RESULTS.parent / f"log/bench-{backend}-{columns[0]}",
               on_line=on_line)
    for column in columns:
        for row in (*rows, "faults"):
            if len(samples[column, row]) != REPETITIONS:
                raise vm.VmError(f"{backend}, column {column}, row {row}: "
                                 f"{len(samples[column, row])} samples, "
                                 f"not {REPETITIONS}")
    return samples


def make_rows(backend, tests, samples):
    for test, _title, shapes in tests:
        for shape in shapes:
            row = {"test": test, "backend": backend,
                   "procs": shape[0], "size_mb": shape[1]}
            for column in COLUMNS:
                for i, name in enumerate(TIMES):
                    row[f"{column}_{name}"] = [round(times[i] / 1e6, 3)
                                               for times in samples[column, shape]]
            yield row


def make_faults(backend, samples):
    """The fields of a row for each of what swap_in tells."""
    for i, name in enumerate(FAULTS):
        yield {"backend": backend, "what": name,
               **{f"{column}_us": [times[i] / 1e3 for times in samples[column, "faults"]]
                  for column in COLUMNS}}


def make_report(tests, samples, base, patched):
    return {"kernel": patched.version, "base_kernel": base.version,
            "accelerator": vm.accelerator(patched.image), "cpus": vm.CPUS,
            "repetitions": REPETITIONS,
            "rows": [row for backend in BACKENDS
                     for row in make_rows(backend, tests, samples[backend])],
            "faults": [row for backend in BACKENDS
                       for row in make_faults(backend, samples[backend])]}


def cell(times):
    return (f"{statistics.median(times):.1f} "
            f"({min(times):.1f}-{max(times):.1f})")


def label(name, row):
    return (f"{row['procs']} x {row['size_mb']} MB" if name == "mode"
            else f"{row['size_mb']} MB")


def table(title, name, rows):
    """Markdown: what the RFC's tables show, and how far the limit is."""
    yield f"**{title}**: munmap in ms, median (min-max)\n"
    yield (f"| {name} | base | off | patched | speed-up | limit "
           "| patched/limit | off/base |")
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        middle = {c: statistics.median(row[f"{c}_ms"]) for c in COLUMNS}
        yield (f"| {label(name, row)} | {cell(row['base_ms'])} | {cell(row['off_ms'])} "
               f"| {cell(row['on_ms'])} | {middle['base'] / middle['on']:.1f}x "
               f"| {cell(row['limit_ms'])} | {middle['on'] / middle['limit']:.2f} "
               f"| {middle['off'] / middle['base']:.2f} |")
    yield ""


def slots(row):
    return row["procs"] * row["size_mb"] * 256


def total_cpu(row, column):
    """Of the unmap and of the workers, in each repetition."""
    return [sum(times) for times in zip(row[f"{column}_cpu_ms"],
                                        row[f"{column}_workers_ms"])]


def free_ns(row, column):
    """What it costs to free a slot, beyond what swap itself does."""
    unmap = statistics.median(row["limit_cpu_ms"])
    return (statistics.median(total_cpu(row, column)) - unmap) * 1e6 / slots(row)


def cost_table(title, name, rows):
    """Markdown: what it costs in all, and when the memory is back."""
    yield (f"**{title}**: CPU time of unmap and workers in ms, and time until "
           "the last page was back in ms, median (min-max)\n")
    yield ("| | base CPU | off CPU | patched CPU | patched/base | patched: back "
           "| back/base munmap | base: ns per slot | patched: ns per slot |")
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        cpu = {c: total_cpu(row, c) for c in COLUMNS}
        middle = {c: statistics.median(cpu[c]) for c in COLUMNS}
        back = statistics.median(row["on_back_ms"])
        yield (f"| {label(name, row)} | {cell(cpu['base'])} | {cell(cpu['off'])} "
               f"| {cell(cpu['on'])} | {middle['on'] / middle['base']:.2f} "
               f"| {cell(row['on_back_ms'])} "
               f"| {back / statistics.median(row['base_ms']):.2f} "
               f"| {free_ns(row, 'base'):.0f} | {free_ns(row, 'on'):.0f} |")
    yield ""


def fault_table(rows):
    """Markdown: what a page fault pays for deferral, or gains by it."""
    yield "**Page faults from swap**, 64 MB: time in us, median (min-max)\n"
    yield "| | base | off | patched | patched/base | limit |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        ratio = statistics.median(row["on_us"]) / statistics.median(row["base_us"])
        yield (f"| {row['backend']}, {row['what']} | {cell(row['base_us'])} "
               f"| {cell(row['off_us'])} | {cell(row['on_us'])} | {ratio:.2f} "
               f"| {cell(row['limit_us'])} |")
    yield ""


def markdown(report, tests, parts, counts):
    lines = [f"Linux {report['kernel']}, QEMU {report['accelerator'].upper()}, "
             f"{report['cpus']} CPUs, {report['repetitions']} repetitions. "
             "base: the unmodified kernel; off, patched: the patched one with the "
             "switch off and on, alternating; limit: the patched one on a RAM disk, "
             "where swap has nothing to free.", ""]
    for form, backend in itertools.product((table, cost_table), BACKENDS):
        for test, title, _shapes in tests:
            rows = [row for row in report["rows"]
                    if (row["backend"], row["test"]) == (backend, test)]
            lines += form(f"{backend}, {title}",
                          "mode" if test == "procs" else "size", rows)
    lines += fault_table(report["faults"])
    return "\n".join([*lines, attribution.table(*parts), instructions.table(*counts)])


def write(name, text):
    RESULTS.mkdir(parents=True, exist_ok=True)
    tmp = RESULTS / (name + ".tmp")
    tmp.write_text(text)
    os.replace(tmp, RESULTS / name)


def run(base, patched, perf, quick, stage):
    tests = QUICK_TESTS if quick else TESTS
    rows = list(dict.fromkeys(row for *_, rows in tests for row in rows))
    samples = {}
    for backend in BACKENDS:
        stage(f"measure the unmodified kernel, {backend}, {len(rows)} rows")
        samples[backend] = measure(base, backend, ("base",), rows, stage)
        stage(f"measure the patched kernel, {backend}")
        samples[backend] |= measure(patched, backend, ("off", "on", "limit"), rows,
                                    stage)
    stage("attribute the time to the parts of the work")
    parts = [attribution.measure(kernel, perf) for kernel in (base, patched)]
    stage("count instructions of swap-out")
    counts = (instructions.measure(base, ("empty",)),
              instructions.measure(patched, ("empty", "waiting")))
    report = make_report(tests, samples, base, patched)
    report["ns_per_slot"] = dict(zip(("base", "on"), (ns for ns, _ in parts)))
    report["swap_out_instructions"] = dict(zip(("base", "on"), counts))
    text = markdown(report, tests, parts, counts)
    write("bench.json", json.dumps(report, indent=1) + "\n")
    write("bench.md", text)
    stage("results are in build/results")
    print(text)
