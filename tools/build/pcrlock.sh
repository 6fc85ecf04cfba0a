#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pcrlock.sh: systemd-pcrlock for the tests (`make pcrlock`): out/bin/systemd-pcrlock.
#
# Debian 12 has none. That of Debian 13 is unpacked into the cache with the libraries it needs,
# for no one but the tests: nothing is installed. With apt's check of signatures, as the kernel source.
# Where there is no apt it is the system's own.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt.sh"

SUITE=trixie
# The program, and what it loads: by its ELF header, and by name for the TPM.
PACKAGES=(systemd libsystemd-shared libc6 libgcc-s1 libcap2 libcrypt1 libmount1 libblkid1 libseccomp2
	libselinux1 libpcre2-8-0 libssl3t64 libzstd1 zlib1g libaudit1 libcap-ng0 libacl1 libpam0g
	libtss2-esys-3.0.2-0t64 libtss2-sys1t64 libtss2-mu-4.0.1-0t64 libtss2-rc0t64
	libtss2-tcti-swtpm0t64)
PLACE=$CACHE/pcrlock
PROGRAM=$OUT/bin/systemd-pcrlock
SYSTEM=/usr/lib/systemd/systemd-pcrlock

# apt_there ARGUMENT...: apt for a system that has no package yet, so that it looks at what these need only.
apt_there() {
	apt_run "$CACHE/log/apt-pcrlock.log" apt-get "${APT_PRIVATE[@]}" -o "Dir::State::status=$PLACE/status" \
		-o "Dir::Cache::archives=$PLACE/debs/" "$@" ||
		die "systemd-pcrlock could not be fetched: $APT_REASON" \
			"all of apt's output: $CACHE/log/apt-pcrlock.log" \
			"once that is solved: make pcrlock"
}

fetch() {
	local deb
	say FETCH "systemd-pcrlock of Debian 13 (once)"
	rm -rf "$PLACE"
	mkdir -p "$PLACE/debs/partial" "$PLACE/new"
	: > "$PLACE/status"
	apt_private $SUITE
	apt_there update -q
	apt_there install -y -q --no-install-recommends --download-only "${PACKAGES[@]}"
	for deb in "$PLACE"/debs/*.deb; do
		dpkg-deb --extract "$deb" "$PLACE/new"
	done
	rm -rf "$PLACE/debs"
	mv "$PLACE/new" "$PLACE/root"
}

main() {
	local lib=$PLACE/root/usr/lib/x86_64-linux-gnu
	mkdir -p "$CACHE/log" "$OUT/bin"
	take_lock "$CACHE/pcrlock.lock" "make pcrlock"
	if ! command -v apt-get > /dev/null; then
		[ -x $SYSTEM ] || die "there is no $SYSTEM" "install systemd 255 or later, with its support of TPMs"
		ln -sf $SYSTEM "$PROGRAM"
		return
	fi
	[ -d "$PLACE/root" ] || fetch 9>&-
	cat > "$PROGRAM.new" <<-END
		#!/bin/sh
		exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib:$lib/systemd" "$PLACE/root/usr/lib/systemd/systemd-pcrlock" "\$@"
	END
	chmod +x "$PROGRAM.new"
	mv "$PROGRAM.new" "$PROGRAM"
	"$PROGRAM" --version > /dev/null 2> "$CACHE/log/pcrlock.log" ||
		die "systemd-pcrlock does not start: $(tail -n 1 "$CACHE/log/pcrlock.log")" \
			"to fetch it again: rm -r $PLACE; make pcrlock"
}

main
