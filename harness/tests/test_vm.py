# SPDX-License-Identifier: GPL-2.0
"""vm.py: a faulty guest is never taken for a good one.

A script stands in for QEMU and writes to the files of the two serial ports.
"""

import contextlib
import io
import os
import time
import unittest
import unittest.mock

from machine import vm
from shared import Error
from tests import patched

FAKE_QEMU = """#!/bin/sh
console=${NONE-}
for arg; do
    case $arg in
    file:*) [ -n "$console" ] && output=${arg#file:} || console=${arg#file:} ;;
    esac
done
"""


class VmTest(unittest.TestCase):
    def setUp(self):
        self.tmp = patched.folder(self)
        path = unittest.mock.patch.dict(
            os.environ, {"PATH": f"{self.tmp}:{os.environ['PATH']}"})
        path.start()
        self.addCleanup(path.stop)
        accel = unittest.mock.patch.object(vm, "ACCEL_FILE", self.tmp / "accel")
        accel.start()
        self.addCleanup(accel.stop)

    def qemu(self, script):
        fake = self.tmp / "qemu-system-x86_64"
        fake.write_text(FAKE_QEMU + script)
        fake.chmod(0o755)

    def run_vm(self, **more):
        with contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                return vm.run("kernel", "initramfs", "job", {},
                              log=self.tmp / "log", **more), err.getvalue()
            except Error as error:
                return str(error), err.getvalue()

    def use_tcg(self):
        vm.ACCEL_FILE.write_text("tcg\n")

    def test_good(self):
        self.use_tcg()
        self.qemu("echo booting >$console; echo one >$output; echo EXIT 0 >>$output")
        self.assertEqual(self.run_vm()[0], ["one"])

    def test_complaint(self):
        """Complaints are judged; test_console.py covers the kinds."""
        self.use_tcg()
        self.qemu("echo fine >$console; echo '[ 1.0] BUG: KASAN: x in f' >>$console\n"
                  "echo EXIT 0 >$output")
        said, shown = self.run_vm()
        self.assertIn("the kernel complains", said)
        self.assertIn("BUG: KASAN: x in f", shown)

    def test_expected_complaint(self):
        self.use_tcg()
        self.qemu("echo pd_section: x >$console; echo Read-error on swap-device >>$console\n"
                  "echo EXIT 0 >$output")
        self.assertIn("complains", self.run_vm()[0])
        self.assertEqual(self.run_vm(expected={"x": ["swap read error"]})[0], [])

    def test_foreign_race(self):
        """A race is a complaint unless the caller knows that it is foreign."""
        self.use_tcg()
        self.qemu("echo 'BUG: KCSAN: data-race in a / b' >$console\n"
                  "echo EXIT 0 >$output")
        self.assertIn("complains", self.run_vm()[0])
        self.assertEqual(self.run_vm(is_foreign_race=lambda report: True)[0], [])

    def test_complaint_before_silence(self):
        """The complaint of a hanging guest takes precedence over its silence."""
        self.use_tcg()
        self.qemu("echo 'BUG: x' >$console; echo one >$output; exec sleep 60")
        said, _shown = self.run_vm(silence=1)
        self.assertIn("complains: BUG: x; the guest said nothing", said)

    def test_died(self):
        self.use_tcg()
        self.qemu("echo last words >$console; echo one >$output")
        said, shown = self.run_vm()
        self.assertIn("did not end well", said)
        self.assertIn("last words", shown)

    def test_job_failed(self):
        self.use_tcg()
        self.qemu("echo >$console; echo why >$output; echo EXIT 1 >>$output")
        said, shown = self.run_vm()
        self.assertIn("did not end well", said)
        self.assertIn("why", shown)

    def test_silent(self):
        self.use_tcg()
        self.qemu("echo last words >$console; exec sleep 60")
        start = time.monotonic()
        said, shown = self.run_vm(silence=1)
        self.assertIn("said nothing for 1 s", said)
        self.assertIn("last words", shown)
        self.assertLess(time.monotonic() - start, 30)

    def test_deadline(self):
        """A guest that keeps printing is still stopped; its output is kept."""
        self.use_tcg()
        self.qemu("while echo again >>$console; do echo one >>$output; sleep 0.1; done")
        start = time.monotonic()
        said, shown = self.run_vm(silence=30, deadline=1)
        self.assertIn("did not end within 1 s", said)
        self.assertIn("again", shown)
        self.assertLess(time.monotonic() - start, 30)

    def test_lines_of_a_bad_guest(self):
        self.use_tcg()
        self.qemu("echo BUG: x >$console; echo one >$output; echo EXIT 0 >>$output")
        with contextlib.redirect_stderr(io.StringIO()), \
                self.assertRaises(Error) as caught:
            vm.run("kernel", "initramfs", "job", {}, log=self.tmp / "log")
        self.assertEqual(caught.exception.lines, ["one", "EXIT 0"])

    def test_command_line(self):
        self.use_tcg()
        self.qemu("echo \"$*\" >$output; echo EXIT 0 >>$output; touch $console")
        line = self.run_vm(cpus=6, boot=vm.PATIENT)[0][0]
        self.assertIn("-smp 6 ", line)
        self.assertIn(" rcupdate.rcu_cpu_stall_timeout=300 ", line)

    def test_kvm_hangs(self):
        """A /dev/kvm that exists but does not work is detected and remembered."""
        self.qemu("case \"$*\" in *'accel kvm'*) exec sleep 60;; esac")
        with unittest.mock.patch.object(vm, "PROBE_SECONDS", 1), \
                unittest.mock.patch("os.access", return_value=True):
            self.assertEqual(vm.accelerator("kernel"), "tcg")
        self.assertEqual(vm.ACCEL_FILE.read_text(), "tcg\n")
        self.qemu("echo 'Linux version 7' >$console; exec sleep 60")
        self.assertEqual(vm.accelerator("kernel"), "tcg")

    def test_kvm_works(self):
        self.qemu("echo 'Linux version 7' >$console; exec sleep 60")
        with unittest.mock.patch("os.access", return_value=True):
            self.assertEqual(vm.accelerator("kernel"), "kvm")

    def test_no_kvm(self):
        self.qemu("echo 'Linux version 7' >$console; exec sleep 60")
        with unittest.mock.patch("os.access", return_value=False):
            self.assertEqual(vm.accelerator("kernel"), "tcg")
