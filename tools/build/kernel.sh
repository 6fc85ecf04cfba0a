#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kernel.sh [TARGET...]: build the kernel (`make kernel`).
#
#   source    Debian's linux-source package, or a copy of KERNEL_SRC  (source.sh)
#   lay       this repository's overlay and hooks on top              (lay.sh)
#   configure allnoconfig, then the fragments in KERNEL_CONFIG (samples/slaunch/qemu.config)
#   build     with LLVM and the distribution's rustc; bzImage or the TARGETs
#   hand out  out/kernel/{bzImage,vmlinux,System.map,config}
#
# KERNEL_VARIANT=NAME builds a second kernel from the same source, with the
# fragment samples/slaunch/qemu-NAME.config merged last, into out/kernel-NAME. Its
# objects start as a copy of the first kernel's, so that only what the fragment
# changes is compiled.
#
# All checkouts of this repository share the trees in the cache; one build runs
# at a time. Settings, all optional: KERNEL_SRC (directory of a kernel tree),
# KERNEL_CONFIG (configuration fragments, in order), KERNEL_UPDATE=1 (look for a
# newer package), DEBIAN_MIRROR, JOBS, VERBOSE=1.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/source.sh"

JOBS=${JOBS:-$(nproc)}
KERNEL_CONFIG=${KERNEL_CONFIG:-$REPO/samples/slaunch/qemu.config}
VARIANT=${KERNEL_VARIANT:-}
if [ -n "$VARIANT" ]; then
	KERNEL_CONFIG="$KERNEL_CONFIG $REPO/samples/slaunch/qemu-$VARIANT.config"
fi

# Kbuild, with everything that must be the same at each call.
kbuild() {
	make -C "$TREE/src" O="$BUILD" "LLVM=-$LLVM" "RUSTC=$RUSTC" "RUST_LIB_SRC=$RUST_SRC" \
		"KBUILD_BUILD_USER=slaunch" "KBUILD_BUILD_HOST=slaunch" "KBUILD_BUILD_VERSION=1" \
		"KBUILD_BUILD_TIMESTAMP=$BUILD_DATE" ${VERBOSE:+V=1} "$@"
}

# check_tool NAME HAVE: against what this very tree asks for.
check_tool() {
	local least
	least=$(SRCARCH=x86 "$TREE/src/scripts/min-tool-version.sh" "$1" 2> /dev/null) || return 0
	[ -n "$2" ] || die "$1 is missing" "install it: make deps"
	version_ge "$2" "$least" ||
		die "$1 $2 is too old: Linux $KERNEL_VERSION needs at least $least" "$3"
}

check_toolchain() {
	local seen wanted
	check_tool rustc "$(rustc_version)" \
		"install a newer rustc package, or name another compiler: make RUSTC=<path> ..."
	check_tool bindgen "$(bindgen_version)" \
		"install a newer one: cargo install --locked --root $CACHE/cargo bindgen-cli"
	RUST_SRC=$(rust_lib_src)
	[ -n "$RUST_SRC" ] || die "the source of Rust's core library is missing" "install it: make deps"
	command -v "clang-$LLVM" > /dev/null || die "clang-$LLVM is missing" "install it: make deps"

	# Objects of another compiler are never linked with new ones.
	wanted=$("$RUSTC" -vV; bindgen --version; "clang-$LLVM" --version; "ld.lld-$LLVM" --version)
	seen=$BUILD/.slaunch-toolchain
	mkdir -p "$BUILD"
	if [ -f "$seen" ] && [ "$(cat "$seen")" != "$wanted" ]; then
		say CLEAN "the compilers have changed since the last build"
		rm -rf "$BUILD"
		mkdir -p "$BUILD"
	fi
	if [ ! -f "$seen" ]; then
		kbuild rustavailable > "$LOG/rustavailable.log" 2>&1 ||
			die "the kernel cannot use this Rust toolchain: $(sed -n 's/^\*\*\* *\(.*[^ ]\) *$/\1/p' "$LOG/rustavailable.log" | head -n 1)" \
				"all of its answer: $LOG/rustavailable.log"
		printf '%s\n' "$wanted" > "$seen"
	fi
}

