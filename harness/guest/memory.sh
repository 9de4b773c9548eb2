#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure when compressed swap frees unmapped memory. For each case and column, print
#   case COLUMN WAY MEGABYTES LIMIT
# followed by the output of swap_memory.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_cases  "WAY:MEGABYTES:LIMIT ..." with commas instead of spaces; WAY is "munmap" or
#             "exit"; LIMIT is the memory.max of a cgroup in megabytes, 0: no cgroup
#   pd_cols   columns, alternating within a repetition
#   pd_reps   number of repetitions
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
. "$(dirname -- "$0")/pool.sh"
. "$(dirname -- "$0")/cgroup.sh"

# renew: set up the device again, with a new percpu_defer instance
renew() {
	[ -z "$swap" ] || swapoff "$swap"
	swap=
	[ "$pd_backend" != zram ] || echo 1 >"$zram/reset" || exit 1
	setup_columns
}

cgroup=$(make_cgroup memory max) || exit 1

for rep in $(seq "$pd_reps"); do
	for one in $(echo "$pd_cases" | tr , ' '); do
		limit=${one##*:} size=${one%:*}
		size=${size#*:} way=${one%%:*}
		for column in $(echo "$pd_cols" | tr , ' '); do
			renew
			select_column "$column"
			set -- "$way" "$size" "$pool"
			if [ "$limit" != 0 ]; then
				echo "${limit}M" >"$cgroup/memory.max"
				set -- -c "$cgroup" "$@"
			fi
			echo "case $column $way $size $limit"
			/job/swap_memory "$@" || exit 1
		done
	done
	echo "repetition $rep"
done
