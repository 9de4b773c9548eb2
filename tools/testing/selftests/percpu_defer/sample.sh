#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check that the modules in samples/percpu_defer load, work and unload.
DIR="$(dirname "$(readlink -f "$0")")"
# shellcheck source=/dev/null
. "${DIR}"/../kselftest/ktap_helpers.sh

objects=percpu_defer_objects
slots=percpu_defer_slots

# Check only the last message: the module may have been loaded before.
refilled()
{
	[ "$(dmesg | grep -o 'sample-table: .*' | tail -n 1)" = \
		"sample-table: slot 0 is set, slot 1 is empty" ]
}

ktap_print_header
if ! modinfo "$objects" "$slots" >/dev/null 2>&1; then
	ktap_skip_all "needs CONFIG_SAMPLE_PERCPU_DEFER=m"
	exit "$KSFT_SKIP"
fi
ktap_set_plan 5
ktap_test_result "the sample for objects loads" modprobe "$objects"
ktap_test_result "the sample for objects unloads" rmmod "$objects"
ktap_test_result "the sample for slots loads" modprobe "$slots"
ktap_test_result "refilled slots are set" refilled
ktap_test_result "the sample for slots unloads" rmmod "$slots"
ktap_finished
