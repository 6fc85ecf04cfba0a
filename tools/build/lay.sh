#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lay.sh SRC STATE: lay this repository's overlay and hooks over the kernel
# tree SRC. Called by kernel.sh, which holds the lock.
#
# Overlay: every file under a top-level directory that a kernel tree has too
# (arch, drivers, include, ...; not tools) goes to the same path in SRC.
# Hooks: hooks/PATH.patch is applied to the original of PATH.
#
# Afterwards SRC is the original source with exactly these files on top, whatever
# was laid over it before: files that left the overlay are removed, files that
# lost their hook get their original content back. Only files whose content
# differs are written, so that make rebuilds no more than needed.
#
# STATE/manifest lists the paths laid over, STATE/pristine keeps the originals of
# those that the source has. A path is entered into both before it is touched:
# whenever a run is cut short, the next one puts things right. When a hook does
# not apply, nothing in SRC is changed.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

SRC=$1
STATE=$2
STAGE=$STATE/stage

# overlay_files: path of every overlay file, relative to the repository.
overlay_files() {
	local dir
	cd "$REPO"
	for dir in */; do
		dir=${dir%/}
		case $dir in tools | hooks | out) continue ;; esac
		[ -d "$SRC/$dir" ] || [ "$dir" = samples ] || continue
		find "$dir" -name '.*' ! -name .gitignore -prune -o -type f ! -name '*.o' ! -name '*.rej' ! -name '*.orig' ! -name '*~' -print
	done
}

hook_files() {
	[ -d "$REPO/hooks" ] || return 0
	(cd "$REPO/hooks" && find . -name '*.patch' -type f -printf '%P\n' | sed 's/\.patch$//')
}

# remember PATH: keep the original of PATH before it is first laid over.
remember() {
	if [ -e "$SRC/$1" ]; then
		mkdir -p "$STATE/pristine/$(dirname "$1")"
		cp -pf "$SRC/$1" "$STATE/pristine/$1"
	else
		rm -f "$STATE/pristine/$1"
	fi
}

# apply_hook PATH: the patched file to STAGE/PATH; 1 and a reason in
# STAGE.log when that does not work.
apply_hook() {
	local original=$STATE/pristine/$1
	: > "$STAGE.log"
	if [ ! -f "$original" ]; then
		echo "this kernel has no file $1" > "$STAGE.log"
		return 1
	fi
	mkdir -p "$STAGE/$(dirname "$1")"
	patch -p1 -F1 -N -r "$STAGE.rej" -o "$STAGE/$1" "$original" < "$REPO/hooks/$1.patch" \
		> "$STAGE.log" 2>&1 || return 1
	chmod --reference="$original" "$STAGE/$1"
}

main() {
	local f failed=0 touched=0 before
	mkdir -p "$STATE/pristine"
	rm -rf "$STAGE"
	mkdir -p "$STAGE"
	[ -f "$STATE/manifest" ] || : > "$STATE/manifest"
	overlay_files | sort > "$STATE/overlay.list"
	hook_files | sort > "$STATE/hooks.list"
	f=$(comm -12 "$STATE/overlay.list" "$STATE/hooks.list" | head -n 1)
	[ -z "$f" ] || die "$f is both an overlay file and the target of hooks/$f.patch" "remove one of them"
	sort "$STATE/overlay.list" "$STATE/hooks.list" > "$STATE/wanted"

	comm -13 "$STATE/manifest" "$STATE/wanted" | while read -r f; do remember "$f"; done
	sort -u "$STATE/manifest" "$STATE/wanted" > "$STATE/manifest.new"
	mv "$STATE/manifest.new" "$STATE/manifest"

	while read -r f; do
		if ! apply_hook "$f"; then
			if [ $failed = 0 ]; then
				printf 'error: these hooks do not apply to Linux %s:\n' "${KERNEL_VERSION:-in $SRC}" >&2
			fi
			failed=$((failed + 1))
			printf '         hooks/%s.patch: %s\n' "$f" "$(grep -m 1 -E 'FAILED|malformed|garbage' "$STAGE.log" || tail -n 1 "$STAGE.log")" >&2
		elif grep -q fuzz "$STAGE.log"; then
			warn "hooks/$f.patch applies only loosely: $(grep -m 1 fuzz "$STAGE.log")"
		fi
	done < "$STATE/hooks.list"
	if [ $failed != 0 ]; then
		printf '       %s\n' "the tree was left as it was; adapt these files to the source in" \
			"$SRC (originals of patched files: $STATE/pristine)" \
			"or use a kernel tree that they were made for: make KERNEL_SRC=<directory> ..." >&2
		exit 1
	fi

	while read -r f; do
		if [ -e "$STATE/pristine/$f" ] && ! cmp -s "$STATE/pristine/$f" "$REPO/$f"; then
			warn "the kernel source has a file $f of its own, ours replaces it"
		fi
		before=$touched
		cmp -s "$REPO/$f" "$SRC/$f" || touched=$((touched + 1))
		[ $before = $touched ] || [ -z "${VERBOSE:-}" ] || say OVERLAY "$f"
		copy_if_changed "$REPO/$f" "$SRC/$f"
	done < "$STATE/overlay.list"
	while read -r f; do
		cmp -s "$STAGE/$f" "$SRC/$f" || touched=$((touched + 1))
		copy_if_changed "$STAGE/$f" "$SRC/$f"
	done < "$STATE/hooks.list"

	while read -r f; do
		touched=$((touched + 1))
		if [ -e "$STATE/pristine/$f" ]; then
			copy_if_changed "$STATE/pristine/$f" "$SRC/$f"
		else
			rm -f "$SRC/$f"
			(cd "$SRC" && rmdir -p --ignore-fail-on-non-empty "$(dirname "$f")" 2> /dev/null) || true
		fi
	done < <(comm -23 "$STATE/manifest" "$STATE/wanted")
	cp "$STATE/wanted" "$STATE/manifest.new"
	mv "$STATE/manifest.new" "$STATE/manifest"
	rm -rf "$STAGE" "$STAGE.log" "$STAGE.rej"
	say LAY "$(wc -l < "$STATE/overlay.list") overlay files, $(wc -l < "$STATE/hooks.list") hooks," \
		"$touched files changed"
}

main
