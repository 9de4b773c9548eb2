# SPDX-License-Identifier: GPL-2.0
"""The package for stock kernels, and the evaluation of its measurements."""

import subprocess
import unittest

from dkms import package, stock
from shared import Error
from tests import patched


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@patched.needs("unifdef")
class SourcesTest(unittest.TestCase):
    def setUp(self):
        self.out = patched.folder(self)

    def test_test_hooks_are_cut_out(self):
        write(self.out / "a.c", "#ifdef CONFIG_PERCPU_DEFER_PERTURB\nhook();\n#endif\nrest();\n")
        write(self.out / "include/linux/b.h", "rest();\n")
        package.drop_test_hooks(self.out)
        self.assertEqual((self.out / "a.c").read_text(), "rest();\n")
        self.assertEqual((self.out / "include/linux/b.h").read_text(), "rest();\n")

    def test_unpatched_tree(self):
        with self.assertRaisesRegex(Error, "was percpu_defer applied"):
            package.copy_files(patched.folder(self), self.out)


class ConfTest(unittest.TestCase):
    """DKMS sources dkms.conf with the release of a kernel."""

    def setUp(self):
        top = patched.folder(self)
        package.make_debian(top, "2.0", ["6.12.117", "7.3.4"])
        self.conf = top / "debian/zram-percpu-defer-dkms.dkms"

    def ask(self, release, what):
        return subprocess.run(
            ["bash", "-c", f'kernelver=$1; . "$2"; {what}', "-", release, self.conf],
            capture_output=True, text=True, check=True).stdout.strip()

    def test_kernels_that_are_built_for(self):
        matches = '[[ $kernelver =~ $BUILD_EXCLUSIVE_KERNEL ]] && echo yes || echo no'
        for release, yes in (("6.12.117+deb12-amd64", "yes"), ("7.3.4-amd64", "yes"),
                             ("6.12.11+deb12-amd64", "no"), ("6.12.1170-amd64", "no"),
                             ("7.3.40-amd64", "no"), ("6.1.0-37-amd64", "no"),
                             ("17.3.4-amd64", "no"), ("6x12x117-amd64", "no")):
            self.assertEqual(self.ask(release, matches), yes, release)

    def test_sources_of_a_kernel(self):
        for release in ("6.12.117+deb12-amd64", "6.12.117-rt-amd64"):
            self.assertEqual(self.ask(release, 'echo "$BUILT_MODULE_LOCATION"'), "src/6.12.117")


class HookTest(unittest.TestCase):
    """install_module runs after the installation of a kernel."""

    def setUp(self):
        self.top = patched.folder(self)
        (self.top / "usr/src/zram-percpu-defer-2.0/src/7.3.4").mkdir(parents=True)
        for release in ("7.3.4-amd64", "6.1.0-37-amd64"):
            (self.top / f"lib/modules/{release}/build/include").mkdir(parents=True)

    def hook(self, release, status="", result=0):
        """Return the output, and the requests to DKMS."""
        hook = self.top / "hook"
        package.fill_in("install_module", hook, VERSION="2.0")
        text = hook.read_text()
        for path in ("/usr/src", "/lib/modules", "/etc/dkms"):
            self.assertIn(path, text)
            text = text.replace(path, str(self.top) + path)
        hook.write_text(text)
        write(self.top / "bin/dkms", f"""#!/bin/sh
[ $1 != status ] || exec echo '{status}'
echo "$@" >>{self.top}/asked
exit {result}
""")
        (self.top / "bin/dkms").chmod(0o755)
        run = subprocess.run(["sh", hook, release], capture_output=True, text=True, check=True,
                             env={"PATH": f"{self.top}/bin:/bin:/usr/bin"})
        asked = self.top / "asked"
        return run.stdout + run.stderr, asked.read_text() if asked.exists() else ""

    def test_built(self):
        self.assertEqual(self.hook("7.3.4-amd64"),
                         ("", "install zram-percpu-defer/2.0 -k 7.3.4-amd64\n"))

    def test_installed(self):
        self.assertEqual(self.hook("7.3.4-amd64", "zram-percpu-defer/2.0, 7.3.4: installed"),
                         ("", ""))

    def test_fails(self):
        """The kernel is still installed."""
        self.assertEqual(self.hook("7.3.4-amd64", result=1)[0],
                         "zram-percpu-defer: cannot build for Linux 7.3.4-amd64, which keeps "
                         "its own zram; see make.log\n")

    def test_not_for_it(self):
        said = "zram-percpu-defer: not for Linux 6.1.0-37-amd64, which keeps its own zram\n"
        self.assertEqual(self.hook("6.1.0-37-amd64"), (said, ""))

    def test_no_headers(self):
        self.assertEqual(self.hook("7.3.4-other"), ("", ""))

    def test_disabled(self):
        write(self.top / "etc/dkms/no-autoinstall", "")
        self.assertEqual(self.hook("7.3.4-amd64"), ("", ""))

    def test_removed(self):
        """The hook of the kernel packages stays until the package is purged."""
        run = subprocess.run(["sh", package.HERE / "kernel_hook", "6.1.0-37-amd64"],
                             capture_output=True, text=True, check=True)
        self.assertEqual(run.stdout + run.stderr, "")


class CheckTest(unittest.TestCase):
    """check.sh runs before DKMS builds."""

    def check(self, config):
        headers = patched.folder(self)
        if config is not None:
            write(headers / ".config", config)
        return subprocess.run(["sh", package.HERE / "check.sh", "7.3.4-amd64", headers],
                              capture_output=True, text=True)

    def test_module(self):
        self.assertEqual(self.check("CONFIG_ZRAM=m\n").returncode, 0)

    def test_refused(self):
        for config, said in ((None, "install linux-headers-7.3.4-amd64"),
                             ("CONFIG_ZRAM=y\n", "not a module"),
                             ("# CONFIG_ZRAM is not set\n", "not a module")):
            run = self.check(config)
            self.assertEqual(run.returncode, 1)
            self.assertRegex(run.stderr, f"^zram-percpu-defer: .*{said}.*\n$")


class JudgeTest(unittest.TestCase):
    def samples(self, ours):
        """Return milliseconds of munmap, all back and CPU; stock has 100 of each."""
        row = stock.ROWS[0]
        times = dict(zip(stock.TIMES, (*(n * 10**6 for n in ours), 0)))
        theirs = dict.fromkeys(stock.TIMES, [10**8]) | {"workers": [0]}
        return {f"stock {row[0]} {row[1]}": theirs,
                f"ours {row[0]} {row[1]}": {name: [n] for name, n in times.items()}}

    def misses(self, ours, faster):
        rows, goals = stock.ROWS, stock.FASTER
        self.addCleanup(setattr, stock, "ROWS", rows)
        self.addCleanup(setattr, stock, "FASTER", goals)
        stock.ROWS, stock.FASTER = rows[:1], {rows[0]: faster} if faster else {}
        return list(stock.misses(self.samples(ours)))

    def test_good(self):
        self.assertEqual(self.misses((12, 114, 114), 8), [])

    def test_no_goal(self):
        """A row without its own goal must not be slower than the stock module."""
        self.assertEqual([line.split(": ", 1)[1] for line in self.misses((200, 100, 100), 0)],
                         ["munmap is 0.5 times as fast, not 1"])

    def test_slow(self):
        found = self.misses((20, 120, 130), 8)
        self.assertEqual([line.split(": ", 1)[1] for line in found],
                         ["munmap is 5.0 times as fast, not 8",
                          "all is back after 1.20 of the stock module's, not 1.15",
                          "CPU time: 1.30 of the stock module's, not 1.15"])
