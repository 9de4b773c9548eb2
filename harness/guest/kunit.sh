#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: run all KUnit suites that are modules. Print the KTAP of each suite between
# BEGIN and END.

find /lib/modules -name '*_kunit.ko' | sort | while read -r path; do
	module=$(basename "$path" .ko)
	name=${module%_kunit}
	echo "BEGIN $name"
	modprobe "$module"
	cat "/sys/kernel/debug/kunit/$name/results"
	echo "END $?"
	rmmod "$module"
done
