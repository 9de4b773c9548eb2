# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs that run tests: print the KTAP of each test between BEGIN and END.
# Kernel parameters:
#   pd_only  if set, name of the only test to run
#   pd_case  if set, name of the only case to run in the KUnit suite pd_only
# shellcheck shell=sh

wanted() {
	[ -z "${pd_only-}" ] || [ "$pd_only" = "$1" ]
}

# begin NAME: mark the start of a test on both ports. The console check accepts some warnings
# in specific tests.
begin() {
	echo "pd_section: $1" >/dev/kmsg
	echo "BEGIN $1"
}

kunit() {
	wanted "$1" || return 0
	begin "$1"
	[ -z "${pd_case-}" ] || modprobe kunit filter_glob="$1.$pd_case"
	modprobe "$1_kunit"
	cat "/sys/kernel/debug/kunit/$1/results"
	echo "END $?"
	rmmod "$1_kunit"
}

selftest() {
	wanted "$1" || return 0
	begin "$1"
	PATH=/job:$PATH "$@"
	echo "END $?"
}
