#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# series-check.sh: is the patch series fit to be sent (`make series-check`)?
#
#   hooks        which hooks do not apply to this source              (lay.sh lists them)
#   am           "git am" takes all patches on a clean tree, and the sum is the prepared tree
#   style        checkpatch --strict, but for tools/series/checkpatch.txt; rustfmt
#   maintainers  get_maintainer.pl finds a person for each file
#   build        after each patch the kernel builds with SECURE_LAUNCH and without
#   final        allmodconfig's Rust and our objects, clippy, rustdoc
#   docs         Sphinx has nothing to say about our pages
#
# CHECKS=am,style,... does some of these only, in this order; "hooks" and "am" come before all
# but "docs" that need them. PATCHES=3-5,9 builds after these patches only. KERNEL_SRC names
# another kernel tree. The clean tree and its objects are kept in $CACHE/check, so that a
# second run builds no more than what has changed. Nothing is installed but what a check
# needs and is missing: clippy for "final", Sphinx for "docs".

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/source.sh"

JOBS=${JOBS:-$(nproc)}
SERIES=$OUT/series
FAILED=0
SKIPPED=()

wanted() {
	[ -z "${CHECKS:-}" ] || [[ ",$CHECKS," = *",$1,"* ]]
}

# verdict WHAT FILE: one line if FILE (findings, one a line) is empty, else all of it.
verdict() {
	if [ ! -s "$2" ]; then
		say OK "$1"
	else
		FAILED=$((FAILED + 1))
		say FAIL "$1:"
		sed 's/^/             /' "$2"
	fi
}

# skipped WHAT WHY: a check that is not made, which is not to pass for one that was.
skipped() {
	SKIPPED+=("$1")
	say SKIP "$1 has not been run: $2"
}

# need FILE PACKAGE: install what a check needs.
need() {
	if [ -e "$1" ]; then return 0; fi
	[ -z "${NO_INSTALL:-}" ] || die "$1 is missing" "install the package $2, or leave the check out (CHECKS=...)"
	say APT "installing: $2"
	local root=()
	[ "$(id -u)" = 0 ] || root=(sudo)
	apt_run "$CACHE/log/apt-install.log" "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-remove --no-install-recommends "$2" ||
		die "$2 could not be installed: $APT_REASON" "all of apt's output: $CACHE/log/apt-install.log"
}

kbuild() {
	local build=$1
	shift
	mkdir -p "$build"
	make -C "$W/src" O="$build" "LLVM=-$LLVM" "RUSTC=$RUSTC" "RUST_LIB_SRC=$RUST_SRC" LOCALVERSION= \
		KBUILD_BUILD_USER=slaunch KBUILD_BUILD_HOST=slaunch KBUILD_BUILD_VERSION=1 \
		"KBUILD_BUILD_TIMESTAMP=$BUILD_DATE" -j "$JOBS" "$@" < /dev/null 9>&-
}

git_src() {
	git -C "$W/src" -c user.name=check -c user.email=check@localhost -c gc.auto=0 -c commit.gpgSign=false "$@"
}

# The source as it was before anything was laid over it, in git. Made once for each source.
clean_tree() {
	local key
	key=$( (
		cat "$TREE/state/origin" "$TREE/src/Makefile"
		[ ! -f "$TREE/state/copied" ] || cat "$TREE/state/copied"
	) | sha256sum)
	if [ "$(cat "$W/.source" 2> /dev/null)" = "$key" ]; then return 0; fi
	say COPY "the clean source into $W/src"
	rm -rf "$W/src" "$W/.source"
	mkdir -p "$W/src"
	sed 's|^|/|' "$TREE/state/manifest" > "$W/laid"
	rsync -a --exclude-from="$W/laid" "$TREE/src/" "$W/src/"
	rsync -a "$TREE/state/pristine/" "$W/src/"
	find "$W/src" -type d -empty -delete
	git_src init -q -b clean
	git_src -c core.compression=0 add -A -f
	git_src -c core.compression=0 commit -q -m "Linux $KERNEL_VERSION"
	git_src tag -f base > /dev/null
	printf '%s\n' "$key" > "$W/.source"
}

