#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure munmap() of swapped-out memory on one CPU. For each row and column, print
#   native COLUMN ROW MUNMAP BACK CPU WORKERS
# ROW is an item of pd_rows; the other numbers are the four times of swap_unmap.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_rows  "MEGABYTES:RUN ..." with commas instead of spaces; RUN is the length of runs in
#            swap in pages, or 0 for the runs that a single madvise() produces
#   pd_cols  columns, alternating within a row
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"

# measure COLUMN MEGABYTES RUN
measure() {
	select_column "$1"
	column=$1 run=$3
	set -- 1 "$2"
	[ "$column" = limit ] || set -- "$@" "$file"
	case $column in
	on) set -- -d "$switch" "$@" ;;
	*) set -- -d none "$@" ;;
	esac
	[ "$run" = 0 ] || set -- -s "$run" "$@"
	times=$(/job/swap_unmap "$@") || exit 1
}

setup_columns
# Warm up with 8:0: in the first run, all caches are cold.
for row in 8:0 $(echo "$pd_rows" | tr , ' '); do
	for column in $(echo "$pd_cols" | tr , ' '); do
		measure "$column" "${row%:*}" "${row#*:}"
		[ "$row" = 8:0 ] || echo "native $column $row $times"
	done
done
