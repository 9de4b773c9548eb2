#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: count the processes that a low-memory killer in user space kills, and print
#   edge COLUMN EXTRA
#   try COLUMN KILLS OOM_KILLS ONE
# EXTRA is an argument of swap_killer, in kilobytes; the other numbers are its results.
# Kernel parameters, in addition to "mem" and those of swap_variants.sh:
#   pd_mb     megabytes of each holder in swap
#   pd_low    kilobytes of MemAvailable below which the killer kills
#   pd_poll   polling interval of the killer in milliseconds
#   pd_extra  EXTRA, or "search": the largest value, from pd_most downwards in steps of
#             pd_step, with at most one kill in each of pd_good consecutive tries
#   pd_tries  number of tries after the search
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
. "$(dirname -- "$0")/pool.sh"
. "$(dirname -- "$0")/edge.sh"

# try EXTRA: set $told to the results
try() {
	told=$(/job/swap_killer "$pd_mb" "$pd_low" "$1" "$pd_poll" "$pool") || exit 1
}

# Exempt this shell from OOM kills.
echo -1000 >/proc/$$/oom_score_adj || exit 1
setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	[ "$pd_extra" != search ] || search "$pd_most" 1
	echo "edge $column $pd_extra"
	for _ in $(seq "$pd_tries"); do
		try "$pd_extra"
		echo "try $column $told"
	done
done
