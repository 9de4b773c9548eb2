#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures when the memory is back that compressed swap took, and prints
#   case COLUMN WAY MEGABYTES LIMIT
# then what swap_memory tells.
# From the kernel's command line, beside what columns.sh takes:
#   pd_cases  "WAY:MEGABYTES:LIMIT ..." with commas for blanks: "munmap" or "exit", and
#             the memory.max of a cgroup in megabytes, or 0 for none
#   pd_cols   columns, alternating within a repetition
#   pd_reps   how often
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/pool.sh"
. "$(dirname -- "$0")/cgroup.sh"

# A device whose instance has seen nothing yet.
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
