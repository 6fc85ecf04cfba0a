#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deps.sh: install what the build and the tests need (`make deps`).
#
# On Debian 12 and 13 the missing packages are installed with apt, as root or
# through sudo; bindgen, where Debian's is too old, is built by cargo into the
# cache. On any other system the missing things are named and the script
# stops. What is there already is left alone: with nothing missing this takes
# a moment and needs no network.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt.sh"

# What is needed: the file that proves it is there, the Debian package that has
# it, what it is for. A file without "/" is looked up in PATH.
needs() {
	local cryptenroll=systemd
	# A package of its own since Debian 13.
	if version_ge "$(os_field VERSION_ID)" 13; then cryptenroll=systemd-cryptsetup; fi
	cat <<-END
		make                          make                compile
		gcc                           gcc                 compile host tools
		/usr/include/stdio.h          libc6-dev           compile host tools, static guest programs
		git                           git                 version control
		patch                         patch               apply the hooks
		flock                         util-linux          keep two builds apart
		cmp                           diffutils           find what changed
		xz                            xz-utils            unpack the kernel source
		zstd                          zstd                compress the kernel
		rsync                         rsync               copy kernel trees
		cpio                          cpio                initramfs
		bc                            bc                  kernel build
		flex                          flex                kernel build
		bison                         bison               kernel build
		perl                          perl                kernel build
		python3                       python3             kernel build
		depmod                        kmod                kernel build
		/usr/include/libelf.h         libelf-dev          objtool
		/usr/include/openssl/ssl.h    libssl-dev          kernel build
		clang-$LLVM                   clang-$LLVM         compile the kernel
		ld.lld-$LLVM                  lld-$LLVM           link the kernel
		lld-link-$LLVM                lld-$LLVM           link UEFI programs for the tests
		llvm-objcopy-$LLVM            llvm-$LLVM          link the kernel
		/usr/lib/llvm-$LLVM/lib/libclang.so  libclang-$LLVM-dev  bindgen
		qemu-img                      qemu-utils          disk images of the machine model
		swtpm                         swtpm               the machine model's TPM
		swtpm_setup                   swtpm-tools         the machine model's TPM
		/usr/share/OVMF/OVMF_CODE_4M.fd  ovmf             the machine model's firmware
		tpm2_eventlog                 tpm2-tools          read event logs in the tests
		objcopy                       binutils            unified kernel images in the tests
		/usr/lib/systemd/boot/efi/linuxx64.efi.stub  systemd-boot-efi  unified kernel images in the tests
		cryptsetup                    cryptsetup-bin      disks in the tests
		systemd-cryptenroll           $cryptenroll  disks in the tests
		jq                            jq                  walk-through of attestation
		/bin/busybox                  busybox-static      guest programs
		openssl                       openssl             compare hash speed
		rustfmt                       rustfmt-web         style checks
	END
}

