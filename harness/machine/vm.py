# SPDX-License-Identifier: GPL-2.0
"""Boot a kernel in QEMU, run a job in it, and judge the console."""

import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from machine import console
from shared import BUILD, Error

ACCEL_FILE = BUILD / "accel"
PROBE_SECONDS = 20
CONTEXT = 50        # lines of the console to show when something is wrong
DEADLINE = 7200     # seconds after which a guest that still prints is ended
CPUS = 2
MEMORY = "6G"

# Without "fast" string operations, which TCG does byte by byte: with them the kernel
# fills pages in bytes, without it takes words. And with four levels of page tables:
# while it identifies the CPU the kernel forgets that there are five, and KASAN
# reports what an interrupt writes to just then.
TCG_CPU = "max,-erms,-fsrm,-la57"

ACCEL = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", TCG_CPU],
    # An instruction takes a nanosecond, on one CPU; idle time passes at once.
    "icount": ["-accel", "tcg,thread=single", "-cpu", TCG_CPU,
               "-icount", "shift=0,sleep=off"],
}


@dataclasses.dataclass(frozen=True)
class Arch:
    """A machine of QEMU: two serial ports, for the console and for the job."""
    qemu: str
    image: str          # in the kernel's build folder
    console: str
    job: str
    job_port: tuple     # options, with {} for the file


X86_64 = Arch("qemu-system-x86_64", "arch/x86/boot/bzImage", "ttyS0", "ttyS1",
              ("-serial", "file:{}"))
# One core model: that of the generic "max" checks pointers, slowly.
ARM64 = Arch("qemu-system-aarch64 -M virt -cpu neoverse-n1 -accel tcg,thread=multi",
             "arch/arm64/boot/Image", "ttyAMA0", "ttyS0",
             ("-chardev", "file,id=job,path={}", "-device", "pci-serial,chardev=job"))

# More vCPUs than CPUs: one that waits for its turn is not stuck. The largest values that
# the kernel takes; it sets 0 to what the line before says.
PATIENT = ("rcupdate.rcu_cpu_stall_timeout=300", "rcupdate.rcu_exp_cpu_stall_timeout=0",
           "watchdog_thresh=60", "sysctl.kernel.hung_task_timeout_secs=600")


def command(kernel, initramfs, append, memory=MEMORY, cpus=CPUS, accel=None,
            arch=X86_64):
    machine = arch.qemu.split()
    if arch is X86_64:
        # No watchdog: QEMU takes TSC and HPET from two clocks of the host, which drift,
        # and a guest may not survive the change to the other one.
        append += " tsc=reliable"
        machine += ACCEL[accel or accelerator(kernel)]
    return [*machine, "-m", memory, "-smp", str(cpus), "-no-reboot",
            "-nodefaults", "-display", "none", "-kernel", str(kernel),
            *(["-initrd", str(initramfs)] if initramfs else []),
            "-append", f"console={arch.console} panic=-1 {append}"]


