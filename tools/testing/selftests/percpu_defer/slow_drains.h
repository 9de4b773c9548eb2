/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keeps drains from running: their workers may use one CPU only, with the lowest
 * priority, and busy loops of the highest are there already. Not for ever, because
 * who flushes waits for a worker that has begun.
 */
#ifndef SLOW_DRAINS_H
#define SLOW_DRAINS_H

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "zram_swap.h"

#define WORKERS		"/sys/devices/virtual/workqueue/percpu_defer/"
#define NR_HOGS		4
#define HOG_SECONDS	30

static pid_t hog[NR_HOGS];
static char all_cpus[256], usual_nice[8];

static inline int last_cpu(void)
{
	cpu_set_t set;
	int cpu, last = 0;

	sched_getaffinity(0, sizeof(set), &set);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			last = cpu;
	return last;
}

static time_t hog_start;

static void on_continue(int signal)
{
	(void)signal;
	hog_start = time(NULL);
}

/* Stops, and for HOG_SECONDS after each time it is continued, loops. */
static inline void be_hog(void)
{
	signal(SIGCONT, on_continue);
	for (;;) {
		raise(SIGSTOP);
		while (time(NULL) - hog_start < HOG_SECONDS)
			;
	}
}

/* A kernel without deferral has no such files, and needs none. */
static inline void read_workers(const char *path, char *text, int size)
{
	FILE *file = fopen(path, "r");

	if (!file)
		return;
	if (!fgets(text, size, file))
		ksft_exit_fail_msg("cannot read %s\n", path);
	fclose(file);
}

/* Before there is a region, of which they would keep the slots in use. */
static inline void make_hogs(void)
{
	cpu_set_t set;
	int i;

	read_workers(WORKERS "cpumask", all_cpus, sizeof(all_cpus));
	read_workers(WORKERS "nice", usual_nice, sizeof(usual_nice));
	CPU_ZERO(&set);
	CPU_SET(last_cpu(), &set);
	for (i = 0; i < NR_HOGS; i++) {
		hog[i] = fork();
		if (hog[i]) {
			waitpid(hog[i], NULL, WUNTRACED);
			continue;
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setaffinity(0, sizeof(set), &set);
		setpriority(PRIO_PROCESS, 0, -20);
		be_hog();
	}
}

static inline void signal_hogs(int signal)
{
	for (int i = 0; i < NR_HOGS; i++)
		kill(hog[i], signal);
}

static inline void slow_drains(void)
{
	char mask[64];
	int cpu = last_cpu();
	size_t end;

	/* Hexadecimal, in groups of 32 CPUs. */
	end = snprintf(mask, sizeof(mask), "%x", 1U << cpu % 32);
	for (cpu /= 32; cpu && end < sizeof(mask) - 10; cpu--)
		end += snprintf(mask + end, sizeof(mask) - end, ",00000000");
	write_file(WORKERS "cpumask", mask);
	write_file(WORKERS "nice", "19");
	signal_hogs(SIGCONT);
	/* The loops are to slow down workers, not this process. */
	setpriority(PRIO_PROCESS, 0, -20);
}

static inline void fast_drains(void)
{
	setpriority(PRIO_PROCESS, 0, 0);
	signal_hogs(SIGSTOP);
	write_file(WORKERS "nice", usual_nice);
	write_file(WORKERS "cpumask", all_cpus);
}

static inline void kill_hogs(void)
{
	signal_hogs(SIGKILL);
}

#endif
