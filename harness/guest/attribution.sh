#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: profile the unmapping and freeing of swapped-out memory.
# Kernel parameters, in addition to those of columns.sh:
#   pd_cols  a column, base or on
#   pd_mb    megabytes to unmap
#   pd_reps  number of repetitions
# Prints
#   cost NANOSECONDS           CPU time of an unmap and its workers, per repetition
#   stack COUNT IP IP ...      sampled kernel stacks, innermost frame first
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/columns.sh"

data=/tmp/perf.data

setup_columns
select_column "$pd_cols"
echo 0 >/proc/sys/kernel/kptr_restrict
# Disable throttling: samples take so long here that the kernel would reduce the rate.
echo 0 >/proc/sys/kernel/perf_cpu_time_max_percent

for rep in $(seq "$pd_reps"); do
	# Measure the time without perf, the profile with it.
	/job/swap_unmap 1 "$pd_mb" "$file"
	perf record -q -e cpu-clock -F 5000 -a -g -o $data -- \
		/job/swap_unmap 1 "$pd_mb" "$file" >/dev/null 2>/tmp/perf.log ||
		{ cat /tmp/perf.log; exit 1; }
	perf script -i $data -F ip 2>/dev/null | awk '
		NF { stack = stack " " $1; next }
		stack { count[stack]++; stack = "" }
		END { for (stack in count) print "stack", count[stack] stack }'
	echo "repetition $rep"
done | awk '/^[0-9]/ { print "cost", $3 + $4; next } { print } { fflush() }'
