#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: run a suite of "make test-others"; print its KTAP between BEGIN and END.
# Kernel parameters:
#   pd_suite    name for BEGIN
#   pd_kind     kselftest, stress or fio
#   pd_swap     zram, zswap (in front of brd) or none
#   pd_tests    comma-separated tests
#   pd_seconds  timeout of a test; duration of a stressor
# shellcheck disable=SC2154 # set in the environment

. "$(dirname -- "$0")/cgroup.sh"
# shellcheck source=/dev/null
. /kselftest/ktap_helpers.sh
export PATH=/usr/bin:/bin

# make_swap: set up the swap device. On the RAM disk behind zswap, freeing a slot does no work.
make_swap() {
	case $pd_swap in
	none)
		return
		;;
	zram)
		device=/dev/zram0
		echo 2G >/sys/block/zram0/disksize
		;;
	zswap)
		device=/dev/ram0
		echo Y >/sys/module/zswap/parameters/enabled
		;;
	esac
	mkswap "$device" >/dev/null && swapon "$device"
}

# swapped: print the number of pages swapped out so far to the backend under test
swapped() {
	case $pd_swap in
	zram) awk '$1 == "pswpout" { print $2 }' /proc/vmstat ;;
	zswap) awk '$1 == "zswpout" { print $2 }' /proc/vmstat ;;
	esac
}

# check_swapped: fail if the suite swapped out no pages, because it then tested no swap code
check_swapped() {
	[ "$pd_swap" != none ] || return 0
	number=$(swapped)
	echo "# swapped out: $number pages"
	[ "$number" -gt 0 ] && echo "ok 1 pages were swapped out" && return
	echo "not ok 1 pages were swapped out"
	return 1
}

# make_fs DEVICE [OPTION...]: make a file system and mount it on /mnt
make_fs() {
	disk=$1
	shift
	mkfs.ext4 -q "$disk" && mount -t ext4 "$@" "$disk" /mnt
}

# quiet COMMAND...: run COMMAND; print its output as comments; return its exit code
quiet() {
	"$@" >/tmp/quiet 2>&1
	code=$?
	sed 's/^/# /' /tmp/quiet
	return $code
}

# report CODE NAME: print a result. stress-ng exits with 3 or 4 if it lacks resources or a syscall.
report() {
	case $1 in
	0) ktap_test_pass "$2" ;;
	3 | 4) ktap_test_skip "$2" ;;
	*) ktap_test_fail "$2 # exit=$1" ;;
	esac
}

# kselftest: run the tests from ext4, because some tests need files of a disk file system
kselftest() {
	make_fs /dev/ram1 && cp -r /suites /mnt || return
	set --
	for test in $(echo "$pd_tests" | tr , ' '); do
		set -- "$@" -t "$test"
	done
	bash /mnt/suites/run_kselftest.sh -o "$pd_seconds" "$@"
}

# stressor NAME: run a stressor in a cgroup whose limit is below the memory usage of most
# stressors. The memory of "mmap" must fit into the cgroup, because "mmap" locks it. Search the
# output for failures: stress-ng may report a failure and exit with 0.
stressor() {
	(
		echo 0 >"$cgroup/cgroup.procs"
		quiet stress-ng "--$1" 2 --timeout "$pd_seconds" --verify --temp-path /mnt \
			--vm-bytes 192M --vm-rw-bytes 64M --mmap-bytes 40M --shm-bytes 48M
	)
	code=$?
	if grep -q '^stress-ng: fail:' /tmp/quiet; then
		code=2
	fi
	return $code
}

# stress: run the stressors on ext4, because the stressor "swap" creates swap files
stress() {
	make_fs /dev/ram1 || return
	cgroup=$(make_cgroup stress 128M) || return
	ktap_print_header
	ktap_set_plan "$(echo "$pd_tests" | tr , '\n' | wc -l)"
	for name in $(echo "$pd_tests" | tr , ' '); do
		stressor "$name"
		report $? "$name"
	done
	ktap_finished
}

# fio_verify NAME OPTION...
fio_verify() {
	job=$1
	shift
	quiet timeout "$pd_seconds" fio --name="$job" --verify=crc32c --verify_fatal=1 \
		--do_verify=1 --ioengine=psync --direct=1 --fallocate=none \
		--buffer_compress_percentage=50 --refill_buffers "$@"
}

# fio_test NAME: run a test on the raw device, or in /mnt, an ext4 file system with online discard
fio_test() {
	case $1 in
	write)
		fio_verify write --rw=write --bs=64k --directory=/mnt --size=64m --numjobs=2 ;;
	randwrite)
		fio_verify randwrite --rw=randwrite --bs=4k --directory=/mnt --size=24m --numjobs=2 ;;
	overwrite)
		fio_verify overwrite --rw=randwrite --bs=16k --directory=/mnt --size=32m --overwrite=1 \
			--loops=2 --numjobs=2 ;;
	unlink)
		fio_verify unlink --rw=write --bs=16k --directory=/mnt --size=32m --loops=4 \
			--unlink_each_loop=1 --numjobs=2 ;;
	trimwrite)
		umount /mnt && fio_verify trimwrite --rw=randtrimwrite --bs=4k --filename=/dev/zram0 \
			--size=32m ;;
	fsck)
		umount /mnt && quiet e2fsck -fn /dev/zram0 &&
			mount -t ext4 -o discard /dev/zram0 /mnt ;;
	esac
}

fio_suite() {
	echo 512M >/sys/block/zram0/disksize
	make_fs /dev/zram0 -o discard || return
	ktap_print_header
	ktap_set_plan "$(echo "$pd_tests" | tr , '\n' | wc -l)"
	for name in $(echo "$pd_tests" | tr , ' '); do
		fio_test "$name"
		report $? "$name"
	done
	ktap_finished
}

# Create /dev/stdout, to which the kselftest runner writes.
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
# mremap_test fails if its fixed address happens to be in use.
echo 0 >/proc/sys/kernel/randomize_va_space
mkdir -p /mnt /dev/shm /sys/fs/cgroup
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 none /sys/fs/cgroup
echo "pd_section: $pd_suite" >/dev/kmsg
echo "BEGIN $pd_suite"
make_swap || exit 1
# Run each suite in a subshell, because ktap_finished exits.
case $pd_kind in
kselftest) (kselftest) ;;
stress) (stress) ;;
fio) (fio_suite) ;;
esac
code=$?
check_swapped || code=1
echo "END $code"
