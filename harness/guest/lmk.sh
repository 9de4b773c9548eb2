#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: kills processes that have much memory in swap, and prints a line
#   lmk COLUMN WAY PROCESSES TOLD RESIDENT WAIT BACK FLUSH FLUSH_CPU ALLOCATION
# with what swap_kill tells for each way: "kill", "release", which is process_mrelease()
# after it, "flush" or "release+flush", which flush what is deferred after either. From
# the kernel's command line, beside what columns.sh takes:
#   pd_rows       "PROCESSES:WAY ..." with commas for blanks: how many at once, and how
#   pd_swapped, pd_resident, pd_allocated  megabytes: of each process in swap and in
#                 memory, and of what is allocated after that
#   pd_cols       columns, alternating within a repetition
#   pd_reps       how often
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/pool.sh"

setup_columns
for rep in $(seq "$pd_reps"); do
	for row in $(echo "$pd_rows" | tr , ' '); do
		for column in $(echo "$pd_cols" | tr , ' '); do
			select_column "$column"
			set -- "${row%:*}" "$pd_swapped" "$pd_resident" "$pd_allocated" \
				"$pool"
			case $row in
			*flush) set -- -f "$@" ;;
			esac
			case $row in
			*:release*) set -- -m "$@" ;;
			esac
			times=$(/job/swap_kill "$@") || exit 1
			echo "lmk $column ${row#*:} ${row%:*} $times"
		done
	done
	echo "repetition $rep"
done
