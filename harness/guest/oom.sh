#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: check whether the OOM killer runs although compressed swap is about to free
# enough memory, and print
#   edge WHERE EXTRA
#   try WHERE KILLS CGROUP_KILLS NEEDED TIME
# EXTRA is the number of kilobytes allocated beyond the freed memory; the other numbers
# are the results of swap_oom.
# Kernel parameters, in addition to "mem", which should be small, and those of swap_variants.sh:
#   pd_where  "machine" or "cgroup": where memory is short
#   pd_mb     megabytes in swap of the processes that exit
#   pd_left   kilobytes that are free when the processes exit
#   pd_extra  EXTRA, or "search": the largest value, from 2 * pd_left downwards in steps of
#             pd_step, without a kill in pd_good consecutive tries
#   pd_tries  number of tries after the search
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
. "$(dirname -- "$0")/pool.sh"
. "$(dirname -- "$0")/edge.sh"
. "$(dirname -- "$0")/cgroup.sh"

# Messages of an unhealthy kernel. try() searches for them, because dmesg -n 1 hides them from
# the console.
complaints='BUG:|WARNING:|INFO:|Oops|general protection|Unable to handle'

# try EXTRA: set $told to the results
try() {
	set -- "$pd_mb" "$pd_left" "$1" "$pool"
	[ "$pd_where" = machine ] || set -- -c "$cgroup" "$@"
	told=$(/job/swap_oom "$@") || exit 1
	if dmesg -c | grep -E "$complaints"; then
		echo "the kernel complains"
		exit 1
	fi
}

# Hide the call traces of OOM kills, which are expected, from the console.
dmesg -n 1
if [ "$pd_where" = machine ]; then
	# By default, fragmentation temporarily raises the watermarks, and a CPU can keep
	# megabytes on its free lists while another CPU runs out of memory.
	echo 0 >/proc/sys/vm/watermark_boost_factor &&
		echo 1000 >/proc/sys/vm/percpu_pagelist_high_fraction || exit 1
fi
# Exempt this shell from OOM kills.
echo -1000 >/proc/$$/oom_score_adj || exit 1
setup_columns
select_column "$pd_cols"
cgroup=$(make_cgroup oom $((pd_mb * 2))M) || exit 1
[ "$pd_extra" != search ] || search $((2 * pd_left)) 0
echo "edge $pd_where $pd_extra"
for _ in $(seq "$pd_tries"); do
	try "$pd_extra"
	echo "try $pd_where $told"
done
