# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# gate.sh: what the gate's jobs share. Sourced, never run.

. /ktap/ktap.sh

VARS=/sys/firmware/efi/efivars
GATE=/sys/kernel/security/slaunch/efi
OWN=5ac1a0de-0000-4000-8000-7e57ed000000

# result TEXT: what has to be the same in every mode.
result() {
	echo "$*" >> "$OUT/results.txt"
}

# put NAME ATTRIBUTES VALUE: write a variable of ours, in one write as efivarfs wants it; all in hexadecimal.
put() {
	raw "$2$3" > /tmp/value
	# The shell's own redirection would create the file and write it in one open too, but not truncate.
	cat /tmp/value > "$VARS/$1-$OWN"
}

# value NAME: attributes and value of a variable of ours in hexadecimal.
value() {
	hex "$VARS/$1-$OWN"
}

# drop NAME: delete a variable of ours.
drop() {
	chattr -i "$VARS/$1-$OWN"
	rm "$VARS/$1-$OWN"
}

# gate_files: what the gate says of itself, where there is one.
gate_files() {
	local name
	for name in mode calls violations last regions; do
		if [ -e "$GATE/$name" ]; then cat "$GATE/$name" > "$OUT/gate-$name.txt"; fi
	done
}

no_warnings() {
	# What root has allowed is in the log too.
	dmesg | grep -vE 'EFI gate: PRM handler .* allowed' > /tmp/dmesg
	grep -q 'Linux version' /tmp/dmesg
	fails grep -E 'WARNING:|BUG:|Oops|Call Trace|unchecked MSR|\[Firmware Bug\]: IRQ|slaunch: EFI' /tmp/dmesg
}
