#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: runs the tests. Each one's KTAP stands between BEGIN and END.
# From the kernel's command line: pd_seconds, how long the reuse test runs, and
# pd_torture, how long the torture test does, where there is one; pd_only, the name
# of the only one to run, if it is set; pd_case, the only case of that KUnit suite.
# shellcheck disable=SC2154 # it comes in the environment

wanted() {
	[ -z "${pd_only-}" ] || [ "$pd_only" = "$1" ]
}

# Mark the start of a test on both ports; the console parser allows some tests their
# warnings.
begin() {
	echo "pd_section: $1" >/dev/kmsg
	echo "BEGIN $1"
}

kunit() {
	wanted "$1" || return 0
	begin "$1"
	[ -z "${pd_case-}" ] || modprobe kunit filter_glob="$1.$pd_case"
	modprobe "$1_kunit"
	cat "/sys/kernel/debug/kunit/$1/results"
	echo "END $?"
	rmmod "$1_kunit"
}

selftest() {
	wanted "$1" || return 0
	begin "$1"
	PATH=/job:$PATH "$@"
	echo "END $?"
}

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
