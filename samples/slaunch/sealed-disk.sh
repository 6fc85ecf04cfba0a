#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Bind an encrypted disk (LUKS2) to a launch with systemd-cryptenroll: it opens by itself after a
# launch of the same files with the same command line, and asks for a password after anything else.
#
#	sealed-disk.sh enrol DISK [OPTION...]	to the launch that runs now
#	sealed-disk.sh next DISK PREDICTION [OPTION...]	to one that was predicted
#	sealed-disk.sh check DISK		does it open?
#
# OPTIONs are for systemd-cryptenroll, such as --unlock-key-file=FILE or --tpm2-with-pin=yes. That
# the disk is opened at boot is a line of /etc/crypttab:
#
#	root UUID=... none tpm2-device=auto
#
# For a new kernel, initrd or command line, before the reboot:
#
#	slaunch predict --launch --kernel ... --initrd ... --cmdline ... --json > next.json
#	sealed-disk.sh next DISK next.json
#
# "next" needs systemd 255 or later, and slaunch. It leaves the way of the launch that runs now as
# it is, so both open the disk; "enrol" removes all ways by a TPM but its own. Keep a password:
# firmware that was updated may report another memory map, which is in PCR 18.
#
# Not by systemd-pcrlock: it reckons with PCR 17 and 18 as they are without a launch, and drops
# them. See Documentation/security/launch-integrity/attestation.rst.

set -eu

PCRS=17+18
STATE=/sys/kernel/security/slaunch/state

die() {
	echo "sealed-disk: $*" >&2
	exit 1
}

enrol() {
	# Without a launch both PCRs are all ones, on every machine and with every kernel.
	grep -qx 'launched: yes' "$STATE" ||
		die "this kernel was not launched: $(sed -n 's/^reason: //p' "$STATE")"
	systemd-cryptenroll --wipe-slot=tpm2 --tpm2-device=auto --tpm2-pcrs="$PCRS" "$@" "$disk"
}

next() {
	prediction=$1
	shift
	values=$(slaunch policy --format cryptenroll "$prediction") || exit
	systemd-cryptenroll --tpm2-device=auto --tpm2-pcrs="$values" "$@" "$disk"
}

# By the TPM alone: no question for a password, and nothing is opened.
check() {
	cryptsetup open --test-passphrase --token-only "$disk" ||
		die "the TPM does not open it: this is not a launch that it was enrolled for"
}

[ $# -ge 2 ] || die "usage: sealed-disk.sh enrol|next|check DISK ..."
action=$1
disk=$2
shift 2
case $action in
enrol | next | check) "$action" "$@" ;;
*) die "usage: sealed-disk.sh enrol|next|check DISK ..." ;;
esac