# clone: the objects that a variant starts from, whole or not at all. Kbuild
# goes by command lines and time stamps, both of which stay: the source is named
# by its path, the objects relative to the build directory. A variant of another
# compiler is of no use any more.
clone() {
	local from=$TREE/build
	[ -n "$VARIANT" ] && [ -f "$from/vmlinux" ] || return 0
	if cmp -s "$from/.slaunch-toolchain" "$BUILD/.slaunch-toolchain"; then return 0; fi
	rm -rf "$BUILD"
	say CLONE "the objects of the first kernel"
	rm -rf "$BUILD.new"
	cp -a --reflink=auto "$from" "$BUILD.new"
	mv "$BUILD.new" "$BUILD"
}

# configure: make build/.config from scratch when anything that goes into it
# has changed; the old file stays when the result is the same.
configure() {
	local key wrong b=$BUILD fragment
	for fragment in $KERNEL_CONFIG; do
		[ -f "$fragment" ] || die "no configuration fragment $fragment (KERNEL_CONFIG)"
	done
	key=$( (
		# shellcheck disable=SC2086
		cat $KERNEL_CONFIG "$BUILD/.slaunch-toolchain" "$HERE/kernel.sh"
		cd "$TREE/src" && find . -name 'Kconfig*' -type f -print0 | sort -z | xargs -0 -r cat
	) | sha256sum)
	if [ -f "$b/.config" ] && [ "$(cat "$b/.slaunch-config" 2> /dev/null)" = "$key$(sha256sum < "$b/.config")" ]; then
		return 0
	fi
	say CONFIG "$KERNEL_CONFIG"
	rm -f "$b/.slaunch-config"
	if [ -f "$b/.config" ]; then cp -p "$b/.config" "$b/.config.last"; fi
	# shellcheck disable=SC2086
	{
		kbuild allnoconfig &&
			"$TREE/src/scripts/kconfig/merge_config.sh" -m -O "$b" "$b/.config" $KERNEL_CONFIG &&
			kbuild olddefconfig
	} > "$LOG/config.log" 2>&1 || {
		if [ -f "$b/.config.last" ]; then cp -p "$b/.config.last" "$b/.config"; fi
		die "the kernel could not be configured: $(grep -m 1 -E 'error|\*\*\*' "$LOG/config.log" || tail -n 1 "$LOG/config.log")" \
			"all of its output: $LOG/config.log"
	}
	# Every wish must have come true; the last of several fragments wins.
	# shellcheck disable=SC2086
	wrong=$(cat $KERNEL_CONFIG | sed -nE 's/^(CONFIG_[A-Za-z0-9_]+=.*)/\1/p; s/^# (CONFIG_[A-Za-z0-9_]+) is not set.*/\1=n/p' |
		awk -F = -v config="$b/.config" '
		BEGIN {
			while ((getline line < config) > 0)
				if (line ~ /^CONFIG_/) { i = index(line, "="); have[substr(line, 1, i - 1)] = substr(line, i + 1) }
		}
		{ want[$1] = substr($0, index($0, "=") + 1) }
		END { for (s in want) { h = (s in have) ? have[s] : "n"; if (h != want[s]) print s "=" want[s] " (is " h ")" } }' | sort)
	if [ -n "$wrong" ]; then
		echo "error: configuration symbols that did not take effect (unknown, or a dependency is missing):" >&2
		printf '%s\n' "$wrong" | sed 's/^/         /' >&2
		printf '       in: %s\n' "$KERNEL_CONFIG" >&2
		exit 1
	fi
	if [ -f "$b/.config.last" ] && cmp -s "$b/.config" "$b/.config.last"; then
		cp -pf "$b/.config.last" "$b/.config"
	fi
	echo "$key$(sha256sum < "$b/.config")" > "$b/.slaunch-config"
}

# progress: from make's output on stdin a line every few seconds on how far the
# build is; warnings and errors are shown as they are.
progress() {
	local line count=0 shown=$SECONDS every=10 total='' last=
	if [ -f "$BUILD/.slaunch-steps" ]; then total=" of about $(cat "$BUILD/.slaunch-steps")"; fi
	if [ -t 1 ]; then every=2; fi
	while IFS= read -r line; do
		case $line in
		"  SLB     measured "* | "  EARLY   "[0-9]*) printf '%s\n' "$line" ;;
		"  "[A-Z]*)
			count=$((count + 1))
			last=$line
			if [ -n "${VERBOSE:-}" ]; then
				printf '%s\n' "$line"
			elif [ $((SECONDS - shown)) -ge $every ]; then
				shown=$SECONDS
				printf '  %-8s %d steps%s, %s: %s\n' KERNEL "$count" "$total" "$(elapsed $((SECONDS - START)))" \
					"$(printf '%s' "$last" | tr -s ' ')"
			fi
			;;
		make*"Entering directory"* | make*"Leaving directory"* | "Kernel: "* | "make["*"Nothing to be done"*) ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
	if [ "$count" -gt 1000 ]; then echo "$count" > "$BUILD/.slaunch-steps"; fi
}

