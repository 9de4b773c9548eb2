// SPDX-License-Identifier: GPL-2.0
/*
 * How long does munmap() of swapped-out memory take, when is that memory back,
 * and what does it cost in all?
 *
 * usage: swap_unmap PROCESSES MEGABYTES [FILE]
 *
 * Each process fills that much memory, pages it out, and makes sure that all of
 * it is in swap. Then all unmap at once. FILE begins with a number that is back at
 * what it was when all is freed: mm_stat of a zram device that is the swap space.
 * Prints four times in nanoseconds:
 *   what munmap() took in the slowest process,
 *   from the start until FILE was back (as the first if there is no FILE),
 *   the CPU time of munmap() in all processes,
 *   the CPU time of kernel workers until then.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "swap_pages.h"

#define MAX_PROCESSES	64
#define BACK_SECONDS	10

/* What a process tells of its munmap(), in nanoseconds. */
struct cost {
	uint64_t time, cpu;
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* The CPU time that all kernel workers have used so far. */
static uint64_t workers_cpu(void)
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

/* Opens it each time: not all such files can be read twice. */
static unsigned long long first_number(const char *path)
{
	char text[32] = "";
	int file = open(path, O_RDONLY);

	if (file < 0 || read(file, text, sizeof(text) - 1) <= 0)
		err(1, "cannot read %s", path);
	close(file);
	return strtoull(text, NULL, 10);
}

/* Looks seldom enough not to be in the way of those who free. */
static void wait_until_back(const char *path, unsigned long long before)
{
	const struct timespec pause = { .tv_nsec = 500000 };
	uint64_t start = now(CLOCK_MONOTONIC);

	while (first_number(path) > before) {
		if (now(CLOCK_MONOTONIC) - start > BACK_SECONDS * 1000000000ull)
			errx(1, "not all is back after %d s", BACK_SECONDS);
		nanosleep(&pause, NULL);
	}
}

/* Tells on @ready that its memory is in swap, waits for @go to be closed. */
static void child(size_t size, int ready, int go, struct cost *cost)
{
	uint64_t start, start_cpu;
	size_t offset;
	char *memory, byte = 0;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	madvise(memory, size, MADV_NOHUGEPAGE);
	for (offset = 0; offset < size; offset += page_size())
		fill_page(memory + offset, getpid());
	if (!page_out(memory, size, size))
		errx(1, "only %zu of %zu bytes went to swap: is it large enough?",
		     swapped_bytes(), size);

	if (write(ready, &byte, 1) != 1)
		errx(1, "the parent is gone");
	/* When all have closed it, the parent knows that no more will come. */
	close(ready);
	if (read(go, &byte, 1) != 0)
		errx(1, "the parent is gone");
	start_cpu = now(CLOCK_THREAD_CPUTIME_ID);
	start = now(CLOCK_MONOTONIC);
	munmap(memory, size);
	cost->time = now(CLOCK_MONOTONIC) - start;
	cost->cpu = now(CLOCK_THREAD_CPUTIME_ID) - start_cpu;
	exit(0);
}

static unsigned long parse_number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > max)
		errx(1, "not a number from 1 to %lu: %s", max, text);
	return value;
}

int main(int argc, char **argv)
{
	uint64_t start, workers, back, slowest = 0, cpu = 0;
	unsigned long long before = 0;
	unsigned long processes, i;
	const char *path = argc == 4 ? argv[3] : NULL;
	int ready[2], go[2], status;
	struct cost *cost;
	size_t size;
	char byte;

	if (argc != 3 && argc != 4)
		errx(1, "usage: swap_unmap PROCESSES MEGABYTES [FILE]");
	processes = parse_number(argv[1], MAX_PROCESSES);
	size = parse_number(argv[2], 1 << 20) << 20;
	if (path)
		before = first_number(path);

	cost = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cost == MAP_FAILED || pipe(ready) || pipe(go))
		err(1, "setup");
	/* Look at FILE in time, not when it suits the timer. */
	prctl(PR_SET_TIMERSLACK, 1);

	for (i = 0; i < processes; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			close(ready[0]);
			close(go[1]);
			child(size, ready[1], go[0], cost + i);
		}
	}
	close(ready[1]);
	close(go[0]);

	for (i = 0; i < processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			errx(1, "a process failed");
	workers = workers_cpu();
	start = now(CLOCK_MONOTONIC);
	close(go[1]);

	while (wait(&status) > 0)
		if (status)
			errx(1, "a process failed");
	if (path)
		wait_until_back(path, before);
	back = now(CLOCK_MONOTONIC) - start;
	/* The last worker may still be on its way to sleep. */
	usleep(5000);
	workers = workers_cpu() - workers;

	for (i = 0; i < processes; i++) {
		cpu += cost[i].cpu;
		if (cost[i].time > slowest)
			slowest = cost[i].time;
	}
	if (!path)
		back = slowest;
	printf("%llu %llu %llu %llu\n", (unsigned long long)slowest,
	       (unsigned long long)back, (unsigned long long)cpu,
	       (unsigned long long)workers);
	return 0;
}
