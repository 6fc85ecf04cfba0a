#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tools.sh: build the programs in tools/ (`make tools`).
#
#   out/bin/          host programs: drtm-vm (the machine model), launch-check, slaunch (static)
#   out/guest/init    the test guest's init, a static program
#   out/guest/initramfs.cpio  that program as an initramfs
#   out/firmware/     UEFI programs for the tests: a boot loader, a hostile driver
#
# Objects are kept in the cache and shared by all checkouts.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

HOST_PROGRAMS=(drtm-vm launch-check)
GUEST_TARGET=x86_64-unknown-linux-gnu
FIRMWARE_TARGET=x86_64-unknown-uefi
MANIFEST=$REPO/tools/Cargo.toml
TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
unset CARGO_TARGET_DIR

# cargo_build WHAT ARGUMENTS...
cargo_build() {
	local what=$1 log=$CACHE/log/cargo.log
	shift
	say CARGO "$what"
	# On success cargo has nothing to tell but what it compiled.
	"$CARGO" build --release --locked --manifest-path "$MANIFEST" \
		--target-dir "$TARGET_DIR" "$@" < /dev/null 9>&- 2>&1 | tee "$log" |
		sed -nuE '/^ *(Downloading|Downloaded|Updating|Finished|Locking|Adding|Blocking)/d; p' || {
		if grep -qiE 'could not resolve host|failed to download|failed to get|network failure' "$log"; then
			die "$what: no network, crates are missing and the registry cannot be reached" \
				"once it can: make tools"
		fi
		die "$what could not be built: $(grep -m 1 -E '^error' "$log" || echo "cargo failed")" \
			"all of cargo's output: $log"
	}
}

# The UEFI programs. No toolchain comes with a core library for them: it is built here, which
# cargo does for a compiler that is told to be a nightly one only.
firmware() {
	local p
	RUSTC_BOOTSTRAP=1 CARGO_TARGET_X86_64_UNKNOWN_UEFI_LINKER=lld-link-$LLVM \
		MANIFEST=$REPO/tools/hostile-firmware/Cargo.toml \
		cargo_build "firmware for the tests" --target $FIRMWARE_TARGET \
		-Zbuild-std=core,compiler_builtins -Zbuild-std-features=compiler-builtins-mem
	for p in loader driver; do
		copy_if_changed "$TARGET_DIR/$FIRMWARE_TARGET/release/$p.efi" "$OUT/firmware/$p.efi"
	done
}

main() {
	local p packages=()
	mkdir -p "$CACHE/log" "$OUT/bin" "$OUT/guest" "$OUT/firmware"
	[ -x "$CARGO" ] || die "$CARGO is missing" "install it: make deps"
	# Another checkout may build its own programs into the same place.
	take_lock "$CACHE/tools.lock" "build of the tools"
	for p in "${HOST_PROGRAMS[@]}"; do packages+=(-p "$p"); done
	cargo_build "host programs" "${packages[@]}"
	for p in "${HOST_PROGRAMS[@]}"; do
		copy_if_changed "$TARGET_DIR/release/$p" "$OUT/bin/$p"
	done
	RUSTFLAGS="-Ctarget-feature=+crt-static -Cstrip=symbols" \
		cargo_build "static programs" -p guest-init -p slaunch --target $GUEST_TARGET
	copy_if_changed "$TARGET_DIR/$GUEST_TARGET/release/slaunch" "$OUT/bin/slaunch"
	p=$TARGET_DIR/$GUEST_TARGET/release/guest-init
	if ! cmp -s "$p" "$OUT/guest/init" || [ ! -f "$OUT/guest/initramfs.cpio" ]; then
		rm -f "$OUT/guest/initramfs.cpio"
		copy_if_changed "$p" "$OUT/guest/init"
	fi
	# A change of the packing program shows too.
	"$OUT/bin/launch-check" initramfs --init "$OUT/guest/init" --out "$OUT/guest/initramfs.new" > /dev/null ||
		die "the initramfs could not be made" "its maker: $OUT/bin/launch-check"
	copy_if_changed "$OUT/guest/initramfs.new" "$OUT/guest/initramfs.cpio"
	rm -f "$OUT/guest/initramfs.new"
	firmware
	say GUEST "$OUT/guest/initramfs.cpio ($(stat -c %s "$OUT/guest/initramfs.cpio") bytes)"
}

main
