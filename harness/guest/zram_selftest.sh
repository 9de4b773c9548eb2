#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Test: run the kernel's own zram selftests, whose exit codes are meaningless.

# Provide mkfs.ext2: busybox has only mke2fs, whose default block size is too small for zram.
printf '#!/bin/sh\nexec mke2fs -b 4096 "$@"\n' >/bin/mkfs.ext2
chmod +x /bin/mkfs.ext2

cp -r /job/zram /tmp
cd /tmp/zram || exit 1
echo "TAP version 13"
echo "1..2"
number=0
for test in zram01 zram02; do
	number=$((number + 1))
	sh ./$test.sh >log 2>&1
	if grep -q "$test : \[PASS\]" log && ! grep -q FAIL log; then
		echo "ok $number $test"
	else
		sed 's/^/# /' log
		echo "not ok $number $test"
		failed=1
	fi
done
exit "${failed-0}"
