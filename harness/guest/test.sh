#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: runs the tests. Each one's KTAP stands between BEGIN and END.
# From the kernel's command line: pd_seconds, how long the reuse test runs.
# shellcheck disable=SC2154 # it comes in the environment

echo "BEGIN kunit"
insmod /job/kunit.ko
insmod /job/percpu_defer_kunit.ko
cat /sys/kernel/debug/kunit/percpu_defer/results
echo "END $?"

echo "BEGIN zram_dead"
/job/zram_dead
echo "END $?"

echo "BEGIN swap_reuse"
/job/swap_reuse "$pd_seconds"
echo "END $?"
