/* SPDX-License-Identifier: GPL-2.0 */
/* Gate at which child processes wait until their parent opens it. */
#ifndef SWAP_GATE_H
#define SWAP_GATE_H

#include <err.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

struct gate {
	int ready[2], go[2];
};

static inline struct gate new_gate(void)
{
	struct gate gate;

	if (pipe(gate.ready) || pipe(gate.go))
		err(1, "pipe");
	return gate;
}

/* Fork, or exit on failure. The child does not outlive its parent. */
static inline pid_t new_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Close the write ends: readers see end-of-file only when all processes have closed them. */
static inline void leave_gate(const struct gate *gate)
{
	close(gate->ready[1]);
	close(gate->go[1]);
}

/* Report readiness, and wait until the gate is opened. Called in a child. */
static inline void wait_at_gate(const struct gate *gate)
{
	char byte = 0;

	if (write(gate->ready[1], &byte, 1) != 1)
		errx(1, "parent: exited");
	leave_gate(gate);
	if (read(gate->go[0], &byte, 1) != 0)
		errx(1, "parent: exited");
}

/* Wait until all children are ready. Called in the parent, after the forks. */
static inline void await_ready(const struct gate *gate, int children)
{
	char byte;

	close(gate->ready[1]);
	while (children--)
		if (read(gate->ready[0], &byte, 1) != 1)
			errx(1, "a process failed");
	close(gate->ready[0]);
}

static inline void open_gate(const struct gate *gate)
{
	close(gate->go[0]);
	close(gate->go[1]);
}

#endif
