#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job, where a nanosecond of CPU time is an instruction: the number of them that
# it takes to free a slot while as much is pending as the cap allows. From the kernel's
# command line, in addition to what columns.sh takes:
#   pd_mb    how much memory is unmapped
#   pd_runs  lengths of the runs that it lies in in swap, in pages, or "long"
#   pd_reps  repetitions
# The cap is half of the memory, so the guest should have little.
# Prints lines
#   refused LENGTH REFUSED MUNMAP BACK CPU WORKERS MEDIAN PERCENTILE90 PAGES...
# with the number of refused pushes, and what swap_unmap prints.
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/instance.sh"

# unmap LENGTH
unmap() {
	resize $(((first + pd_mb + 8) * 1024))
	length=$1
	set -- 1 "$pd_mb" "$file"
	[ "$length" = long ] || set -- -s "$length" "$@"
	before=$(instance_stat refused)
	times=$(/job/swap_unmap -r -f "$first" "$@") || exit 1
	echo "refused $length $(($(instance_stat refused) - before)) $times"
}

setup_columns
select_column on
# The first store makes the instance.
/job/swap_unmap 1 8 >/dev/null || exit 1
# In MB. The cap may be exceeded by an eighth; the last 2 MB are unmapped page by page.
first=$(($(instance_stat cap) * 9 / 8 / 256 + 3))
for _ in $(seq "$pd_reps"); do
	for length in $(echo "$pd_runs" | tr , ' '); do
		unmap "$length"
	done
done
