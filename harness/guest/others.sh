#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures what others feel of an munmap() of swapped-out memory, and prints
# the lines of swap_others, each as
#   others COLUMN WHAT WHEN MEDIAN PERCENTILE99 MAXIMUM
# From the kernel's command line, beside what columns.sh takes:
#   pd_mb    how much memory
#   pd_ms    for how many milliseconds
#   pd_cols  columns
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"

setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	# The first time, code is not in any cache, that of QEMU included.
	/job/swap_others 8 100 >/dev/null && told=$(/job/swap_others "$pd_mb" "$pd_ms") ||
		exit 1
	echo "$told" | sed "s/^/others $column /"
done
