#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures how much swap an unprivileged process occupies while it frees memory
# on busy CPUs, and prints a line
#   churn COLUMN ROUNDS MOST BACK KILLS
# with the results of swap_churn and the number of OOM kills.
# From the kernel's command line, in addition to what columns.sh takes:
#   pd_mb        how much memory each round frees
#   pd_seconds   how long
#   pd_spinners  processes that loop, for each CPU
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"

kills() {
	awk '$1 == "oom_kill" { print $2 }' /proc/vmstat
}

setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	before=$(kills)
	told=$(/job/swap_churn "$pd_mb" "$pd_seconds" "$pd_spinners" "$file") || exit 1
	echo "churn $column $told $(($(kills) - before))"
done