build() {
	START=$SECONDS
	say KERNEL "building $* of Linux $KERNEL_VERSION${VARIANT:+ ($VARIANT)} with $JOBS jobs (log: $LOG/kernel.log)"
	if ! kbuild -j "$JOBS" "$@" 2>&1 < /dev/null 9>&- | tee "$LOG/kernel.log" | progress; then
		die "the kernel build failed: $(grep -m 1 -E '(^|[ :])(fatal )?error(\[|:| )|undefined (symbol|reference)|\*\*\*' "$LOG/kernel.log" || tail -n 1 "$LOG/kernel.log")" \
			"all of its output: $LOG/kernel.log" "when the cause is removed, make kernel${VARIANT:+-$VARIANT} goes on where it stopped"
	fi
	say KERNEL "done in $(elapsed $((SECONDS - START)))"
}

hand_out() {
	local b=$BUILD o=$OUT/kernel${VARIANT:+-$VARIANT}
	mkdir -p "$o"
	copy_if_changed "$b/arch/x86/boot/bzImage" "$o/bzImage"
	copy_if_changed "$b/vmlinux" "$o/vmlinux"
	copy_if_changed "$b/System.map" "$o/System.map"
	copy_if_changed "$b/.config" "$o/.config"
	echo "$KERNEL_VERSION" > "$o/version"
	# For programs that want objects of this very build (make bench), and for the
	# kernel's own tests.
	ln -sfn "$b" "$o/build"
	ln -sfn "$TREE/src" "$o/source"
	say IMAGE "$o/bzImage ($(stat -c %s "$o/bzImage") bytes)"
}

main() {
	[ "$(uname -m)" = x86_64 ] || die "the kernel is built on x86-64 only, this is $(uname -m)"
	LOG=$CACHE/log
	mkdir -p "$LOG"
	take_lock "$CACHE/kernel.lock" "kernel build"
	select_source
	BUILD=$TREE/build${VARIANT:+-$VARIANT}
	# Same input, same image: the date is the source's, not today's.
	BUILD_DATE=$(date -u -d "@$(stat -c %Y "${KERNEL_SRC:-$TREE/src}/COPYING")" '+%Y-%m-%d %H:%M:%S UTC')
	KERNEL_VERSION=$KERNEL_VERSION "$HERE/lay.sh" "$TREE/src" "$TREE/state" ||
		exit 1
	clone
	check_toolchain
	configure
	if [ $# -gt 0 ]; then
		build "$@"
	else
		# The modules are what the tests load and unload.
		build bzImage modules
		hand_out
	fi
}

main "$@"
