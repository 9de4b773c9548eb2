// SPDX-License-Identifier: GPL-2.0
/*
 * Measure how a large munmap() of swapped-out memory affects other processes.
 *
 * usage: swap_others MEGABYTES MILLISECONDS
 *
 * Fill MEGABYTES of memory, page it out, and unmap it on the first CPU, while
 *   a process on the last CPU repeatedly pages out 64 pages with one call, and then
 *   writes to each page, which swaps the page in again;
 *   a SCHED_FIFO process on the first CPU wakes up every 500 us from a timer.
 * These two processes are measured for MILLISECONDS before munmap(), and from its start for
 * MILLISECONDS or until it returns, whichever is later.
 * Print the median, the 99th percentile and the maximum of these times in nanoseconds:
 *   munmap unmap NS NS NS     the only munmap(),
 *   out quiet|unmap NS NS NS  a call that pages out, before munmap() and from its start,
 *   in quiet|unmap NS NS NS   a page fault,
 *   wake quiet|unmap NS NS NS wakeup latency of the SCHED_FIFO process, which shows for how
 *                             long munmap() prevents other tasks from running on its CPU.
 */
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "swap_filled.h"
#include "swap_measure.h"

#define CHUNK		64
#define CHUNKS		32
/* Wakeup period; a shorter one would take most of an emulated CPU. */
#define WAKE_NS		500000
#define WARM_UP_US	500000
#define MAX_EVENTS	1000000

struct event {
	uint64_t start, took;
};

/* Events of one process, in memory shared with the parent. */
struct events {
	size_t nr;
	struct event event[MAX_EVENTS];
};

static struct events *own, *out, *in, *wake;
/* Time at which the children stop, in shared memory; 0 until it is known. */
static uint64_t *end;

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap");
	return memory;
}

static void add_event(struct events *events, uint64_t start)
{
	uint64_t took = now(CLOCK_MONOTONIC) - start;

	events->event[events->nr] = (struct event) { start, took };
	if (events->nr < MAX_EVENTS - 1)
		events->nr++;
}

/* Pin this process to the first or the last CPU that it may run on. */
static void pin(bool first)
{
	cpu_set_t all, one;
	int cpu;

	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(all), &all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (first)
			break;
	}
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity");
}

static bool is_over(void)
{
	uint64_t then = __atomic_load_n(end, __ATOMIC_RELAXED);

	return then && now(CLOCK_MONOTONIC) > then;
}

static void swap_chunks(void)
{
	size_t size = CHUNK * page_size(), chunk, page;
	char *memory;

	pin(false);
	memory = filled(CHUNKS * size, 1);
	madvise(memory, CHUNKS * size, MADV_RANDOM);
	for (chunk = 0; !is_over(); chunk = (chunk + 1) % CHUNKS) {
		char *start = memory + chunk * size;
		uint64_t begin = now(CLOCK_MONOTONIC);

		madvise(start, size, MADV_PAGEOUT);
		add_event(out, begin);
		for (page = 0; page < CHUNK; page++) {
			begin = now(CLOCK_MONOTONIC);
			start[page * page_size()]++;
			add_event(in, begin);
		}
	}
}

static void wake_up(void)
{
	const struct sched_param param = { .sched_priority = 1 };
	uint64_t due = now(CLOCK_MONOTONIC);

	pin(true);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "SCHED_FIFO");
	while (!is_over()) {
		struct timespec time;

		due += WAKE_NS;
		time.tv_sec = due / 1000000000;
		time.tv_nsec = due % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
		add_event(wake, due);
		/* Skip missed periods: their delays have the same cause. */
		if (now(CLOCK_MONOTONIC) > due + WAKE_NS)
			due = now(CLOCK_MONOTONIC);
	}
}

static pid_t start_other(void (*other)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	/* Stop until main() has paged out the memory to unmap. */
	raise(SIGSTOP);
	other();
	exit(0);
}

/* Print the latencies of events that ended between @from and @to. */
static void print_latency(const char *name, const struct events *events,
			  uint64_t from, uint64_t to)
{
	uint64_t *took = calloc(events->nr, sizeof(*took));
	size_t i, nr = 0;

	for (i = 0; took && i < events->nr; i++) {
		const struct event *event = events->event + i;
		uint64_t over = event->start + event->took;

		if (over > from && over <= to)
			took[nr++] = event->took;
	}
	if (!nr)
		errx(1, "no events for '%s'", name);
	sort_numbers(took, nr);
	printf("%s %llu %llu %llu\n", name, (unsigned long long)took[nr / 2],
	       (unsigned long long)took[nr * 99 / 100], (unsigned long long)took[nr - 1]);
	free(took);
}

int main(int argc, char **argv)
{
	uint64_t start, stop, window;
	pid_t other[2];
	char *memory;
	size_t size;
	int status;
	int i;

	if (argc != 3)
		errx(1, "usage: swap_others MEGABYTES MILLISECONDS");
	size = parse_number(argv[1], 1 << 20) << 20;
	window = parse_number(argv[2], 10000) * 1000000ull;

	own = shared(sizeof(*own));
	out = shared(sizeof(*out));
	in = shared(sizeof(*in));
	wake = shared(sizeof(*wake));
	end = shared(sizeof(*end));
	/* Fork before memory is in swap, or children would share its slots. */
	other[0] = start_other(swap_chunks);
	other[1] = start_other(wake_up);
	for (i = 0; i < 2; i++)
		waitpid(other[i], NULL, WUNTRACED);
	memory = swapped_out(size);
	pin(true);
	for (i = 0; i < 2; i++)
		kill(other[i], SIGCONT);
	usleep(WARM_UP_US + window / 1000);

	start = now(CLOCK_MONOTONIC);
	munmap(memory, size);
	add_event(own, start);
	stop = start + window;
	if (stop < now(CLOCK_MONOTONIC))
		stop = now(CLOCK_MONOTONIC);
	__atomic_store_n(end, stop, __ATOMIC_RELAXED);
	while (wait(&status) > 0)
		if (status)
			errx(1, "a process failed");

	print_latency("munmap unmap", own, start, stop);
	print_latency("out quiet", out, start - window, start);
	print_latency("out unmap", out, start, stop);
	print_latency("in quiet", in, start - window, start);
	print_latency("in unmap", in, start, stop);
	print_latency("wake quiet", wake, start - window, start);
	print_latency("wake unmap", wake, start, stop);
	return 0;
}
