// SPDX-License-Identifier: GPL-2.0
/*
 * Check each sysfs and debugfs file of percpu_defer and its clients: mode, owner, refusal
 * of unprivileged tasks, and refusal of malformed input.
 *
 * Root opens the directories. Unprivileged tasks open the files in them with openat(),
 * because path lookup would already fail at the root of debugfs, which has mode 0700.
 *
 * Files of trace events and of KUnit suites are not listed: their modes are the same for
 * all events and all suites.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fnmatch.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest.h"
#include "drain_gate.h"
#include "zswap_swap.h"

#define DEBUG		"/sys/kernel/debug/"
#define ZRAM		"/sys/block/zramN"
#define ZRAM_MB		12
#define NOBODY		65534
#define MAX_FILES	8
#define MAX_VALUES	16

struct input {
	/* Two values in turn: even items are spellings of item 0, odd items of item 1. */
	const char *valid[MAX_VALUES];
	const char *malformed[MAX_VALUES];
	int empty;		/* errno of an empty write */
	bool held;		/* valid only while drains are held */
};

struct file {
	const char *name;	/* a pattern, see fnmatch() */
	mode_t mode;
	const struct input *input;
};

struct folder {
	const char *name;
	const char *path;
	const char *below;	/* if set: pattern of the only directory below @path */
	/* Options that the files need; @path exists only if @option is on. */
	struct {
		const char *option, *path;
	} needs[3];
	bool ours;		/* all files must be listed, not only those of deferral */
	struct file file[MAX_FILES];
};

/*
 * kstrtobool(), the parser of all boolean files, reads at most two characters: "1x", "1 2"
 * and 18446744073709551616 are true. sysfs returns 0 for an empty write without calling
 * ->store().
 */
static const struct input bool_input = {
	.valid = { "0", "1", "n", "y\n", "N", "Y", "off\n", "on" },
	.malformed = { "\n", "4294967296", "99999999999999999999", "-1", "maybe", "x1" },
};

#define NUMBER_UP_TO(max, above) {						\
	.valid = { "0", max },							\
	.malformed = {								\
		above, "\n", "4294967296", "18446744073709551616",		\
		"99999999999999999999", "-1", "maybe", "x1", "1 2", "1x",	\
		"0x", "1\n\n",							\
	},									\
	.empty = EINVAL,							\
}

static const struct input hold_input = NUMBER_UP_TO("1", "2");
static const struct input seed_input = NUMBER_UP_TO("4294967295", "4294967297");
static const struct input max_us_input = NUMBER_UP_TO("1000", "1001");
static const struct input one_in_input = NUMBER_UP_TO("100000", "100001");
static const struct input step_input = {
	.valid = { "0", "1000000" },
	.malformed = {
		"1000001", "\n", "4294967296", "18446744073709551616",
		"99999999999999999999", "-1", "maybe", "x1", "1 2", "1x", "0x", "1\n\n",
	},
	.empty = EINVAL,
	.held = true,
};

#define WORKQUEUE "/sys/devices/virtual/workqueue/percpu_defer"
#define DEFERRAL { "CONFIG_PERCPU_DEFER", WORKQUEUE }

