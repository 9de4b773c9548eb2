/* SPDX-License-Identifier: GPL-2.0 */
/* Text files of sysfs, debugfs and similar file systems. */
#ifndef TEXT_FILES_H
#define TEXT_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Write @text to a file; return 0 or an errno. */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t done;
	int error = 0;

	if (fd < 0)
		return errno;
	done = write(fd, text, strlen(text));
	if (done != (ssize_t)strlen(text))
		error = done < 0 ? errno : EIO;
	close(fd);
	return error;
}

/* Read up to @max numbers from a statistics file; return their count. */
static inline int read_numbers(const char *path, unsigned long long *number, int max)
{
	FILE *file = fopen(path, "r");
	int n = 0;

	if (!file)
		return 0;
	while (n < max && fscanf(file, "%llu", number + n) == 1)
		n++;
	fclose(file);
	return n;
}

#endif
