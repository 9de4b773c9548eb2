#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measures a fixed amount of mixed work in cgroups with half of the memory
# that it takes, and prints a line
#   mixed COLUMN ELAPSED BACK USER SYSTEM WORKERS OUT IN ZSWAPOUT ZSWAPIN REFUSED
# with what swap_mixed tells, and how much percpu_defer refused, though switched on,
# meanwhile. From the kernel's command line, beside what columns.sh takes:
#   pd_procs  processes at a time
#   pd_lives  how often each is started
#   pd_mb     how much memory each fills
#   pd_cols   columns
# shellcheck disable=SC2154 # these come in the environment

. "$(dirname -- "$0")/columns.sh"
. "$(dirname -- "$0")/cgroup.sh"
. "$(dirname -- "$0")/instance.sh"

# Content depends on addresses.
echo 0 >/proc/sys/kernel/randomize_va_space
for number in $(seq 0 $((pd_procs - 1))); do
	cgroup=$(make_cgroup "mixed$number" $((pd_mb / 2))M) || exit 1
done
setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	# The first time, code is not in any cache, that of QEMU included.
	/job/swap_unmap 1 8 >/dev/null || exit 1
	before=$(instance_stat refused)
	told=$(/job/swap_mixed "${cgroup%[0-9]*}" "$pd_procs" "$pd_lives" "$pd_mb" "$file") ||
		exit 1
	echo "mixed $column $told $(($(instance_stat refused) - before))"
done
