# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sourced by the jobs perturb-*.sh: run tests under perturbation, in a guest with more CPUs
# than the host. Kernel parameters:
#   pd_seconds  total duration of the long tests
#   pd_seed     seed of the delays
#   pd_only     if set, name of the only test to run
# shellcheck disable=SC2154,SC2034 # set in the environment, or used by the jobs

gate=/sys/kernel/debug/percpu_defer_perturb
seed=${pd_seed:-1}
export PD_SEED="$seed"

# perturb N: delay about one in N passes through each delay site; 0: no delays
perturb() {
	echo "$seed" >$gate/seed
	echo 100 >$gate/max_us
	echo "$1" >$gate/one_in
}

selftest() {
	[ -z "${pd_only-}" ] || [ "$pd_only" = "$1" ] || return 0
	echo "BEGIN $1"
	PATH=/job:$PATH "$@"
	echo "END $?"
}

[ -e $gate/hold ] || {
	echo "$gate: not found; build the kernel with CONFIG_PERCPU_DEFER_PERTURB"
	exit 1
}
[ -d /sys/class/zram-control ] || modprobe zram
