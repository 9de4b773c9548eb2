#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: runs the tests. Each one's KTAP stands between BEGIN and END.
# From the kernel's command line: pd_seconds, how long the reuse test runs.
# shellcheck disable=SC2154 # it comes in the environment

kunit() {
	echo "BEGIN $1"
	insmod "/job/$1_kunit.ko"
	cat "/sys/kernel/debug/kunit/$1/results"
	echo "END $?"
	rmmod "$1_kunit"
}

selftest() {
	echo "BEGIN $1"
	"/job/$@"
	echo "END $?"
}

sh /job/failslab.sh
insmod /job/kunit.ko
kunit percpu_defer
kunit percpu_defer_map
selftest zram_dead
selftest swap_reuse "$pd_seconds"
