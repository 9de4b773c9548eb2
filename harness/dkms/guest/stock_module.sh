#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Test that the loaded modules are those of the package.

echo "TAP version 13"
echo "1..3"
number=0

# result CODE NAME
result() {
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $2"
	else
		echo "not ok $number $2"
		failed=1
	fi
}

cmp -s /sys/module/zram/version /sys/module/percpu_defer/version
result $? "zram and the library have the same version"
[ "$(cat /sys/module/percpu_defer/refcnt)" -gt 0 ]
result $? "zram uses the library"
[ "$(cat /sys/block/zram0/deferred_free)" = 1 ]
result $? "deferral is on"
exit "${failed-0}"
