#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: count the instructions to free a slot, and to swap out a page to a slot that was
# just freed. Requires a guest where a nanosecond of CPU time is an instruction.
# Kernel parameters, in addition to those of swap_variants.sh:
#   pd_cols   the column
#   pd_mb     megabytes to unmap
#   pd_runs   lengths of the runs in swap, in pages, or "long"
#   pd_again  megabytes to swap out again, few enough to finish before a drain begins
#   pd_state  states of the slots at that time: "empty", or "waiting" for a drain
#   pd_reps   number of repetitions
# Prints lines
#   free LENGTH MUNMAP BACK CPU WORKERS MEDIAN PERCENTILE90 PAGES...
#                                              results of swap_unmap
#   again CONTENT STATE INSTRUCTIONS CANCELLED  CANCELLED is the number of slots whose
#                                              death was cancelled, CONTENT is "filled"
#                                              or "zero"
# with totals over all pages.
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
	[ "$state" = waiting ] || pause=500
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
