/* SPDX-License-Identifier: GPL-2.0 */
/* Helpers for the benchmarks: clocks, numbers in files, memory in swap. */
#ifndef SWAP_MEASURE_H
#define SWAP_MEASURE_H

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "swap_pages.h"

static inline uint64_t now(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Return the CPU time that all kernel workers have used so far. */
static inline uint64_t workers_cpu(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	uint64_t sum = 0;

	if (!proc)
		err(1, "/proc");
	while ((entry = readdir(proc))) {
		char path[sizeof("/proc//comm") + sizeof(entry->d_name)];
		char name[16] = "";
		clockid_t clock;
		FILE *comm;

		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		comm = fopen(path, "r");
		if (!comm)
			continue;
		if (fgets(name, sizeof(name), comm) && !strncmp(name, "kworker", 7) &&
		    !clock_getcpuclockid(atoi(entry->d_name), &clock))
			sum += now(clock);
		fclose(comm);
	}
	closedir(proc);
	return sum;
}

static inline void become_fifo(int priority)
{
	const struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "SCHED_FIFO");
}

/* Pin a task to a CPU; @pid 0 is the caller. */
static inline void pin_to_cpu(pid_t pid, int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(pid, sizeof(one), &one);
}

/* Return the number at the start of a file. Reopen the file: not all files can be reread. */
static inline unsigned long long first_number(const char *path)
{
	char text[32] = "";
	int file = open(path, O_RDONLY);

	if (file < 0 || read(file, text, sizeof(text) - 1) <= 0)
		err(1, "cannot read %s", path);
	close(file);
	return strtoull(text, NULL, 10);
}

static inline unsigned long parse_number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > max)
		errx(1, "not a number from 1 to %lu: %s", max, text);
	return value;
}

/*
 * Wait until the number at the start of a file is at most @before; return false after
 * @milliseconds. The polling interval is long enough not to disturb the tasks that free
 * memory.
 */
static inline bool wait_until_back(const char *path, unsigned long long before,
				   unsigned long milliseconds)
{
	const struct timespec pause = { .tv_nsec = 500000 };
	uint64_t start = now(CLOCK_MONOTONIC);

	while (first_number(path) > before) {
		if (now(CLOCK_MONOTONIC) - start > milliseconds * 1000000ull)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static inline int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static inline void sort_numbers(uint64_t *number, size_t nr)
{
	qsort(number, nr, sizeof(*number), compare_numbers);
}

/* Map memory without huge pages. */
static inline char *new_memory(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap");
	madvise(memory, size, MADV_NOHUGEPAGE);
	return memory;
}

static inline void fill(char *memory, size_t size, uint64_t generation)
{
	size_t offset;

	for (offset = 0; offset < size; offset += page_size())
		fill_page(memory + offset, generation);
}

/* Map memory and fill all of its pages. */
static inline char *filled(size_t size, uint64_t generation)
{
	char *memory = new_memory(size);

	fill(memory, size, generation);
	return memory;
}

/* Page out until @size bytes of this process are in swap; exit on failure. */
static inline void page_out_all(void *memory, size_t size)
{
	if (!page_out(memory, size, size))
		errx(1, "swap: holds only %zu of %zu bytes; enlarge it",
		     swapped_bytes(), size);
}

#endif
