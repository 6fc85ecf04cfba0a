#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh: the numbers this project holds itself to (`make bench`): sizes of
# the loader block and the early code, speed of the hash code against OpenSSL,
# cost of a launch in instructions, of the EFI gate for a call, speed and length of
# the TPM driver against the C drivers, speed of "slaunch log" against tpm2_eventlog.
# Fails when one is missed.
#
# ONLY=sizes,hashes,launches,gate,extends,log,lines limits it to some of these.

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
# What the gate may cost a call of GetVariable: with the fast check so many instructions, with
# the full one so many passes of its digests over the kernel's text and read-only data.
GATE_FAST=3000
GATE_FULL=1.15
# In user mode: so many instructions more for a call; so many times as long for one, and for going through all
# variables and reading them.
GATE_ISOLATE=6000
GATE_ISOLATE_CALL=2.0
GATE_ISOLATE_LIST=1.3
# Extends per second through the driver, against the C driver in the same run.
EXTEND_RATIO=1.0
MISSED=0

# wanted PART: is it to be measured?
wanted() {
	[ -z "${ONLY:-}" ] || [[ ",$ONLY," = *",$1,"* ]]
}

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

# loop NAME READS OPTION...: read a variable so often in a machine with these options and this addition
# to the kernel's command line ($APPEND), and with the kernel KERNEL; what init says of it is in
# $BENCH/NAME/serial.log.
loop() {
	local name=$1 reads=$2
	shift 2
	"$OUT/bin/drtm-vm" boot --kernel "$OUT/$KERNEL/bzImage" --initrd "$OUT/guest/initramfs.cpio" --cpus 1 "$@" \
		--append "console=ttyS0 quiet no_timer_check efi-loop=$reads $APPEND" \
		--out "$BENCH/$name" > "$BENCH/$name.log" ||
		die "the machine to be measured failed: $(tail -n 1 "$BENCH/$name.log")" \
			"its console: $BENCH/$name/serial.log"
}

# A call of GetVariable without a launch and in the gate's modes, each in a machine that counts instructions
# and in one that runs as fast as it can. The bare call is that of mode trust, of the same kernel after the
# same launch: a call without one takes another number of instructions, for reasons outside of the gate.
gate() {
	local mode reads
	BENCH=$CACHE/bench
	rm -rf "$BENCH"
	mkdir -p "$BENCH"
	for mode in without none plain trust isolate fast full; do
		reads=1000
		KERNEL=kernel
		APPEND="slaunch=on,wait slaunch_efi=$mode"
		case $mode in
		# The kernel in which there is no gate at all.
		without) APPEND= KERNEL=kernel-c-tpm ;;
		none) APPEND= ;;
		# The measured kernel runs with four levels of page tables; this one would take five.
		plain) APPEND=no5lvl ;;
		fast) APPEND="slaunch=on,wait slaunch_efi=verify,fast" ;;
		full) APPEND="slaunch=on,wait slaunch_efi=verify,full" reads=30 ;;
		trust | isolate) reads=1000,15 ;;
		esac
		loop "$mode-count" $reads --icount 0
		loop "$mode-time" $reads
	done
	python3 - "$BENCH" $GATE_FAST $GATE_FULL $GATE_ISOLATE $GATE_ISOLATE_CALL $GATE_ISOLATE_LIST <<-'END' || MISSED=1
		import re, sys
		bench, fast, full = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
		isolate, call, enumeration = int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6])
		def read(name, unit):
		    with open(f"{bench}/{name}/serial.log", errors="replace") as file:
		        text = file.read()
		    if "efi-loop: end" not in text:
		        sys.exit(f"  {name}: init did not come to its end: {bench}/{name}/serial.log")
		    found = {}
		    for what, values in re.findall(r"efi-loop: (\w+): (.*)", text):
		        values = dict(word.split("=") for word in values.split())
		        found[what] = int(values[unit]), int(values["mean_" + unit])
		    return found
		def judge(text, value, limit, form):
		    good = value <= limit
		    print(f"  {text:44} {value:10{form}}   at most {limit}  " + ("ok" if good else "MISSED"))
		    return good
		modes = ("without", "none", "plain", "trust", "isolate", "fast", "full")
		names = {"without": "no gate", "none": "no launch", "plain": "same levels", "trust": "trust", "isolate": "isolate",
		         "fast": "verify,fast", "full": "verify,full"}
		good = True
		for kind, unit, what in (("count", "ticks", "instructions"), ("time", "ns", "ns")):
		    runs = {mode: read(f"{mode}-{kind}", unit) for mode in modes}
		    calls = {mode: run["GetVariable"] for mode, run in runs.items()}
		    for mode in modes:
		        median, mean = calls[mode]
		        print(f"  {names[mode]:12} {median:11,} {what} (mean {mean:,}), "
		              f"{median - calls['trust'][0]:+,} to the bare call")
		    if "pass" not in runs["full"]:
		        sys.exit("  there is no way to have a pass done: SECURE_LAUNCH_STRESS")
		    one = runs["full"]["pass"][0]
		    print(f"  one pass     {one:11,} {what}")
		    if kind == "count":
		        good &= judge("verify,fast over the bare call", calls["fast"][0] - calls["trust"][0], fast, "d")
		        good &= judge("isolate over the bare call", calls["isolate"][0] - calls["trust"][0], isolate, "d")
		    lists = [runs[mode]["enumeration"][0] for mode in ("isolate", "trust")]
		    good &= judge(f"isolate to the bare call ({what})", calls["isolate"][0] / calls["trust"][0], call, ".3f")
		    good &= judge(f"isolate to trust, all variables ({what})", lists[0] / lists[1], enumeration, ".3f")
		    good &= judge(f"verify,full over the bare call, passes ({what})",
		                  (calls["full"][0] - calls["trust"][0]) / one, full, ".3f")
		sys.exit(not good)
	END
}

