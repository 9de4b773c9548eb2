# SPDX-License-Identifier: GPL-2.0
"""Boot a kernel as a process of the host: user-mode Linux.

User-mode Linux runs natively, with real caches, even without KVM. It has a single CPU,
which is enough to measure latencies and CPU time, but not drains concurrent with an unmap.
"""

import subprocess

from machine import vm

MEMORY = "3G"


class Machine(subprocess.Popen):
    """Running kernel; its second console is on stdin and stdout.

    cat copies the output to a file, because a console needs a pollable file descriptor.
    """

    def __init__(self, command, messages, output):
        super().__init__(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages)
        self.copy = subprocess.Popen(["cat"], stdin=self.stdout, stdout=output)

    def poll(self):
        return None if self.copy.poll() is None else super().poll()

    def wait(self, timeout=None):
        self.stdin.close()
        self.stdout.close()
        self.copy.wait()
        return super().wait(timeout)


def run(image, initramfs, job, params, log=None, **more):
    """Run a job to its end, like vm.run()."""
    messages, output = vm.logs(job, log)
    command = [image, f"mem={MEMORY}", f"initrd={initramfs}", "rdinit=/init", "con0=null,fd:2",
               "con1=fd:0,fd:1", "con=none", "panic=-1", f"pd_job={job}", "pd_tty=tty1",
               *(f"{key}={value}" for key, value in params.items())]
    with messages.path.open("w") as console, output.path.open("w") as lines:
        return vm.follow(Machine(command, console, lines), messages, output, **more)
