#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Does the sample in samples/percpu_defer load? It does not if it miscounts.
DIR="$(dirname "$(readlink -f "$0")")"
# shellcheck source=/dev/null
. "${DIR}"/../kselftest/ktap_helpers.sh

module=percpu_defer_sample

ktap_print_header
if ! modinfo "$module" >/dev/null 2>&1; then
	ktap_skip_all "needs CONFIG_SAMPLE_PERCPU_DEFER=m"
	exit "$KSFT_SKIP"
fi
ktap_set_plan 2
ktap_test_result "what the sample defers is freed once" modprobe "$module"
ktap_test_result "the sample unloads" rmmod "$module"
ktap_finished
