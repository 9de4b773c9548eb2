# SPDX-License-Identifier: GPL-2.0
"""deps.sh: names missing packages if it cannot install them."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest
import unittest.mock

from shared import HARNESS

TOOLS = "cat date dirname echo env mkdir nproc rm sh tail xargs".split()


class DepsTest(unittest.TestCase):
    """Runs with only TOOLS and the test's own commands in PATH."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.bin = pathlib.Path(tmp.name) / "bin"
        self.bin.mkdir()
        self.build = pathlib.Path(tmp.name) / "build"
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))

    def tool(self, name, script):
        path = self.bin / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)

    def run_deps(self):
        return subprocess.run([HARNESS / "machine/deps.sh"], capture_output=True, text=True,
                              env={"PATH": str(self.bin),
                                   "PD_BUILD": str(self.build)})

    def test_complete(self):
        self.tool("dpkg-query", "echo installed")
        self.tool("id", "echo 1000")
        run = self.run_deps()
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_other_distribution(self):
        run = self.run_deps()
        self.assertEqual(run.returncode, 1)
        self.assertIn("this is not Debian", run.stderr)
        self.assertIn("coccinelle", run.stderr)

    def test_no_right_to_install(self):
        self.tool("dpkg-query", "case $* in *qemu*) exit 1;; esac; echo installed")
        self.tool("id", "echo 1000")
        run = self.run_deps()
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr, "error: no right to install packages; "
                         "as root: apt-get install qemu-system-x86\n")

    def expect_error(self, *words):
        """Expect one line, before any package is looked up."""
        self.tool("dpkg-query", "echo looked; exit 1")
        run = self.run_deps()
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        for word in words:
            self.assertIn(word, run.stderr)

    def test_not_writable(self):
        # This also stops root.
        self.build = pathlib.Path("/proc/percpu_defer")
        self.expect_error("error: /proc/percpu_defer: cannot be written; clone")

    def test_path_with_blanks(self):
        top = self.bin.parent
        for name in ("a build", "a:build"):
            self.build = top / name
            self.expect_error("takes no path with blanks or colons; move")
            self.assertFalse(self.build.exists())

    def test_repository_with_blanks(self):
        """A repository path with blanks is refused; this copies the harness to one."""
        harness = self.bin.parent / "a b/harness"
        shutil.copytree(HARNESS, harness, ignore=lambda *_: ["tests", "guest"])
        with unittest.mock.patch(f"{__name__}.HARNESS", harness):
            self.expect_error("a b: the kernel's make takes no path with blanks")

    def test_sudo(self):
        log = self.build.parent / "log"
        self.tool("dpkg-query", "case $* in *qemu*) exit 1;; esac; echo installed")
        self.tool("id", "echo 1000")
        self.tool("sudo", f'echo "$@" >>{log}')
        self.assertEqual(self.run_deps().returncode, 0)
        self.assertIn("apt-get install -y --no-install-recommends qemu-system-x86",
                      log.read_text())

    def test_install_fails(self):
        self.tool("dpkg-query", "exit 1")
        self.tool("id", "echo 0")
        self.tool("apt-get", "echo no network; exit 100")
        run = self.run_deps()
        self.assertEqual(run.returncode, 1)
        self.assertIn("no network", run.stderr)
        self.assertIn("error: cannot install the packages", run.stderr)
