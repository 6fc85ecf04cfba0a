#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh: the numbers this project holds itself to (`make bench`): sizes of
# the loader block and the early code, speed of the hash code against OpenSSL,
# cost of a launch in instructions. Fails when one is missed.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

BUILD=$OUT/kernel/build
SLB_LIMIT=49152
EARLY_LIMIT=65536
# A busy machine disturbs both sides of the comparison; see hash-bench.
HASH_RATIO=0.9
# What a launch may cost beyond hashing, in percent of that, with the initrd below.
REST_LIMIT=5
INITRD_MIB=64
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

# boot NAME INITRD: a launch with instructions counted; the report is in $BENCH/NAME.
boot() {
	local map=$BUILD/System.map offset
	offset=$(awk '$3 == "_text" { t = $1 } $3 == "startup_64" { s = $1 } END { print t, s }' "$map")
	offset=$((0x${offset#* } - 0x${offset% *}))
	"$OUT/bin/drtm-vm" boot --kernel "$OUT/kernel/bzImage" --initrd "$2" --cpus 1 --icount 0 \
		--startup $offset --append "console=ttyS0 slaunch=on,wait" --out "$BENCH/$1" > "$BENCH/$1.log" ||
		die "the launch to be measured failed: $(tail -n 1 "$BENCH/$1.log")" "its console: $BENCH/$1/serial.log"
}

# What SKINIT to startup_64 costs over a boot that goes to startup_64 at once.
# Hashing is what each byte costs, from launches with two initrds; the rest is
# all else, waiting for the TPM included, so it is more than it has to be.
launches() {
	local initrd=$OUT/guest/initramfs.cpio
	BENCH=$CACHE/bench
	rm -rf "$BENCH"
	mkdir -p "$BENCH"
	cp "$initrd" "$BENCH/large.cpio"
	# An initramfs may be followed by zeros.
	head -c "${INITRD_MIB}M" /dev/zero >> "$BENCH/large.cpio"
	boot small "$initrd"
	boot large "$BENCH/large.cpio"
	python3 - "$BENCH" "$initrd" $REST_LIMIT <<-'END' || MISSED=1
		import json, os, sys
		bench, initrd, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
		def read(name):
		    with open(f"{bench}/{name}/report.json") as file:
		        report = json.load(file)
		    count = report["instructions"]
		    dlme = report["after_launch"]["dlme"]
		    return (dlme["measured"], count["slb-stgi"] - count["launched"],
		            count["startup_64"] - count["kernel-entry"])
		sizes = {"small": os.path.getsize(initrd), "large": os.path.getsize(f"{bench}/large.cpio")}
		runs = {name: read(name) for name in sizes}
		byte = (runs["large"][2] - runs["small"][2]) / (sizes["large"] - sizes["small"])
		print(f"  hashing, per byte and for all banks  {byte:6.2f}")
		for name, (kernel, block, early) in runs.items():
		    total = block + early
		    hashing = byte * (kernel + sizes[name])
		    rest = (total - hashing) / hashing * 100
		    verdict = ""
		    if name == "large":
		        verdict = f"  at most {limit:.0f} %  " + ("ok" if rest <= limit else "MISSED")
		    print(f"  kernel {kernel / 2**20:5.1f} MiB, initrd {sizes[name] / 2**20:5.1f} MiB: "
		          f"{total / 1e6:7.1f} million, {hashing / 1e6:7.1f} of it hashing, "
		          f"rest with TPM waits {rest:4.1f} %{verdict}")
		sys.exit(rest > limit)
	END
	rm -f "$BENCH/large.cpio"
}

main() {
	[ -d "$BUILD/" ] || die "$BUILD is missing" "build the kernel: make kernel"
	echo "Sizes, in bytes"
	number "loader block with its stack" "$(symbol "$BUILD/arch/x86/slaunch/slb/slb.elf" slb_total)" $SLB_LIMIT
	number "early code (text)" "$(text "$BUILD/arch/x86/slaunch/early/early.o")" $EARLY_LIMIT
	echo
	echo "Hash code of loader block and early kernel on this machine"
	hashes
	echo
	echo "A launch, from SKINIT to startup_64, in guest instructions"
	launches
	[ $MISSED = 0 ] || die "a number was missed"
}

main