extends() {
	local log=$CACHE/log/extend-bench.log
	"$CARGO" build --release --locked --quiet -p extend-bench \
		--manifest-path "$REPO/tools/Cargo.toml" --target-dir "$CACHE/target" > "$log" 2>&1 ||
		die "extend-bench could not be built: $(grep -m 1 '^error' "$log")" "all of cargo's output: $log"
	"$CACHE/target/release/extend-bench" --kernel "$OUT/kernel/bzImage" --against "$OUT/kernel-c-tpm/bzImage" \
		--initrd "$OUT/guest/initramfs.cpio" --min-ratio $EXTEND_RATIO || MISSED=1
}

# The test says what it has measured, and what it expects.
log() {
	local log=$CACHE/log/log-bench.log status=0
	"$CARGO" test --release --locked --quiet -p slaunch --test large --manifest-path "$REPO/tools/Cargo.toml" \
		--target-dir "$CACHE/target" -- --ignored --nocapture speed > "$log" 2>&1 || status=$?
	grep '^  [a-z].* ms' "$log" || die "\"slaunch log\" could not be measured" "all of cargo's output: $log"
	[ $status = 0 ] || MISSED=1
}

# count FILE...: lines that are not blank.
count() {
	cat "$@" | grep -cv '^[[:space:]]*$'
}

# What drives the hardware, without the commands and the log, which in C are
# elsewhere too; and without tests. The registers of the C drivers are for one half in
# a header, so they are shown, not judged.
lines() {
	local own=$REPO/drivers/char/tpm c=$OUT/kernel/source/drivers/char/tpm rust
	mapfile -t rust < <(find "$own/tpm_ptp.rs" "$own/ptp" "$own/core/ptp" -name '*.rs' ! -path '*/tests*' 2> /dev/null)
	if [ ! -f "$own/tpm_ptp.rs" ]; then
		say SKIP "there is no driver in $own"
		return
	fi
	number "driver and transports, not blank" "$(count "${rust[@]}")" \
		"$(count "$c/tpm_tis_core.c" "$c/tpm_tis.c" "$c/tpm_crb.c")"
	printf '  %-44s %10d   (tpm_tis_core.h: %d)\n' "its registers" \
		"$(count "$own"/core/regs/*.rs)" "$(count "$c/tpm_tis_core.h")"
}

# part NAME TITLE FUNCTION
part() {
	wanted "$1" || return 0
	echo "$2"
	"$3"
	echo
}

sizes() {
	number "loader block with its stack" "$(symbol "$BUILD/arch/x86/slaunch/slb/slb.elf" slb_total)" $SLB_LIMIT
	number "early code (text)" "$(text "$BUILD/arch/x86/slaunch/early/early.o")" $EARLY_LIMIT
}

main() {
	[ -d "$BUILD/" ] || die "$BUILD is missing" "build the kernel: make kernel"
	part sizes "Sizes, in bytes" sizes
	part hashes "Hash code of loader block and early kernel on this machine" hashes
	part launches "A launch, from SKINIT to startup_64, in guest instructions" launches
	part gate "The EFI gate: one call of GetVariable, median" gate
	part extends "PCR extends per second through /dev/tpm0, best turns, median of 5 rounds" extends
	part log "A log of 100,000 events" log
	part lines "Lines of the TPM driver, against tpm_tis_core.c, tpm_tis.c and tpm_crb.c" lines
	[ $MISSED = 0 ] || die "a number was missed"
}

main
