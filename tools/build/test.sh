#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test.sh: all tests (`make test`): the build scripts, style, the cores and
# tools on the host, launches of the built kernel in the machine model, the
# TPM driver in a guest, beside the C drivers, and the EFI gate.
#
# ONLY=scripts,style,host,launch,guest,gate limits it to some of these. All output is in
# $CACHE/log/test-*.log; a summary closes the run, its last line counts all tests.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

PASSED=0
FAILED=0
SUMMARY=
TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
unset CARGO_TARGET_DIR

# wanted GROUP: is it to be run?
wanted() {
	[ -z "${ONLY:-}" ] || [[ ",$ONLY," = *",$1,"* ]]
}

# count GROUP LOG STATUS SECONDS: add up what the runners say in LOG. A runner
# that failed without counting a failure (it did not compile, it died), or
# that ran nothing, is one.
count() {
	local p f
	p=$(sed -nE 's/^(test result: [^.]*\. |[a-z-]+: )?([0-9]+) passed[;,] ([0-9]+) failed.*/\2/p' "$2" | awk '{ n += $1 } END { print n + 0 }')
	f=$(sed -nE 's/^(test result: [^.]*\. |[a-z-]+: )?([0-9]+) passed[;,] ([0-9]+) failed.*/\3/p' "$2" | awk '{ n += $1 } END { print n + 0 }')
	if [ "$3" != 0 ] || [ "$p" = 0 ]; then f=$((f > 0 ? f : 1)); fi
	PASSED=$((PASSED + p))
	FAILED=$((FAILED + f))
	SUMMARY+=$(printf '  %-8s %4d passed %3d failed  %s' "$1" "$p" "$f" "$(elapsed "$4")")$'\n'
}

# group NAME TITLE COMMAND...: run one group of tests and count them.
group() {
	local name=$1 title=$2 log=$CACHE/log/test-$1.log status=0 start=$SECONDS
	shift 2
	wanted "$name" || return 0
	say TEST "$title"
	"$@" < /dev/null > >(tee "$log") 2>&1 || status=$?
	wait $!
	count "$name" "$log" $status $((SECONDS - start))
}

scripts() {
	local t status=0
	for t in "$HERE"/test-*.sh; do
		case $t in *-lib.sh) continue ;; esac
		"$t" || status=1
	done
	return $status
}

# cargo_test PROFILE ARGUMENT...: tests of the workspace, built with this profile.
cargo_test() {
	"$CARGO" test --profile "$1" --locked --no-fail-fast --manifest-path "$REPO/tools/Cargo.toml" \
		--target-dir "$TARGET_DIR" "${@:2}"
}

# Everything in the workspace but what needs a kernel: launch-check's integration
# tests "launch", "guest" and "gate". With overflow checks and debug assertions, which
# the code of the kernel does not have on its own. One takes a part of the kernel's source,
# another compares with systemd-pcrlock.
host() {
	local KERNEL_SOURCE SYSTEMD_PCRLOCK=$OUT/bin/systemd-pcrlock
	KERNEL_SOURCE=$(readlink -f "$OUT/kernel/source")
	export KERNEL_SOURCE SYSTEMD_PCRLOCK
	cargo_test checked --workspace --exclude launch-check &&
		cargo_test checked -p launch-check --lib --bins
}

# As released: `make tools` has built most of it.
launch() {
	SLAUNCH_OUT=$OUT cargo_test release -p launch-check --test launch
}

guest() {
	SLAUNCH_OUT=$OUT cargo_test release -p launch-check --test guest
}

gate() {
	SLAUNCH_OUT=$OUT cargo_test release -p launch-check --test gate
}

main() {
	mkdir -p "$CACHE/log"
	# One build at a time: in the cache shared by all checkouts.
	group scripts "build scripts" scripts
	group style "style" "$HERE/check.sh" quick
	group host "cores and tools on this machine" host
	group launch "launches in the machine model" launch
	group guest "the TPM driver in a guest" guest
	group gate "EFI runtime services behind the gate" gate
	echo
	printf '%s' "$SUMMARY"
	say TIME "$(elapsed $SECONDS)"
	echo
	echo "$PASSED passed, $FAILED failed"
	[ $FAILED = 0 ] && [ $PASSED != 0 ]
}

main
