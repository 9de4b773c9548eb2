# SPDX-License-Identifier: GPL-2.0
"""Test or measure zram as a module on the distribution's own kernel, in QEMU."""

import pathlib

from checks import test
from checks.test_all import conclude
from dkms import package
from machine import vm
from overlay import apply
from report.sections import common
from shared import BUILD, script, stage

ROUNDS = 50
# (processes, megabytes) of RFC tests 1 and 2, and of both combined.
ROWS = ((1, 64), (1, 128), (1, 256), (1, 512), (1, 1024), (2, 256), (3, 256), (3, 1024))
REPETITIONS = 5
TIMES = ("munmap", "back", "cpu", "workers")


class Stock:
    """Stock kernel and initramfs with both modules, to run jobs."""

    def __init__(self, version):
        deb = package.build()
        self.tree = next((BUILD / "tree").glob(f"dkms-{version}*"))
        self.version = apply.kernel_version(self.tree)
        root, self.release = script("dkms/root.sh", "install", self.version, deb).split()
        self.image = pathlib.Path(root, f"boot/vmlinuz-{self.release}")
        self.initramfs = BUILD / f"dkms/{self.release}.cpio.gz"
        script("dkms/initramfs.sh", self.tree, root, self.release, self.initramfs)

    def run(self, job, params, **more):
        return vm.run(self.image, self.initramfs, job, params,
                      log=BUILD / f"log/{job}-{self.version}", **more)


def test_module(stock, seconds):
    stage(f"test in Linux {stock.release}")
    names = {"stock_module.sh", "swap_reuse", "zram_ops", "zram_dead", "stock_rounds"}
    count = test.run_guest(stock, "stock", "stock", {"pd_seconds": seconds, "pd_rounds": ROUNDS},
                           names, stage, package.HERE, silence=seconds + test.SILENCE)
    script("dkms/root.sh", "remove", stock.version)
    count.passed += 1
    conclude(count)


def table(samples):
    """Yield the lines of a table. The ratios are stock/ours."""
    yield ("| processes x MB | munmap, ms: stock | ours | ratio | all back, ms: stock | ours "
           "| ratio | CPU, ms: stock | ours | ratio |")
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for processes, mb in ROWS:
        cells = []
        for times in (("munmap",), ("back",), ("cpu", "workers")):
            both = [common.of(*times)(samples[f"{module} {processes} {mb}"])
                    for module in ("stock", "ours")]
            cells += [*map(common.cell, both), common.ratio(*both)]
        yield f"| {processes} x {mb} | {' | '.join(cells)} |"


def measure(stock):
    stage(f"measure on Linux {stock.release}")
    rows = ",".join(f"{processes}:{mb}" for processes, mb in ROWS)
    params = {"pd_rows": rows, "pd_mb": 3500, "pd_reps": REPETITIONS}
    samples = common.collect(stock, "stock_bench", params, {"unmap": TIMES}, stage)["unmap"]
    print(f"Linux {stock.release}, QEMU with {vm.accelerator(stock.image).upper()}, {vm.CPUS} "
          f"CPUs; median (min-max) of {REPETITIONS}, alternating; samples in build/log\n")
    print(*table(samples), sep="\n")
