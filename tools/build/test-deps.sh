#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test-deps.sh: finding the mirror, the source package and what is missing
# (apt.sh, source.sh, deps.sh), with made-up configuration files and logs.

. "$(dirname "$0")/test-lib.sh"

# in_lib COMMAND...: run a function of the scripts with the files under $T.
in_lib() {
	mkdir -p "$T/etc/sources.list.d" "$T/cache"
	env SLAUNCH_CACHE="$T/cache" APT_ETC="$T/etc" OS_RELEASE="$T/os-release" APT_KEYRING="$T/keyring" \
		bash -c 'set -eu -o pipefail; . "$0/lib.sh"; . "$0/apt.sh"; . "$0/source.sh"; "$@"' "$SCRIPTS" "$@"
}

os() {
	mkdir -p "$T/etc/sources.list.d"
	printf 'ID=%s\nVERSION_ID="%s"\nVERSION_CODENAME=%s\nPRETTY_NAME="%s"\n' "$1" "$2" "$3" "$4" > "$T/os-release"
}

test_mirror_from_deb822() {
	os debian 12 bookworm "Debian 12"
	cat > "$T/etc/sources.list.d/debian.sources" <<-'END'
		# a comment
		Types: deb deb-src
		URIs: http://mirror.test/security
		Suites: bookworm-security
		Components: main

		Enabled: no
		Types: deb
		URIs: http://off.test/debian
		Suites: bookworm

		Types: deb
		# another
		URIs:
		 http://mirror.test/debian
		Suites: bookworm
		 bookworm-updates
		Components: main
		Signed-By:
		 -----BEGIN PGP PUBLIC KEY BLOCK-----
		 URIs: http://not.test
	END
	[ "$(in_lib apt_mirror)" = http://mirror.test/debian ]
	[ "$(in_lib apt_sources | wc -l)" = 3 ]
}

test_mirror_from_one_line() {
	os debian 13 trixie "Debian 13"
	cat > "$T/etc/sources.list" <<-'END'
		# deb http://commented.test/debian trixie main
		deb cdrom:[Debian 13]/ trixie main
		deb-src http://src.test/debian trixie main
		deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://mirror.test/debian/ trixie main contrib
	END
	[ "$(in_lib apt_mirror)" = https://mirror.test/debian/ ]
}

test_mirror_from_stable() {
	os debian 13 trixie "Debian 13"
	mkdir -p "$T/etc"
	echo "deb http://mirror.test/debian stable main" > "$T/etc/sources.list"
	[ "$(in_lib apt_mirror)" = http://mirror.test/debian ]
}

test_no_mirror() {
	os debian 12 bookworm "Debian 12"
	if in_lib apt_private some-suite 2> "$T/log"; then fail "a mirror from nowhere"; fi
	expect "$T/log" "no Debian mirror found"
	expect "$T/log" "DEBIAN_MIRROR="
}

test_keyring_missing() {
	os debian 12 bookworm "Debian 12"
	if DEBIAN_MIRROR=http://m.test in_lib apt_private some-suite 2> "$T/log"; then fail "no keys needed?"; fi
	expect "$T/log" "debian-archive-keyring"
}

test_private_sources_leave_the_machine_alone() {
	os debian 12 bookworm "Debian 12"
	echo "deb http://mirror.test/debian bookworm main" > "$T/etc/sources.list"
	touch "$T/keyring"
	find "$T/etc" | sort > "$T/before"
	in_lib apt_private one-suite other-suite
	find "$T/etc" | sort | cmp "$T/before" -
	expect "$T/cache/apt/one-suite.sources" "Suites: one-suite other-suite"
	expect "$T/cache/apt/one-suite.sources" "URIs: http://mirror.test/debian"
	expect "$T/cache/apt/one-suite.sources" "Signed-By: $T/keyring"
}

# apt_says TEXT STATUS [COMMAND]: what apt_run makes of an apt that prints TEXT.
apt_says() {
	mkdir -p "$T/cache"
	printf '#!/bin/sh\ncat <<END\n%s\nEND\nexit %s\n' "$1" "$2" > "$T/apt"
	chmod +x "$T/apt"
	# shellcheck disable=SC2016
	in_lib eval 'apt_run "$CACHE/log" "$CACHE/../apt" -q '"${3:-update}"' x || true; echo "$APT_REASON"'
}

test_reasons_of_apt() {
	os debian 12 bookworm "Debian 12"
	apt_says "Err:1 http://x bookworm InRelease
  Temporary failure resolving x" 0 > "$T/log"
	expect "$T/log" "no network"
	apt_says "The following signatures couldnt be verified: NO_PUBKEY 12" 100 > "$T/log"
	expect "$T/log" "signature"
	apt_says "E: Unable to locate package linux-source-7.3" 100 > "$T/log"
	expect "$T/log" "Unable to locate package linux-source-7.3"
	apt_says "fine" 0 > "$T/log"
	content "$T/log" ""
	apt_says "E: Can not write log (Is /dev/pts mounted?)" 0 install > "$T/log"
	content "$T/log" ""
}

choose() {
	local list=$1
	printf '%s - Linux kernel source\n' $list | in_lib choose_branch 7.3
}

test_branch_choice() {
	[ "$(choose "linux-source-7.2 linux-source-7.3 linux-source-7.10")" = linux-source-7.3 ]
	[ "$(choose "linux-source-7.2 linux-source-7.4 linux-source-7.10")" = linux-source-7.10 ]
	[ "$(choose "linux-source-6.12 linux-source-7.2")" = "" ]
}

test_package_versions() {
	[ "$(in_lib package_version "/x/linux-source-7.3_7.3.4-1~bpo13+1_all.deb")" = "7.3.4-1~bpo13+1" ]
	mkdir -p "$T/cache/dl"
	local v
	for v in 7.3.4-1 7.3.10-1 7.3.9-1; do
		touch "$T/cache/dl/linux-source-7.3_${v}_all.deb" "$T/cache/dl/linux-source-7.3_${v}_all.deb.sha256"
	done
	# Cut short: there is no checksum of it yet.
	touch "$T/cache/dl/linux-source-7.3_7.3.11-1_all.deb"
	[ "$(in_lib downloaded 7.3)" = "$T/cache/dl/linux-source-7.3_7.3.10-1_all.deb" ]
}

test_damaged_package_is_not_unpacked() {
	mkdir -p "$T/cache/dl"
	(cd "$T/cache/dl" && echo good > p_1_all.deb && sha256sum p_1_all.deb > p_1_all.deb.sha256 && echo bad > p_1_all.deb)
	if in_lib unpack "$T/cache/dl/p_1_all.deb" "$T/tree" > "$T/log" 2>&1; then fail "unpacked"; fi
	expect "$T/log" "damaged"
	[ ! -e "$T/cache/dl/p_1_all.deb" ]
}

test_versions_compare() {
	in_lib version_ge 1.96.0 1.85.0
	in_lib version_ge 1.100.0 1.85.0
	in_lib version_ge 0.71.1 0.71.1
	in_lib version_ge 1.90.0-nightly 1.85.0
	if in_lib version_ge 1.84.1 1.85.0; then fail "1.84.1 >= 1.85.0"; fi
	if in_lib version_ge 0.9.0 0.71.1; then fail "0.9.0 >= 0.71.1"; fi
}

# deps: deps.sh where rustc, cargo and bindgen are stand-ins.
deps() {
	mkdir -p "$T/cache/cargo/bin" "$T/rust/lib/rustlib/src/rust/library/core/src"
	touch "$T/rust/lib/rustlib/src/rust/library/core/src/lib.rs"
	printf '#!/bin/sh\n[ "$1" = --print ] && echo %s || echo "rustc %s"\n' "$T/rust" "${RUSTC_IS:-1.96.0}" > "$T/rustc"
	printf '#!/bin/sh\necho "bindgen %s"\n' "${BINDGEN_IS:-0.72.1}" > "$T/cache/cargo/bin/bindgen"
	printf '#!/bin/sh\necho "QEMU emulator version %s"\n' "${QEMU_IS:-10.0.2}" > "$T/cache/cargo/bin/qemu-system-x86_64"
	chmod +x "$T/rustc" "$T"/cache/cargo/bin/*
	env SLAUNCH_CACHE="$T/cache" OS_RELEASE="$T/os-release" RUSTC="$T/rustc" CARGO=/bin/true "$SCRIPTS/deps.sh" \
		> "$T/log" 2>&1
}

test_old_tools_are_named_on_other_systems() {
	os fedora 44 "" "Fedora Linux 44"
	if BINDGEN_IS=0.65.1 RUSTC_IS=1.70.0 QEMU_IS=8.2.1 deps; then fail "accepted"; fi
	expect "$T/log" "bindgen is 0.65.1, at least 0.71.1 is needed"
	expect "$T/log" "is 1.70.0, at least 1.85.0 is needed"
	expect "$T/log" "qemu-system-x86_64 is 8.2.1, at least 10.0 is needed"
	expect "$T/log" "this is Fedora Linux 44"
}

test_nothing_missing_says_nothing() {
	os debian 12 bookworm "Debian 12"
	deps || fail "$(cat "$T/log")"
	content "$T/log" ""
}

run_tests
