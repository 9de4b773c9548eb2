#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Last test: check that earlier tests leaked no memory, and that kmemleak finds the leaks
# that the kernel's samples/kmemleak plants.
found=/sys/kernel/debug/kmemleak

# scan: wait, because kmemleak does not report objects younger than five seconds. Scan twice,
# because a stale pointer may hide a leak from a single scan.
scan() {
	sleep 6
	echo scan >$found
	echo scan >$found
}

echo "TAP version 13"
if [ ! -w $found ]; then
	echo "1..0 # SKIP no CONFIG_DEBUG_KMEMLEAK"
	exit 4
fi
echo "1..2"
bad=0
scan
leaks=$(cat $found)
if [ -n "$leaks" ]; then
	echo "$leaks" | sed 's/^/# /'
	echo "not ok 1 no leak"
	bad=1
else
	echo "ok 1 no leak"
fi
echo clear >$found
# From here on, the console may report leaks: see EXPECTED in test.py.
echo "pd_section: planted_leaks" >/dev/kmsg
modprobe kmemleak-test && scan
if grep -q kmemleak_test_init $found; then
	echo "ok 2 planted leaks are found"
else
	echo "not ok 2 planted leaks are found"
	bad=1
fi
rmmod kmemleak-test
exit $bad
