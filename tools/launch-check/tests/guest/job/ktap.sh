# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# ktap.sh: test cases of a job. Sourced, never run.

set -u -o pipefail
CASES=0
export TPM2TOOLS_TCTI=device:/dev/tpmrm0

# test_case NAME COMMAND...: ok when the command, in a shell of its own that ends at
# the first failure, succeeds; else what it printed explains why not. Status 4
# is a case that does not apply, as in the kernel's own tests.
test_case() {
	local name=$1 output status
	shift
	CASES=$((CASES + 1))
	# Not as a condition: there "set -e" would have no effect.
	output=$(
		set -e
		"$@" 2>&1
	)
	status=$?
	case $status in
	0) echo "ok $CASES $name" ;;
	4) echo "ok $CASES $name # SKIP ${output##*$'\n'}" ;;
	*)
		[ -z "$output" ] || printf '%s\n' "$output" | sed 's/^/# /'
		echo "not ok $CASES $name"
		;;
	esac
}

# fail TEXT: end the case.
fail() {
	echo "$*"
	exit 1
}

# skip TEXT: the case does not apply.
skip() {
	echo "$*"
	exit 4
}

# same WHAT A B
same() {
	[ "$2" = "$3" ] || fail "$1: $2 is not $3"
}

# differ WHAT A B
differ() {
	[ "$2" != "$3" ] || fail "$1: $2 twice"
}

# fails COMMAND...: the command must fail.
fails() {
	if "$@"; then fail "succeeded: $*"; fi
}

# raw HEX: the bytes.
raw() {
	# shellcheck disable=SC2001
	printf '%b' "$(sed 's/../\\x&/g' <<< "$1")"
}

# sha256: of standard input, in hexadecimal.
sha256() {
	sha256sum | cut -d ' ' -f 1
}

# hex FILE: its bytes in hexadecimal.
hex() {
	od -An -v -tx1 "$1" | tr -d ' \n'
}

# pcr NUMBER: its value in the SHA-256 bank, in hexadecimal.
pcr() {
	local file
	file=$(mktemp)
	tpm2_pcrread -Q -o "$file" "sha256:$1"
	hex "$file"
	rm "$file"
}
