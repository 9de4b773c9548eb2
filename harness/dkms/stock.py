# SPDX-License-Identifier: GPL-2.0
"""Test or measure zram as a module on the distribution's own kernel, in QEMU."""

import json
import pathlib
import statistics

from checks import test
from checks.expectations import Count, Expectations
from checks.test_all import conclude
from dkms import package
from machine import vm
from overlay import apply
from report.sections import common
from shared import BUILD, HARNESS, script, stage

HERE = HARNESS / "dkms"
ROUNDS = 50
# (processes, megabytes) of RFC tests 1 and 2, and of both combined.
ROWS = ((1, 64), (1, 128), (1, 256), (1, 512), (1, 1024), (2, 256), (3, 256), (3, 1024))
REPETITIONS = 5
TIMES = ("munmap", "back", "cpu", "workers")
# Goals relative to the stock module: minimum speed-up of munmap() by row; maximum ratio of
# CPU time, and of the time until the last page is free.
FASTER = {(1, 256): 8, (1, 1024): 8, (3, 256): 8}
AT_MOST = 1.15


class Stock:
    """Kernel of the distribution with both modules; it runs jobs."""

    def __init__(self, version):
        deb = package.build()
        self.tree = next((BUILD / "tree").glob(f"dkms-{version}*"))
        self.version = apply.kernel_version(self.tree)
        root, release = script("dkms/root.sh", "install", self.version, deb).split()
        self.image = pathlib.Path(root, f"boot/vmlinuz-{release}")
        self.initramfs = BUILD / f"dkms/{release}.cpio.gz"
        script("dkms/initramfs.sh", self.tree, root, release, self.initramfs)
        self.release = release

    def run(self, job, params, **more):
        return vm.run(self.image, self.initramfs, job, params,
                      log=BUILD / f"log/{job}-{self.version}", **more)


def test_module(stock, seconds):
    stage(f"test in Linux {stock.release}")
    lines, results = test.run_job(stock, "stock", {"pd_seconds": seconds, "pd_rounds": ROUNDS},
                                  stage, silence=seconds + test.SILENCE)
    names = {"stock_module.sh", "swap_reuse", "zram_ops", "zram_dead", "stock_rounds"}
    results += test.guest_results(stock.tree, lines, names)
    count = Count()
    test.judge(results, Expectations("stock", stock.version, HERE), count)
    script("dkms/root.sh", "remove", stock.version)
    count.passed += 1
    conclude(count)


def ms(samples, module, row, *times):
    found = samples[f"{module} {row[0]} {row[1]}"]
    return [sum(ns) / 1e6 for ns in zip(*(found[time] for time in times))]


def table(samples):
    yield ("| processes x MB | munmap, ms: stock | ours | stock/ours | all back, ms: stock "
           "| ours | ours/stock | CPU, ms: stock | ours | ours/stock |")
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in ROWS:
        cells = []
        for times in (("munmap",), ("back",), ("cpu", "workers")):
            stock, ours = (ms(samples, module, row, *times) for module in ("stock", "ours"))
            quotient = common.ratio(stock, ours) if times == ("munmap",) else \
                common.ratio(ours, stock)
            cells += [common.cell(stock), common.cell(ours), quotient]
        yield f"| {row[0]} x {row[1]} | {' | '.join(cells)} |"


def misses(samples):
    """Yield a line for each missed goal."""
    def medians(row, *times):
        return [statistics.median(ms(samples, module, row, *times))
                for module in ("stock", "ours")]
    for row in ROWS:
        name = f"{row[0]} x {row[1]} MB"
        stock, ours = medians(row, "munmap")
        if stock < ours * (goal := FASTER.get(row, 1)):
            yield f"{name}: munmap is {stock / ours:.1f} times as fast, not {goal}"
        for what, times in (("all is back after", ("back",)), ("CPU time:", ("cpu", "workers"))):
            stock, ours = medians(row, *times)
            if ours > stock * AT_MOST:
                yield f"{name}: {what} {ours / stock:.2f} of the stock module's, not {AT_MOST}"


def measure(stock):
    stage(f"measure on Linux {stock.release}")
    rows = ",".join(f"{processes}:{mb}" for processes, mb in ROWS)
    params = {"pd_rows": rows, "pd_mb": 3500, "pd_reps": REPETITIONS}
    samples = common.collect(stock, "stock_bench", params, {"unmap": TIMES}, stage)["unmap"]
    out = BUILD / f"results-stock-{stock.version}.json"
    out.with_suffix(".tmp").write_text(json.dumps(samples, indent=1) + "\n")
    out.with_suffix(".tmp").replace(out)
    print(f"Linux {stock.release}, QEMU with {vm.accelerator(stock.image).upper()}, {vm.CPUS} "
          f"CPUs; median (min-max) of {REPETITIONS}, alternating; samples in {out}\n")
    print(*table(samples), sep="\n")
    for miss in misses(samples):
        print(f"worse than the goal: {miss}")
