/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that keep all CPUs busy. */
#ifndef SWAP_HOGS_H
#define SWAP_HOGS_H

#include <err.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "swap_gate.h"
#include "swap_measure.h"

#define MAX_CPUS	64		/* number of CPUs that can run hogs */
#define MAX_HOGS	1024

/* SCHED_FIFO priorities of hogs and of the measuring process. */
enum { HOG_PRIORITY = 1, OWN_PRIORITY };

static pid_t hog[MAX_HOGS];
static int nr_hogs;

/* Loop on a CPU once the write end of the pipe @go is closed. */
static inline void run_hog(int cpu, bool fifo, int go)
{
	char byte;

	pin_to_cpu(0, cpu);
	if (fifo)
		become_fifo(HOG_PRIORITY);
	if (read(go, &byte, 1) != 0)
		errx(1, "parent: exited");
	for (;;)
		;
}

/*
 * Fork a hog for each CPU. Hogs start to loop when the caller closes @go[1]. Call this before
 * memory is swapped out: hogs that are forked later would share its slots and keep them in use.
 */
static inline void make_hogs(bool fifo, const int *go)
{
	cpu_set_t all;
	int cpu;

	sched_getaffinity(0, sizeof(all), &all);
	for (cpu = 0; cpu < MAX_CPUS; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		if (nr_hogs == MAX_HOGS)
			errx(1, "too many hogs; the maximum is %d", MAX_HOGS);
		hog[nr_hogs] = new_child();
		if (!hog[nr_hogs]) {
			close(go[1]);
			run_hog(cpu, fifo, go[0]);
		}
		nr_hogs++;
	}
}

static inline void kill_hogs(void)
{
	int i;

	for (i = 0; i < nr_hogs; i++) {
		kill(hog[i], SIGKILL);
		waitpid(hog[i], NULL, 0);
	}
	nr_hogs = 0;
}

#endif /* SWAP_HOGS_H */