static const struct folder folders[] = {
	{
		/* Not tested: input, which the workqueue core parses. */
		.name = "workqueue",
		.path = WORKQUEUE,
		.needs = { { "CONFIG_PERCPU_DEFER", DEBUG "percpu_defer" } },
		.file = {
			{ "affinity_scope", 0644 },
			{ "affinity_strict", 0644 },
			{ "cpumask", 0644 },
			{ "max_active", 0644 },
			{ "nice", 0644 },
			{ "per_cpu", 0444 },
		},
	}, {
		/* Not tested: input, which the shrinker core parses. */
		.name = "shrinker",
		.path = DEBUG "shrinker",
		.below = "percpu_defer-zramN-*",
		.needs = { { "CONFIG_SHRINKER_DEBUG", DEBUG "shrinker" }, DEFERRAL },
		.ours = true,
		.file = { { "count", 0440 }, { "scan", 0220 } },
	}, {
		.name = "instances",
		.path = DEBUG "percpu_defer",
		.needs = { { "CONFIG_DEBUG_FS", DEBUG "bdi" }, DEFERRAL },
		.ours = true,
		.file = { { "zram[0-9]*", 0400 } },
	}, {
		.name = "perturbation",
		.path = DEBUG "percpu_defer_perturb",
		.needs = { { "CONFIG_PERCPU_DEFER_PERTURB", ZSWAP_DEBUG "check" } },
		.ours = true,
		.file = {
			{ "hold", 0600, &hold_input },
			{ "step", 0600, &step_input },
			{ "seed", 0600, &seed_input },
			{ "max_us", 0600, &max_us_input },
			{ "one_in", 0600, &one_in_input },
		},
	}, {
		.name = "zram",
		.path = ZRAM,
		.needs = { DEFERRAL },
		.file = {
			{ "deferred_free", 0644, &bool_input },
			{ "deferred_pages", 0444 },
		},
	}, {
		.name = "zswap parameters",
		.path = "/sys/module/zswap/parameters",
		.needs = { { "deferral in zswap", ZSWAP_DEBUG "dead_entries" }, DEFERRAL },
		.file = { { "deferred_invalidate", 0644, &bool_input } },
	}, {
		.name = "zswap instances",
		.path = DEBUG "percpu_defer",
		.needs = {
			{ "deferral in zswap", ZSWAP_PARAMETERS "deferred_invalidate" }, DEFERRAL,
		},
		.ours = true,
		.file = { { "zswap[0-9]*", 0400 }, { "zswap_unlinked", 0400 } },
	}, {
		.name = "zswap statistics",
		.path = DEBUG "zswap",
		.needs = {
			{ "deferral in zswap", ZSWAP_PARAMETERS "deferred_invalidate" },
		},
		.file = {
			{ "dead_entries", 0444 },
			{ "limit_helps", 0444 },
			{ "shrinker_dead_entries", 0444 },
		},
	}, {
		.name = "zswap check",
		.path = DEBUG "zswap",
		.needs = {
			{ "CONFIG_PERCPU_DEFER_PERTURB", DEBUG "percpu_defer_perturb" },
			{ "deferral in zswap", ZSWAP_PARAMETERS "deferred_invalidate" },
		},
		.file = { { "check", 0400 } },
	},
};

/* Directory being checked, and its descriptor, opened by root. */
static const struct folder *folder;
static int dir;

static DIR *list_dir(int at)
{
	int fd = openat(at, ".", O_RDONLY | O_DIRECTORY);

	return fd < 0 ? NULL : fdopendir(fd);
}

static const char *next_name(DIR *names)
{
	struct dirent *entry;

	do
		entry = readdir(names);
	while (entry && entry->d_name[0] == '.');
	return entry ? entry->d_name : NULL;
}

/* Open the only directory below @at whose name matches, and close @at. */
static int open_below(int at, const char *pattern)
{
	DIR *names = fdopendir(at);
	int found = -1, nr = 0;
	const char *name;

	while (names && (name = next_name(names)))
		if (!fnmatch(pattern, name, 0) && !nr++)
			found = openat(at, name, O_RDONLY | O_DIRECTORY);
	if (nr > 1)
		ksft_exit_fail_msg("%s/%s: matches %d directories\n", folder->path, pattern, nr);
	if (names)
		closedir(names);
	return found;
}

/* Replace "zramN" in a pattern with the name of the private device. */
static void name_device(char *name, size_t size, const char *pattern)
{
	const char *found = strstr(pattern, "zramN");

	if (found)
		snprintf(name, size, "%.*szram%u%s", (int)(found - pattern), pattern, zram_id,
			 found + strlen("zramN"));
	else
		snprintf(name, size, "%s", pattern);
}

static int open_folder(void)
{
	char name[64];
	int fd;

	name_device(name, sizeof(name), folder->path);
	fd = open(name, O_RDONLY | O_DIRECTORY);
	if (fd < 0 || !folder->below)
		return fd;
	name_device(name, sizeof(name), folder->below);
	return open_below(fd, name);
}

static const struct file *listed_in(const struct folder *f, const char *name)
{
	const struct file *file;

	for (file = f->file; file->name; file++)
		if (!fnmatch(file->name, name, 0))
			return file;
	return NULL;
}

static bool is_there(const struct file *file)
{
	DIR *names = list_dir(dir);
	const char *name;
	bool found = false;

	while (names && !found && (name = next_name(names)))
		found = !fnmatch(file->name, name, 0);
	if (names)
		closedir(names);
	return found;
}

static const struct file *missing_file(void)
{
	const struct file *file;

	for (file = folder->file; file->name; file++)
		if (dir < 0 || !is_there(file))
			return file;
	return NULL;
}

/* Search all items of folders[]: several may describe the same directory. */
static bool is_listed(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (!strcmp(folders[i].path, folder->path) && listed_in(folders + i, name))
			return true;
	return !folder->ours && !strstr(name, "defer") && !strstr(name, "dead");
}

