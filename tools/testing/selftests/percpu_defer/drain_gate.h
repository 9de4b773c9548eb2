/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test cases that run while frees are pending. Each case runs twice. In the first run, the
 * workers are held: all frees stay pending until the case releases the workers. In the
 * second run, the workers run with random delays, so that they race with the case. Holding
 * and delaying workers requires CONFIG_PERCPU_DEFER_PERTURB. Without this option, the first
 * run is skipped, and the second run has no delays.
 */
#ifndef DRAIN_GATE_H
#define DRAIN_GATE_H

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "kselftest.h"
#include "text_files.h"

#define GATE		"/sys/kernel/debug/percpu_defer_perturb/"

/* True in the first of the two runs. */
static bool drains_held;

static inline bool gate_exists(void)
{
	return !access(GATE "hold", F_OK);
}

static pid_t gate_user;

/* atexit() handler: release the workers and disable delays; do nothing in a child. */
static void leave_gate_open(void)
{
	if (getpid() != gate_user)
		return;
	write_file(GATE "hold", "0");
	write_file(GATE "one_in", "0");
}

static inline void write_gate(const char *file, const char *text)
{
	char path[96];

	if (!gate_user) {
		gate_user = getpid();
		atexit(leave_gate_open);
	}
	snprintf(path, sizeof(path), GATE "%s", file);
	if (write_file(path, text))
		ksft_exit_fail_msg("%s: cannot write '%s'\n", path, text);
}

/* Hold the workers; do nothing in the second run. */
static inline void hold_drains(void)
{
	if (drains_held)
		write_gate("hold", "1");
}

static inline void release_drains(void)
{
	if (drains_held)
		write_gate("hold", "0");
}

/* Enable random delays, seeded with @seed; disable them if @seed is NULL. */
static inline void perturb(const char *seed)
{
	if (!gate_exists())
		return;
	if (seed) {
		write_gate("seed", seed);
		write_gate("max_us", "1000");
	}
	write_gate("one_in", seed ? "1" : "0");
}

/* Return false if @nr, the number of pending frees, is 0 in the first run. */
static inline bool stays_pending(unsigned long long nr)
{
	if (!drains_held || nr)
		return true;
	ksft_print_msg("workers are held, but frees did not stay pending\n");
	return false;
}

/* Reason to skip the case; set by the case if this kernel or machine cannot run it. */
static const char *skip_why;

static inline void run_once(bool (*test)(void), const char *name, const char *how)
{
	bool good;

	skip_why = NULL;
	good = test();
	release_drains();
	if (skip_why && good)
		ksft_test_result_skip("%s, %s: %s\n", name, how, skip_why);
	else
		ksft_test_result(good, "%s, %s\n", name, how);
}

/* Run a case twice, and report two results. $PD_SEED seeds the delays of the second run. */
static inline void run_twice(bool (*test)(void), const char *name)
{
	const char *seed = getenv("PD_SEED");

	if (gate_exists()) {
		drains_held = true;
		run_once(test, name, "held");
		drains_held = false;
	} else {
		ksft_test_result_skip("%s, held: no CONFIG_PERCPU_DEFER_PERTURB\n", name);
	}
	perturb(seed ? seed : "1");
	run_once(test, name, "free-running");
	perturb(NULL);
}

#endif
