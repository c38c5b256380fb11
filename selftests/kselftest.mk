# SPDX-License-Identifier: GPL-2.0
# The kernel's form of a selftest: all, run_tests, install, emit_tests, clean, by the kernel's own lib.mk, which
# scripts/kernels --selftests brings. A Makefile that includes this has said BUILD, where programs go,
# and TEST_PROGS, TEST_GEN_PROGS, TEST_GEN_FILES and TEST_FILES (lib.mk says what they are); its own
# rules make the programs. Without lib.mk there is "all" alone.

KSELFTEST ?= $(abspath $(CURDIR)/../../build/kselftest)

ifneq ($(wildcard $(KSELFTEST)/run_kselftest.sh),)
OUTPUT := $(BUILD)
OVERRIDE_TARGETS := 1
# lib.mk has a compiler of its own.
lq-cc := $(CC)
include $(KSELFTEST)/lib.mk
CC := $(lq-cc)
# The runner looks for settings below its own folder.
export kselftest_override_timeout ?= $(shell sed -n 's/^timeout=//p' settings)
else
.PHONY: all run_tests install emit_tests
all: $(addprefix $(BUILD)/,$(TEST_GEN_PROGS) $(TEST_GEN_FILES))
run_tests install emit_tests:
	@echo "$@: run scripts/kernels --selftests first" >&2; exit 1
endif
