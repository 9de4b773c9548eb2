#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: test that an isolated CPU stays undisturbed.

. "$(dirname -- "$0")/sections.sh"

selftest quiet_cpu.sh
