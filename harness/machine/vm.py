# SPDX-License-Identifier: GPL-2.0
"""Boot a kernel in QEMU, run a job in it, and check the console."""

import os
import pathlib
import subprocess
import sys
import time
import typing

from machine import console
from shared import BUILD, Error

ACCEL_FILE = BUILD / "accel"
PROBE_SECONDS = 20
CONTEXT = 50        # number of console lines to show on an error
DEADLINE = 7200     # seconds until a guest that still prints is killed
CPUS = 2
MEMORY = "6G"

# erms, fsrm: without "fast" string operations, the kernel fills pages word by word. TCG
# emulates "fast" operations byte by byte. la57: with five levels of page tables, KASAN reports
# writes of interrupts while the kernel identifies the CPU, because the kernel ignores the fifth
# level at that time.
TCG_CPU = "max,-erms,-fsrm,-la57"

ACCEL = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi", "-cpu", TCG_CPU],
    # One CPU, on which each instruction takes a nanosecond; idle time is skipped.
    "icount": ["-accel", "tcg,thread=single", "-cpu", TCG_CPU, "-icount", "shift=0,sleep=off"],
}


class Arch(typing.NamedTuple):
    """QEMU machine with two serial ports, for the console and for the job."""
    qemu: str
    image: str          # path in the kernel's build directory
    console: str
    job: str
    job_port: tuple     # options of the port for the job; {}: output file


X86_64 = Arch("qemu-system-x86_64", "arch/x86/boot/bzImage", "ttyS0", "ttyS1",
              ("-serial", "file:{}"))
# neoverse-n1 is faster than "max", whose pointer authentication is slow.
ARM64 = Arch("qemu-system-aarch64 -M virt -cpu neoverse-n1 -accel tcg,thread=multi",
             "arch/arm64/boot/Image", "ttyAMA0", "ttyS0",
             ("-chardev", "file,id=job,path={}", "-device", "pci-serial,chardev=job"))

# Arguments of run() for more vCPUs than host CPUs. The timeouts have their maximum values,
# because a vCPU may wait for a host CPU; 0 means the value of rcu_cpu_stall_timeout.
PATIENT = {"cpus": 6, "boot": (
    "rcupdate.rcu_cpu_stall_timeout=300", "rcupdate.rcu_exp_cpu_stall_timeout=0",
    "watchdog_thresh=60", "sysctl.kernel.hung_task_timeout_secs=600")}


def command(kernel, append, accel=None, arch=X86_64, cpus=CPUS):
    machine = arch.qemu.split()
    if arch is X86_64:
        # Disable the clocksource watchdog: it may see TSC and HPET drift apart, because QEMU
        # derives them from two host clocks. A guest may not survive a clocksource switch.
        append += " tsc=reliable"
        machine += ACCEL[accel or accelerator(kernel)]
    return [*machine, "-m", MEMORY, "-smp", str(cpus), "-no-reboot",
            "-nodefaults", "-display", "none", "-kernel", str(kernel),
            "-append", f"console={arch.console} panic=-1 {append}"]


def boots(kernel):
    """Return whether KVM boots the kernel, which then panics for lack of a root file system."""
    probe = [*command(kernel, "earlyprintk=serial", "kvm"), "-serial", "file:/dev/stdout"]
    try:
        said = subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PROBE_SECONDS).stdout
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
    return b"Linux version" in said


def accelerator(kernel):
    """Return "kvm" if this kernel prints its first line within PROBE_SECONDS, else "tcg".

    /dev/kvm may exist although KVM does not work. The result is cached in a file.
    """
    if not ACCEL_FILE.exists():
        works = os.access("/dev/kvm", os.R_OK | os.W_OK) and boots(kernel)
        ACCEL_FILE.write_text("kvm\n" if works else "tcg\n")
    return ACCEL_FILE.read_text().strip()


class Tail:
    """Reader of the lines of a growing file, which is created empty."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        self.path, self.position, self.lines = path, 0, []

    def new(self):
        """Return the lines that were completed since the previous call."""
        with self.path.open("rb") as file:
            file.seek(self.position)
            *lines, rest = file.read().split(b"\n")
            self.position = file.tell() - len(rest)
        lines = [line.decode(errors="replace").rstrip("\r") for line in lines]
        self.lines += lines
        return lines

    def show(self, first=None):
        """Print CONTEXT lines around the line with this number, or by default the last lines."""
        first = len(self.lines) - CONTEXT if first is None else first - 5
        for line in self.lines[max(0, first):][:CONTEXT]:
            print("  |", line, file=sys.stderr)


def logs(job, log=None):
    """Return Tails for the output of kernel and job: LOG.console and LOG.output."""
    log = pathlib.Path(log or BUILD / f"log/{job}")
    return [Tail(log.with_suffix(suffix)) for suffix in (".console", ".output")]


def run(kernel, initramfs, job, params, log=None, arch=X86_64, cpus=CPUS, accel=None, boot=(),
        **more):
    """Run a job to its end; return the lines that it printed.

    boot: more kernel parameters; more: arguments of follow()
    """
    messages, output = logs(job, log)
    append = " ".join([f"pd_job={job} pd_tty={arch.job}", *boot,
                       *(f"{key}={value}" for key, value in params.items())])
    qemu = subprocess.Popen(
        [*command(kernel, append, accel, arch, cpus), "-initrd", str(initramfs),
         "-serial", f"file:{messages.path}",
         *(option.format(output.path) for option in arch.job_port)], stdin=subprocess.DEVNULL)
    return follow(qemu, messages, output, **more)


def wait_for(machine, messages, output, on_line, silence, deadline):
    """Read the output until the guest ends or a timeout expires; return an error text or ''."""
    began = last = time.monotonic()
    while True:
        over = machine.poll() is not None
        said, lines = messages.new(), output.new()
        for line in lines:
            on_line(line)
        if over:
            return ""
        now = time.monotonic()
        if said or lines:
            last = now
        if now - last > silence:
            return f"guest: no output for {silence} s"
        if now - began > deadline:
            return f"guest: still running after {deadline} s"
        time.sleep(0.2)


def follow(machine, messages, output, on_line=lambda line: None, silence=300,
           deadline=DEADLINE, **expected):
    """Wait for the end of a machine and check its console; return the lines of the job.

    silence: maximum seconds without output; deadline: maximum total seconds; expected:
    arguments of console.complaints()
    """
    try:
        late = wait_for(machine, messages, output, on_line, silence, deadline)
    finally:
        machine.kill()
        machine.wait()
    try:
        complaint = next(console.complaints(messages.lines, **expected), None)
    except Error as error:
        raise Error(str(error), output.lines) from error
    if complaint is not None:
        messages.show(complaint)
        # Report the complaint first: it is often the reason for a timeout.
        raise Error(f"kernel: {messages.lines[complaint].strip()}"
                    f"{late and '; ' + late}", output.lines)
    if late or output.lines[-1:] != ["EXIT 0"]:
        messages.show()
        output.show()
        raise Error(late or f"job: did not exit with 0 (see {output.path})", output.lines)
    return output.lines[:-1]


def shell(kernel, initramfs):
    os.execvp("qemu-system-x86_64", [*command(kernel, "pd_job=shell quiet"),
                                     "-initrd", str(initramfs), "-serial", "mon:stdio"])
