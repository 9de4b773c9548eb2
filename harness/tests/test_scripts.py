# SPDX-License-Identifier: GPL-2.0
"""build.sh, deps.sh, model.sh: faults are reported; no process outlives a build."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import unittest

from shared import HARNESS
from tests import patched
from tests.commands import Commands

SECONDS = 20


def wait_for(path):
    deadline = time.monotonic() + SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)


class BuildTest(Commands):
    """Build of a fake tree; a pipe, the lock, closes when the last process exits."""

    def setUp(self):
        super().setUp()
        self.working = self.tmp / "working"
        patched.write(self.tmp, {"empty": ""})
        merge = self.tmp / "tree/scripts/kconfig/merge_config.sh"
        merge.parent.mkdir(parents=True)
        merge.symlink_to("/bin/true")

    def start(self, make):
        self.command("make", make)
        self.lock, held = os.pipe()
        paths = [self.tmp / name for name in ("tree", "out", "empty")]
        # A shell cannot trap signals that are ignored at its start, as with nohup or "&".
        build = subprocess.Popen(
            ["env", "--default-signal", HARNESS / "machine/build.sh", *paths], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[held],
            env=os.environ | {"PD_BUILD": str(self.tmp)})
        os.close(held)
        self.addCleanup(build.stdout.close)
        self.addCleanup(os.close, self.lock)
        return build

    def expect_all_gone(self):
        self.assertTrue(select.select([self.lock], [], [], SECONDS)[0], "a process is left")

    def interrupt(self, number):
        """Send a signal only to build.sh while make runs; return the exit code of build.sh."""
        self.working.unlink(missing_ok=True)
        build = self.start(f"echo $$ >{self.tmp}/pid; mv {self.tmp}/pid {self.working}\n"
                           "exec /bin/sleep 60")
        wait_for(self.working)
        build.send_signal(number)
        return build.wait(SECONDS)

    def test_signals(self):
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130),
                             (signal.SIGHUP, 143)):
            with self.subTest(number):
                self.assertEqual(self.interrupt(number), code)
                self.expect_all_gone()

    def test_killed(self):
        """make survives SIGKILL of build.sh; the progress report ends when make does."""
        self.interrupt(signal.SIGKILL)
        os.kill(int(self.working.read_text()), signal.SIGKILL)
        self.expect_all_gone()

    def test_end(self):
        """A build may end at once; it reports progress and, at the end, compiler errors."""
        for make, code, said in (
                ("exit 0", 0, ""), ("seq 250; sleep 0.1", 0, "build: step 200 of "),
                ("echo 'x.c:1: error: no such thing'; exit 2", 1,
                 "\nx.c:1: error: no such thing\nerror: the kernel does not build")):
            build = self.start(make)
            self.assertIn(said, build.communicate(timeout=SECONDS)[0])
            self.assertEqual(build.returncode, code)
            self.expect_all_gone()

    def test_script_terminated(self):
        """A script that shared.script() terminates can clean up."""
        self.command("script.sh", f"cd {self.tmp}\n"
                     "trap '/bin/sleep 1; touch cleaned; exit 1' TERM\n"
                     "touch ready\n/bin/sleep 60 &\nwait")
        code = ("import pathlib, signal, sys, shared; "
                f"shared.HARNESS = pathlib.Path('{self.bin}'); "
                "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); "
                "shared.script('script.sh')")
        runner = subprocess.Popen([sys.executable, "-B", "-c", code], cwd=HARNESS)
        wait_for(self.tmp / "ready")
        runner.terminate()
        self.assertEqual(runner.wait(SECONDS), 3)
        self.assertTrue((self.tmp / "cleaned").exists())


TOOLS = "cat date dirname echo env mkdir nproc rm sh tail xargs".split()
NO_QEMU = "case $* in *qemu*) exit 1;; esac; echo installed"


class DepsTest(Commands):
    """Runs of deps.sh with only TOOLS and the fake commands in PATH."""

    def setUp(self):
        super().setUp()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))

    def expect(self, code, error, build="", harness=HARNESS, **commands):
        for name, text in commands.items():
            self.command(name.replace("_", "-"), text)
        env = {"PATH": str(self.bin), "PD_BUILD": str(build or self.tmp / "build")}
        run = subprocess.run([harness / "machine/deps.sh"], env=env, text=True,
                             capture_output=True)
        self.assertEqual(run.returncode, code)
        self.assertRegex(run.stderr, f"^{error}.*\n$" if error else "^$")

    def test_packages(self):
        self.expect(1, "error: this is not Debian; .*coccinelle")
        self.expect(0, "", dpkg_query="echo installed")
        self.expect(1, "error: no right to install packages; as root: apt-get install "
                    "qemu-system-x86", dpkg_query=NO_QEMU, id="echo 1000")
        log = self.tmp / "log"
        self.expect(0, ".*install qemu-system-x86", sudo=f'echo "$@" >>{log}')
        self.assertIn("apt-get install -y --no-install-recommends qemu-system-x86\n",
                      log.read_text())
        self.expect(1, ".*\nno network\nerror: cannot install the packages", id="echo 0",
                    apt_get="echo no network; exit 100")

    def test_build_directory(self):
        # Not even root can write there.
        self.expect(1, "error: /proc/percpu_defer: cannot be written; clone",
                    "/proc/percpu_defer")
        for name in ("a build", "a:build"):
            self.expect(1, "error: .* takes no path with blanks or colons; move",
                        self.tmp / name)
            self.assertFalse((self.tmp / name).exists())
        copy = self.tmp / "a b/harness"
        shutil.copytree(HARNESS / "machine", copy / "machine")
        self.expect(1, "error: .*a b: the kernel's make takes", harness=copy)


COUNTER = """/*
 * Variants that must be found faulty:
 *   BROKEN  counts wrongly
 */
byte n;
active proctype count()
{
#ifdef BROKEN
	n++;
#endif
	%s
	assert(n == 1)
}
"""


class ModelTest(unittest.TestCase):
    """Small models; "make model" checks the real ones."""

    def expect(self, code, text, model):
        """Run model.sh on one model, or on none; expect this exit code and output."""
        folder = patched.folder(self)
        patched.write(folder, {"counter.pml": COUNTER % model} if model else {})
        env = os.environ | {"PD_MODELS": str(folder), "PD_BUILD": str(folder / "build")}
        run = subprocess.run([HARNESS / "checks/model.sh"], text=True, env=env,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(run.returncode, code, run.stdout)
        self.assertRegex(run.stdout, text)

    def test_model(self):
        self.expect(0, "counter: 0 errors in .*\ncounter with BROKEN: 1 errors", "n++;")
        self.expect(1, "counter: wrong;", "n = 2;")
        self.expect(1, "counter with BROKEN: not found;", "n = 1;")
        self.expect(1, "counter: not searched exhaustively;",
                    "int i; do :: i < 200000 -> i++ :: else -> break od; n++;")
        self.expect(1, "does not build; see", "n ++ n")
        self.expect(1, "no models;", "")

    def test_variants_are_listed(self):
        """The head of a model lists all variants because model.sh runs only listed ones."""
        for path in (HARNESS / "checks/model").glob("*.pml"):
            head, _, text = path.read_text().partition("\n */")
            conditions = "\n".join(re.findall(r"^#(?:if|elif).*", text, re.M))
            used = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", conditions)) - {"ROUNDS"}
            self.assertEqual(used, set(re.findall(r"^ \*   ([A-Z][A-Z0-9_]*) ", head, re.M)))
