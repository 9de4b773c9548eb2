# SPDX-License-Identifier: GPL-2.0
"""Boot a kernel as a process of the host: user-mode Linux.

It runs natively, with real caches, where QEMU has to emulate. It has one CPU, so it
can measure latencies and CPU time, but not drains that run concurrently with an unmap.
"""

import os
import pathlib
import subprocess
import threading

from machine import vm
from shared import BUILD

MEMORY = "3G"
IMAGE = "linux"     # in the build directory
JOB = "tty1"        # second console


class Machine:
    """Running kernel. The output of its job is in a file after the end."""

    def __init__(self, command, said, path):
        # Consoles poll, and files do not support that. The first pipe is never written to.
        (ask, self.asked), (told, tell) = os.pipe(), os.pipe()
        self.process = subprocess.Popen(
            [*command, f"con1=fd:{ask},fd:{tell}"], stdin=subprocess.DEVNULL, stdout=said,
            stderr=said, pass_fds=(ask, tell))
        os.close(ask)
        os.close(tell)
        self.reader = threading.Thread(target=self.copy, args=(told, path))
        self.reader.start()

    @staticmethod
    def copy(source, path):
        with open(source, "rb", buffering=0) as pipe, path.open("wb", buffering=0) as file:
            while text := pipe.read(4096):
                file.write(text)

    def poll(self):
        return None if self.reader.is_alive() else self.process.poll()

    def kill(self):
        self.process.kill()

    def wait(self):
        self.process.wait()
        os.close(self.asked)
        self.reader.join()


def run(image, initramfs, job, params, log=None, on_line=lambda line: None, silence=300,
        **_more):
    """Run a job to its end, like vm.run()."""
    messages, output = vm.logs(log or BUILD / f"log/{job}")
    with messages.path.open("w") as said:
        machine = Machine(
            [image, f"mem={MEMORY}", f"initrd={initramfs}", "rdinit=/init",
             "con0=fd:0,fd:1", "con=none", "panic=-1", f"pd_job={job}", f"pd_tty={JOB}",
             *(f"{key}={value}" for key, value in params.items())], said, output.path)
        return vm.follow(machine, messages, output, on_line, silence)


class Kernel:
    """Kernel built for user-mode Linux, with the programs of another kernel."""

    def __init__(self, folder, initramfs):
        self.image = pathlib.Path(folder) / IMAGE
        self.initramfs = initramfs

    def run(self, job, params, **more):
        return run(self.image, self.initramfs, job, params, **more)
