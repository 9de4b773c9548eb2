# SPDX-License-Identifier: GPL-2.0
"""Boot a kernel in QEMU, run a job in it, and check the console."""

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
CONTEXT = 50        # number of console lines to show on an error
DEADLINE = 7200     # seconds until a guest that still prints is killed
CPUS = 2
MEMORY = "6G"

# No "fast" string operations: with them the kernel fills pages in bytes, which TCG
# emulates one by one; without them it uses words. Four levels of page tables: while the
# kernel identifies the CPU, it temporarily ignores the fifth level, and KASAN reports
# writes of interrupts at that time.
TCG_CPU = "max,-erms,-fsrm,-la57"

ACCEL = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", TCG_CPU],
    # Each instruction takes one nanosecond, on one CPU; idle time is skipped.
    "icount": ["-accel", "tcg,thread=single", "-cpu", TCG_CPU,
               "-icount", "shift=0,sleep=off"],
}


@dataclasses.dataclass(frozen=True)
class Arch:
    """QEMU machine with two serial ports, for the console and for the job."""
    qemu: str
    image: str          # path in the kernel's build directory
    console: str
    job: str
    job_port: tuple     # options, with {} in place of the file


X86_64 = Arch("qemu-system-x86_64", "arch/x86/boot/bzImage", "ttyS0", "ttyS1",
              ("-serial", "file:{}"))
# A specific core model: the generic "max" has pointer authentication, which is slow.
ARM64 = Arch("qemu-system-aarch64 -M virt -cpu neoverse-n1 -accel tcg,thread=multi",
             "arch/arm64/boot/Image", "ttyAMA0", "ttyS0",
             ("-chardev", "file,id=job,path={}", "-device", "pci-serial,chardev=job"))

# For more vCPUs than host CPUs, where a vCPU that waits for a CPU is not stuck. These are
# the maximum values; 0 means the value of rcu_cpu_stall_timeout.
PATIENT = ("rcupdate.rcu_cpu_stall_timeout=300", "rcupdate.rcu_exp_cpu_stall_timeout=0",
           "watchdog_thresh=60", "sysctl.kernel.hung_task_timeout_secs=600")


def command(kernel, initramfs, append, memory=MEMORY, cpus=CPUS, accel=None,
            arch=X86_64):
    machine = arch.qemu.split()
    if arch is X86_64:
        # Disable the clocksource watchdog. QEMU derives TSC and HPET from two host clocks,
        # which drift, and a guest may not survive a clocksource switch.
        append += " tsc=reliable"
        machine += ACCEL[accel or accelerator(kernel)]
    return [*machine, "-m", memory, "-smp", str(cpus), "-no-reboot",
            "-nodefaults", "-display", "none", "-kernel", str(kernel),
            *(["-initrd", str(initramfs)] if initramfs else []),
            "-append", f"console={arch.console} panic=-1 {append}"]


def boots(kernel, accel):
    """Return whether a kernel prints its first line within PROBE_SECONDS."""
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
    """Return "kvm" if KVM works, else "tcg". /dev/kvm may exist although KVM does not work.

    The result is cached in a file.
    """
    if ACCEL_FILE.exists():
        return ACCEL_FILE.read_text().strip()
    accel = "tcg"
    if os.access("/dev/kvm", os.R_OK | os.W_OK) and boots(kernel, "kvm"):
        accel = "kvm"
    ACCEL_FILE.write_text(accel + "\n")
    return accel


class Tail:
    """Read new lines of a growing file."""

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
    """Raise an error for the first complaint; see console.complaints()."""
    for complaint in console.complaints(lines, expected, is_foreign_race):
        show_context(lines, complaint.first)
        raise Error(f"the kernel complains: {complaint.text}")


def wait_for(machine, messages, output, on_line, silence, deadline):
    """Read the output of the guest until it ends; fail on a timeout."""
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
    """Run a job to its end; return the lines it printed.

    silence: maximum seconds without output; deadline: maximum total seconds; boot: more
    kernel parameters, such as PATIENT; expected, is_foreign_race: see
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
    """Return Tails for the output of kernel and job: LOG.console and LOG.output.

    Old files are removed.
    """
    log = pathlib.Path(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    tails = [Tail(log.with_suffix(suffix)) for suffix in (".console", ".output")]
    for tail in tails:
        tail.path.unlink(missing_ok=True)
    return tails


def follow(machine, messages, output, on_line=lambda line: None, silence=300,
           deadline=DEADLINE, expected=None, is_foreign_race=None):
    """Wait for the end of a machine and check its console; return the lines of the job."""
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
        # A guest that hangs has often printed the reason.
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