def boots(kernel, accel):
    """Does a kernel print its first line within PROBE_SECONDS?"""
    with tempfile.TemporaryDirectory() as tmp:
        said = pathlib.Path(tmp) / "console"
        qemu = subprocess.Popen(
            command(kernel, None, "earlyprintk=serial", "512M", 1, accel) +
            ["-serial", f"file:{said}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + PROBE_SECONDS
            while time.monotonic() < deadline and qemu.poll() is None:
                if said.exists() and b"Linux version" in said.read_bytes():
                    return True
                time.sleep(0.2)
        finally:
            qemu.kill()
            qemu.wait()
    return False


def accelerator(kernel):
    """KVM where it works, which is not where /dev/kvm exists. Remembered."""
    if ACCEL_FILE.exists():
        return ACCEL_FILE.read_text().strip()
    accel = "tcg"
    if os.access("/dev/kvm", os.R_OK | os.W_OK) and boots(kernel, "kvm"):
        accel = "kvm"
    ACCEL_FILE.write_text(accel + "\n")
    return accel


class Tail:
    """Reads the lines that a growing file gets."""

    def __init__(self, path):
        self.path, self.position, self.rest = path, 0, ""
        self.lines = []

    def new(self):
        if not self.path.exists():
            return []
        with self.path.open(errors="replace") as file:
            file.seek(self.position)
            text = self.rest + file.read()
            self.position = file.tell()
        *lines, self.rest = text.split("\n")
        lines = [line.rstrip("\r") for line in lines]
        self.lines += lines
        return lines


def show_context(lines, first):
    for line in lines[max(0, first - 5):first + CONTEXT]:
        print("  |", line, file=sys.stderr)


def judge_console(lines, expected=None, is_foreign_race=None):
    """Raise what the kernel complains of first; see console.complaints()."""
    for complaint in console.complaints(lines, expected, is_foreign_race):
        show_context(lines, complaint.first)
        raise Error(f"the kernel complains: {complaint.text}")


def wait_for(machine, messages, output, on_line, silence, deadline):
    """Read what the guest says, until it ends."""
    began = last = time.monotonic()
    while True:
        over = machine.poll() is not None
        if messages.new():
            last = time.monotonic()
        for line in output.new():
            last = time.monotonic()
            on_line(line)
        if over:
            return
        now = time.monotonic()
        if now - last > silence or now - began > deadline:
            show_context(messages.lines, len(messages.lines) - CONTEXT + 5)
            show_context(output.lines, len(output.lines) - CONTEXT + 5)
            raise Error(f"the guest said nothing for {silence} s"
                          if now - last > silence else
                          f"the guest did not end within {deadline} s", output.lines)
        time.sleep(0.2)


def run(kernel, initramfs, job, params, silence=300, deadline=DEADLINE, log=None,
        on_line=lambda line: None, arch=X86_64, cpus=CPUS, accel=None, boot=(),
        expected=None, is_foreign_race=None):
    """Run a job to its end; returns what it printed, line by line.

    silence, deadline: seconds without a line, and of all in all; boot: more for the
    kernel's command line, as PATIENT; expected, is_foreign_race: see
    console.complaints().
    """
    messages, output = logs(log or BUILD / f"log/{job}")
    append = " ".join([f"pd_job={job} pd_tty={arch.job}", *boot,
                       *(f"{k}={v}" for k, v in params.items())])
    qemu = subprocess.Popen(
        command(kernel, initramfs, append, cpus=cpus, accel=accel, arch=arch) +
        ["-serial", f"file:{messages.path}",
         *(option.format(output.path) for option in arch.job_port)],
        stdin=subprocess.DEVNULL)
    return follow(qemu, messages, output, on_line, silence, deadline, expected,
                  is_foreign_race)


def logs(log):
    """Empty files for what the kernel and the job print: LOG.console and LOG.output."""
    log = pathlib.Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    tails = [Tail(log.with_suffix(suffix)) for suffix in (".console", ".output")]
    for tail in tails:
        tail.path.unlink(missing_ok=True)
    return tails


def follow(machine, messages, output, on_line=lambda line: None, silence=300,
           deadline=DEADLINE, expected=None, is_foreign_race=None):
    """Wait for the end of a machine, and judge it; returns the lines of the job."""
    late = None
    try:
        wait_for(machine, messages, output, on_line, silence, deadline)
    except Error as error:
        late = error
    finally:
        machine.kill()
        machine.wait()
    try:
        judge_console(messages.lines, expected, is_foreign_race)
    except Error as error:
        # A guest that hangs has often said why.
        raise Error("; ".join(map(str, filter(None, (error, late)))),
                      output.lines) from error
    if late:
        raise late
    if not output.lines or output.lines[-1] != "EXIT 0":
        show_context(messages.lines, len(messages.lines) - CONTEXT + 5)
        show_context(output.lines, len(output.lines) - CONTEXT + 5)
        raise Error(f"the job did not end well (see {output.path})", output.lines)
    return output.lines[:-1]


def shell(kernel, initramfs):
    os.execvp("qemu-system-x86_64",
              command(kernel, initramfs, "pd_job=shell quiet") +
              ["-serial", "mon:stdio"])
