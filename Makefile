# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# A thin front to Meson: every target sets up what it needs first, so each works in a fresh clone.

BUILD ?= build
PREFIX ?= /usr/local
TESTS ?=
BENCH ?=
STACKS ?= 20000
ZOO ?=

.PHONY: all demo check check-backends check-perf check-kernels check-readers bench truth fuzz lint model stress zoo faults install clean help
.DEFAULT_GOAL := all

all: setup-build $(BUILD)/build.ninja ## build build/src/cli/homeward
	@ninja -C $(BUILD)

demo: setup-demo $(BUILD)/build.ninja ## record this machine for a few seconds, show a report, write homeward-flame.html
	@ninja -C $(BUILD) src/cli/homeward tests/workloads/demo tests/workloads/deep
	@BUILD=$(BUILD) scripts/demo

check: setup-check all ## run all tests; TESTS="walk symbol" runs these suites only
	@BUILD=$(BUILD) tests/run $(TESTS)

.PHONY: bench-read
bench-read: setup-check all ## measure how fast 300,000 samples are read, beside perf; SAMPLES and ROUNDS change it
	@BUILD=$(BUILD) scripts/bench read

.PHONY: bench-page
bench-page: setup-check all ## measure how fast the flame graph page opens and scrolls with 100,000 frames
	@HW_MEASURE=1 HW_MAKE_PAGE=$(abspath $(BUILD))/tests/report/make_page PYTHONDONTWRITEBYTECODE=1 \
		python3 tests/report/test_flame.py Large.test_a_hundred_thousand_frames_open_and_scroll

check-backends: setup-check setup-demo all ## make demo and make check with rights taken away, a backend each; needs root. LIMITS="no-bpf demo"
	@BUILD=$(BUILD) tests/backends/run $(LIMITS)

check-readers: setup-readers all ## have other programs read every export: pprof, speedscope, Firefox Profiler, hotspot
	@BUILD=$(BUILD) tests/readers/check.py

check-perf: all ## compare with perf 7.3 (Debian), which is downloaded; needs root
	@BUILD=$(BUILD) tests/perf/check_perf.py

check-kernels: all ## boot Debian's 6.1, 6.12 and 7.3 kernels in QEMU and run the backends there (fetches them)
	@scripts/setup kernels
	@HW_BUILD=$(BUILD) /usr/bin/python3 tests/kernels/run.py $(KERNELS) || [ $$? = 77 ]

bench: setup-check setup-bench all ## measure this machine; WRITE=1 makes docs/performance.md anew, BENCH="cost start" some
	@BUILD=$(BUILD) scripts/bench $(if $(WRITE),--write) $(BENCH)

truth: setup-check all ## compare STACKS (20000) recorded walks with libdwfl's, frame by frame
	@HW_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 python3 tests/truth/truth.py $(STACKS)
	@set -e; for program in $(BUILD)/tests/truth/target_lazy $(BUILD)/tests/truth/target_ibt; do \
		$(BUILD)/tests/truth/stepped $$program; done
	@$(BUILD)/tests/truth/stepped -a /bin/true

zoo: setup-zoo all ## record every hard program there is, and say what was seen of it: a table
	@BUILD=$(abspath $(BUILD)) tests/zoo/run $(ZOO)

faults: setup-check setup-faults all ## what can go wrong around a recorder, the long form: it takes CPU 1 offline and steps the clock
	@HW_BUILD=$(abspath $(BUILD)) HW_LONG=1 python3 tests/faults/faults.py

fuzz: setup-fuzz ## fuzz the walk and the readers of files: FUZZ_SECONDS each (60)
	@scripts/fuzz

lint: setup-lint all ## layout, static analysis, floors, shell scripts
	@BUILD=$(BUILD) scripts/lint

model: setup-model ## check the model of removal against dispatch (Spin)
	@scripts/model

stress: setup-stress all ## the registry under sanitizers and with mutants, the daemon with many clients: minutes
	@tests/session/stress.py
	@HW_BUILD=$(abspath $(BUILD)) HW_KILLED_CLIENTS=200 tests/system/test_daemon.py \
		test_clients_killed_at_random_leave_nothing_behind_and_get_nothing_of_others
	@HW_BUILD=$(abspath $(BUILD)) HW_SAMPLES=10000 tests/system/test_visibility.py

install: all ## install to PREFIX (/usr/local), under DESTDIR if that is set
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@ninja -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild

clean: ## remove the build directory
	rm -rf $(BUILD)

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

# What a target needs beyond the build: a group of packages in scripts/setup.
setup-%: FORCE
	@scripts/setup $*
FORCE:

$(BUILD)/build.ninja: | setup-build
	@meson setup $(BUILD) --prefix=$(PREFIX)
