#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure the effect of munmap() of swapped-out memory on other tasks. For each
# column, print each line of swap_others as
#   bystanders COLUMN WHAT WHEN MEDIAN PERCENTILE99 MAXIMUM
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_mb    megabytes to unmap
#   pd_ms    milliseconds to measure before munmap(), and from the start of munmap()
#   pd_cols  columns
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"

setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	# Warm up: in the first run, all caches are cold, including QEMU's.
	/job/swap_others 8 100 >/dev/null && told=$(/job/swap_others "$pd_mb" "$pd_ms") ||
		exit 1
	echo "$told" | sed "s/^/bystanders $column /"
done
