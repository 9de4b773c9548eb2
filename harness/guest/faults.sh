#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures page faults from swap, and prints a line
#   faults COLUMN MEDIAN PERCENTILE99
# with the two times of swap_in for each. From the kernel's command line, beside what
# columns.sh takes:
#   pd_mb    how much memory is faulted in
#   pd_cols  columns
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"

setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	# The first time, code is not in any cache, that of QEMU included.
	/job/swap_in 8 >/dev/null && times=$(/job/swap_in "$pd_mb") || exit 1
	echo "faults $column $times"
done
