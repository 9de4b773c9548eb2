#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Test: run the kernel's own zswap selftest, with swap space on a new zram device.

# With 64K pages, the per-CPU charge caches exceed the smallest memory.max of the test, 1 MB.
if [ "$(awk '/^KernelPageSize/ { print $2; exit }' /proc/self/smaps)" != 4 ]; then
	printf 'TAP version 13\n1..1\nok 1 test_zswap # SKIP made for pages of 4K\n'
	exit 0
fi

zswap=/sys/module/zswap/parameters/enabled
before=$(cat $zswap)
mkdir -p /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup || exit 1
id=$(cat /sys/class/zram-control/hot_add) || exit 1
echo 1G >"/sys/block/zram$id/disksize"
mkswap "/dev/zram$id" >/dev/null && swapon "/dev/zram$id" || exit 1
echo Y >$zswap

out=/tmp/test_zswap
/job/test_zswap >$out.all
result=$?
# In Linux 6.12, test_zswap prints neither a version nor a plan, and each forked child prints
# the unflushed buffer again.
awk '!seen[$0]++' $out.all >$out
grep -q '^TAP version' $out ||
	printf 'TAP version 13\n1..%s\n' "$(grep -cE '^(not )?ok ' $out)"
cat $out

echo "$before" >$zswap
swapoff "/dev/zram$id"
echo 1 >"/sys/block/zram$id/reset"
echo "$id" >/sys/class/zram-control/hot_remove
umount /sys/fs/cgroup
exit $result
