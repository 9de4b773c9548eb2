#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: runs the tests.
# From the kernel's command line, beside what sections.sh takes: pd_seconds, how long the
# reuse test runs, and pd_torture, how long the torture test does, where there is one.
# shellcheck disable=SC2154 # it comes in the environment

. "$(dirname -- "$0")/sections.sh"

sh /job/failslab.sh
[ -d /sys/class/zram-control ] || modprobe zram
# Before anything else enables zswap.
selftest zswap_late.sh
kunit percpu_defer
kunit percpu_defer_map
kunit zsmalloc
if [ "$pd_torture" = 0 ]; then
	# Times are worth something in a plain kernel only.
	kunit percpu_defer_bench
else
	selftest torture.sh
fi
selftest sample.sh
selftest files
selftest zram_dead
selftest zram_ops
[ "$pd_torture" = 0 ] || selftest zram_trace
selftest zram_selftest.sh
selftest swap_reuse "$pd_seconds"
selftest zswap_selftest.sh
if [ -e /sys/module/zswap/parameters/deferred_invalidate ]; then
	selftest zswap_ops
	selftest zswap_paths
	selftest zswap_lost 20
	selftest zswap_reuse "$pd_seconds"
fi
selftest kmemleak.sh
