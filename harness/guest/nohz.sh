#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: test that an isolated CPU stays undisturbed.

echo "BEGIN quiet_cpu.sh"
PATH=/job:$PATH quiet_cpu.sh
echo "END $?"
