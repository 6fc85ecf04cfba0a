#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh: boot the kernel through a dynamic launch in the machine model, show
# the event log and judge it (`make run`).
#
# Everything the run leaves is in out/run: serial.log (the console),
# eventlog.bin, pcrs.json, report.json. Settings: CPUS, MEMORY (MiB), TPM (its
# interface), TPM_VERSION, BANKS, CMDLINE (added to the kernel's).

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

RUN=$OUT/run
KERNEL=$OUT/kernel/bzImage
INITRD=$OUT/guest/initramfs.cpio

main() {
	local f
	for f in "$OUT/bin/drtm-vm" "$OUT/bin/launch-check" "$KERNEL" "$INITRD"; do
		[ -f "$f" ] || die "$f is missing" "build it: make kernel tools"
	done
	rm -rf "$RUN"
	mkdir -p "$RUN"
	START=$SECONDS
	say BOOT "Linux $(cat "$OUT/kernel/version") with slaunch=on (console: $RUN/serial.log)"
	"$OUT/bin/drtm-vm" boot --kernel "$KERNEL" --initrd "$INITRD" \
		--append "console=ttyS0 slaunch=on,wait${CMDLINE:+ $CMDLINE}" \
		${CPUS:+--cpus "$CPUS"} ${MEMORY:+--memory "$MEMORY"} ${BANKS:+--banks "$BANKS"} \
		${TPM:+--tpm "$TPM"} ${TPM_VERSION:+--tpm-version "$TPM_VERSION"} \
		--out "$RUN" ||
		die "the machine did not come through the launch" "its console: $RUN/serial.log"
	say BOOT "done in $(elapsed $((SECONDS - START)))"
	if grep -qx 'launched: no' "$RUN/state.txt" 2> /dev/null; then
		die "the kernel booted without a launch: $(sed -n 's/^reason: //p' "$RUN/state.txt")" \
			"what the stub said is in $RUN/serial.log"
	fi
	"$OUT/bin/launch-check" verdict "$RUN" --kernel "$KERNEL" --initrd "$INITRD"
}

main
