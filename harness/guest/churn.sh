#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure the maximum amount of swap that an unprivileged process occupies while
# it frees memory on busy CPUs. Print lines
#   churn COLUMN ROUNDS MOST BACK KILLS
# with the results of swap_churn and the number of OOM kills, for each column in pd_cols.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_mb        megabytes freed per round
#   pd_seconds   duration
#   pd_spinners  number of busy-looping processes per CPU
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"

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