am() {
	local f who
	git_src am -q --abort 2> /dev/null || true
	git_src checkout -q -f -B series base
	git_src clean -q -f -d -x
	: > "$W/am"
	if ! patches | xargs -d '\n' git -C "$W/src" -c user.name=check -c user.email=check@localhost \
		-c gc.auto=0 -c commit.gpgSign=false am -q > "$W/am.log" 2>&1; then
		grep -m 3 -E '^(error|Patch failed|fatal)' "$W/am.log" > "$W/am" || tail -n 3 "$W/am.log" > "$W/am"
	fi
	verdict "git am takes all $(patch_count) patches on a clean Linux $KERNEL_VERSION" "$W/am"
	[ ! -s "$W/am" ] || exit 1
	git_src diff --name-only base series | sort | comm -3 - "$TREE/state/wanted" | sed 's/^\t*/differs: /' > "$W/am"
	while read -r f; do
		cmp -s "$TREE/src/$f" "$W/src/$f" || [ "$f" = MAINTAINERS ] || echo "differs: $f"
	done < "$TREE/state/wanted" >> "$W/am"
	# Its new entries name the sender.
	who=$(printf 'M:\t%s <%s>' "$(git -C "$REPO" config user.name)" "$(git -C "$REPO" config user.email)")
	cmp -s <(grep -vxF "$who" "$TREE/src/MAINTAINERS") <(grep -vxF "$who" "$W/src/MAINTAINERS") ||
		echo "differs: MAINTAINERS" >> "$W/am"
	verdict "the sum is the prepared tree, byte for byte" "$W/am"
}

patches() {
	find "$SERIES" -name '[0-9]*.patch' ! -name 0000-\* | sort
}

patch_count() {
	patches | wc -l
}

# checkpatch's findings that tools/series/checkpatch.txt does not allow, and lines there that allow nothing.
checkpatch() {
	local line type path used=() i n=0 kind pattern reason types=() patterns=()
	while read -r kind pattern reason; do
		case $kind in '' | '#'*) continue ;; esac
		[ -n "$reason" ] || echo "tools/series/checkpatch.txt: no reason for $kind $pattern"
		types+=("$kind")
		patterns+=("$pattern")
	done < "$REPO/tools/series/checkpatch.txt"
	# Output is "path:line: LEVEL:TYPE: text"; of findings about the whole patch "patch:line: ...".
	(cd "$W/src" && patches | while read -r f; do
		perl scripts/checkpatch.pl --strict --terse --showfile --show-types --no-summary "$f" 2>&1 | sed "s|^|${f##*/} |" || true
	done) > "$W/checkpatch.all"
	while read -r line; do
		type=$(sed -nE 's/.*(ERROR|WARNING|CHECK):([A-Z0-9_]+):.*/\2/p' <<< "$line")
		[ -n "$type" ] || continue
		path=${line#* }
		path=${path%%:*}
		[ "${path#\#}" = "$path" ] || path=${line%% *}
		for i in "${!types[@]}"; do
			# shellcheck disable=SC2053
			if [ "${types[$i]}" = "$type" ] && [[ $path == ${patterns[$i]} ]]; then
				used[i]=y
				n=$((n + 1))
				continue 2
			fi
		done
		echo "$line"
	done < "$W/checkpatch.all"
	for i in "${!types[@]}"; do
		[ -n "${used[$i]:-}" ] || echo "tools/series/checkpatch.txt: not needed: ${types[$i]} ${patterns[$i]}"
	done
	echo "$n" > "$W/checkpatch.allowed"
}

style() {
	checkpatch > "$W/style"
	verdict "checkpatch --strict ($(cat "$W/checkpatch.allowed") findings allowed by tools/series/checkpatch.txt)" "$W/style"
	(cd "$W/src" && grep '\.rs$' "$TREE/state/wanted" | xargs rustfmt --check --edition 2021 --config skip_children=true -l) \
		> "$W/style" 2>&1 || true
	verdict "rustfmt" "$W/style"
}

maintainers() {
	local f
	(cd "$W/src" && while read -r f; do
		perl scripts/get_maintainer.pl --no-git --no-git-fallback --no-rolestats --no-l -f "$f" 2> /dev/null |
			grep -q @ || echo "$f"
	# That file itself is everybody's.
	done < <(grep -vx MAINTAINERS "$TREE/state/wanted")) > "$W/maintainers"
	verdict "get_maintainer.pl finds a person for each file" "$W/maintainers"
}

