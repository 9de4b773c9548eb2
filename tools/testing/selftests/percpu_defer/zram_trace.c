// SPDX-License-Identifier: GPL-2.0
/*
 * Check the trace events and the debugfs counters of zram's percpu_defer instance.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <sys/mount.h>

#include "swap_hogs.h"
#include "swap_region.h"
#include "zram_swap.h"

#define REGION_BYTES	(16UL << 20)
#define TRACEFS		"/sys/kernel/tracing/"
#define EVENTS		TRACEFS "events/percpu_defer/"
#define PIECE_PAGES	64
/* Longer than ten age bounds of 10 ms, after which a drain is overdue. */
#define OVERDUE_NS	400000000ULL

static const char * const events[] = { "percpu_defer_drain", "percpu_defer_refused" };

#define NR_EVENTS	ARRAY_SIZE(events)

/* Return true if a line of the trace contains both strings. */
static bool traced(const char *event, const char *text)
{
	FILE *trace = fopen(TRACEFS "trace", "r");
	char line[256];
	bool found = false;

	if (!trace)
		ksft_exit_fail_msg("cannot read the trace\n");
	while (!found && fgets(line, sizeof(line), trace))
		found = strstr(line, event) && strstr(line, text);
	fclose(trace);
	return found;
}

static unsigned long long counter(const char *name)
{
	char path[64];

	if (!zram_counts(path, sizeof(path)))
		ksft_exit_fail_msg("%s: not found; mount debugfs\n", path);
	return named_number(path, name);
}

static void unmap_region(void)
{
	struct region r = swapped_region(REGION_BYTES, REGION_BYTES);

	munmap(r.memory, r.pages * page_size());
	free(r.generation);
}

/* Unmap every other piece from @first on, which frees slots all over the device. */
static void unmap_alternate(const struct region *r, size_t first)
{
	size_t i;

	for (i = first; i < r->pages; i += 2 * PIECE_PAGES)
		munmap(r->memory + i * page_size(), PIECE_PAGES * page_size());
}

/*
 * Unmap while real-time processes occupy all CPUs: the drain of the first half becomes
 * overdue, and pushes of the second half are refused.
 */
static void unmap_overdue(void)
{
	struct region r;
	uint64_t start;
	int go[2];

	if (pipe(go))
		ksft_exit_fail_msg("pipe: %s\n", strerror(errno));
	make_hogs(true, go);
	if (nr_hogs != sysconf(_SC_NPROCESSORS_ONLN))
		ksft_exit_fail_msg("%d hogs: fewer than online CPUs; allow all CPUs (at most %d)\n",
				   nr_hogs, MAX_CPUS);
	r = swapped_region(REGION_BYTES, REGION_BYTES);
	become_fifo(OWN_PRIORITY);
	close(go[0]);
	close(go[1]);
	unmap_alternate(&r, 0);
	for (start = now(CLOCK_MONOTONIC); now(CLOCK_MONOTONIC) < start + OVERDUE_NS;)
		;
	unmap_alternate(&r, PIECE_PAGES);
	kill_hogs();
	free(r.generation);
}

int main(void)
{
	unsigned long long pages = REGION_BYTES / page_size();
	char name[16];

	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	if (write_file(EVENTS "enable", "1"))
		ksft_exit_skip("needs trace events of percpu_defer\n");
	zram_add(64);
	ksft_set_plan(NR_EVENTS + 2);

	unmap_region();
	write_zram("deferred_free", "0");
	ksft_test_result(counter("drained") + counter("cancelled") == pages &&
			 !counter("pending"), "all pages were drained\n");
	write_zram("deferred_free", "1");
	unmap_overdue();
	ksft_test_result(counter("refused") > 0, "refusals are counted\n");
	swapoff(zram_dev);

	write_file(EVENTS "enable", "0");
	snprintf(name, sizeof(name), "zram%u ", zram_id);
	for (size_t i = 0; i < NR_EVENTS; i++)
		ksft_test_result(traced(events[i], name), "%s\n", events[i]);
	zram_remove();
	ksft_finished();
}
