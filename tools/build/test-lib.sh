# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# test-lib.sh: for the tests of the build scripts (test-*.sh). Sourced, never
# run. A test is a function named test_*; it runs in a subshell with a
# directory of its own, $T, and fails by any command that fails. Nothing outside
# $T is touched and no network is used.

set -eu -o pipefail
SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(mktemp -d)
trap 'rm -rf "$ROOT"' EXIT

# fail TEXT: end the test with a reason.
fail() {
	echo "    $*" >&2
	exit 1
}

# expect FILE TEXT: FILE has a line with TEXT (fixed string) in it.
expect() {
	grep -qF -- "$2" "$1" || {
		echo "    expected \"$2\" in:" >&2
		sed 's/^/      | /' "$1" >&2
		exit 1
	}
}

# reject FILE TEXT: FILE has no such line.
reject() {
	! grep -qF -- "$2" "$1" || fail "unexpected \"$2\" in $(cat "$1")"
}

# content FILE TEXT: the file is exactly this text.
content() {
	[ "$(cat "$1")" = "$2" ] || fail "$1 is \"$(cat "$1")\", expected \"$2\""
}

# stamp FILE: when FILE was written last.
stamp() {
	stat -c %.9Y "$1"
}

# run_tests: all test_* functions; one line each, then the count.
run_tests() {
	local t status passed=0 failed=0
	for t in $(compgen -A function test_); do
		T=$ROOT/$t
		mkdir -p "$T"
		# Not as a condition: there "set -e" would have no effect.
		set +e
		(
			set -eu -o pipefail
			"$t"
		) < /dev/null
		status=$?
		set -e
		if [ $status = 0 ]; then
			passed=$((passed + 1))
			echo "ok   $(basename "$0" .sh): ${t#test_}"
		else
			failed=$((failed + 1))
			echo "FAIL $(basename "$0" .sh): ${t#test_}"
			if [ -f "$T/log" ]; then tail -n 8 "$T/log" | sed 's/^/      | /'; fi
		fi
		rm -rf "$T"
	done
	echo "$(basename "$0" .sh): $passed passed, $failed failed"
	[ $failed = 0 ]
}
