# SPDX-License-Identifier: GPL-2.0
# Targets for all jobs of the project; "make help" lists them.

# Kernel tree to use instead of the distribution's source; copied, never changed.
KSRC =
# Version of the distribution's source to fetch.
KERNEL = 7.3
# Patched tree that "make apply" writes.
OUT = build/tree/apply
# 1: fewer and smaller measurements, without instruction counts.
QUICK = 0
# Duration of each slot reuse test in seconds.
SECONDS = 60
# Kernels to test, from plain,kasan,kcsan,rt,arm64.
KINDS = plain,kasan
# Comma-separated parts of test-all to run; default: all.
PARTS =
# Duration of each perturbation and torture run of test-all in minutes.
MINUTES = 30
# Restrict the job: to the named sections of the report, checks of lint or cross, or suites; to
# a test; to a step of series-check; or to mutants whose names contain this text.
ONLY =
# 1: include mutants that delete a statement.
STATEMENTS = 0
# Signed-off-by for the patches of "make series": Name <address>.
SIGNOFF =
# Comma-separated optional patches that series and series-check omit.
WITHOUT =
# 1: apply to an untested kernel version.
FORCE = 0
# 1: make the applied tree a git repository with one commit per patch.
GIT = 0
# 1: write the current counts as the baseline of perf-check.
UPDATE = 0
# Directory with the samples for "make report"; default: that of the last report.
FROM =

export PYTHONDONTWRITEBYTECODE = 1
RUN = PD_START=$$(date +%s) ./harness/run.py $(if $(KSRC),--ksrc='$(KSRC)') --kernel='$(KERNEL)'

help:
	@echo 'make bench              compare with the unmodified kernel; write a report'
	@echo 'make bench QUICK=1      the same with fewer and smaller measurements'
	@echo 'make bench ONLY=unmap   measure one section and add it; ONLY=? lists all sections'
	@echo 'make report             redraw the report from build/results/bench.json'
	@echo 'make perf-check         count instructions; fail on regressions from the baseline'
	@echo 'make test               run the tests in a plain and in a KASAN kernel'
	@echo 'make test ONLY=o_age    run one test; ONLY=? lists tests'
	@echo 'make test-all           run all test parts that have not passed for this tree'
	@echo 'make test-all PARTS=rt,model  run only these parts; PARTS=? lists parts'
	@echo 'make test-others        compare kselftest, stress-ng and fio between both kernels'
	@echo 'make mutants            inject faults into the kernel; each must make a test fail'
	@echo 'make mutants STATEMENTS=1  also delete statements, one at a time'
	@echo 'make model              check the models of both modes with spin'
	@echo 'make docs               build the changed documentation pages; fail on warnings'
	@echo 'make lint               run static analysis; ONLY=sparse runs one check'
	@echo 'make cross              compile for other architectures; ONLY=arm64 for one of them'
	@echo 'make apply OUT=dir      write the patched kernel tree'
	@echo 'make dkms               build a Debian package with zram as a DKMS module, in build/'
	@echo 'make test-stock         test the DKMS module on the stock Debian kernel'
	@echo 'make bench-stock        compare the DKMS module with the stock zram module'
	@echo 'make measure            build a program that measures munmap() on this machine'
	@echo 'make series             write the patches to mail to build/series'
	@echo 'make series-check       build after each patch, boot after some; ONLY=1: one patch'
	@echo 'make boot               boot the patched kernel, with a shell'
	@echo 'make clean              remove trees, kernels and logs; keep downloads and reports'
	@echo 'make distclean          remove build/'
	@echo
	@echo 'KSRC=dir                kernel tree to use; copied, never changed'
	@echo 'SECONDS=300             duration of each slot reuse test in seconds; default: 60'
	@echo 'KINDS=plain             kernels to test, from plain,kasan,kcsan,rt,arm64'
	@echo 'KERNEL=7.2              kernel version to fetch: 6.12, 7.2 or newer; default: 7.3'
	@echo "SIGNOFF='Name <addr>'   series: Signed-off-by for the patches"
	@echo 'WITHOUT=sample,torture  series, series-check: omit these patches; WITHOUT=? lists them'
	@echo 'FORCE=1                 apply: accept an untested version; see HACKING.md'
	@echo 'GIT=1                   apply: write a git repository with a commit for each patch'
	@echo 'UPDATE=1                perf-check: write the baseline, perf-baseline.toml'

deps:
	@./harness/machine/deps.sh

bench: deps
	@$(RUN) bench --quick='$(QUICK)' --only='$(ONLY)'

perf-check: deps
	@$(RUN) perf-check --update='$(UPDATE)'

test: deps
	@$(RUN) test --seconds='$(SECONDS)' --kinds='$(KINDS)' --only='$(ONLY)'

test-all: deps
	@$(RUN) test-all --seconds='$(SECONDS)' --minutes='$(MINUTES)' --parts='$(PARTS)'

test-others: deps
	@$(RUN) test-others --only='$(ONLY)'

mutants: deps
	@$(RUN) mutants --seconds=$(SECONDS) --only='$(ONLY)' --statements='$(STATEMENTS)'

model: deps
	@./harness/checks/model.sh

apply: deps
	@$(RUN) apply --out='$(OUT)' --force='$(FORCE)' --git='$(GIT)'

series: deps
	@$(RUN) series --signoff='$(SIGNOFF)' --without='$(WITHOUT)'

series-check: deps
	@$(RUN) series-check --only='$(ONLY)' --without='$(WITHOUT)'

docs: deps
	@$(RUN) docs

lint: deps
	@$(RUN) lint --only='$(ONLY)'

cross: deps
	@$(RUN) cross --only='$(ONLY)'

dkms: deps
	@$(RUN) dkms

test-stock: deps
	@$(RUN) test-stock --seconds='$(SECONDS)'

report:
	@$(RUN) report --from='$(FROM)'

bench-stock: deps
	@$(RUN) bench-stock

# Requires only gcc and static libraries, not a kernel tree.
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

.PHONY: help deps bench report perf-check test test-all test-others mutants model docs lint cross apply dkms test-stock bench-stock measure series series-check boot clean distclean
