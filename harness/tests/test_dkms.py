# SPDX-License-Identifier: GPL-2.0
"""Package for stock kernels, and table of its measurements."""

import subprocess
import unittest

from dkms import package, stock
from shared import Error
from tests import patched
from tests.commands import Commands

NAME = package.NAME


class PackageTest(unittest.TestCase):
    def test_unpatched_tree(self):
        tree, out = patched.folder(self), patched.folder(self)
        with self.assertRaisesRegex(Error, "apply percpu_defer first"):
            package.make_sources(tree, out, "2.0")

    def test_releases(self):
        """dkms.conf, a shell script, selects the sources for a kernel or excludes the kernel."""
        top = patched.folder(self)
        package.make_debian(top, "2.0", ["6.12.117", "7.3.4"])
        script = ('kernelver=$1; . "$2"; [[ $kernelver =~ $BUILD_EXCLUSIVE_KERNEL ]] && '
                  'echo "$BUILT_MODULE_LOCATION"')
        for release, sources in (
                ("6.12.117+deb12-amd64", "src/6.12.117"), ("7.3.4-amd64", "src/7.3.4"),
                ("6.12.117-rt-amd64", "src/6.12.117"), ("6.12.11+deb12-amd64", ""),
                ("6.12.1170-amd64", ""), ("17.3.4-amd64", ""), ("6x12x117-amd64", "")):
            run = subprocess.run(["bash", "-c", script, "-", release,
                                  top / f"debian/{NAME}-dkms.dkms"],
                                 capture_output=True, text=True)
            self.assertEqual((run.stdout.strip(), run.stderr), (sources, ""), release)

    def test_check(self):
        """check.sh, which DKMS runs before a build, passes silently or fails with one line."""
        for config, said in ((None, "install linux-headers-7.3.4-amd64"),
                             ("CONFIG_ZRAM=m\n", ""),
                             ("CONFIG_ZRAM=y\n", "not a module"),
                             ("# CONFIG_ZRAM is not set\n", "not a module")):
            headers = patched.folder(self)
            patched.write(headers, {".config": config} if config else {})
            run = subprocess.run(["sh", package.HERE / "check.sh", "7.3.4-amd64", headers],
                                 capture_output=True, text=True)
            self.assertEqual(run.returncode, int(bool(said)))
            self.assertRegex(run.stderr, f"^{NAME}: .*{said}.*\n$" if said else "^$")

    def test_table(self):
        """The CPU time in the table includes that of the workers."""
        samples = {}
        for module, times in (("stock", (100, 110, 90, 0)), ("ours", (10, 120, 30, 30))):
            row = {name: [ms * 10**6] for name, ms in zip(stock.TIMES, times)}
            samples |= {f"{module} {processes} {mb}": row for processes, mb in stock.ROWS}
        self.assertEqual(
            list(stock.table(samples))[2],
            "| 1 x 64 | 100.0 (100.0-100.0) | 10.0 (10.0-10.0) | 10.00 "
            "| 110.0 (110.0-110.0) | 120.0 (120.0-120.0) | 0.92 "
            "| 90.0 (90.0-90.0) | 60.0 (60.0-60.0) | 1.50 |")


class HookTest(Commands):
    """Runs of install_module after the installation of a kernel."""

    def setUp(self):
        super().setUp()
        for path in (f"usr/src/{NAME}-2.0/src/7.3.4", "lib/modules/7.3.4-amd64/build/include",
                     "lib/modules/6.1.0-37-amd64/build/include"):
            (self.tmp / path).mkdir(parents=True)
        self.program = self.tmp / "install_module"
        package.fill_in("install_module", self.program, VERSION="2.0")
        text = self.program.read_text()
        for path in ("/usr/src", "/lib/modules", "/etc/dkms"):
            self.assertIn(path, text)
            text = text.replace(path, f"{self.tmp}{path}")
        self.program.write_text(text)

    def hook(self, release, status="", result=0):
        """Run the hook; return its output, which begins with the request to DKMS, if any."""
        self.command("dkms", f"[ $1 != status ] || exec echo '{status}'\n"
                             f'echo "asked: $*"; exit {result}')
        return subprocess.run(["sh", self.program, release], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=True).stdout

    def test_hook(self):
        release = "7.3.4-amd64"
        asked = f"asked: install {NAME}/2.0 -k {release}\n"
        for given, said in (
                ((release,), asked),
                ((release, f"{NAME}/2.0, 7.3.4: installed"), ""),
                # A failure does not prevent the installation of the kernel.
                ((release, "", 1), f"{asked}{NAME}: cannot build for Linux {release}, which "
                                   "keeps its own zram; see make.log\n"),
                (("6.1.0-37-amd64",),
                 f"{NAME}: not for Linux 6.1.0-37-amd64, which keeps its own zram\n"),
                # This release has no headers.
                (("7.3.4-other",), "")):
            self.assertEqual(self.hook(*given), said, given)
        patched.write(self.tmp, {"etc/dkms/no-autoinstall": ""})
        self.assertEqual(self.hook(release), "")
        # The hook remains until the package is purged; it is harmless without install_module.
        self.program = package.HERE / "kernel_hook"
        self.assertEqual(self.hook(release), "")
