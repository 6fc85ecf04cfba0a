# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# rebind.sh: the driver is taken off the TPM and bound to it again.

DEVICE=$(basename "$(readlink -f /sys/class/tpm/tpm0/device)")
DRIVER=$(readlink -f /sys/class/tpm/tpm0/device/driver)

# wait_for PATH: until it is there.
wait_for() {
	local tries
	for tries in $(seq 50); do
		if [ -e "$1" ]; then return 0; fi
		sleep 0.1
	done
	fail "$1 does not appear after $tries tries"
}

rebind() {
	local before tries
	before=$(pcr 16)
	for tries in 1 2; do
		echo "$DEVICE" > "$DRIVER/unbind"
		[ ! -e /dev/tpm0 ] && [ ! -e /dev/tpmrm0 ] && [ ! -e /sys/class/tpm/tpm0 ] ||
			fail "the TPM's devices are left after unbind $tries"
		echo "$DEVICE" > "$DRIVER/bind"
		wait_for /dev/tpmrm0
		same "PCR 16 after rebind $tries" "$(pcr 16)" "$before"
	done
	rng_listed
}

# Someone has the device open: it must not work any more, and not block.
rebind_while_open() {
	python3 /job/held.py "$DEVICE" "$DRIVER"
}

test_case rebind rebind
test_case rebind_while_open rebind_while_open
