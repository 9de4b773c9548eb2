#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check that pushes on a nohz_full= CPU start neither a timer nor a worker there. Unmap
# memory in zram swap on such a CPU, and search its trace events for timers and workers.
DIR="$(dirname "$(readlink -f "$0")")"
# shellcheck source=/dev/null
. "${DIR}"/../kselftest/ktap_helpers.sh

tracing=/sys/kernel/tracing
zram=

skip() {
	ktap_skip_all "$1"
	exit "$KSFT_SKIP"
}

# Print the first CPU of nohz_full, which is a list such as "1-3,5".
first_cpu() {
	sed 's/[-,].*//' /sys/devices/system/cpu/nohz_full
}

setup_zram() {
	zram=$(cat /sys/class/zram-control/hot_add) || return 1
	echo 64M >"/sys/block/zram$zram/disksize" &&
		mkswap "/dev/zram$zram" >/dev/null && swapon "/dev/zram$zram"
}

# Trace the CPU from before the unmap until everything is drained.
trace() {
	echo >$tracing/trace
	echo 1 >$tracing/tracing_on
	taskset "$mask" "$DIR/swap_unmap" 1 32 "/sys/block/zram$zram/mm_stat" >/dev/null
	code=$?
	echo 0 >$tracing/tracing_on
	return $code
}

# expect_none NAME WORD: report test NAME; it passes if no event in the trace contains WORD.
expect_none() {
	if grep -v '^#' $tracing/trace | grep "$2" >/tmp/quiet_cpu; then
		head -n 5 /tmp/quiet_cpu | sed 's/^/# /'
		ktap_test_fail "$1"
	else
		ktap_test_pass "$1"
	fi
}

ktap_print_header
cpu=$(first_cpu 2>/dev/null)
case $cpu in
'' | *[!0-9]*) skip "needs nohz_full= on the kernel command line" ;;
esac
mask=$(printf '%x' $((1 << cpu)))
mount -t tracefs tracefs $tracing 2>/dev/null
for event in timer/timer_expire_entry workqueue/workqueue_execute_start; do
	[ -d "$tracing/events/$event" ] || skip "needs trace events"
	echo 1 >"$tracing/events/$event/enable"
done
echo "$mask" >$tracing/tracing_cpumask
setup_zram || skip "needs zram and mkswap"
ktap_set_plan 2

if trace; then
	expect_none "no delayed-work timer" delayed_work_timer_fn
	expect_none "no worker" percpu_defer
else
	ktap_test_fail "no delayed-work timer"
	ktap_test_fail "no worker"
fi

swapoff "/dev/zram$zram"
echo 1 >"/sys/block/zram$zram/reset"
echo "$zram" >/sys/class/zram-control/hot_remove
ktap_finished
