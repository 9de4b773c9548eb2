# SPDX-License-Identifier: GPL-2.0
# Every job of the project is a target here; "make help" lists them.

# Kernel tree to use instead of the distribution's source of version KERNEL. It is
# copied, not changed.
KSRC =
KERNEL = 7.3
# Patched tree that "make apply" writes.
OUT = build/tree/apply
# 1: a tenth of the measurements, without those that explain the results.
QUICK =
# Duration of the slot reuse test in seconds.
SECONDS = 60
# Kernels to test: plain,kasan,kcsan,rt,arm64.
KINDS = plain,kasan
# Comma-separated parts of test-all to run; default: all.
PARTS =
# Duration of the torture test of each kernel in minutes.
MINUTES = 30
# Restrict the job to these sections of the report, checks of lint or cross, or suites,
# to this test, or to mutants whose name contains this text.
ONLY =
# 1: include mutants that delete one statement.
STATEMENTS =
# Comma-separated lint checks that may be skipped.
SKIP =
# Signed-off-by for the patches of "make series": "Name <address>".
SIGNOFF =
# Comma-separated optional patches that series and series-check omit.
WITHOUT =
# 1: apply to an untested kernel version.
FORCE =
# 1: make the applied tree a git repository with one commit per patch.
GIT =
# 1: make the current counts the baseline.
UPDATE =
# Directory with the samples for "make report"; default: those of the last report.
FROM =

export PYTHONDONTWRITEBYTECODE = 1
# $(call switch,NAME,option): the option if NAME is 1, nothing if it is 0 or empty.
switch = $(if $(filter-out 0 1,$($1)),$(error $1: invalid value '$($1)'; use 0 or 1))$(if \
	$(filter 1,$($1)),$2)
RUN = PD_START=$$(date +%s) ./harness/run.py $(if $(KSRC),--ksrc='$(KSRC)') --kernel='$(KERNEL)'

help:
	@echo 'make bench              a report: measure against the unmodified kernel'
	@echo 'make bench QUICK=1      the same, but less, for a first impression'
	@echo 'make bench ONLY=unmap   measure this section, and add it; ONLY=? lists them'
	@echo 'make report             draw the report of build/results/bench.json again'
	@echo 'make perf-check         count instructions; fails when they exceed the baseline'
	@echo 'make test               the tests, in a plain kernel and with KASAN'
	@echo 'make test ONLY=o_age    one test; ONLY=? lists them'
	@echo 'make test-all           all test parts that have not passed for this tree'
	@echo 'make test-all PARTS=rt,model  these parts; PARTS=? lists them'
	@echo 'make test-others        kselftest, stress-ng and fio, on both kernels, compared'
	@echo 'make torture MINUTES=30 the torture test, in the kasan and the kcsan kernel'
	@echo 'make mutants            break the kernel on purpose, the tests must notice'
	@echo 'make mutants STATEMENTS=1  also delete statements, one at a time'
	@echo 'make model              check the models of both modes with spin'
	@echo 'make docs               build all pages that we change; warnings are errors'
	@echo 'make lint               static analysis; ONLY=sparse does one of its checks,'
	@echo '                        SKIP=context,clang allows that these are skipped'
	@echo 'make cross              compile for other architectures; ONLY=arm64 does one of them'
	@echo 'make apply OUT=dir      only the patched kernel tree'
	@echo 'make dkms               zram as a module for stock kernels, a Debian package in build'
	@echo 'make test-stock         test that module on the kernel of the distribution'
	@echo 'make bench-stock        measure it there, against the module of the distribution'
	@echo 'make measure            a program that measures munmap() on this machine, as it is'
	@echo 'make series             the kernel patches, to be mailed, in build/series'
	@echo 'make series-check       build each step of it, boot those of clients; ONLY=1: one'
	@echo 'make boot               a shell in the patched kernel'
	@echo 'make clean              remove what was built, keep what was fetched'
	@echo 'make distclean          remove build/ altogether'
	@echo
	@echo 'KSRC=dir                take this kernel tree (copied, never changed)'
	@echo 'SECONDS=300             how long the slot reuse test runs; 60 unless told'
	@echo 'KINDS=plain             test or torture these kernels: plain,kasan,kcsan,rt,arm64'
	@echo 'KERNEL=7.2              fetch this version, 6.12, 7.2 or newer; 7.3 unless told'
	@echo "SIGNOFF='Name <addr>'   series: who signs off the patches"
	@echo 'WITHOUT=sample,torture  series, series-check: leave these patches out; WITHOUT=? lists'
	@echo 'FORCE=1                 apply: to a version that was never tested; see HACKING.md'
	@echo 'GIT=1                   apply: a git repository with a commit for each patch'
	@echo 'UPDATE=1                perf-check: write the baseline, perf-baseline.toml'

deps:
	@./harness/machine/deps.sh

bench: deps
	@$(RUN) bench $(call switch,QUICK,--quick) --only='$(ONLY)'

perf-check: deps
	@$(RUN) perf-check $(call switch,UPDATE,--update)

test: deps
	@$(RUN) test --seconds='$(SECONDS)' --kinds='$(KINDS)' --only='$(ONLY)'

test-all: deps
	@$(RUN) test-all --seconds='$(SECONDS)' --minutes='$(MINUTES)' --parts='$(PARTS)'

test-others: deps
	@$(RUN) test-others --only='$(ONLY)'

torture: KINDS = kasan,kcsan
torture: deps
	@$(RUN) torture --minutes='$(MINUTES)' --kinds='$(KINDS)'

mutants: deps
	@$(RUN) mutants --seconds=$(SECONDS) --only='$(ONLY)' $(call switch,STATEMENTS,--statements)

model: deps
	@./harness/checks/model.sh

apply: deps
	@$(RUN) apply --out='$(OUT)' $(call switch,FORCE,--force) $(call switch,GIT,--git)

series: deps
	@$(RUN) series --signoff='$(SIGNOFF)' --without='$(WITHOUT)'

series-check: deps
	@$(RUN) series-check --only='$(ONLY)' --without='$(WITHOUT)'

docs: deps
	@$(RUN) docs

lint: deps
	@$(RUN) lint --only='$(ONLY)' --skip='$(SKIP)'

cross: deps
	@$(RUN) cross --only='$(ONLY)'

# Build for all tested kernels unless KERNEL is set on the command line.
dkms: deps
	@$(RUN) dkms $(if $(filter command,$(firstword $(origin KERNEL))),$(KERNEL))

test-stock: deps
	@$(RUN) test-stock --seconds='$(SECONDS)'

report:
	@$(RUN) report $(FROM)

bench-stock: deps
	@$(RUN) bench-stock

# Needs no kernel tree.
measure:
	@mkdir -p build
	@gcc -O2 -Wall -Wextra -static -pthread -I tools/testing/selftests/percpu_defer \
		harness/dkms/measure.c -o build/zram_measure
	@echo build/zram_measure

boot: deps
	@$(RUN) boot

clean:
	rm -rf build/kernel build/tree build/log build/accel build/lint build/cross

distclean:
	rm -rf build

.PHONY: help deps bench report perf-check test test-all test-others torture mutants model docs lint cross apply dkms test-stock bench-stock measure series series-check boot clean distclean
