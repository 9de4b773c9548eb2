# SPDX-License-Identifier: GPL-2.0
"""mutate_statements.py: each statement of a kind is found and deleted on its own."""

import difflib
import pathlib
import unittest

from checks import mutants, mutate_statements, test
from overlay import apply
from shared import Error
from tests import patched

SOURCE = '''\
#define once(x) do { a_flush(x); } while (0)

/* Not here: b_flush(x); */
static void first(struct s *x)
{
	const char *text = "c_flush(x);";

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
	if (try)
		spin_lock(&x->other);
	else if (!spin_trylock(&x->other))
		return f_cancel(x, (i + 1) * 2);
	smp_mb();
	spin_unlock(&x->other);
	mutex_lock(&x->lock_that_another_function_unlocks);
	return true;
}
'''
PATH = "lib/percpu_defer_x.c"


def changes(mutant):
    """Return the lines that a mutant removes and adds."""
    lines = difflib.unified_diff(mutant["replace"].splitlines(),
                                 mutant["text"].splitlines(), n=0, lineterm="")
    return [line[0] + line[1:].strip() for line in lines
            if not line.startswith(("---", "+++", "@@"))]


class SmallTest(unittest.TestCase):
    def setUp(self):
        self.found = {
            one["name"].removeprefix(f"{PATH}: "): one
            for one in mutate_statements.mutants({PATH: SOURCE}, {}, {})}

    def test_names(self):
        self.assertEqual(list(self.found), [
            "first: guard(mutex)(&x->lock)", "first: d_flush(x)",
            "first: this_cpu_inc(x->cpu->n)", "first: this_cpu_inc(x->cpu->n) #2",
            "second: scoped_guard(spinlock, &x->lock)", "second: e_claim(x, i)",
            "second: spin_lock(&x->other)", "second: f_cancel(x, (i + 1) * 2)",
            "second: smp_mb()"])

    def test_changes(self):
        for name, lines in (
                ("first: guard(mutex)(&x->lock)", ["-guard(mutex)(&x->lock);", "+;"]),
                ("first: d_flush(x)", ["-d_flush(x);", "+;"]),
                ("second: e_claim(x, i)", ["-if (!e_claim(x, i) || i)", "+if (!true || i)"]),
                ("second: f_cancel(x, (i + 1) * 2)",
                 ["-return f_cancel(x, (i + 1) * 2);", "+return false;"]),
                ("second: scoped_guard(spinlock, &x->lock)",
                 ["-scoped_guard(spinlock, &x->lock) {",
                  "+" + mutate_statements.ONCE + " {"]),
                ("second: spin_lock(&x->other)",
                 ["-spin_lock(&x->other);", "-else if (!spin_trylock(&x->other))", "+;",
                  "+else if (!true)", "-spin_unlock(&x->other);", "+;"])):
            self.assertEqual(changes(self.found[name]), lines)

    def test_same_statement_twice(self):
        first, second = (self.found[f"first: this_cpu_inc(x->cpu->n){number}"]
                         for number in ("", " #2"))
        self.assertNotEqual(first["text"], second["text"])

    def test_kernels(self):
        self.assertEqual(self.found["second: smp_mb()"]["kernel"], "kasan")
        self.assertEqual(self.found["first: d_flush(x)"]["kernel"], "plain")

    def test_survivors(self):
        name = f"{PATH}: second: smp_mb()"
        found = mutate_statements.mutants({PATH: SOURCE}, {}, {name: "x86"})
        self.assertEqual([one["name"] for one in found if "survives" in one], [name])
        with self.assertRaisesRegex(Error, "there is no mutant 'gone'"):
            mutate_statements.mutants({PATH: SOURCE}, {}, {"gone": "x"})

    def test_only_what_is_ours(self):
        """In a client, only code from .inc files has mutants."""
        path = "mm/zswap.c"
        inc = SOURCE.partition("\n\n")[2].partition("static bool")[0].strip("\n")
        overlay = {pathlib.Path("mm/zswap_some.c.inc"):
                   f"// SPDX\n{inc}\n".encode(),
                   pathlib.Path("mm/other.c.inc"): b"// SPDX\nstatic bool\n"}
        found = mutate_statements.mutants({path: SOURCE}, overlay, {})
        self.assertEqual({one["name"].split(": ")[1] for one in found}, {"first"})
        self.assertEqual({one["test"] for one in found}, {"zswap_ops:*"})


class TreeTest(unittest.TestCase):
    """Mutants of the patched tree."""

    def setUp(self):
        patched.skip_older(self)
        self.found = mutate_statements.mutants(patched.files(), apply.read_overlay())

    def test_each_applies_once(self):
        for mutant in self.found:
            with self.subTest(mutant["name"]):
                mutants.check(mutant)
                text = patched.files()[mutant["file"]]
                self.assertNotEqual(mutants.mutated(text, mutant), text)

    def test_names_differ(self):
        names = [mutant["name"] for mutant in self.found]
        self.assertEqual(len(set(names)), len(names))

    def test_all_files_have_some(self):
        files = {mutant["file"] for mutant in self.found}
        self.assertLessEqual({*mutate_statements.SECTIONS, "lib/percpu_defer.c",
                              "lib/percpu_defer_map.c", "include/linux/percpu_defer.h"},
                             files)
        self.assertFalse([name for name in files if "torture" in name])

    def test_sections(self):
        sections = {mutant["test"].removesuffix(":*") for mutant in self.found}
        self.assertLessEqual(sections, set(test.sections_of_guest()))
