/* SPDX-License-Identifier: GPL-2.0 */
/* Kill a process that has memory in swap, as a low-memory killer does. */
#ifndef SWAP_VICTIM_H
#define SWAP_VICTIM_H

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drain_gate.h"
#include "swap_gate.h"
#include "swap_measure.h"
#include "swap_region.h"

/* Move @pid to this CPU, and prevent it from running until resume(). */
static inline void displace(pid_t pid)
{
	int cpu = sched_getcpu();

	pin_to_cpu(0, cpu);
	become_fifo(1);
	pin_to_cpu(pid, cpu);
}

static inline void resume(const cpu_set_t *cpus)
{
	const struct sched_param param = { };

	sched_setscheduler(0, SCHED_OTHER, &param);
	sched_setaffinity(0, sizeof(*cpus), cpus);
}

/*
 * Fill @bytes in another process that does not share @kept, and page them out. Hold the
 * drains, kill that process, and release all of its memory with process_mrelease() before
 * it can exit. Then call @look. Return false if a system call or @look fails.
 */
static inline bool release_victim(const struct region *kept, size_t bytes,
				  bool (*look)(void))
{
	int unshared = madvise(kept->memory, kept->pages * page_size(), MADV_DONTFORK);
	struct gate gate = new_gate();
	pid_t pid = new_child();
	cpu_set_t cpus;
	bool good;
	int fd;

	if (!pid) {
		swapped_region(bytes, bytes);
		wait_at_gate(&gate);
		exit(0);
	}
	await_ready(&gate, 1);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	fd = syscall(SYS_pidfd_open, pid, 0);
	displace(pid);
	hold_drains();
	good = !unshared && !kill(pid, SIGKILL) && !syscall(SYS_process_mrelease, fd, 0);
	if (!good)
		ksft_print_msg("process_mrelease: %s\n", strerror(errno));
	good &= look();
	resume(&cpus);
	open_gate(&gate);
	close(fd);
	waitpid(pid, NULL, 0);
	return good;
}

#endif
