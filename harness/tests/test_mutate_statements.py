# SPDX-License-Identifier: GPL-2.0
"""mutate_statements.py: each matching statement is deleted in a mutant of its own."""

import difflib
import pathlib
import unittest

from checks import mutants, mutate_statements, test
from overlay import apply
from tests import patched

SOURCE = '''\
#define once(x) do { a_flush(x); } while (0)

/* Not here: b_flush(x); */
static void first(struct s *x)
{
	const char *text = "c_flush(x);";

	trace_flush(x);
	guard(mutex)(&x->lock);
	if (x->on)
		d_flush(x);
	else
		this_cpu_inc(x->cpu->n);
	this_cpu_inc(x->cpu->n);
	nothing(x);
}

static bool second(struct s *x, int i)
{
	scoped_guard(spinlock, &x->lock) {
		if (!e_claim(x, i) || i)
			continue;
	}
	if (spin_trylock(&x->other))
		return f_cancel(x, (i + 1) * 2);
	else
		spin_lock(&x->other);
	smp_mb();
	spin_unlock(&x->other);
	mutex_lock(&x->lock_that_another_function_unlocks);
	return true;
}
'''
PATH = "lib/percpu_defer_x.c"
# Statement, kernel, and the lines that its mutant removes and adds.
EXPECTED = (
    ("first: guard(mutex)(&x->lock)", "kasan", ["-guard(mutex)(&x->lock);", "+;"]),
    ("first: d_flush(x)", "plain", ["-d_flush(x);", "+;"]),
    ("first: this_cpu_inc(x->cpu->n)", "plain", ["-this_cpu_inc(x->cpu->n);", "+;"]),
    ("first: this_cpu_inc(x->cpu->n) #2", "plain", ["-this_cpu_inc(x->cpu->n);", "+;"]),
    ("second: scoped_guard(spinlock, &x->lock)", "kasan",
     ["-scoped_guard(spinlock, &x->lock) {", f"+{mutate_statements.ONCE} {{"]),
    ("second: e_claim(x, i)", "plain", ["-if (!e_claim(x, i) || i)", "+if (!true || i)"]),
    ("second: spin_trylock(&x->other)", "kasan",
     ["-if (spin_trylock(&x->other))", "+if (true)", "-spin_lock(&x->other);", "+;",
      "-spin_unlock(&x->other);", "+;"]),
    ("second: f_cancel(x, (i + 1) * 2)", "plain",
     ["-return f_cancel(x, (i + 1) * 2);", "+return false;"]),
    ("second: smp_mb()", "kasan", ["-smp_mb();", "+;"]),
)


def changes(mutant):
    """Return the lines that a mutant removes and adds."""
    lines = difflib.unified_diff(mutant["replace"].splitlines(),
                                 mutant["text"].splitlines(), n=0, lineterm="")
    return [line[0] + line[1:].strip() for line in lines
            if not line.startswith(("---", "+++", "@@"))]


class SmallTest(unittest.TestCase):
    def test_library(self):
        found = mutate_statements.mutants({PATH: SOURCE}, {})
        self.assertEqual([(one["name"].removeprefix(f"{PATH}: "), one["kernel"], changes(one))
                          for one in found], list(EXPECTED))
        self.assertEqual(len({one["text"] for one in found}), len(EXPECTED))

    def test_client(self):
        """In a client, only code from .inc files has mutants."""
        inc = SOURCE.partition("\n\n")[2].partition("static bool")[0].strip("\n")
        overlay = {pathlib.Path("mm/zswap_some.c.inc"): f"// SPDX\n{inc}\n".encode(),
                   pathlib.Path("mm/other.c.inc"): b"// SPDX\nstatic bool\n"}
        found = mutate_statements.mutants({"mm/zswap.c": SOURCE}, overlay)
        self.assertEqual({one["name"].split(": ")[1] for one in found}, {"first"})


class TreeTest(unittest.TestCase):
    def test_tree(self):
        """Mutants of the patched tree apply once, have unique names, and run known tests."""
        patched.skip_older(self)
        found = [mutants.Mutant(**one) for one in
                 mutate_statements.mutants(patched.files(), apply.read_overlay())]
        for mutant in found:
            with self.subTest(mutant.name):
                text = patched.files()[mutant.file]
                self.assertNotEqual(mutant.changed(text), text)
                self.assertIn(mutant.test.removesuffix(":*"), test.tests_of("test"))
        self.assertEqual(len({mutant.name for mutant in found}), len(found))
        files = {mutant.file for mutant in found}
        self.assertLessEqual({*mutate_statements.SECTIONS, "lib/percpu_defer.c",
                              "lib/percpu_defer_map.c", "include/linux/percpu_defer.h"},
                             files)
        self.assertFalse([name for name in files if "torture" in name])
