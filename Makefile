# SPDX-License-Identifier: GPL-2.0
# What can be made: make help

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec

TOP := $(CURDIR)
BUILD := $(TOP)/build
PREFIX ?= /usr/local

# The kernel to build for: the running one, or else the unpacked 6.12.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) $(BUILD)/kernels/6.12/kdir)
RELEASE = $(shell sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
# As many at a time as there are CPUs, unless the caller said.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
# Given to Kbuild: make module W=1
KBUILD_FLAGS = $(if $(filter 1,$(V)),V=1) $(if $(W),W=$(W))

.PHONY: all
all: module tools

.PHONY: help
help:
	@sed -n 's/^## //p' Makefile

## make                 the module for KDIR (default: the running kernel, else Debian's 6.12) and the tools
## make module KDIR=…   the module alone: build/<release>/listenq.ko; build/listenq.ko is the last built
## make tools           lqctl, lqrun: build/tools/
## make check           every test, in VMs with Debian's kernels 6.1 and 6.12
## make check-debug     the VM tests on a kernel with KASAN, lockdep, kmemleak, …
## make bench           instructions of each event beside TCP's, and whether any grew
## make demo            an unmodified server on AF_LISTENQ, in a VM
## make install         module and tools, below DESTDIR and PREFIX
## make clean           forget what was built; make distclean: the unpacked kernels too

$(BUILD)/kernels/%/kdir:
	@scripts/kernels $*

# Kbuild writes beside the sources, and one source serves many kernels: each kernel builds
# in a tree of links of its own.
.PHONY: module
module: $(if $(wildcard $(KDIR)/Makefile),,$(filter $(BUILD)/%,$(KDIR)))
	@test -n "$(RELEASE)" || { echo "KDIR=$(KDIR) holds no built kernel" >&2; exit 1; }
	@scripts/stage $(BUILD)/$(RELEASE)/src
	@$(MAKE) $(JOBS) -C $(KDIR) M=$(BUILD)/$(RELEASE)/src $(KBUILD_FLAGS) modules
	@ln -sfn src/listenq.ko $(BUILD)/$(RELEASE)/listenq.ko
	@ln -sfn $(RELEASE)/listenq.ko $(BUILD)/listenq.ko

.PHONY: tools
tools:
	@$(MAKE) $(JOBS) -C tools BUILD=$(BUILD)/tools

.PHONY: check
check:
	@scripts/check

.PHONY: bench check-debug demo
bench check-debug demo:
	@scripts/$@

.PHONY: install
install: all
	@$(MAKE) -C $(KDIR) M=$(BUILD)/$(RELEASE)/src CONFIG_MODULE_SIG_ALL= \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install
	@$(MAKE) -C tools BUILD=$(BUILD)/tools DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) install

.PHONY: clean distclean
clean:
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name kernels ! -name kselftest \
		-exec rm -rf {} + 2>/dev/null || true
distclean:
	@rm -rf $(BUILD)
