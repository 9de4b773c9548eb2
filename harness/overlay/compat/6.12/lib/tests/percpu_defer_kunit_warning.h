/* SPDX-License-Identifier: GPL-2.0 */
/* Skip calls that must warn: KUnit in Linux 6.12 cannot suppress warnings. */
#ifndef _PERCPU_DEFER_KUNIT_WARNING_H
#define _PERCPU_DEFER_KUNIT_WARNING_H

#include <kunit/test.h>

static inline bool is_not_tried(struct kunit *test)
{
	kunit_info(test, "calls that must warn are skipped");
	return true;
}

#define kunit_warning_suppress(test)	for (; !is_not_tried(test);)

#define KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, nr)	\
	((void)(test), (void)(nr))

#endif /* _PERCPU_DEFER_KUNIT_WARNING_H */
