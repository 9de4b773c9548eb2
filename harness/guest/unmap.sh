#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures munmap() of swapped-out memory, and prints a line
#   unmap COLUMN PROCESSES MEGABYTES MUNMAP BACK CPU WORKERS
# with the four times of swap_unmap for each. From the kernel's command line, beside
# what columns.sh takes:
#   pd_rows  "PROCESSES:MEGABYTES ..." with commas for blanks
#   pd_cols  columns, alternating within a repetition
#   pd_reps  how often
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"

setup_columns
for rep in $(seq "$pd_reps"); do
	for row in $(echo "$pd_rows" | tr , ' '); do
		for column in $(echo "$pd_cols" | tr , ' '); do
			select_column "$column"
			set -- "${row%:*}" "${row#*:}"
			[ "$column" = limit ] || set -- "$@" "$file"
			times=$(/job/swap_unmap "$@") || exit 1
			echo "unmap $column ${row%:*} ${row#*:} $times"
		done
	done
	echo "repetition $rep"
done
