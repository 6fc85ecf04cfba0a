#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check that the stack of the early code is large enough: all of its functions
# together, as if each called the next, need at most LIMIT bytes. That is a
# bound for every path through the code if no function is on the stack twice,
# so it is also checked that none can reach itself.
#
# Usage: READELF=.. OBJDUMP=.. check-stack.sh LIMIT OBJECT...
#
# Frame sizes come from the sections that rustc -Zemit-stack-sizes and clang
# -fstack-size-section write; reading them takes LLVM's readelf.

limit=$1
shift

# A call pushes 8 bytes, and the frame may have to be aligned.
per_call=16
# For what has no recorded frame: assembler, an exception.
reserve=1024

if ! frames=$($READELF --stack-sizes "$@" 2>/dev/null); then
	echo "  (stack of the early code not checked: $READELF cannot read frame sizes)"
	exit 0
fi

total=$(echo "$frames" | awk -v per="$per_call" -v sum="$reserve" '
	$1 ~ /^[0-9]+$/ { sum += $1 + per }
	END { print sum }')

# Who calls (or jumps to) whom: "caller callee" per line.
calls=$($OBJDUMP -dr --no-show-raw-insn "$@" | awk '
	/^[0-9a-f]+ <.*>:$/ { f = $2; gsub(/[<>:]/, "", f); next }
	/R_X86_64_(PLT32|PC32)/ && last ~ /^(call|jmp)/ {
		g = $3; sub(/[-+]0x.*/, "", g); if (g !~ /^\./) print f, g; last = ""; next
	}
	{ last = $2 }
	$2 ~ /^(call|jmp)/ && /<[^+>]*>$/ {
		g = $NF; gsub(/[<>]/, "", g); if (g != f || $2 ~ /^call/) print f, g
	}' | sort -u)

own=$(echo "$calls" | awk '$1 == $2 { print $1; exit }')
if [ -n "$own" ]; then
	echo "$0: $own calls itself: the stack of the early code has no bound" >&2
	exit 1
fi
if ! loop=$(echo "$calls" | tsort 2>&1 >/dev/null); then
	echo "$loop" >&2
	echo "$0: these functions call each other: the stack of the early code has no bound" >&2
	exit 1
fi

if [ "$total" -gt "$limit" ]; then
	echo "$0: the early code may need $total bytes of stack and has $limit" >&2
	exit 1
fi
echo "  EARLY   all frames together $total bytes, stack $limit"
