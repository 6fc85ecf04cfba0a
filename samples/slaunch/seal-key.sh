#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Seal a key, such as that of an encrypted disk, to a launch: the TPM gives it back
# after a launch of the same files with the same command line, and to nobody else.
#
#	seal-key.sh seal DIR < KEY	now, in the launched system
#	seal-key.sh unseal DIR > KEY	at each later boot, from the initrd
#
# With a LUKS disk:
#
#	head -c 32 /dev/urandom > key
#	cryptsetup luksAddKey /dev/DISK key
#	seal-key.sh seal /boot/sealed < key
#	shred -u key
#
# and in the initrd:
#
#	seal-key.sh unseal /boot/sealed | cryptsetup open /dev/DISK root --key-file -
#
# Keep another way to open the disk: a new kernel, initrd or command line is another
# launch, and so may be a new version of the firmware (PCR 18 has its memory map).
# Seal anew after each.
#
# The key is bound to the PCRs as they are when it is sealed. A change of the gate's
# mode and a violation are extended into PCR 18, so the key is out of reach after one
# until the next boot. What is done with the key once it was given out is not the
# TPM's business.
#
# Needs tpm2-tools (5.0 or later) and a TPM 2.0.

set -eu
umask 077

BANK=sha256
PCRS=17,18
STATE=/sys/kernel/security/slaunch/state
export TPM2TOOLS_TCTI="${TPM2TOOLS_TCTI:-device:/dev/tpmrm0}"

die() {
	echo "seal-key: $*" >&2
	exit 1
}

# The parent is made of the TPM's seed again each time: there is nothing to keep.
parent() {
	tpm2_createprimary -Q -C o -g sha256 -G ecc -c "$work/parent.ctx"
}

seal() {
	# Without a launch both PCRs are all ones, on every machine and with every kernel.
	grep -qx 'launched: yes' "$STATE" ||
		die "this kernel was not launched: $(sed -n 's/^reason: //p' "$STATE")"
	mkdir -p "$dir"
	parent
	tpm2_createpolicy -Q --policy-pcr -l "$BANK:$PCRS" -L "$work/policy"
	# No "userwithauth": the policy is the only way to it.
	tpm2_create -Q -C "$work/parent.ctx" -g sha256 -L "$work/policy" -a 'fixedtpm|fixedparent' \
		-i - -u "$dir/key.pub" -r "$dir/key.priv"
}

unseal() {
	parent
	tpm2_load -Q -C "$work/parent.ctx" -u "$dir/key.pub" -r "$dir/key.priv" -c "$work/key.ctx"
	tpm2_unseal -c "$work/key.ctx" -p "pcr:$BANK:$PCRS" ||
		die "the TPM keeps the key: this is not the launch that it was sealed to"
}

[ $# = 2 ] || die "usage: seal-key.sh seal|unseal DIR"
dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $1 in
seal | unseal) "$1" ;;
*) die "usage: seal-key.sh seal|unseal DIR" ;;
esac
