#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: where the time goes in which swapped-out memory is unmapped and freed.
# From the kernel's command line: pd_mb, how much memory, and pd_reps, how often.
# Prints
#   cost NANOSECONDS           the CPU time of an unmap and its workers, each time
#   stack COUNT IP IP ...      kernel stacks, innermost first, from all of the time
# shellcheck disable=SC2154 # these come in the environment

zram=/sys/block/zram0
data=/tmp/perf.data

echo 1600M >$zram/disksize && mkswap /dev/zram0 >/dev/null &&
	swapon /dev/zram0 || exit 1
echo 0 >/proc/sys/kernel/kptr_restrict
# Else the kernel samples less often when a sample takes long, as it does here.
echo 0 >/proc/sys/kernel/perf_cpu_time_max_percent

for _ in $(seq "$pd_reps"); do
	# The time is measured without perf, the shares with it.
	/job/swap_unmap 1 "$pd_mb" $zram/mm_stat
	perf record -q -e cpu-clock -F 5000 -a -g -o $data -- \
		/job/swap_unmap 1 "$pd_mb" $zram/mm_stat >/dev/null 2>/tmp/perf.log ||
		{ cat /tmp/perf.log; exit 1; }
	perf script -i $data -F ip 2>/dev/null | awk '
		NF { stack = stack " " $1; next }
		stack { count[stack]++; stack = "" }
		END { for (stack in count) print "stack", count[stack] stack }'
done | awk '/^[0-9]/ { print "cost", $3 + $4; next } { print }'
