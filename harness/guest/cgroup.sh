# SPDX-License-Identifier: GPL-2.0
# Sourced by guest jobs: cgroups with a memory limit.
# shellcheck shell=sh

# make_cgroup NAME LIMIT: create a cgroup with this memory.max; print its directory
make_cgroup() {
	root=/sys/fs/cgroup
	[ -e $root/cgroup.procs ] || mount -t cgroup2 none $root || return 1
	echo +memory >$root/cgroup.subtree_control &&
		mkdir "$root/$1" && echo "$2" >"$root/$1/memory.max" || return 1
	echo "$root/$1"
}
