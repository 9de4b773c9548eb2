#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures munmap() of memory that lies scattered in swap, and prints a line
#   short_runs COLUMN WAY MUNMAP BACK CPU WORKERS MEDIAN PERCENTILE90 PAGES...
# with what swap_unmap tells, for each way it got there: "reclaim", page by page for
# the limit of a cgroup, which is half of the memory, or "pageout", by madvise(). From
# the kernel's command line, beside what columns.sh takes:
#   pd_mb    how much memory
#   pd_cols  columns
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/cgroup.sh"

# unmap COLUMN WAY ARGUMENT...
unmap() {
	column=$1 way=$2
	shift 2
	select_column "$column"
	# The first time, code is not in any cache, that of QEMU included.
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
