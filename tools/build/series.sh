#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# series.sh: write the kernel's part of this repository as a patch series, ready to mail
# (`make series`): a cover letter and numbered patches in out/series, which "git am" applies
# to the kernel source that they were made against. tools/series says what goes into
# which patch; series.py does the work and checks that nothing is lost.

set -eu -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/source.sh"

main() {
	local summary
	mkdir -p "$CACHE/log" "$OUT"
	take_lock "$CACHE/kernel.lock" "kernel build"
	select_source
	KERNEL_VERSION=$KERNEL_VERSION "$HERE/lay.sh" "$TREE/src" "$TREE/state" || exit 1
	summary=$(python3 "$HERE/series.py" "$REPO" "$TREE/src" "$TREE/state/pristine" "$TREE/state/wanted" \
		"$OUT/series" "$KERNEL_VERSION") || exit 1
	say SERIES "$OUT/series: $summary"
}

main
