# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs that run tests. The KTAP of each test is printed between BEGIN and
# END. Kernel parameters:
#   pd_only  if set, name of the only test to run
#   pd_case  if set, only case of that KUnit suite to run
# shellcheck shell=sh

wanted() {
	[ -z "${pd_only-}" ] || [ "$pd_only" = "$1" ]
}

# Mark the start of a test on both ports: the console parser expects warnings from some
# tests.
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