# present FILE: is it there?
present() {
	case $1 in
	/*) [ -e "$1" ] ;;
	*) command -v "$1" > /dev/null ;;
	esac
}

missing_packages() {
	local file package
	needs | while read -r file package _; do
		# A package that Debian does not have on this release is sorted out later.
		present "$file" || echo "$package"
	done
}

# Rust is one tool from several packages: compiler, cargo, library source.
rust_state() {
	local version
	version=$(rustc_version)
	if [ -z "$version" ]; then
		echo "missing: $RUSTC"
	elif ! version_ge "$version" $RUSTC_MIN; then
		echo "too old: $RUSTC is $version, at least $RUSTC_MIN is needed"
	elif ! [ -x "$CARGO" ]; then
		echo "missing: $CARGO"
	elif [ -z "$(rust_lib_src)" ]; then
		echo "missing: the source of Rust's core library"
	else
		echo ok
	fi
}

bindgen_state() {
	local version
	version=$(bindgen_version)
	if [ -z "$version" ]; then
		echo "missing: bindgen"
	elif ! version_ge "$version" $BINDGEN_MIN; then
		echo "too old: $(command -v bindgen) is $version, at least $BINDGEN_MIN is needed"
	else
		echo ok
	fi
}

qemu_state() {
	local version
	version=$(qemu_version)
	if [ -z "$version" ]; then
		echo "missing: qemu-system-x86_64"
	elif ! version_ge "$version" $QEMU_MIN; then
		echo "too old: qemu-system-x86_64 is $version, at least $QEMU_MIN is needed"
	else
		echo ok
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

# candidate PACKAGE: the version that apt would install, or nothing.
candidate() {
	apt-cache policy "$1" 2>/dev/null | sed -nE 's/^ *Candidate: ([^(].*)/\1/p'
}

# upstream VERSION: without epoch and Debian revision.
upstream() {
	local v=${1#*:}
	v=${v%%+*}
	echo "${v%-*}"
}

# install WHERE PACKAGE...: through the machine's configuration (WHERE is
# "machine") or the private one ("private"). Never removes a package.
install() {
	local where=$1 options=()
	shift
	if [ "$where" = private ]; then options=("${APT_PRIVATE[@]}"); fi
	say APT "installing: $*"
	if [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; then
		die "packages are missing and this user may not install them (not root, no sudo)" \
			"as root: apt-get install --no-install-recommends $*"
	fi
	apt_run "$CACHE/log/apt-install.log" as_root apt-get "${options[@]}" install -y -q \
		--no-remove --no-install-recommends "$@" ||
		die "packages could not be installed: $APT_REASON" \
			"all of apt's output: $CACHE/log/apt-install.log" \
			"once that is solved: make deps"
}

UPDATED=
machine_update() {
	[ -z "$UPDATED" ] || return 0
	say APT "updating the package lists"
	# A third-party source that is down need not stop us: only note it.
	apt_run "$CACHE/log/apt-update.log" as_root apt-get update -q ||
		warn "apt-get update: $APT_REASON ($CACHE/log/apt-update.log)"
	UPDATED=y
}

# The Rust packages: the "-web" set (kept recent in stable releases for
# browsers) where it exists, the release's own where that is recent enough.
rust_packages() {
	local v
	v=$(candidate rustc-web)
	if [ -n "$v" ] && version_ge "$(upstream "$v")" $RUSTC_MIN; then
		echo rustc-web cargo-web rust-web-src
		return
	fi
	v=$(candidate rustc)
	if [ -n "$v" ] && version_ge "$(upstream "$v")" $RUSTC_MIN; then
		echo rustc cargo rust-src
		return
	fi
	die "this release has no rustc of at least $RUSTC_MIN (packages rustc-web, rustc)" \
		"switch on the release's security updates in /etc/apt, then: make deps"
}

debian_packages() {
	local missing=("$@") wanted=() p rust=()
	# (1) Everything but QEMU, from the machine's own sources.
	machine_update
	if [ "$(rust_state)" != ok ]; then
		read -r -a rust <<< "$(rust_packages)"
		[ ${#rust[@]} -gt 0 ] || exit 1
		wanted+=("${rust[@]}" ca-certificates)
	fi
	for p in ${missing[@]+"${missing[@]}"}; do
		case $p in
		rustfmt-web)
			# Only for style checks: go without where there is none.
			[ -n "$(candidate $p)" ] || continue
			# It belongs to the "-web" compiler.
			[ -x /usr/bin/rustc ] && ! dpkg-query -W rustc-web > /dev/null 2>&1 && p=rustfmt
			;;
		qemu-utils)
			# Must be of the version of qemu-system-x86: chosen below.
			continue
			;;
		esac
		wanted+=("$p")
	done
	# Debian's bindgen where it is recent enough, else cargo builds it (below).
	if [ "$(bindgen_state)" != ok ]; then
		p=$(candidate bindgen)
		if [ -n "$p" ] && version_ge "$(upstream "$p")" $BINDGEN_MIN; then
			wanted+=(bindgen)
		else
			# cargo builds it with a C toolchain and fetches over TLS.
			wanted+=(ca-certificates)
		fi
	fi
	if [ ${#wanted[@]} -gt 0 ]; then install machine "${wanted[@]}"; fi

	# (2) QEMU: a recent one, from the release's backports where need be.
	if [ "$(qemu_state)" != ok ] || ! present qemu-img; then
		p=$(candidate qemu-system-x86)
		if [ -n "$p" ] && version_ge "$(upstream "$p")" $QEMU_MIN; then
			install machine qemu-system-x86 qemu-utils
		else
			p=$(os_field VERSION_CODENAME)
			say APT "QEMU $QEMU_MIN comes from $p-backports"
			apt_private "$p" "$p-updates" "$p-backports"
			apt_run "$CACHE/log/apt-update-qemu.log" as_root apt-get "${APT_PRIVATE[@]}" update -q ||
				die "the package lists of $p-backports could not be fetched: $APT_REASON" \
					"all of apt's output: $CACHE/log/apt-update-qemu.log" \
					"once that is solved: make deps"
			# -t, not PACKAGE/SUITE: its dependencies (seabios) are needed from there too.
			install private -t "$p-backports" qemu-system-x86 qemu-utils
		fi
	fi
}

build_bindgen() {
	local log=$CACHE/log/bindgen.log
	say CARGO "building bindgen $BINDGEN_INSTALL (about two minutes, once)"
	mkdir -p "$CACHE/log" "$CACHE/cargo"
	CARGO_TARGET_DIR="$CACHE/cargo/target" "$CARGO" install --quiet --locked \
		--root "$CACHE/cargo" --version $BINDGEN_INSTALL bindgen-cli > "$log" 2>&1 < /dev/null || {
		if grep -qiE 'could not resolve|failed to download|network|timed? ?out|could not connect' "$log"; then
			die "bindgen could not be built: no network, the crate registry cannot be reached" \
				"once it can: make deps" "cargo's output: $log"
		fi
		die "bindgen could not be built: $(grep -m 1 '^error' "$log" || tail -n 1 "$log")" \
			"or install bindgen $BINDGEN_MIN or later yourself and put it into PATH" \
			"cargo's output: $log"
	}
	rm -rf "$CACHE/cargo/target"
}

supported_debian() {
	[ "$(os_field ID)" = debian ] || return 1
	case $(os_field VERSION_ID) in
	12 | 13) return 0 ;;
	esac
	return 1
}

# What is still missing, one reason a line; nothing when all is well.
lacking() {
	local file package use state
	needs | while read -r file package use; do
		[ "$file" = rustfmt ] || present "$file" || echo "$file (Debian package $package): $use"
	done
	for state in "$(rust_state)" "$(bindgen_state)" "$(qemu_state)"; do
		[ "$state" = ok ] || echo "$state"
	done
}

main() {
	local list
	list=$(lacking)
	if [ -z "$list" ]; then return; fi
	if [ -n "${NO_INSTALL:-}" ] || ! supported_debian; then
		echo "error: the build needs what this system does not have:" >&2
		printf '%s\n' "$list" | sed 's/^/         /' >&2
		if [ -z "${NO_INSTALL:-}" ]; then
			echo "       packages are installed on Debian 12 and 13 only, this is" \
				"$(os_field PRETTY_NAME): install them, then run make again" >&2
		fi
		exit 1
	fi
	take_lock "$CACHE/deps.lock" "make deps"
	# shellcheck disable=SC2046
	debian_packages $(missing_packages)
	if [ "$(bindgen_state)" != ok ]; then build_bindgen; fi
	list=$(lacking)
	if [ -n "$list" ]; then
		echo "error: after installing all packages there is still something wrong:" >&2
		printf '%s\n' "$list" | sed 's/^/         /' >&2
		exit 1
	fi
}

main "$@"
