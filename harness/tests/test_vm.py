# SPDX-License-Identifier: GPL-2.0
"""vm.py: each fault of a guest is reported.

A script replaces QEMU. It writes to $console and $output, the files of the two serial
ports.
"""

import unittest.mock

from machine import vm
from shared import Error
from tests import patched
from tests.commands import Commands, quietly

FAKE_QEMU = """
console=
for arg; do
    case $arg in
    file:*) [ -n "$console" ] && output=${arg#file:} || console=${arg#file:} ;;
    esac
done
"""

BOOTS = "echo 'Linux version 7' >$console; exec sleep 60"
HANGS = "case $* in *'accel kvm'*) exec sleep 60;; esac"
ENDS = "echo one >$output; echo EXIT 0 >>$output"

# (script, time limits, texts in the error and in the lines shown)
FAULTS = (
    (f"echo fine >$console; echo '[ 1.0] BUG: KASAN: x in f' >>$console; {ENDS}",
     {}, ("kernel: [", "BUG: KASAN: x in f")),
    # The complaint of a guest that hangs is shown before the timeout.
    ("echo 'BUG: x' >$console; echo one >$output; exec sleep 60",
     {"silence": 1}, ("kernel: BUG: x; guest: no output",)),
    ("echo last words >$console; echo one >$output; exec sleep 60",
     {"silence": 1}, ("no output for 1 s", "last words")),
    ("echo last words >$console; echo one >$output",
     {}, ("did not exit with 0", "last words")),
    ("echo >$console; echo one >$output; echo EXIT 1 >>$output",
     {}, ("did not exit with 0", "EXIT 1")),
    # A guest that keeps printing is stopped at the deadline.
    ("for i in $(seq 300); do echo again >>$console; echo one >>$output; sleep 0.1; done",
     {"deadline": 1}, ("still running after 1 s", "again")))


class VmTest(Commands):
    def setUp(self):
        super().setUp()
        self.accel = self.tmp / "accel"
        self.accel.write_text("tcg\n")
        patched.replace(self, vm, ACCEL_FILE=self.accel, PROBE_SECONDS=1)

    def qemu(self, script):
        self.command("qemu-system-x86_64", FAKE_QEMU + script)

    def run_vm(self, **more):
        """Run a guest; return the lines of the job, and all other output with the error, if any."""
        def run():
            try:
                return vm.run("kernel", "initramfs", "job", {}, log=self.tmp / "log", **more)
            except Error as error:
                print(error)
                return error.lines
        return quietly(run)

    def test_good(self):
        self.qemu(f"echo booting >$console; {ENDS}")
        self.assertEqual(self.run_vm(), (["one"], ""))

    def test_faults(self):
        """Each fault is reported, and the output of the job is kept."""
        for script, limits, texts in FAULTS:
            with self.subTest(script):
                self.qemu(script)
                lines, said = self.run_vm(**limits)
                self.assertEqual(lines[0], "one")
                for text in texts:
                    self.assertIn(text, said)

    def test_accelerator(self):
        """A /dev/kvm that exists but does not work is detected; the result is cached."""
        for script, exists, accel in ((HANGS, True, "tcg"), (BOOTS, True, "kvm"),
                                      (BOOTS, False, "tcg")):
            self.accel.unlink()
            self.qemu(script)
            with unittest.mock.patch("os.access", return_value=exists):
                self.assertEqual(vm.accelerator("kernel"), accel)
            self.qemu(BOOTS)
            self.assertEqual(vm.accelerator("kernel"), accel)
