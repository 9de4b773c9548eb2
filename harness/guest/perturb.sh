#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: tests under perturbation, for a guest with more CPUs than the machine.
# From the kernel's command line: pd_seconds, how long each of the long ones runs;
# pd_seed, of the delays; pd_only, the name of the only one to run, if it is set.
# shellcheck disable=SC2154 # it comes in the environment

gate=/sys/kernel/debug/percpu_defer_perturb
seed=${pd_seed:-1}
export PD_SEED="$seed"

wanted() {
	[ -z "${pd_only-}" ] || [ "$pd_only" = "$1" ]
}

perturb() {
	echo "$seed" >$gate/seed
	echo 100 >$gate/max_us
	echo "$1" >$gate/one_in
}

selftest() {
	wanted "$1" || return 0
	echo "BEGIN $1"
	PATH=/job:$PATH "$@"
	echo "END $?"
}

[ -e $gate/hold ] || { echo "$gate: not found; build the kernel with CONFIG_PERCPU_DEFER_PERTURB"; exit 1; }
[ -d /sys/class/zram-control ] || modprobe zram
# These choose their delays themselves.
selftest zram_dead
selftest zram_ops
selftest zswap_ops
selftest zswap_lost "$pd_seconds" "$seed"
perturb 16
selftest brd_discard "$pd_seconds"
selftest swap_reuse "$pd_seconds"
selftest zswap_reuse "$pd_seconds"
perturb 0
