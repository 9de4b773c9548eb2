#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure munmap() of swapped-out memory. For each row and column, print a line
#   unmap COLUMN PROCESSES MEGABYTES MUNMAP BACK CPU WORKERS
# with the four times of swap_unmap. Kernel parameters, in addition to those of swap_variants.sh:
#   pd_rows  "PROCESSES:MEGABYTES ..." with commas instead of spaces
#   pd_cols  columns, alternating within a row
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"

# measure COLUMN PROCESSES MEGABYTES
measure() {
	select_column "$1"
	case $1 in
	limit) times=$(/job/swap_unmap "$2" "$3") ;;
	*) times=$(/job/swap_unmap "$2" "$3" "$file") ;;
	esac || exit 1
}

setup_columns
# Warm up: in the first run, all caches are cold, including QEMU's.
for row in 1:32 $(echo "$pd_rows" | tr , ' '); do
	for column in $(echo "$pd_cols" | tr , ' '); do
		measure "$column" "${row%:*}" "${row#*:}"
		[ "$row" = 1:32 ] || echo "unmap $column ${row%:*} ${row#*:} $times"
	done
done