# configure BUILD on|off
configure() {
	{
		# Symbols that do not exist yet are no reason to fail here.
		cat "${KERNEL_CONFIG:-$REPO/tools/series/check.config}"
		if [ "$2" = off ]; then
			echo '# CONFIG_SECURE_LAUNCH is not set'
			echo '# CONFIG_SECURE_LAUNCH_STRESS is not set'
		fi
	} > "$W/config-$2"
	kbuild "$1" allnoconfig KCONFIG_ALLCONFIG="$W/config-$2" > "$W/config.log" 2>&1 ||
		die "the kernel could not be configured: $(tail -n 1 "$W/config.log")" "all of it: $W/config.log"
}

# chosen N: is patch N to be built after (PATCHES)?
chosen() {
	local part
	[ -n "${PATCHES:-}" ] || return 0
	for part in ${PATCHES//,/ }; do
		if [ "$1" -ge "${part%-*}" ] && [ "$1" -le "${part#*-}" ]; then return 0; fi
	done
	return 1
}

# build_at N MODE: after patch N. Objects without SECURE_LAUNCH begin as a copy of those with it.
build_at() {
	local n=$1 mode=$2 start=$SECONDS log=$CACHE/log/series-$2.log state
	if [ "$mode" = off ] && [ ! -d "$W/build-off" ]; then cp -a --reflink=auto "$W/build-on" "$W/build-off"; fi
	configure "$W/build-$mode" "$mode"
	state=$(grep -E '^(# )?CONFIG_SECURE_LAUNCH[ =]' "$W/build-$mode/.config" || echo "no such symbol yet")
	if kbuild "$W/build-$mode" bzImage > "$log" 2>&1; then
		say BUILD "$(printf '%2d of %d, %-3s' "$n" "$(patch_count)" "$mode") ok, $(elapsed $((SECONDS - start))), $state"
		if grep -E '(^|[ :])warning(\[|:)' "$log" > "$W/warnings"; then
			touch "$W/build-$mode/.warned"
			FAILED=$((FAILED + 1))
			say FAIL "with warnings:"
			sed 's/^/             /' "$W/warnings" | head -n 10
		fi
	else
		FAILED=$((FAILED + 1))
		cp "$log" "$CACHE/log/series-$n-$mode.log"
		say FAIL "$n of $(patch_count), $mode: $(grep -m 1 -E '(^|[ :])(fatal )?error(\[|:| )|undefined (symbol|reference)|\*\*\*' "$log" || tail -n 1 "$log")" \
			"(all of it: $CACHE/log/series-$n-$mode.log)"
	fi
}

builds() {
	local n=0 count commit mode
	count=$(patch_count)
	# What is not compiled again does not warn again: after a run that had warnings, from nothing.
	for mode in on off; do
		[ ! -e "$W/build-$mode/.warned" ] || rm -rf "$W/build-$mode"
	done
	for commit in $(git_src rev-list --reverse base..series); do
		n=$((n + 1))
		chosen $n || continue
		git_src checkout -q -f "$commit"
		build_at $n on
		build_at $n off
	done
	git_src checkout -q -f series
	[ "$n" = "$count" ] || die "git has $n commits of $count patches"
}

# What Rust code and our objects are, as targets of Kbuild.
TARGETS=(rust/ arch/x86/slaunch/ drivers/char/tpm/ drivers/firmware/efi/libstub/)

final() {
	local log=$CACHE/log/series-final.log build
	build=$W/build-all
	{
		echo CONFIG_RUST=y
		echo CONFIG_TCG_TPM=y
		echo CONFIG_TCG_PTP=y
		echo CONFIG_SECURE_LAUNCH=y
		echo '# CONFIG_TCG_TIS is not set'
		echo '# CONFIG_TCG_CRB is not set'
		# These keep Rust from being chosen.
		echo '# CONFIG_MODVERSIONS is not set'
		echo '# CONFIG_GCC_PLUGINS is not set'
		echo '# CONFIG_DEBUG_INFO_BTF is not set'
	} > "$W/config-all"
	kbuild "$build" allmodconfig KCONFIG_ALLCONFIG="$W/config-all" > "$log" 2>&1 || true
	: > "$W/final"
	grep -qx CONFIG_SECURE_LAUNCH=y "$build/.config" || echo "allmodconfig has no CONFIG_SECURE_LAUNCH=y" > "$W/final"
	[ -s "$W/final" ] || kbuild "$build" "${TARGETS[@]}" > "$log" 2>&1 || tail -n 5 "$log" > "$W/final"
	verdict "allmodconfig: ${TARGETS[*]}" "$W/final"

	if clippy_is_there; then
		build=$W/build-clippy
		configure "$build" on
		: > "$W/final"
		# It says nothing about what it has compiled before.
		rm -rf "$build/arch/x86/slaunch" "$build/drivers/char/tpm" "$build/rust/kernel.o"
		kbuild "$build" -k CLIPPY=1 "${TARGETS[@]}" > "$log" 2>&1 || tail -n 5 "$log" > "$W/final"
		ours "$log" >> "$W/final"
		verdict "clippy" "$W/final"
	fi

	configure "$W/build-on" on
	: > "$W/final"
	kbuild "$W/build-on" rustdoc > "$log" 2>&1 || tail -n 5 "$log" > "$W/final"
	ours "$log" >> "$W/final"
	verdict "rustdoc" "$W/final"
}

# clippy_is_there: the clippy of our rustc, that is; another one cannot read its metadata.
clippy_is_there() {
	local have
	if [ ! -e /usr/bin/clippy-driver ] && [ -z "$(apt-cache search --names-only '^rust-web-clippy$')" ]; then
		skipped clippy "there is neither /usr/bin/clippy-driver nor a package rust-web-clippy"
		return 1
	fi
	need /usr/bin/clippy-driver rust-web-clippy
	have=$(/usr/bin/clippy-driver --rustc --version)
	if [ "$have" != "$("$RUSTC" --version)" ]; then
		skipped clippy "/usr/bin/clippy-driver is that of $have, the compiler is $("$RUSTC" --version)"
		return 1
	fi
}

# ours LOG: what it has of warnings and errors about files of the series, each once.
ours() {
	awk -v src="$W/src/" '
		NR == FNR { wanted[$1]; next }
		/^(warning|error)/ { text = $0; next }
		text != "" && $1 == "-->" {
			at = $2
			if (index(at, src) == 1) at = substr(at, length(src) + 1)
			# Modules are found relative to the crate root: core/x.rs as slb/../core/x.rs.
			while (sub(/[^\/]+\/\.\.\//, "", at)) { }
			split(at, part, ":")
			if (part[1] in wanted && !seen[at, text]++) print at ": " text
			text = ""
		}' "$TREE/state/wanted" "$1"
}

docs() {
	local log=$CACHE/log/sphinx.log out=$W/docs
	need /usr/bin/sphinx-build python3-sphinx
	# From nothing: Sphinx is silent about pages that it has read before.
	rm -rf "$out"
	mkdir -p "$out"
	make -C "$TREE/src" O="$out" htmldocs SPHINXDIRS="security/launch-integrity security/tpm" > "$log" 2>&1 < /dev/null 9>&- ||
		echo "make htmldocs failed: $(tail -n 1 "$log")" > "$W/docs.found"
	grep -E '(WARNING|ERROR|SEVERE|warning|error):' "$log" | grep -E 'launch-integrity|securityfs-slaunch|tpm_ptp' >> "$W/docs.found" || true
	verdict "Sphinx has nothing to say about our pages ($out/Documentation/output)" "$W/docs.found"
}

main() {
	mkdir -p "$CACHE/log"
	take_lock "$CACHE/check.lock" "make series-check"
	"$HERE/series.sh" 9>&- || exit 1
	select_source
	W=$CACHE/check/$(basename "$TREE")
	mkdir -p "$W"
	: > "$W/docs.found"
	RUST_SRC=$(rust_lib_src)
	BUILD_DATE=$(date -u -d "@$(stat -c %Y "${KERNEL_SRC:-$TREE/src}/COPYING")" '+%Y-%m-%d %H:%M:%S UTC')
	if wanted docs; then docs; fi
	if [ "${CHECKS:-}" != docs ]; then
		clean_tree
		am
		if wanted style; then style; fi
		if wanted maintainers; then maintainers; fi
		if wanted build; then builds; fi
		if wanted final; then final; fi
	fi
	[ $FAILED = 0 ] || die "$FAILED checks failed"
	say DONE "the checks have passed: ${CHECKS:-all of them}${SKIPPED:+, but these that were not run: ${SKIPPED[*]}}"
}

main
