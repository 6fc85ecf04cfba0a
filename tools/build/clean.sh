#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# clean.sh [all]: remove what was built (`make clean`); with "all" also the cache
# with kernel source, objects and downloads (`make distclean`).

set -eu
. "$(dirname "$0")/lib.sh"

rm -rf "$OUT"
say CLEAN "$OUT"
if [ "${1:-}" = all ]; then
	take_lock "$CACHE/kernel.lock" "kernel build"
	rm -rf "$CACHE"
	say CLEAN "$CACHE"
else
	say KEPT "$CACHE (source and objects; make distclean removes it)"
fi
