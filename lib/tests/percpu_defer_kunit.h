/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LIB_TESTS_PERCPU_DEFER_KUNIT_H
#define _LIB_TESTS_PERCPU_DEFER_KUNIT_H

#include <kunit/test.h>
#include "../percpu_defer.h"

/* Expect that @times pushes were refused, and that none was accepted. */
static inline void expect_refused(struct kunit *test, struct percpu_defer_core *core,
				  unsigned long times)
{
	unsigned long refused = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		refused += per_cpu_ptr(core->count, cpu)->refused;
	KUNIT_EXPECT_EQ(test, times, refused);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&core->drained));
	KUNIT_EXPECT_EQ(test, 0, percpu_defer_pending(core));
}

#endif
