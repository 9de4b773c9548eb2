#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure page faults that swap in. For each column, print a line
#   faults COLUMN MEDIAN PERCENTILE99
# with the results of swap_in. Kernel parameters, in addition to those of swap_variants.sh:
#   pd_mb    megabytes to fault in
#   pd_cols  columns
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"

setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	# Warm up: in the first run, all caches are cold, including QEMU's.
	/job/swap_in 8 >/dev/null && times=$(/job/swap_in "$pd_mb") || exit 1
	echo "faults $column $times"
done
