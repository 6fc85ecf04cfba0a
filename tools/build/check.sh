#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [quick]: check style (`make check`; quick: without clippy, which compiles,
# as part of `make test`). One line per rule that is broken and where; ends with
# the number of rules kept and broken.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

MAX_LINES=600
PASSED=0
FAILED=0

# rule NAME FILES: broken when FILES (one "file: what" a line) is not empty.
rule() {
	if [ -z "$2" ]; then
		PASSED=$((PASSED + 1))
		say CHECK "$1"
	else
		FAILED=$((FAILED + 1))
		say FAIL "$1:"
		printf '%s\n' "$2" | sed 's/^/             /'
	fi
}

# files PATTERN...: what git would commit, of these patterns.
files() {
	git ls-files -c -o --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done | sort -u
}

spdx() {
	files '*.rs' '*.c' '*.h' '*.S' '*.s' '*.lds' '*.sh' '*.py' '*.rst' '*.toml' '*.config' '*Makefile' '*Kconfig' \
		'*Makefile.pi' '.ci/run' | while read -r f; do
		head -n 3 "$f" | grep -q SPDX-License-Identifier || echo "$f"
	done
}

length() {
	files '*.rs' '*.c' '*.h' '*.S' '*.sh' '*.py' | while read -r f; do
		n=$(wc -l < "$f")
		[ "$n" -le $MAX_LINES ] || echo "$f: $n lines"
	done
}

white_space() {
	files '*.rs' '*.c' '*.h' '*.S' '*.sh' '*.rst' '*.toml' '*Makefile' '*Kconfig' | while read -r f; do
		grep -nE '[[:space:]]+$' "$f" /dev/null | cut -d : -f 1,2 | head -n 3 || true
		[ -z "$(tail -c 1 "$f")" ] || echo "$f: no newline at the end"
	done
}

# The cores are compiled into code that may not panic.
no_unwrap() {
	files 'arch/x86/slaunch/*.rs' 'drivers/char/tpm/core/*.rs' | while read -r f; do
		# Tests at the end of a file may.
		sed '/#\[cfg(test)\]/,$d' "$f" |
			grep -nE '\.unwrap\(\)|\.expect\("|[^_]panic!\(|unreachable!\(|todo!\(' | grep -vE '^[0-9]+: *//' |
			cut -d : -f 1 | sed "s|^|$f:|" || true
	done
}

left_open() {
	# Put together, so that this line is not found itself.
	local words="TO""DO|FIX""ME|X""XX"
	files '*.rs' '*.c' '*.h' '*.S' '*.sh' '*.rst' '*.md' | while read -r f; do
		grep -nwE "$words" "$f" /dev/null | cut -d : -f 1,2 || true
	done
}

formatted() {
	files '*.rs' | xargs -r rustfmt --check --edition 2021 --config skip_children=true -l 2> /dev/null | sort -u || true
}

script_syntax() {
	files '*.sh' '.ci/run' | while read -r f; do bash -n "$f" 2>&1 || true; done
}

headers_and_sources() {
	local pl=
	for pl in "$CACHE"/tree/*/src/scripts/checkpatch.pl; do break; done
	[ -f "$pl" ] || return 0
	local ignore
	files '*.c' '*.h' '*.S' | while read -r f; do
		ignore=SPDX_LICENSE_TAG,FILE_PATH_CHANGES,INCLUDE_LINUX,MAINTAINERS
		# A macro of the assembler, which has no use for the parentheses asked for.
		[ "$f" != arch/x86/slaunch/hash/ni.h ] || ignore+=,COMPLEX_MACRO
		perl "$pl" --no-tree --no-summary --terse --strict --file "$f" --ignore $ignore 2> /dev/null |
			grep -E 'ERROR:' || true
	done
}

main() {
	cd "$REPO"
	rule "SPDX line in every source" "$(spdx)"
	rule "no file above $MAX_LINES lines" "$(length)"
	rule "no white space at line ends" "$(white_space)"
	rule "no unwrap, expect or panic in the trusted code" "$(no_unwrap)"
	rule "nothing left to be done later" "$(left_open)"
	rule "shell scripts parse" "$(script_syntax)"
	rule "checkpatch on C and assembler" "$(headers_and_sources)"
	if command -v rustfmt > /dev/null; then
		rule "formatted by rustfmt" "$(formatted)"
	else
		say SKIP "rustfmt is not installed"
	fi
	if [ "${1:-}" != quick ]; then
		# With the compiler that clippy belongs to, whichever of several is used else.
		local dir
		if dir=$(command -v cargo-clippy) && dir=$(dirname "$dir") && [ -x "$dir/cargo" ]; then
			rule "clippy" "$(PATH=$dir:$PATH RUSTC="$dir/rustc" "$dir/cargo" clippy --quiet --locked --all-targets \
				--manifest-path tools/Cargo.toml --target-dir "$CACHE/clippy" -- -D warnings 2>&1 |
				grep -A 1 -E '^(error|warning)' | head -n 40 || true)"
		else
			say SKIP "clippy is not installed"
		fi
	fi
	echo "$PASSED passed, $FAILED failed"
	[ $FAILED = 0 ]
}

main "$@"
