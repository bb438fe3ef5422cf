# SPDX-License-Identifier: GPL-2.0

KDIR ?= /lib/modules/$(shell uname -r)/build

# A kernel built by clang takes modules built by clang.
LLVM ?= $(shell grep -qs '^CONFIG_CC_IS_CLANG=y' $(KDIR)/include/config/auto.conf && echo 1)
kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(LLVM),LLVM=$(LLVM))

# The commands read these from the environment.
export KERNEL_SERIES KERNEL_PIN FLAVOUR MIRROR ACCEL USK_CACHE FILTER STAGES SAMPLES
export KERNELS SIGNOFF DESTDIR PREFIX RELEASES

# The one sample that runs in user space.
daemon := samples/daemon

.PHONY: modules modules_install install uninstall samples clean rust-analyzer check-kdir
.PHONY: run test kunit storms keyutils kernels proof series bench shell stock check docs
.PHONY: gdb dump distclean help

modules: check-kdir		## build the module for the kernel of KDIR (the default)
	$(kbuild) modules

modules_install: check-kdir	## install it below INSTALL_MOD_PATH (default: this machine)
	$(kbuild) modules_install

install:			## have DKMS build it for every kernel, and boot load it (root)
	@tools/install.sh

uninstall:			## take away all that install put there (root)
	@tools/uninstall.sh

samples: check-kdir		## build the samples for KDIR
	@cargo --version >/dev/null || \
		{ echo 'error: cargo does not run: install it, $(daemon) needs it' >&2; exit 1; }
	$(kbuild) SAMPLES=m modules
	cargo build --release --locked --manifest-path $(daemon)/Cargo.toml \
		--target-dir $(daemon)/target

clean:				## remove what a build left in this folder
	$(if $(wildcard $(KDIR)/Makefile),$(kbuild) clean)
	rm -rf $(daemon)/target

rust-analyzer: check-kdir	## write rust-project.json for rust-analyzer
	$(kbuild) rust-analyzer

check-kdir:			## say whether the module can be built for KDIR
	@RUSTC=$(RUSTC) tools/check-kdir.sh $(KDIR)

run:				## show it at work in Debian's stock kernel, in QEMU
	@tools/run.sh

test:				## run all tests of all kinds
	@tools/test.sh

kunit:				## run the KUnit suites alone (FILTER=glob: only these)
	@tools/test.sh kunit

storms:				## UIDs that come and go by the thousand
	@SIZE=full tools/test.sh storms

keyutils:			## the test suite of keyutils, without the module and with it
	@SIZE=full tools/test.sh keyutils keyutils-limits

kernels:			## run and test it in all of Debian's kernels that it is for
	@tools/kernels.sh

proof:				## all tests at full length: 75 minutes on 2 CPUs
	@tools/proof.sh

series:				## the patch series for the kernel: write it, build it, test it
	@tools/test.sh series

bench:				## what look-ups cost, in instructions, into Documentation
	@tools/bench.sh

shell:				## a prompt in that kernel, with the module loaded
	@tools/shell.sh $(if $(GDB),--gdb)

gdb:				## a debugger for the guest of make shell GDB=1 (DUMP=1: for a dump)
	@tools/gdb.sh $(if $(DUMP),--dump)

dump:				## dump the memory of the guest of make shell GDB=1
	@tools/dump.sh

stock:				## build the module for Debian's stock kernel
	@tools/stock.sh

docs:				## the pages of Documentation as HTML, in the cache folder
	@tools/docs.sh

check:				## rustfmt, clippy, checkpatch, shellcheck, codespell
	@tools/check.sh

distclean:			## remove the cache folder's contents
	@tools/distclean.sh

help:				## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z_-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 18 | sed 's/^/  /'
	@echo 'Variables:'
	@echo '  KDIR              the kernel build folder ($(KDIR))'
	@echo '  RUSTC             the compiler that check-kdir asks for its version (rustc)'
	@echo '  LLVM              1 if clang has built that kernel (found out)'
	@echo '  PREFIX            for install: where pages and commands go (/usr/local)'
	@echo '  DESTDIR           for install: put files below this folder, and build nothing'
	@echo '  RELEASES          for install: kernels (all that the module is for)'
	@echo '  KERNEL_SERIES     the series of the stock kernel from trixie-backports (7.3)'
	@echo '  KERNEL_PIN        its point release, while the archive has it (7.3.4)'
	@echo '  FLAVOUR           its flavour: amd64, cloud-amd64 or rt-amd64 (amd64)'
	@echo '  MIRROR            the Debian mirror (as in the configuration of apt)'
	@echo '  ACCEL             auto, tcg or kvm (auto: KVM if a guest really boots with it)'
	@echo '  USK_CACHE         the folder for build root, kernels and builds (in the user'\''s cache)'
	@echo '  GDB               for shell: 1 has it debugged by make gdb, from another terminal'
	@echo '  DUMP              for gdb: 1 debugs what make dump has written'
	@echo '  FILTER            for kunit: a glob of suites, or of suite.test (all)'
	@echo '  KERNELS           for kernels: some of them, as in 7.3/rt-amd64 (all)'
	@echo '  STAGES            for proof: some of its stages (all)'
	@echo '  SAMPLES           for shell: m puts the samples into the guest, in samples/'
	@echo '  SIGNOFF           for series: who signs the patches off (as git is configured)'