static bool has_mode(const char *name, const struct file *file)
{
	struct stat st = {};

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		ksft_print_msg("%s: %s\n", name, strerror(errno));
		return false;
	}
	if (st.st_mode == (S_IFREG | file->mode) && !st.st_uid && !st.st_gid)
		return true;
	ksft_print_msg("%s: mode %#o, owner %u:%u; must be %#o, 0:0\n", name, st.st_mode,
		       st.st_uid, st.st_gid, S_IFREG | file->mode);
	return false;
}

/* Call @check for all listed files that exist. */
static bool check_files(bool (*check)(const char *name, const struct file *file))
{
	DIR *names = list_dir(dir);
	const struct file *file;
	bool good = !!names;
	const char *name;

	while (names && (name = next_name(names))) {
		file = listed_in(folder, name);
		if (file)
			good &= check(name, file);
	}
	if (names)
		closedir(names);
	return good;
}

static bool all_listed(void)
{
	DIR *names = list_dir(dir);
	bool good = !!names;
	const char *name;

	while (names && (name = next_name(names))) {
		if (is_listed(name))
			continue;
		ksft_print_msg("%s: not listed\n", name);
		good = false;
	}
	if (names)
		closedir(names);
	return good;
}

static bool test_modes(void)
{
	return check_files(has_mode) & all_listed();
}

static bool opens(const char *name, int flags, bool may)
{
	int fd = openat(dir, name, flags), error = fd < 0 ? errno : 0;

	if (fd >= 0)
		close(fd);
	if (may ? !error : error == EACCES || error == EPERM)
		return true;
	ksft_print_msg("%s: open, flags %#o: %s\n", name, flags, strerror(error));
	return false;
}

/* Check that open() obeys @file->mode; fstatat() proves that the directory is accessible. */
static bool refuses(const char *name, const struct file *file)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		ksft_print_msg("%s: %s\n", name, strerror(errno));
		return false;
	}
	return opens(name, O_WRONLY, false) & opens(name, O_RDWR, false) &
	       opens(name, O_RDONLY, file->mode & 0004);
}

/* Become the user nobody; return 0 or an errno. */
static int become_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return errno;
	return 0;
}

/* Become root of a user namespace, without the privileges of the owner of the files. */
static int become_namespace_root(void)
{
	char map[32];
	int error = become_nobody();

	if (error)
		return error;
	/* Become dumpable again: otherwise /proc/self belongs to root. */
	if (prctl(PR_SET_DUMPABLE, 1) || unshare(CLONE_NEWUSER))
		return errno;
	snprintf(map, sizeof(map), "0 %u 1", NOBODY);
	error = write_file("/proc/self/setgroups", "deny");
	error = error ?: write_file("/proc/self/uid_map", map);
	error = error ?: write_file("/proc/self/gid_map", map);
	if (!error && (geteuid() || getegid()))
		error = EPERM;
	return error;
}

/* Exit code of a child whose check failed; other nonzero codes are errnos of its setup. */
#define EXIT_FAILED	255

static bool test_unprivileged(int (*become)(void))
{
	int status, error;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_msg("fork: %s\n", strerror(errno));
	if (!pid) {
		error = become();
		if (error)
			ksft_print_msg("cannot drop privileges: %s\n", strerror(error));
		exit(error ?: check_files(refuses) ? 0 : EXIT_FAILED);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return false;
	error = WEXITSTATUS(status);
	if (become == become_namespace_root && error && error != EXIT_FAILED)
		skip_why = "user namespaces are restricted";
	return !error || skip_why;
}

static bool test_nobody(void)
{
	return test_unprivileged(become_nobody);
}

static bool test_namespace(void)
{
	if (access("/proc/self/ns/user", F_OK)) {
		skip_why = "no CONFIG_USER_NS";
		return true;
	}
	return test_unprivileged(become_namespace_root);
}

static int write_input(const struct file *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, file->name);
	return write_file(path, text);
}

/* Read the value of a file, or an empty string if its mode does not allow reading. */
static void read_value(const struct file *file, char value[64])
{
	int fd = openat(dir, file->name, O_RDONLY);
	ssize_t nr = 0;

	if (file->mode & 0400)
		nr = fd < 0 ? -1 : read(fd, value, 63);
	if (nr < 0)
		ksft_exit_fail_msg("%s: cannot read\n", file->name);
	if (fd >= 0)
		close(fd);
	value[nr] = '\0';
}

