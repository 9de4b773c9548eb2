#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure when the memory of killed processes is free. For each row and column, print
#   lmk COLUMN WAY PROCESSES TOLD RESIDENT WAIT BACK FLUSH FLUSH_CPU ALLOCATION
# TOLD to ALLOCATION are the results of swap_kill. WAY is "kill", "release" for kill and
# process_mrelease(), or "flush" or "release+flush", which also flush deferred frees.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_rows       "PROCESSES:WAY ..." with commas instead of spaces; PROCESSES is the
#                 number of processes killed at once
#   pd_swapped, pd_resident  megabytes of each process in swap, and in memory
#   pd_allocated  megabytes to allocate after the kill
#   pd_cols       columns, alternating within a repetition
#   pd_reps       number of repetitions
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
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
