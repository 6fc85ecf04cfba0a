# SPDX-License-Identifier: GPL-2.0
#
# Entry points. The work is done by the scripts in tools/build, each of which
# says at its top what it does.

B := tools/build

.PHONY: help deps kernel kernel-c-tpm kernel-gzip kernel-xz tools pcrlock run test bench check series series-check docs-check clean distclean
.DEFAULT_GOAL := help

help:
	@echo 'Secure Launch for Linux'
	@echo
	@echo '  make run      build everything, boot the kernel through a launch in the machine model,'
	@echo '                show its event log and check it'
	@echo '  make test     run all tests'
	@echo
	@echo '  make deps     install what the build needs (Debian 12 and 13; done by the others)'
	@echo '  make kernel   build the kernel:            out/kernel/bzImage'
	@echo '  make kernel-c-tpm  the same with the C drivers for the TPM, to compare with'
	@echo '  make kernel-gzip, make kernel-xz  others that launch, to predict what they will measure'
	@echo '  make tools    build the host programs:     out/bin/'
	@echo '                and the guest initramfs:     out/guest/initramfs.cpio'
	@echo '  make pcrlock  fetch systemd-pcrlock, which the tests compare with'
	@echo '  make bench    print sizes, hash speed, the cost of a launch, the TPM driver against C'
	@echo '  make check    check style (SPDX lines, file length, rustfmt, clippy where installed)'
	@echo '  make series   write the kernel part as a patch series: out/series/'
	@echo '  make series-check  apply it to a clean tree, build after each patch, check style (takes hours;'
	@echo '                PATCHES=3-5 builds after these only, CHECKS=am,style,... does only some of it)'
	@echo '  make docs-check  build the documentation with Sphinx'
	@echo '  make clean    remove out/ (the cache with source and objects stays)'
	@echo '  make distclean  remove the cache too: the next build starts from nothing'
	@echo
	@echo 'Settings, as in "make KERNEL_SRC=~/linux kernel":'
	@echo '  KERNEL_SRC=DIR      build this kernel tree; it is copied and never changed'
	@echo '  KERNEL_CONFIG=FILES configuration fragments (default samples/slaunch/qemu.config)'
	@echo '  KERNEL_UPDATE=1     look for a newer kernel package'
	@echo '  DEBIAN_MIRROR=URL   where to get it, if not from the mirror in /etc/apt'
	@echo '  CPUS=2 MEMORY=512   the machine of "make run" (MiB)'
	@echo '  TPM=tis|crb         the interface of its TPM (default tis)'
	@echo '  TPM_VERSION=1.2|2.0 the family of its TPM (default 2.0; 1.2 has the interface tis only)'
	@echo '  BANKS=sha1,sha256   the PCR banks of its TPM'
	@echo '  CMDLINE=TEXT        added to its kernel command line'
	@echo '  JOBS=N VERBOSE=1    compile jobs; show each command'
	@echo
	@echo 'Source, objects and downloads are kept in $${XDG_CACHE_HOME:-~/.cache}/slaunch.'

export KERNEL_SRC KERNEL_CONFIG KERNEL_UPDATE KERNEL_BRANCH KERNEL_SUITE DEBIAN_MIRROR
export PATCHES CHECKS
export CPUS MEMORY TPM TPM_VERSION BANKS CMDLINE JOBS VERBOSE NO_INSTALL

# The steps depend on each other by what they leave behind, and each finds
# out by itself what there is to do: no time stamps here.
deps:
	@$(B)/deps.sh

kernel: deps
	@$(B)/kernel.sh

# The first kernel's objects are what this one starts from.
kernel-c-tpm: kernel
	@KERNEL_VARIANT=c-tpm $(B)/kernel.sh

kernel-gzip: kernel
	@KERNEL_VARIANT=gzip $(B)/kernel.sh

kernel-xz: kernel
	@KERNEL_VARIANT=xz $(B)/kernel.sh

tools: deps
	@$(B)/tools.sh

run: kernel tools
	@$(B)/run.sh

# Another program's word on our logs.
pcrlock: deps
	@$(B)/pcrlock.sh

test: kernel kernel-c-tpm kernel-gzip kernel-xz tools pcrlock
	@$(B)/test.sh

bench: kernel kernel-c-tpm tools
	@$(B)/bench.sh

check: deps
	@$(B)/check.sh

series: deps
	@$(B)/series.sh

series-check: deps
	@$(B)/series-check.sh

docs-check: deps
	@CHECKS=docs $(B)/series-check.sh

clean:
	@$(B)/clean.sh

distclean:
	@$(B)/clean.sh all

# "make -j test" would mix the output of the steps; each uses all CPUs itself.
.NOTPARALLEL:
