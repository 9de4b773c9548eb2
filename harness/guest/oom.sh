#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: looks whether processes are killed for want of memory that compressed
# swap is about to give back, and prints
#   edge WHERE EXTRA
#   try WHERE KILLS CGROUP_KILLS NEEDED TIME
# with the kilobytes that are wanted beyond what comes back, and what swap_oom tells.
# From the kernel's command line, beside what columns.sh takes, and "mem", which
# should be small:
#   pd_where  "machine" or "cgroup": what the memory of is short
#   pd_mb     how much memory is in swap, of the processes that end
#   pd_left   how many kilobytes are left at first
#   pd_extra  the kilobytes that are wanted beyond what comes back, or "search": the
#             most with which nobody is killed in pd_good tries, in steps of pd_step,
#             from twice of pd_left downwards
#   pd_tries  how often, after the search
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/pool.sh"
. "$(dirname -- "$0")/edge.sh"
. "$(dirname -- "$0")/cgroup.sh"

# What no healthy kernel prints is not shown, once the console is quiet.
complaints='BUG:|WARNING:|INFO:|Oops|general protection|Unable to handle'

# try EXTRA: sets $told
try() {
	set -- "$pd_mb" "$pd_left" "$1" "$pool"
	[ "$pd_where" = machine ] || set -- -c "$cgroup" "$@"
	told=$(/job/swap_oom "$@") || exit 1
	if dmesg -c | grep -E "$complaints"; then
		echo "the kernel complains"
		exit 1
	fi
}

# An OOM kill prints a call trace, which is no complaint.
dmesg -n 1
if [ "$pd_where" = machine ]; then
	# Otherwise more must be left for a while after memory got fragmented, and one
	# CPU can have megabytes on its lists while another runs out.
	echo 0 >/proc/sys/vm/watermark_boost_factor &&
		echo 1000 >/proc/sys/vm/percpu_pagelist_high_fraction || exit 1
fi
# This shell is not who is to be killed.
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
