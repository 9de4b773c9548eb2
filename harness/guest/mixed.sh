#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: measure a fixed amount of mixed work in cgroups with half of the memory that the
# work needs. For each column, print a line
#   mixed COLUMN ELAPSED BACK USER SYSTEM WORKERS OUT IN ZSWAPOUT ZSWAPIN REFUSED
# with the results of swap_mixed and, as REFUSED, the number of pushes refused although deferral was
# enabled. Kernel parameters, in addition to those of swap_variants.sh:
#   pd_procs  number of concurrent processes
#   pd_lives  number of consecutive processes in each cgroup
#   pd_mb     megabytes that each process fills
#   pd_cols   columns
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/swap_variants.sh"
. "$(dirname -- "$0")/cgroup.sh"
. "$(dirname -- "$0")/instance.sh"

# Disable address randomisation: page contents depend on addresses.
echo 0 >/proc/sys/kernel/randomize_va_space
for number in $(seq 0 $((pd_procs - 1))); do
	cgroup=$(make_cgroup "mixed$number" $((pd_mb / 2))M) || exit 1
done
setup_columns
for column in $(echo "$pd_cols" | tr , ' '); do
	select_column "$column"
	# Warm up: in the first run, all caches are cold, including QEMU's.
	/job/swap_unmap 1 8 >/dev/null || exit 1
	before=$(instance_stat refused)
	told=$(/job/swap_mixed "${cgroup%[0-9]*}" "$pd_procs" "$pd_lives" "$pd_mb" "$file") ||
		exit 1
	echo "mixed $column $told $(($(instance_stat refused) - before))"
done
