#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: count the instructions to free a slot while pending frees are at the cap.
# In the guest, a nanosecond of CPU time must correspond to one instruction.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_mb    megabytes to unmap
#   pd_runs  lengths of the runs in swap, in pages, or "long"
#   pd_reps  number of repetitions
# The guest should have little memory, because the cap is half of it.
# Print lines
#   refused LENGTH REFUSED MUNMAP BACK CPU WORKERS MEDIAN PERCENTILE90 PAGES...
# REFUSED is the number of refused pushes; the numbers after it are the results of swap_unmap.
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
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
# Warm up: in the first run, all caches are cold.
/job/swap_unmap 1 8 >/dev/null || exit 1
# MB to unmap first: the cap, an excess of up to an eighth, and 2 MB that are unmapped page
# by page.
first=$(($(instance_stat cap) * 9 / 8 / 256 + 3))
for _ in $(seq "$pd_reps"); do
	for length in $(echo "$pd_runs" | tr , ' '); do
		unmap "$length"
	done
done
