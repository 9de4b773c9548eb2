/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Block devices for swap areas with properties that zram and brd lack: a device that is
 * neither synchronous nor solid state, and a device with slow requests.
 */
#ifndef SWAP_DEVICES_H
#define SWAP_DEVICES_H

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest.h"
#include "text_files.h"

#define CONFIGFS	"/sys/kernel/config"
#define SLOW_NAME	"slow_swap"
#define SLOW_DEV	"/dev/" SLOW_NAME
#define SLOW_DIR	CONFIGFS "/nullb/" SLOW_NAME

/* Loop device on a file in a ramfs; @dev and @dir are empty until each is created. */
struct loop {
	char dev[32], dir[64];
	int number;
};

static inline void loop_exit(const char *what)
{
	ksft_exit_fail_msg("%s: %s\n", what, strerror(errno));
}

static inline void loop_add(struct loop *loop, const char *dir, unsigned long megabytes)
{
	struct loop_config config = {};
	char path[96];
	int control, device, file;

	*loop = (struct loop){};
	if (mkdir(dir, 0700))
		loop_exit(dir);
	snprintf(loop->dir, sizeof(loop->dir), "%s", dir);
	if (mount("none", dir, "ramfs", 0, NULL))
		loop_exit(dir);
	snprintf(path, sizeof(path), "%s/disk", dir);
	file = open(path, O_RDWR | O_CREAT, 0600);
	if (file < 0 || ftruncate(file, megabytes << 20))
		loop_exit(path);
	config.fd = file;

	control = open("/dev/loop-control", O_RDWR);
	loop->number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	if (loop->number < 0)
		loop_exit("/dev/loop-control");
	close(control);
	snprintf(path, sizeof(path), "/dev/loop%d", loop->number);
	device = open(path, O_RDWR);
	if (device < 0 || ioctl(device, LOOP_CONFIGURE, &config))
		loop_exit(path);
	snprintf(loop->dev, sizeof(loop->dev), "/dev/loop%d", loop->number);
	close(device);
	close(file);
}

/* Mark the device as rotational. Call this before swapon reads the flag. */
static inline void loop_set_rotational(const struct loop *loop)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/loop%d/queue/rotational", loop->number);
	if (write_file(path, "1"))
		ksft_exit_fail_msg("cannot write to %s\n", path);
}

/* Undo a complete or partial loop_add(); return false if a step fails. */
static inline bool loop_undo(struct loop *loop)
{
	bool good = true;

	if (*loop->dev) {
		int device = open(loop->dev, O_RDWR);

		good = device >= 0 && !ioctl(device, LOOP_CLR_FD);
		close(device);
	}
	if (*loop->dir) {
		good &= !umount(loop->dir);
		good &= !rmdir(loop->dir);
	}
	*loop->dev = '\0';
	*loop->dir = '\0';
	return good;
}

static inline void loop_remove(struct loop *loop)
{
	int number = loop->number;

	if (!loop_undo(loop))
		ksft_exit_fail_msg("cannot remove /dev/loop%d\n", number);
}

/* Parts of the slow device that slow_add() has set up. */
static struct {
	bool loaded, mounted, made;
} slow;

static inline void slow_set(const char *name, const char *text)
{
	char path[96];
	int error;

	snprintf(path, sizeof(path), SLOW_DIR "/%s", name);
	error = write_file(path, text);
	if (error)
		ksft_exit_fail_msg("%s: %s\n", path, strerror(error));
}

/* Undo a complete or partial slow_add(); return false if a step fails. */
static inline bool slow_undo(void)
{
	bool good = true;

	if (slow.made) {
		write_file(SLOW_DIR "/power", "0");
		good &= !rmdir(SLOW_DIR);
	}
	if (slow.mounted)
		good &= !umount(CONFIGFS);
	/* Not an error: udev may still have the device open. */
	if (slow.loaded && system("rmmod null_blk 2>/dev/null"))
		ksft_print_msg("cannot unload null_blk\n");
	slow.made = false;
	slow.mounted = false;
	slow.loaded = false;
	return good;
}

/*
 * Create a memory-backed device that completes each request after @ms milliseconds; return
 * false if the kernel does not support such devices.
 */
static inline bool slow_add(unsigned long megabytes, unsigned long ms)
{
	char text[32];

	/* The directory exists if null_blk is built in or already loaded. */
	if (access("/sys/module/null_blk", F_OK)) {
		slow.loaded = !system("modprobe null_blk nr_devices=0 2>/dev/null");
		if (!slow.loaded)
			ksft_print_msg("cannot load null_blk\n");
	}
	if (access(CONFIGFS "/nullb", F_OK))
		slow.mounted = !mount("none", CONFIGFS, "configfs", 0, NULL);
	if (access(CONFIGFS "/nullb", F_OK)) {
		slow_undo();
		return false;
	}
	slow.made = !mkdir(SLOW_DIR, 0755);
	if (!slow.made)
		loop_exit(SLOW_DIR);
	snprintf(text, sizeof(text), "%lu", megabytes);
	slow_set("size", text);
	slow_set("blocksize", "4096");
	slow_set("memory_backed", "1");
	/* Complete requests from a timer. */
	slow_set("irqmode", "2");
	snprintf(text, sizeof(text), "%lu", ms * 1000000);
	slow_set("completion_nsec", text);
	slow_set("power", "1");
	return true;
}

static inline void slow_remove(void)
{
	if (!slow_undo())
		ksft_exit_fail_msg("cannot remove " SLOW_DEV "\n");
}

/* Return the number of requests in flight on the slow device. */
static inline unsigned long long slow_in_flight(void)
{
	unsigned long long nr[2] = {};

	read_numbers("/sys/block/" SLOW_NAME "/inflight", nr, 2);
	return nr[0] + nr[1];
}

#endif
