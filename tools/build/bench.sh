#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh: the numbers this project holds itself to (`make bench`): sizes of
# the loader block and the early code, speed of the hash code against OpenSSL.
# Fails when one is missed.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

BUILD=$OUT/kernel/build
SLB_LIMIT=49152
EARLY_LIMIT=65536
# A busy machine disturbs both sides of the comparison; see hash-bench.
HASH_RATIO=0.9
MISSED=0

# number WHAT VALUE LIMIT: print it, and note when it is above LIMIT.
number() {
	local verdict=ok
	if [ "$2" -gt "$3" ]; then
		verdict=MISSED
		MISSED=1
	fi
	printf '  %-44s %10d   at most %d  %s\n' "$1" "$2" "$3" "$verdict"
}

# symbol FILE NAME: the value of an absolute symbol, in decimal.
symbol() {
	local value
	value=$("llvm-nm-$LLVM" "$1" | awk -v s="$2" '$3 == s { print $1 }')
	printf '%d' "0x$value"
}

# text FILE: bytes of code in an object.
text() {
	"llvm-size-$LLVM" -A "$1" | awk '$1 ~ /^\.(init\.)?text/ { n += $2 } END { print n + 0 }'
}

hashes() {
	local log=$CACHE/log/hash-bench.log
	KERNEL_BUILD=$(readlink -f "$BUILD") "$CARGO" build --release --locked --quiet -p hash-bench \
		--manifest-path "$REPO/tools/Cargo.toml" --target-dir "$CACHE/target" > "$log" 2>&1 ||
		die "hash-bench could not be built: $(grep -m 1 '^error' "$log")" "all of cargo's output: $log"
	"$CACHE/target/release/hash-bench" --min-ratio $HASH_RATIO || MISSED=1
}

main() {
	[ -d "$BUILD/" ] || die "$BUILD is missing" "build the kernel: make kernel"
	echo "Sizes, in bytes"
	number "loader block with its stack" "$(symbol "$BUILD/arch/x86/slaunch/slb/slb.elf" slb_total)" $SLB_LIMIT
	number "early code (text)" "$(text "$BUILD/arch/x86/slaunch/early/early.o")" $EARLY_LIMIT
	echo
	echo "Hash code of loader block and early kernel on this machine"
	hashes
	[ $MISSED = 0 ] || die "a number was missed"
}

main