/* Write @text; expect @error and, unless @value is NULL, @value afterwards. */
static bool takes(const struct file *file, const char *text, int error, const char *value)
{
	int is = write_input(file, text);
	int length = strcspn(text, "\n");
	char now[64];

	read_value(file, now);
	if (is == error && (!value || !strcmp(now, value)))
		return true;
	ksft_print_msg("%s: '%.*s'%s: error %d, must be %d; value now %s\n", file->name, length,
		       text, text[length] ? " with newline" : "", is, error,
		       strtok(now, "\n") ?: "unknown");
	return false;
}

static bool test_input(const struct file *file)
{
	const struct input *input = file->input;
	char value[2][64];
	bool good = true;

	for (int i = 0; input->valid[i]; i++) {
		good &= takes(file, input->valid[i], 0, i < 2 ? NULL : value[i % 2]);
		read_value(file, value[i % 2]);
		for (int k = 0; i < 2 && input->malformed[k]; k++)
			good &= takes(file, input->malformed[k], EINVAL, value[i % 2]);
		good &= takes(file, "", input->empty, value[i % 2]);
	}
	/* An unchanged value proves nothing if the file always reads the same. */
	if (file->mode & 0400 && !strcmp(value[0], value[1])) {
		ksft_print_msg("%s: always reads as %s", file->name, value[0]);
		good = false;
	}
	return good;
}

/* Check that valid input is refused unless drains are held. */
static bool test_input_held(const struct file *file)
{
	bool good = true;

	for (int i = 0; file->input->valid[i]; i++)
		good &= takes(file, file->input->valid[i], EINVAL, NULL);
	write_gate("hold", "1");
	good &= test_input(file);
	write_gate("hold", "0");
	return good;
}

static bool test_input_and_restore(const struct file *file)
{
	char before[64];
	bool good;

	read_value(file, before);
	good = file->input->held ? test_input_held(file) : test_input(file);
	/* Releasing the drains has reset the values that are valid only while drains are held. */
	if (*before && !file->input->held)
		good &= takes(file, before, 0, before);
	return good;
}

static const struct {
	bool (*run)(void);
	const char *name;
} tests[] = {
	{ test_modes, "modes" },
	{ test_nobody, "user nobody" },
	{ test_namespace, "root of a user namespace" },
};

static void report(bool good, const char *name)
{
	if (good && skip_why)
		ksft_test_result_skip("%s: %s: %s\n", folder->name, name, skip_why);
	else
		ksft_test_result(good, "%s: %s\n", folder->name, name);
}

/* Return the first option that is off, or NULL. */
static const char *option_missing(void)
{
	for (int i = 0; folder->needs[i].option; i++)
		if (access(folder->needs[i].path, F_OK))
			return folder->needs[i].option;
	return NULL;
}

/* Report all tests of a directory as skipped for lack of @option, or as failed if NULL. */
static void report_missing(const char *option, const struct file *file)
{
	char why[64];

	if (option) {
		snprintf(why, sizeof(why), "no %s", option);
		skip_why = why;
	} else {
		ksft_print_msg("%s/%s: missing\n", folder->path, file->name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		report(option, tests[i].name);
	for (file = folder->file; file->name; file++)
		if (file->input)
			report(option, file->name);
	skip_why = NULL;
}

static void run_folder(void)
{
	const char *option = option_missing();
	const struct file *file;

	dir = open_folder();
	file = missing_file();
	if (option || file) {
		report_missing(option, file);
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
			skip_why = NULL;
			report(tests[i].run(), tests[i].name);
		}
		skip_why = NULL;
		for (file = folder->file; file->name; file++)
			if (file->input)
				report(test_input_and_restore(file), file->name);
	}
	if (dir >= 0)
		close(dir);
}

static unsigned int nr_results(void)
{
	unsigned int nr = ARRAY_SIZE(folders) * ARRAY_SIZE(tests);

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		for (const struct file *file = folders[i].file; file->name; file++)
			nr += !!file->input;
	return nr;
}

int main(void)
{
	ksft_print_header();
	if (geteuid())
		ksft_exit_skip("needs root\n");
	if (!access(ZSWAP_PARAMETERS "deferred_invalidate", F_OK))
		zswap_begin();
	zram_add(ZRAM_MB);
	ksft_set_plan(nr_results());

	for (folder = folders; folder < folders + ARRAY_SIZE(folders); folder++)
		run_folder();

	zram_swapoff();
	zram_remove();
	ksft_finished();
}
