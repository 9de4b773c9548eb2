#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure munmap() of memory that is scattered in swap. For each column and way,
# print a line
#   short_runs COLUMN WAY MUNMAP BACK CPU WORKERS MEDIAN PERCENTILE90 PAGES...
# with the results of swap_unmap. WAY is "reclaim" if reclaim swaps out single pages because
# memory.max of a cgroup is half of the memory, or "pageout" if madvise() swaps out.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_mb    megabytes to unmap
#   pd_cols  columns
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
. "$(dirname -- "$0")/cgroup.sh"

# unmap COLUMN WAY ARGUMENT...
unmap() {
	column=$1 way=$2
	shift 2
	select_column "$column"
	# Warm up: in the first run, all caches are cold, including QEMU's.
	/job/swap_unmap 1 8 >/dev/null || exit 1
	[ "$column" = limit ] || set -- "$@" "$file"
	told=$(/job/swap_unmap -r "$@") || exit 1
	echo "short_runs $column $way $told"
}

cgroup=$(make_cgroup short $((pd_mb / 2))M) || exit 1
setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	unmap "$column" reclaim -c "$cgroup" 1 "$pd_mb"
	unmap "$column" pageout 1 "$pd_mb"
done
