# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# sysfs.sh: the TPM in sysfs, and as a source of random numbers.

TPM=/sys/class/tpm/tpm0
RNG=/sys/class/misc/hw_random

version() {
	same tpm_version_major "$(cat $TPM/tpm_version_major)" 2
}

# Every PCR of every bank reads as tpm2-tools say.
pcrs() {
	local bank n value banks=0
	for bank in "$TPM"/pcr-*; do
		banks=$((banks + 1))
		tpm2_pcrread -Q -o /tmp/pcrs "${bank##*/pcr-}:0,7,16,17,23"
		value=
		for n in 0 7 16 17 23; do value+=$(tr A-F a-f < "$bank/$n"); done
		same "${bank##*/}" "$value" "$(hex /tmp/pcrs)"
	done
	differ banks "$banks" 0
}

# Extends show there at once.
pcr_after_extend() {
	local before digest
	before=$(tr A-F a-f < $TPM/pcr-sha256/16)
	digest=$(echo sysfs | sha256)
	tpm2_pcrextend "16:sha256=$digest"
	same "PCR 16" "$(tr A-F a-f < $TPM/pcr-sha256/16)" "$(raw "$before$digest" | sha256)"
}

# A TPM 1.2 has attributes that this one must not have.
no_tpm12_attributes() {
	local name
	for name in caps pubek owned pcrs; do
		[ ! -e "$TPM/device/$name" ] && [ ! -e "$TPM/$name" ] || fail "a TPM 2.0 has $name"
	done
}

# The firmware TPMs of AMD stall the machine when random numbers are taken from
# them all the time: the kernel leaves a CRB alone on these processors.
has_rng() {
	! grep -qw tpm=crb /proc/cmdline || ! grep -q AuthenticAMD /proc/cpuinfo
}

# rng_listed: where it should be, and nowhere else.
rng_listed() {
	local wanted=no listed=no
	if has_rng; then wanted=yes; fi
	if grep -qw tpm-rng-0 $RNG/rng_available; then listed=yes; fi
	same "tpm-rng-0 is there" $listed $wanted
}

rng_reads() {
	local first
	has_rng || skip "not on a CRB of AMD"
	echo tpm-rng-0 > $RNG/rng_current
	same rng_current "$(cat $RNG/rng_current)" tpm-rng-0
	first=$(head -c 64 /dev/hwrng | od -An -v -tx1 | tr -d ' \n')
	same length "${#first}" 128
	differ "two reads" "$first" "$(head -c 64 /dev/hwrng | od -An -v -tx1 | tr -d ' \n')"
}

test_case sysfs_version version
test_case sysfs_pcrs pcrs
test_case sysfs_pcr_after_extend pcr_after_extend
test_case sysfs_no_tpm12_attributes no_tpm12_attributes
test_case hwrng_listed rng_listed
test_case hwrng_reads rng_reads
