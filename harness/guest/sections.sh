# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs that run tests; each one's KTAP stands between BEGIN and END. From
# the kernel's command line: pd_only, the name of the only one to run, if it is set;
# pd_case, the only case of that KUnit suite.
# shellcheck shell=sh

wanted() {
	[ -z "${pd_only-}" ] || [ "$pd_only" = "$1" ]
}

# Mark the start of a test on both ports; the console parser allows some tests their
# warnings.
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
