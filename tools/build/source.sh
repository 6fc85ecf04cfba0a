# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# source.sh: bring a kernel source into the cache. Sourced after lib.sh and
# apt.sh, by kernel.sh, which holds the lock.
#
# select_source sets TREE (with src/, build/ and state/ below it),
# KERNEL_VERSION and FALLBACK (y when it is newer than what this repository is
# made for).
#
# A tree is named after the exact source it was made from and is never used for
# another one: tree/<Debian version>/ or tree/dir-<hash of the path>/. It is
# unpacked beside its final place and moved there whole, so that an interrupted
# run leaves no half of a tree behind.

# tree_version SRC: "7.3.4" from a kernel's Makefile, or nothing.
tree_version() {
	sed -nE 's/^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *//p' "$1/Makefile" 2>/dev/null |
		head -n 4 | { read -r a; read -r b; read -r c; read -r d || true; echo "$a.$b.$c$d"; } || true
}

# package_version FILE: Debian version in the name of a downloaded package.
package_version() {
	local v=${1##*/linux-source-}
	v=${v#*_}
	v=${v%_all.deb}
	printf '%s' "${v//%3a/:}"
}

# downloaded BRANCH: the newest package of linux-source-BRANCH in the cache
# that is whole, or nothing.
downloaded() {
	local f newest='' v
	for f in "$CACHE/dl/linux-source-$1"_*_all.deb; do
		[ -f "$f" ] && [ -f "$f.sha256" ] || continue
		v=$(package_version "$f")
		if [ -z "$newest" ] || dpkg --compare-versions "$v" gt "$(package_version "$newest")"; then
			newest=$f
		fi
	done
	printf '%s' "$newest"
}

# unpacked BRANCH: the newest Debian version whose tree is in the cache.
unpacked() {
	local d newest=
	for d in "$CACHE"/tree/"$1".*; do
		[ -f "$d/src/Makefile" ] || continue
		d=${d##*/}
		if [ -z "$newest" ] || dpkg --compare-versions "$d" gt "$newest"; then newest=$d; fi
	done
	printf '%s' "$newest"
}

# download: fetch the kernel source package, of KERNEL_BRANCH where Debian has
# it, else of the next branches above. Sets PACKAGE.
download() {
	local log=$CACHE/log name suite=${KERNEL_SUITE:-trixie-backports}
	command -v apt-get > /dev/null ||
		die "this system has no apt to fetch Debian's kernel source with" \
			"use a kernel tree of your own: make KERNEL_SRC=<directory> ..."
	say SOURCE "looking for linux-source-$KERNEL_BRANCH in $suite"
	apt_private "$suite"
	apt_run "$log/apt-source.log" apt-get "${APT_PRIVATE[@]}" update -q ||
		die "the package lists of $suite could not be fetched: $APT_REASON" \
			"once that is solved: make kernel" \
			"or use a kernel tree of your own: make KERNEL_SRC=<directory> ..." \
			"all of apt's output: $log/apt-source.log"
	name=$(apt-cache "${APT_PRIVATE[@]}" search -n '^linux-source-[0-9]+\.[0-9]+$' |
		choose_branch "$KERNEL_BRANCH")
	[ -n "$name" ] || die "$suite has no linux-source-$KERNEL_BRANCH and nothing above it" \
		"use a kernel tree of your own: make KERNEL_SRC=<directory> ..."
	say SOURCE "fetching $name"
	rm -rf "$CACHE/dl/partial"
	mkdir -p "$CACHE/dl/partial"
	(cd "$CACHE/dl/partial" &&
		apt_run "$log/apt-download.log" apt-get "${APT_PRIVATE[@]}" download -q "$name/$suite" ||
		die "$name could not be fetched: $APT_REASON" \
			"once that is solved: make kernel" \
			"all of apt's output: $log/apt-download.log")
	# apt has checked it; this tells a damaged copy from a good one later on.
	PACKAGE=$(ls "$CACHE/dl/partial"/*.deb)
	(cd "$CACHE/dl/partial" && sha256sum -- *.deb > "${PACKAGE##*/}.sha256")
	mv -f "$PACKAGE" "$PACKAGE.sha256" "$CACHE/dl/"
	PACKAGE=$CACHE/dl/${PACKAGE##*/}
	rm -rf "$CACHE/dl/partial"
}

# choose_branch BRANCH: from a list of package names on stdin, the one of this
# branch, or else the newest above it.
choose_branch() {
	awk '{print $1}' | sed -n 's/^linux-source-//p' | sort -V | {
		local b best=
		while read -r b; do
			if [ "$b" = "$1" ]; then best=$b; break; fi
			if version_ge "$b" "$1"; then best=$b; fi
		done
		[ -z "$best" ] || printf 'linux-source-%s' "$best"
	}
}

# unpack PACKAGE DEST: the kernel tree in it to DEST.
unpack() {
	local work=$CACHE/unpack tarball
	say UNPACK "${1##*/}"
	(cd "${1%/*}" && sha256sum --quiet -c "${1##*/}.sha256" > /dev/null 2>&1) || {
		rm -f "$1" "$1.sha256"
		die "the downloaded kernel source was damaged and has been removed" "fetch it again: make kernel"
	}
	rm -rf "$work"
	mkdir -p "$work"
	dpkg-deb -x "$1" "$work"
	tarball=$(ls "$work"/usr/src/linux-source-*.tar.xz)
	mkdir "$work/tree"
	tar -xJf "$tarball" -C "$work/tree" --strip-components=1 ||
		die "the kernel source could not be unpacked into $work (disk full?)" "make room, then: make kernel"
	mkdir -p "$(dirname "$2")"
	mv "$work/tree" "$2"
	rm -rf "$work"
}

# debian_source: a tree from Debian's package.
debian_source() {
	local version=
	PACKAGE=
	if [ -z "${KERNEL_UPDATE:-}" ]; then
		version=$(unpacked "$KERNEL_BRANCH")
		if [ -z "$version" ]; then PACKAGE=$(downloaded "$KERNEL_BRANCH"); fi
	fi
	if [ -z "$version" ]; then
		if [ -z "$PACKAGE" ]; then download; fi
		version=$(package_version "$PACKAGE")
	fi
	TREE=$CACHE/tree/$version
	if [ ! -f "$TREE/src/Makefile" ]; then
		unpack "$PACKAGE" "$TREE/src"
	elif [ ! -f "$TREE/state/origin" ]; then
		repair "$version"
	fi
	mkdir -p "$TREE/state"
	echo "linux-source $version" > "$TREE/state/origin"
}

# repair VERSION: a tree whose history is not known is compared with the
# package, file by file; what is equal keeps its time stamp.
repair() {
	PACKAGE=$(downloaded "$KERNEL_BRANCH")
	if [ "$(package_version "$PACKAGE")" != "$1" ]; then download; fi
	if [ "$(package_version "$PACKAGE")" != "$1" ]; then
		mv "$TREE" "$TREE.unknown.$$"
		rm -rf "$TREE.unknown.$$"
		TREE=$CACHE/tree/$(package_version "$PACKAGE")
		[ -f "$TREE/src/Makefile" ] || unpack "$PACKAGE" "$TREE/src"
		return
	fi
	rm -rf "$TREE/state" "$TREE/check"
	unpack "$PACKAGE" "$TREE/check"
	rsync -rlpc --delete "$TREE/check/" "$TREE/src/"
	rm -rf "$TREE/check"
}

# list_dir DIR: the files of a kernel tree that belong to its source, one
# "path<TAB>size<TAB>time" a line; results of builds inside it are left out.
list_dir() {
	(
		cd "$1"
		if [ -e .git ] && git rev-parse --git-dir > /dev/null 2>&1; then
			git ls-files -z -c -o --exclude-standard
		else
			find . \( -name .git -o -path ./include/config -o -path ./include/generated \
				-o -path './arch/*/include/generated' \) -prune -o \
				\( -type f -o -type l \) ! -name '*.o' ! -name '*.a' ! -name '*.ko' ! -name '.*.cmd' \
				! -name '*.rmeta' ! -path ./.config ! -path ./vmlinux -printf '%P\0'
		fi | xargs -0 -r stat --printf '%n\t%s\t%.9Y\n' -- 2> /dev/null || true
	) | sort
}

# own_source: a tree copied from the user's directory, which is only read.
# Files are compared by size and time with what was copied last; a changed one
# gets a new time stamp here, so that make sees it whatever its own time is.
own_source() {
	local dir state changed gone
	dir=$(cd "$KERNEL_SRC" 2>/dev/null && pwd -P) || die "KERNEL_SRC: no directory $KERNEL_SRC"
	[ -f "$dir/Makefile" ] && [ -f "$dir/Kbuild" ] ||
		die "KERNEL_SRC: $dir is not a kernel source tree"
	TREE=$CACHE/tree/dir-$(printf '%s' "$dir" | sha256sum | cut -c 1-12)
	state=$TREE/state
	mkdir -p "$TREE/src" "$state"
	echo "$dir" > "$state/origin"
	say SOURCE "copying what changed in $dir"
	touch "$state/copied"
	list_dir "$dir" > "$state/copied.new"
	changed=$(mktemp "$state/changed.XXXXXX")
	gone=$(mktemp "$state/gone.XXXXXX")
	comm -13 "$state/copied" "$state/copied.new" | cut -f 1 > "$changed"
	comm -23 <(cut -f 1 "$state/copied" | sort) <(cut -f 1 "$state/copied.new" | sort) > "$gone"
	# Until the copy is complete, what is about to change counts as not copied.
	comm -12 "$state/copied" "$state/copied.new" > "$state/copied.part"
	mv "$state/copied.part" "$state/copied"
	# Files that overlay or hooks changed here and that are copied again are the
	# originals then: they leave lay.sh's list, which lays them over anew.
	if [ -f "$state/manifest" ]; then
		sort "$changed" "$gone" | comm -13 - "$state/manifest" > "$state/manifest.new"
		mv "$state/manifest.new" "$state/manifest"
	fi
	while read -r f; do rm -f "$TREE/src/$f"; done < "$gone"
	tar -C "$dir" -cf - --verbatim-files-from --no-recursion -T "$changed" | tar -C "$TREE/src" -xmf - ||
		die "$dir could not be copied to $TREE/src (disk full?)" "make room, then run make again"
	mv "$state/copied.new" "$state/copied"
	rm -f "$changed" "$gone"
}

select_source() {
	local found wanted=$KERNEL_BRANCH
	FALLBACK=
	if [ -n "${KERNEL_SRC:-}" ]; then own_source; else debian_source; fi
	KERNEL_VERSION=$(tree_version "$TREE/src")
	found=$(printf '%s' "$KERNEL_VERSION" | cut -d . -f 1,2)
	[ "$found" != "$wanted" ] || return 0
	FALLBACK=y
	if [ -n "${KERNEL_SRC:-}" ]; then
		warn "$KERNEL_SRC is Linux $KERNEL_VERSION, this repository is made for $wanted"
	else
		warn "Debian has no linux-source-$wanted any more: trying $KERNEL_VERSION, for which this repository is not made"
	fi
}
