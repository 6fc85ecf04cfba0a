#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test-series.sh: the patch series (series.py): every line in exactly one patch, parts of files, and
# patches that add up to the prepared tree.

. "$(dirname "$0")/test-lib.sh"

# A prepared tree with a new file, one that a hook has changed in three places, and a script.
make_fixture() {
	mkdir -p "$T/src/a" "$T/pristine/a" "$T/repo/tools/series"
	printf 'one\n\nconfig FIRST\n\thelp\n\nconfig SECOND\n\thelp\n' > "$T/src/a/Kconfig"
	printf 'top\nold\nbottom\n' > "$T/pristine/a/list"
	printf 'first\ntop\nnew\nsecond\nbottom\nthird\nfourth\n' > "$T/src/a/list"
	printf '#!/bin/sh\n' > "$T/src/a/run.sh"
	chmod +x "$T/src/a/run.sh"
	printf 'a/Kconfig\na/list\na/run.sh\n' > "$T/wanted"
	printf 'a/Kconfig: Add two things\n\nThey are\nwanted.\n' > "$T/repo/tools/series/cover.txt"
	git -C "$T/repo" init -q
	git -C "$T/repo" config user.name "Some Body"
	git -C "$T/repo" config user.email body@example.org
	git -C "$T/repo" commit -q --allow-empty -m start
}

# patch NAME LINE...: a patch that takes these.
patch() {
	local name=$1
	shift
	printf 'a: %s\n\nBecause.\n---\n' "$name" > "$T/repo/tools/series/$name.txt"
	printf '%s\n' "$@" >> "$T/repo/tools/series/$name.txt"
}

series() {
	python3 "$SCRIPTS/series.py" "$T/repo" "$T/src" "$T/pristine" "$T/wanted" "$T/out" 1.2.3 > "$T/log" 2>&1
}

refused() {
	if series; then fail "it went through"; fi
	expect "$T/log" "$1"
}

# The tree after each patch in turn, as git am makes it.
apply() {
	mkdir -p "$T/am/a"
	cp "$T/pristine/a/list" "$T/am/a/"
	git -C "$T/am" init -q
	git -C "$T/am" add -A
	git -C "$T/am" -c user.name=x -c user.email=x commit -q -m base
	git -C "$T/am" -c user.name=x -c user.email=x am -q "$T/out/"000[1-9]*
}

test_parts_add_up() {
	make_fixture
	patch 010-one 'a/Kconfig  except /^config SECOND/,$' 'a/list  only /first/ only /third/' a/run.sh
	patch 020-two a/Kconfig 'a/list  only /second/'
	patch 030-three a/list
	series
	apply
	diff -r -x .git "$T/src" "$T/am"
	[ -x "$T/am/a/run.sh" ] || fail "run.sh is not executable"
	git -C "$T/am" show HEAD~2:a/list > "$T/step"
	content "$T/step" "$(printf 'first\ntop\nold\nbottom\nthird')"
	git -C "$T/am" show HEAD~2:a/Kconfig > "$T/step"
	content "$T/step" "$(printf 'one\n\nconfig FIRST\n\thelp\n')"
}

test_replaced_lines_go_together() {
	make_fixture
	patch 010-one a/Kconfig a/run.sh 'a/list  only /new/'
	patch 020-two a/list
	series
	apply
	git -C "$T/am" show HEAD~1:a/list > "$T/step"
	content "$T/step" "$(printf 'top\nnew\nsecond\nbottom')"
}

test_signed_off_with_cover() {
	make_fixture
	patch 010-one a/Kconfig a/list a/run.sh
	series
	expect "$T/out/0001-a-010-one.patch" "Signed-off-by: Some Body <body@example.org>"
	expect "$T/out/0000-cover-letter.patch" "Subject: [PATCH 0/1] a/Kconfig: Add two things"
	expect "$T/out/0000-cover-letter.patch" "The series applies to Linux 1.2.3."
	reject "$T/out/0000-cover-letter.patch" "***"
}

# New entries of MAINTAINERS that name nobody name the sender; others stay as they are.
test_sender_is_maintainer() {
	make_fixture
	printf 'List\n----\n\nOLD\nL:\tlist\n\nTHE END\nM:\tX <x@y>\n' > "$T/pristine/MAINTAINERS"
	printf 'List\n----\n\nNEW\nL:\tlist\nF:\ta/\n\nOLD\nL:\tlist\n\nOTHER\nM:\tZ <z@y>\n\nTHE END\nM:\tX <x@y>\n' \
		> "$T/src/MAINTAINERS"
	echo MAINTAINERS >> "$T/wanted"
	patch 010-one a/Kconfig a/list a/run.sh MAINTAINERS
	series
	grep -A1 '^+[A-Z][A-Z]' "$T/out/0001-a-010-one.patch" > "$T/entries"
	content "$T/entries" "$(printf '+NEW\n+M:\tSome Body <body@example.org>\n--\n+OTHER\n+M:\tZ <z@y>')"
	reject "$T/out/0001-a-010-one.patch" "^+OLD"
}

test_same_input_same_patches() {
	make_fixture
	patch 010-one a/Kconfig a/list a/run.sh
	series
	mv "$T/out" "$T/before"
	series
	diff -r "$T/before" "$T/out"
}

test_left_over() {
	make_fixture
	patch 010-one a/Kconfig 'a/list  except /second/'
	refused "not in any patch, or not all of it: a/list, a/run.sh"
}

test_taken_twice() {
	make_fixture
	patch 010-one a/Kconfig a/list a/run.sh
	patch 020-two a/list
	refused "a/list: in 010-one.txt and in 020-two.txt"
}

test_line_taken_twice() {
	make_fixture
	patch 010-one a/Kconfig 'a/list  only /first/' a/run.sh
	patch 020-two 'a/list  only /first/'
	refused "a/list: in 010-one.txt and in 020-two.txt"
}

test_nothing_matches() {
	make_fixture
	patch 010-one a/Kconfig 'a/list  only /fifth/' a/run.sh
	refused "a/list: nothing in it matches /fifth/"
}

test_no_such_file() {
	make_fixture
	patch 010-one a/none
	refused "010-one.txt: there is no a/none"
}

test_large_without_reason() {
	make_fixture
	seq 900 > "$T/src/a/Kconfig"
	patch 010-one a/Kconfig a/list a/run.sh
	refused "more than 800: split it, or say why"
	patch 010-one 'large: it is a table' a/Kconfig a/list a/run.sh
	series
	expect "$T/out/0000-cover-letter.patch" "it is a table"
}

test_no_reason_in_the_message() {
	make_fixture
	printf 'a: Do it\n---\na/*\n' > "$T/repo/tools/series/010-one.txt"
	refused "a subject, an empty line and a reason are wanted"
}

test_no_identity() {
	make_fixture
	patch 010-one a/Kconfig a/list a/run.sh
	git -C "$T/repo" config --unset user.email
	if HOME=$T GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null series; then fail "it went through"; fi
	expect "$T/log" "git does not know who you are"
}

run_tests
