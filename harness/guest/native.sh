#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures munmap() of swapped-out memory, and prints a line
#   native COLUMN WHAT MUNMAP BACK CPU WORKERS
# with the four times of swap_unmap for each WHAT. From the kernel's command line, in
# addition to what columns.sh takes:
#   pd_rows  "MEGABYTES:RUN ..." with commas for blanks: RUN is the length of the runs in
#            swap, in pages, or 0 for what madvise() makes of it
#   pd_cols  columns, alternating within a row
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"

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
# The first time, code is not in any cache.
for row in 8:0 $(echo "$pd_rows" | tr , ' '); do
	for column in $(echo "$pd_cols" | tr , ' '); do
		measure "$column" "${row%:*}" "${row#*:}"
		[ "$row" = 8:0 ] || echo "native $column $row $times"
	done
done
