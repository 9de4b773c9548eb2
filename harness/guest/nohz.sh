#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: the test of a CPU that is to be left alone.

echo "BEGIN quiet_cpu.sh"
PATH=/job:$PATH quiet_cpu.sh
echo "END $?"
