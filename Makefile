# SPDX-License-Identifier: GPL-2.0
# What can be made: make help

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec

TOP := $(CURDIR)
BUILD := $(TOP)/build
PREFIX ?= /usr/local
VERSION := $(shell sed -n 's/^VERSION ?= //p' tools/Makefile)

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
## make check           every test, in VMs with Linux 6.12, and with 6.1 and 7.3 what depends on the kernel
## make check-kernels   every system test on every kernel (docs/kernels.md): hours
## make check-debug     the VM tests on a kernel with KASAN, lockdep, kmemleak, …
## make bench           instructions of each event beside TCP's, size and growth, the core alone; whether any grew
## make demo            an unmodified server on AF_LISTENQ, in a VM
## make install         module, tools and documents, below DESTDIR and PREFIX; make uninstall
## make deb             Debian packages: build/deb/*.deb
## make check-packages  the packages installed, used and removed in a clean Debian 12
## make clean           forget what was built; make distclean: the unpacked kernels too

$(BUILD)/kernels/%/kdir:
	@scripts/kernels $*

# Kbuild writes beside the sources, and one source serves many kernels: each kernel builds
# in a tree of links of its own.
.PHONY: module
module: $(if $(wildcard $(KDIR)/Makefile),,$(filter $(BUILD)/%,$(KDIR)))
	@test -n "$(RELEASE)" || { echo "KDIR=$(KDIR) holds no built kernel" >&2; exit 1; }
	@scripts/stage $(BUILD)/$(RELEASE)/src
	@+scripts/kbuild $(KDIR) M=$(BUILD)/$(RELEASE)/src $(JOBS) $(KBUILD_FLAGS) modules
	@ln -sfn src/listenq.ko $(BUILD)/$(RELEASE)/listenq.ko
	@ln -sfn $(RELEASE)/listenq.ko $(BUILD)/listenq.ko

.PHONY: tools
tools:
	@$(MAKE) $(JOBS) -C tools BUILD=$(BUILD)/tools

.PHONY: check
check:
	@scripts/check

.PHONY: bench check-debug check-kernels demo
bench check-debug check-kernels demo:
	@scripts/$@

# --- install: all below DESTDIR; the module where the kernel looks, the rest below PREFIX ---

# An installed module is found as <release>/updates/listenq.ko, before any of the kernel's own.
MODULE_DIR = $(DESTDIR)/lib/modules/$(RELEASE)
SHARE = $(DESTDIR)$(PREFIX)/share
SOURCES_DIR = $(DESTDIR)/usr/src/listenq-$(VERSION)
DOCS = README.md COPYING docs uapi/listenq.yaml
RUN_DEPMOD = $(if $(DESTDIR),,depmod $(RELEASE))

.PHONY: install install-module install-tools install-doc install-dkms
install: install-module install-tools install-doc
install-module: module
	@install -D -m 644 $(BUILD)/$(RELEASE)/listenq.ko $(MODULE_DIR)/updates/listenq.ko
	@strip --strip-debug $(MODULE_DIR)/updates/listenq.ko
	@$(RUN_DEPMOD)
install-tools:
	@$(MAKE) -C tools BUILD=$(BUILD)/tools DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) install
	@install -d $(SHARE)/listenq/bpftrace
	@install -m 755 scripts/bpftrace/*.bt $(SHARE)/listenq/bpftrace
install-doc:
	@install -d $(SHARE)/doc/listenq/examples
	@cp -R --no-preserve=ownership $(DOCS) $(SHARE)/doc/listenq
	@for file in modules-load modprobe sysctl lqrun adopt; do \
		sed 's|@PREFIX@|$(PREFIX)|' examples/$$file.conf \
			>$(SHARE)/doc/listenq/examples/$$file.conf || exit 1; \
	done
	@install -d $(SHARE)/doc/listenq/examples/monitoring
	@for file in examples/monitoring/*; do \
		sed 's|@PREFIX@|$(PREFIX)|' $$file >$(SHARE)/doc/listenq/$$file || exit 1; \
	done
	@install -d $(SHARE)/doc/listenq/examples/servers
	@install -m 644 $(addprefix examples/servers/,Makefile *.cc *.h *.hh) $(SHARE)/doc/listenq/examples/servers
# The source, for DKMS: dkms install listenq/$(VERSION)
install-dkms:
	@install -d $(SOURCES_DIR)
	@cp -R --no-preserve=ownership Kbuild COPYING module uapi $(SOURCES_DIR)
	@sed 's/#MODULE_VERSION#/$(VERSION)/' dkms.conf >$(SOURCES_DIR)/dkms.conf

# What the targets above made, and nothing else.
.PHONY: uninstall
uninstall:
	@rm -f $(MODULE_DIR)/updates/listenq.ko
	@rmdir $(MODULE_DIR)/updates 2>/dev/null || true
	@$(RUN_DEPMOD)
	@$(MAKE) -C tools BUILD=$(BUILD)/tools DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) uninstall
	@rm -rf $(SHARE)/listenq $(SHARE)/doc/listenq $(SOURCES_DIR)

.PHONY: deb check-packages
deb check-packages:
	@scripts/$@

.PHONY: clean distclean
clean:
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name kernels ! -name kselftest \
		-exec rm -rf {} + 2>/dev/null || true
distclean:
	@rm -rf $(BUILD)
