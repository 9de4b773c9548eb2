// SPDX-License-Identifier: GPL-2.0
/*
 * Check that zram as a module of a stock kernel survives reset, hot_remove, unloading and
 * suspend while slots are pending.
 *
 * usage: stock_rounds ROUNDS      number of unloads; the other tests run ROUNDS/5 times
 *
 * A stock kernel has no test hooks. To keep slots pending, all workers are bound to one CPU,
 * which a task of higher priority occupies. The drain races with the operation under test,
 * because the task ends just before the operation.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "kselftest.h"
#include "swap_measure.h"
#include "swap_region.h"
#include "zram_swap.h"

#define KEPT_BYTES	(1UL << 20)
#define FREED_BYTES	(16UL << 20)
#define ZRAM_MB		32
#define WORKERS_CPUS	"/sys/devices/virtual/workqueue/percpu_defer/cpumask"

static pthread_t hog;
static atomic_int hog_state;
enum { WANTED, AT_WORK, DONE };

static void *keep_cpu(void *unused)
{
	pin_to_cpu(0, 1);
	become_fifo(1);
	hog_state = AT_WORK;
	while (hog_state != DONE)
		;
	return unused;
}

/* Bind the workers to the second CPU, and keep that CPU busy. */
static void hold_workers(void)
{
	if (write_file(WORKERS_CPUS, "2"))
		ksft_exit_fail_msg("cannot write to %s\n", WORKERS_CPUS);
	hog_state = WANTED;
	if (pthread_create(&hog, NULL, keep_cpu, NULL))
		ksft_exit_fail_msg("cannot create a thread\n");
	while (hog_state != AT_WORK)
		usleep(100);
}

/* Let the workers run. Return true if slots were still pending. */
static bool release_workers(void)
{
	unsigned long long nr = pending();

	if (!nr)
		ksft_print_msg("nothing is pending\n");
	hog_state = DONE;
	pthread_join(hog, NULL);
	return nr;
}

/* Disable swap on a device with pending slots. Return true if slots were still pending. */
static bool leave_waiting(void)
{
	struct region freed;

	zram_add(ZRAM_MB);
	freed = swapped_region(FREED_BYTES, FREED_BYTES);
	hold_workers();
	unmap(&freed);
	zram_swapoff();
	return release_workers();
}

static bool is_gone(void)
{
	char path[64];

	if (zram_counts(path, sizeof(path))) {
		ksft_print_msg("%s still exists\n", path);
		return false;
	}
	return zspages_return(0);
}

static bool reset(void)
{
	bool good = leave_waiting();

	good &= !write_zram("reset", "1") && is_gone();
	zram_remove();
	return good;
}

static bool hot_remove(void)
{
	bool good = leave_waiting();
	char id[16];

	snprintf(id, sizeof(id), "%u", zram_id);
	good &= !write_file("/sys/class/zram-control/hot_remove", id);
	return good && is_gone();
}

static bool unload(void)
{
	bool good = leave_waiting();

	if (syscall(SYS_delete_module, "zram", O_NONBLOCK)) {
		ksft_print_msg("cannot unload zram: %s\n", strerror(errno));
		return false;
	}
	good &= is_gone();
	return !system("modprobe -r percpu_defer && modprobe zram") && good;
}

/* Run the whole suspend path of the driver and the library. The CPUs stay online. */
static bool suspend(void)
{
	struct region kept, freed;
	bool good;

	zram_add(ZRAM_MB);
	kept = swapped_region(KEPT_BYTES, KEPT_BYTES);
	freed = swapped_region(FREED_BYTES, KEPT_BYTES + FREED_BYTES);
	hold_workers();
	unmap(&freed);
	good = release_workers();
	if (write_file("/sys/power/pm_test", "devices") ||
	    write_file("/sys/power/state", "freeze")) {
		ksft_print_msg("cannot suspend\n");
		good = false;
	}
	good &= becomes("pending", pending, 0);
	good &= check_pages(&kept, 0, kept.pages);
	unmap(&kept);
	zram_swapoff();
	zram_remove();
	return good;
}

static void run_rounds(bool (*round)(void), const char *name, unsigned int rounds)
{
	unsigned int i = 0;

	while (i < rounds && round())
		i++;
	ksft_test_result(i == rounds, "%s, %u of %u times\n", name, i, rounds);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

	ksft_print_header();
	if (rounds < 5)
		ksft_exit_fail_msg("usage: stock_rounds ROUNDS, at least 5\n");
	ksft_set_plan(4);
	run_rounds(reset, "reset", rounds / 5);
	run_rounds(hot_remove, "hot_remove", rounds / 5);
	run_rounds(unload, "unload and load", rounds);
	run_rounds(suspend, "suspend", rounds / 5);
	ksft_finished();
}
