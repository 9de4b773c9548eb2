#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: print the number of instructions that the KUnit benchmark counts on one CPU
# for each way to defer an object, as lines
#   library NAME INSTRUCTIONS
# In the guest, a nanosecond of CPU time must correspond to one instruction.

modprobe percpu_defer_bench_kunit || exit 1
sed -n 's/.*# bench_one_cpu: \(percpu_defer.*[^ ]\)  *\([0-9.]*\) ns .*/library \1 \2/p' \
	/sys/kernel/debug/kunit/percpu_defer_bench/results
