#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test-lay.sh: overlay and hooks over a kernel tree (lay.sh): whatever is edited,
# the tree is the original source with exactly the present files on top.

. "$(dirname "$0")/test-lib.sh"

# A source with two files, a repository with two overlay files and one hook.
make_fixture() {
	mkdir -p "$T/src/arch/x86" "$T/src/drivers" "$T/repo/arch/x86/slaunch/core" "$T/repo/hooks/arch/x86" \
		"$T/repo/tools" "$T/src/tools"
	printf 'one\ntwo\nthree\n' > "$T/src/arch/x86/Kbuild"
	echo plain > "$T/src/drivers/plain.c"
	cp -a "$T/src" "$T/original"
	echo a > "$T/repo/arch/x86/slaunch/a.rs"
	echo b > "$T/repo/arch/x86/slaunch/core/b.rs"
	echo tool > "$T/repo/tools/not-for-the-kernel"
	hook Kbuild two TWO
}

# hook FILE FROM TO: a hook that changes one line of arch/x86/FILE.
hook() {
	sed "s/$2/$3/" "$T/original/arch/x86/$1" > "$T/changed"
	(cd "$T" && diff -u --label "a/arch/x86/$1" --label "b/arch/x86/$1" "original/arch/x86/$1" changed) \
		> "$T/repo/hooks/arch/x86/$1.patch" || true
}

lay() {
	REPO=$T/repo SLAUNCH_CACHE=$T/cache "$SCRIPTS/lay.sh" "$T/src" "$T/state" > "$T/log" 2>&1
}

same_as_original() {
	diff -r "$T/original" "$T/src" > "$T/diff" || fail "not the original tree: $(cat "$T/diff")"
}

test_lays_overlay_and_hooks() {
	make_fixture
	lay
	content "$T/src/arch/x86/slaunch/a.rs" a
	content "$T/src/arch/x86/slaunch/core/b.rs" b
	expect "$T/src/arch/x86/Kbuild" TWO
	[ ! -e "$T/src/tools/not-for-the-kernel" ] || fail "tools/ was laid over"
	expect "$T/log" "2 overlay files, 1 hooks, 3 files changed"
}

test_second_run_touches_nothing() {
	make_fixture
	lay
	find "$T/src" -printf '%p %T@\n' | sort > "$T/before"
	lay
	find "$T/src" -printf '%p %T@\n' | sort > "$T/after"
	cmp "$T/before" "$T/after"
	expect "$T/log" "0 files changed"
}

test_edit_writes_only_that_file() {
	make_fixture
	lay
	local before
	before=$(stamp "$T/src/arch/x86/slaunch/core/b.rs")
	echo a2 > "$T/repo/arch/x86/slaunch/a.rs"
	lay
	content "$T/src/arch/x86/slaunch/a.rs" a2
	[ "$before" = "$(stamp "$T/src/arch/x86/slaunch/core/b.rs")" ] || fail "b.rs was written again"
	expect "$T/log" "1 files changed"
}

test_stale_overlay_file_is_removed() {
	make_fixture
	lay
	rm -r "$T/repo/arch/x86/slaunch/core"
	mv "$T/repo/arch/x86/slaunch/a.rs" "$T/repo/arch/x86/slaunch/renamed.rs"
	lay
	[ ! -e "$T/src/arch/x86/slaunch/core" ] || fail "core/ is still there"
	[ ! -e "$T/src/arch/x86/slaunch/a.rs" ] || fail "a.rs is still there"
	content "$T/src/arch/x86/slaunch/renamed.rs" a
}

test_everything_removed_gives_the_original() {
	make_fixture
	lay
	rm -r "$T/repo/arch" "$T/repo/hooks"
	lay
	same_as_original
}

test_changed_hook_is_applied_to_the_original() {
	make_fixture
	lay
	hook Kbuild three THREE
	lay
	printf 'one\ntwo\nTHREE\n' | cmp - "$T/src/arch/x86/Kbuild"
}

test_hook_that_does_not_apply() {
	make_fixture
	lay
	echo more >> "$T/repo/arch/x86/slaunch/a.rs"
	printf '%s\n' '--- a/arch/x86/Kbuild' '+++ b/arch/x86/Kbuild' '@@ -1,3 +1,3 @@' ' uno' '-due' '+DUE' ' tre' \
		> "$T/repo/hooks/arch/x86/Kbuild.patch"
	mkdir -p "$T/repo/hooks/drivers"
	cp "$T/repo/hooks/arch/x86/Kbuild.patch" "$T/repo/hooks/drivers/gone.c.patch"
	if lay; then fail "a hook that does not apply was accepted"; fi
	expect "$T/log" "hooks/arch/x86/Kbuild.patch"
	expect "$T/log" "hooks/drivers/gone.c.patch: this kernel has no file drivers/gone.c"
	content "$T/src/arch/x86/slaunch/a.rs" a
	expect "$T/src/arch/x86/Kbuild" TWO
	hook Kbuild two TWO
	rm "$T/repo/hooks/drivers/gone.c.patch"
	lay
	expect "$T/src/arch/x86/slaunch/a.rs" more
}

test_overlay_may_not_be_hooked() {
	make_fixture
	echo x > "$T/repo/arch/x86/Kbuild"
	if lay; then fail "accepted"; fi
	expect "$T/log" "both an overlay file and the target"
}

test_overlay_over_a_kernel_file_is_warned_of_and_undone() {
	make_fixture
	mkdir -p "$T/repo/drivers"
	echo ours > "$T/repo/drivers/plain.c"
	lay
	expect "$T/log" "has a file drivers/plain.c of its own"
	content "$T/src/drivers/plain.c" ours
	rm -r "$T/repo/drivers"
	lay
	content "$T/src/drivers/plain.c" plain
}

test_hook_replaced_by_overlay_file_and_back() {
	make_fixture
	lay
	rm "$T/repo/hooks/arch/x86/Kbuild.patch"
	echo ours > "$T/repo/arch/x86/Kbuild"
	lay
	content "$T/src/arch/x86/Kbuild" ours
	rm -r "$T/repo/arch" "$T/repo/hooks"
	lay
	same_as_original
}

# A run that was killed after it noted what it was about to do.
test_interrupted_run() {
	make_fixture
	lay
	echo c > "$T/repo/arch/x86/slaunch/c.rs"
	hook Kbuild one ONE
	echo arch/x86/slaunch/c.rs >> "$T/state/manifest"
	sort -o "$T/state/manifest" "$T/state/manifest"
	echo half > "$T/src/arch/x86/slaunch/c.rs"
	rm "$T/repo/arch/x86/slaunch/c.rs"
	lay
	[ ! -e "$T/src/arch/x86/slaunch/c.rs" ] || fail "c.rs is still there"
	rm -r "$T/repo/arch" "$T/repo/hooks"
	lay
	same_as_original
}

test_mode_follows() {
	make_fixture
	chmod +x "$T/repo/arch/x86/slaunch/a.rs"
	lay
	[ -x "$T/src/arch/x86/slaunch/a.rs" ]
	chmod -x "$T/repo/arch/x86/slaunch/a.rs"
	lay
	[ ! -x "$T/src/arch/x86/slaunch/a.rs" ]
}

test_editor_leftovers_stay_out() {
	make_fixture
	touch "$T/repo/arch/x86/slaunch/a.rs~" "$T/repo/arch/x86/slaunch/.a.rs.swp" "$T/repo/arch/x86/slaunch/a.o"
	lay
	expect "$T/log" "2 overlay files"
}

run_tests
