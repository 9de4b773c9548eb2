#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: test that deferred frees do not disturb an isolated CPU.

. "$(dirname -- "$0")/sections.sh"

selftest quiet_cpu.sh
