#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: where the time goes in which swapped-out memory is unmapped and freed.
# From the kernel's command line, beside what columns.sh takes:
#   pd_cols  a column, base or on
#   pd_mb    how much memory
#   pd_reps  how often
# Prints
#   cost NANOSECONDS           the CPU time of an unmap and its workers, each time
#   stack COUNT IP IP ...      kernel stacks, innermost first, from all of the time
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"

data=/tmp/perf.data

setup_columns
select_column "$pd_cols"
echo 0 >/proc/sys/kernel/kptr_restrict
# Else the kernel samples less often when a sample takes long, as it does here.
echo 0 >/proc/sys/kernel/perf_cpu_time_max_percent

for rep in $(seq "$pd_reps"); do
	# The time is measured without perf, the shares with it.
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
