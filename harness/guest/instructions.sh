#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: count the instructions to free a slot, and to swap out a page to a slot that was
# just freed. In the guest, a nanosecond of CPU time must correspond to one instruction.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_cols   the column
#   pd_mb     megabytes to unmap
#   pd_runs   lengths of the runs in swap, in pages, or "long"
#   pd_again  megabytes to swap out again; must finish before a drain begins
#   pd_state  states of the slots before the second swap-out: "empty" or "pending"
#   pd_reps   number of repetitions
# Print lines
#   free LENGTH MUNMAP BACK CPU WORKERS MEDIAN PERCENTILE90 PAGES...
#   again CONTENT STATE INSTRUCTIONS CANCELLED
# with totals over all pages.
# MUNMAP and the numbers after it are the results of swap_unmap. INSTRUCTIONS is the result of
# swap_again. CONTENT is "filled" or "zero". CANCELLED is the number of slots whose pending free
# was cancelled.
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
. "$(dirname -- "$0")/instance.sh"

# unmap LENGTH
unmap() {
	resize $((pd_mb * 1024 + 1024))
	length=$1
	set -- 1 "$pd_mb" "$file"
	[ "$length" = long ] || set -- -s "$length" "$@"
	times=$(/job/swap_unmap -r "$@") || exit 1
	echo "free $length $times"
}

# again CONTENT STATE
again() {
	resize $((pd_again * 1024 + 64))
	content=$1 state=$2 pause=0
	[ "$state" = pending ] || pause=500
	set -- "$pd_again" $pause
	[ "$content" = filled ] || set -- -z "$@"
	before=$(instance_stat cancelled)
	instructions=$(/job/swap_again "$@") || exit 1
	echo "again $content $state $instructions $(($(instance_stat cancelled) - before))"
}

setup_columns
select_column "$pd_cols"
for _ in $(seq "$pd_reps"); do
	for length in $(echo "$pd_runs" | tr , ' '); do
		unmap "$length"
	done
	for state in $(echo "$pd_state" | tr , ' '); do
		again filled "$state"
		again zero "$state"
	done
done
