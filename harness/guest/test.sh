#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: run all tests that apply to a kernel with CONFIG_PERCPU_DEFER.
# Kernel parameters, in addition to those of sections.sh:
#   pd_seconds  duration of each slot reuse test
#   pd_torture  duration of the torture test in seconds; 0 in the plain kernel, without torture
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/sections.sh"

sh /job/failslab.sh
[ -d /sys/class/zram-control ] || modprobe zram
# Run zswap_late.sh before any other test enables zswap.
selftest zswap_late.sh
kunit percpu_defer
kunit percpu_defer_map
kunit zsmalloc
if [ "$pd_torture" = 0 ]; then
	# Run the benchmark, whose results are meaningful only in the plain kernel.
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
