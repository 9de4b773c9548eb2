#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Test: run the torture test of percpu_defer; print KTAP.
# Kernel parameters:
#   pd_torture  duration in seconds
#   pd_perturb  1: inject random delays
#   pd_seed     seed of the delays; default: 1
# shellcheck disable=SC2154 # set in the environment

# Take a random CPU offline or online every 250 jiffies.
options="onoff_holdoff=0 onoff_interval=250 stat_interval=15"

stats() {
	dmesg | grep -e '-torture: [ofi].*: [0-9]' | tail -n 3 | sed 's/.*-torture:/#/'
}

sh /job/failslab.sh
if [ "${pd_perturb-}" = 1 ]; then
	gate=/sys/kernel/debug/percpu_defer_perturb
	echo "${pd_seed:-1}" >$gate/seed && echo 32 >$gate/one_in || exit 1
fi
echo "TAP version 13"
echo "1..1"
# shellcheck disable=SC2086 # a list
modprobe percpu_defer_torture $options
left=$pd_torture
while [ "$left" -gt 0 ]; do
	nap=$((left < 60 ? left : 60))
	sleep $nap
	left=$((left - nap))
	stats
done
rmmod percpu_defer_torture torture
# The torture test may have left CPUs offline.
for cpu in /sys/devices/system/cpu/cpu*/online; do
	echo 1 >"$cpu"
done
if dmesg | grep -q 'percpu_defer-torture: End of test: SUCCESS'; then
	echo "ok 1 torture"
else
	echo "not ok 1 torture"
	exit 1
fi
