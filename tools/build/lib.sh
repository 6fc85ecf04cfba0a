# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# lib.sh: what all scripts in this folder share. Sourced, never run.
#
# Sets HERE (this folder), REPO (this checkout), CACHE (everything that is kept
# between builds), OUT (what a build hands to the user) and the tools to use;
# defines how the scripts report progress and failure.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=${REPO:-$(cd "$HERE/../.." && pwd)}
CACHE=${SLAUNCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slaunch}
OUT=${OUT:-$REPO/out}

# The kernel this repository is made for, and what its scripts/min-tool-version.sh
# asks for. kernel.sh checks again against the tree it really builds.
KERNEL_BRANCH=${KERNEL_BRANCH:-7.3}
RUSTC_MIN=1.85.0
BINDGEN_MIN=0.71.1
BINDGEN_INSTALL=0.72.1
QEMU_MIN=10.0
LLVM=19

# The distribution's tools come before anything that a user's own PATH may put
# first (rustup's proxies, for one): the build must not depend on whose it is.
export PATH="$CACHE/cargo/bin:/usr/bin:/bin:/usr/sbin:/sbin:$PATH"
export LC_ALL=C
RUSTC=${RUSTC:-/usr/bin/rustc}
CARGO=${CARGO:-/usr/bin/cargo}
export RUSTC
if [ -d "/usr/lib/llvm-$LLVM/lib" ]; then
	export LIBCLANG_PATH=${LIBCLANG_PATH:-/usr/lib/llvm-$LLVM/lib}
fi

# Variables that Kbuild or cargo would take from the environment, and those of
# the calling make.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES MAKEFILES GNUMAKEFLAGS
unset ARCH CROSS_COMPILE KBUILD_OUTPUT KBUILD_EXTMOD KCONFIG_CONFIG KCONFIG_ALLCONFIG
unset KCFLAGS KAFLAGS KRUSTFLAGS CC LD HOSTCC HOSTRUSTFLAGS
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS RUSTC_WRAPPER

# say WORDS: one line of progress.
say() {
	printf '  %-8s %s\n' "$1" "${*:2}"
}

# warn TEXT: something the user should know, the build goes on.
warn() {
	printf 'warning: %s\n' "$*" >&2
}

# die TEXT [HOW-TO-GO-ON ...]: one line on what failed, one on each way on.
die() {
	printf 'error: %s\n' "$1" >&2
	shift
	local way
	for way in "$@"; do
		printf '       %s\n' "$way" >&2
	done
	exit 1
}

# version_ge A B: is version A at least B? Suffixes such as "-dev" are ignored.
version_ge() {
	local a=${1%%[-+~ ]*} b=${2%%[-+~ ]*}
	[ "$(printf '%s\n%s\n' "$b" "$a" | sort -V | head -n 1)" = "$b" ]
}

# rustc_version, bindgen_version, qemu_version: the version installed, or
# nothing when the tool is missing or does not run.
rustc_version() {
	"$RUSTC" --version 2>/dev/null | sed -nE '1s/.*rustc ([0-9]+(\.[0-9]+)+).*/\1/p' || true
}
bindgen_version() {
	bindgen --version 2>/dev/null | sed -nE '1s/.*bindgen ([0-9]+(\.[0-9]+)+).*/\1/p' || true
}
qemu_version() {
	qemu-system-x86_64 --version 2>/dev/null | sed -nE '1s/.*version ([0-9]+(\.[0-9]+)+).*/\1/p' || true
}

# rust_lib_src: the folder with the source of Rust's core library, or nothing.
rust_lib_src() {
	local dir
	for dir in "$("$RUSTC" --print sysroot 2>/dev/null)"/lib/rustlib/src/rust/library \
		/usr/lib/rustlib/src/rust/library /usr/src/rustc-*/library; do
		if [ -f "$dir/core/src/lib.rs" ]; then
			echo "$dir"
			return
		fi
	done
}

# take_lock FILE WHAT: hold FILE for the rest of this process, and say so when
# another one has to be waited for. A process killed by any means lets go.
# Runs started below one that holds the lock must not ask for it again.
take_lock() {
	mkdir -p "$(dirname "$1")"
	exec 9>>"$1"
	if ! flock -n 9; then
		say WAIT "another $2 is running (lock $1), waiting for it to end"
		flock 9
	fi
}

# copy_if_changed FROM TO: make TO equal to FROM; TO keeps its time stamp when
# nothing changes, so that make does not rebuild what depends on it.
copy_if_changed() {
	local mode
	if [ -x "$1" ]; then mode=755; else mode=644; fi
	if ! cmp -s "$1" "$2"; then
		mkdir -p "$(dirname "$2")"
		cp -f "$1" "$2.slaunch-new"
		chmod "$mode" "$2.slaunch-new"
		mv -f "$2.slaunch-new" "$2"
		return 0
	fi
	if [ "$(stat -c %a "$2")" != "$mode" ]; then chmod "$mode" "$2"; fi
}

# elapsed SECONDS: as "3 min 07 s".
elapsed() {
	if [ "$1" -ge 60 ]; then
		printf '%d min %02d s' $(($1 / 60)) $(($1 % 60))
	else
		printf '%d s' "$1"
	fi
}
