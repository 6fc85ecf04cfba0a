#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check that a stack is large enough: the deepest chain of calls through the
# code of these objects needs at most LIMIT bytes. A chain has an end if no
# function can reach itself and none is called through a pointer, which is
# checked too.
#
# Usage: READELF=.. OBJDUMP=.. check-stack.sh NAME LIMIT OBJECT...
#
# Frame sizes come from the sections that rustc -Zemit-stack-sizes and clang
# -fstack-size-section write; reading them takes LLVM's readelf.

name=$1
limit=$2
shift 2

# For what is pushed before the first function: by the entry code, by an exception.
reserve=512
# A call pushes 8 bytes, and the frame may have to be aligned.
per_call=16
# For a function without recorded frame: assembler, or C if not by clang.
unknown=512

if ! frames=$($READELF --stack-sizes "$@" 2>/dev/null); then
	echo "  (stack of $name not checked: $READELF cannot read frame sizes)"
	exit 0
fi

# Who calls (or jumps to) whom: "caller callee" per line, "*" for a pointer.
# The target of a call is in its relocation, if it has one: either the function
# or, with a section for each, the function's section.
calls=$($OBJDUMP -dr --no-show-raw-insn "$@" | awk '
	function flush() {
		if (target != "") print f, target
		target = ""
	}
	/^[0-9a-f]+ <.*>:$/ { flush(); f = $2; gsub(/[<>:]/, "", f); insn = ""; next }
	/R_X86_64_/ {
		if (insn ~ /^(call|j)/) {
			target = $3; sub(/[-+]0x.*/, "", target)
			sub(/^\.text\.(unlikely\.|hot\.)?/, "", target)
			# Into the middle of a section: it does not say which function.
			if (target ~ /^\./) target = "*"
		}
		flush(); insn = ""; next
	}
	{ flush(); insn = $2 }
	insn ~ /^(call|jmp)/ && /\*/ { print f, "*"; next }
	insn ~ /^(call|j)/ && /<[^+>]*>$/ {
		target = $NF; gsub(/[<>]/, "", target)
		# Back to its own beginning: a loop.
		if (target == f && insn !~ /^call/) target = ""
	}
	END { flush() }' | sort -u)

{ echo "$frames"; echo "$calls" | sed 's/^/call /'; } | awk -v name="$name" -v limit="$limit" \
	-v reserve="$reserve" -v per="$per_call" -v unknown="$unknown" '
	# Bytes from the frame of f down to the end of the deepest chain from there.
	function depth(f,    n, i, c, d, most) {
		if (state[f] == 2) return deepest[f]
		if (state[f] == 1) {
			print name ": " f " can reach itself: its stack has no bound" > "/dev/stderr"
			exit failed = 1
		}
		state[f] = 1
		n = split(callees[f], c, " ")
		for (i = 1; i <= n; i++) {
			d = depth(c[i])
			if (d > most) { most = d; then[f] = c[i] }
		}
		state[f] = 2
		return deepest[f] = most + per + (f in frame ? frame[f] : unknown)
	}
	$1 ~ /^[0-9]+$/ && NF == 2 { if ($1 > frame[$2] + 0) frame[$2] = $1 + 0; next }
	$1 == "call" && $3 == "*" {
		print name ": what " $2 " calls is not known: its stack has no bound" > "/dev/stderr"
		exit failed = 1
	}
	$1 == "call" { callees[$2] = callees[$2] " " $3; caller[$2] }
	END {
		if (failed) exit 1
		for (f in caller) frame_or_caller[f]
		for (f in frame) frame_or_caller[f]
		for (f in frame_or_caller) {
			d = depth(f)
			if (d > most) { most = d; first = f }
		}
		if (!most) { print name ": no frame sizes" > "/dev/stderr"; exit 1 }
		total = most + reserve
		if (total <= limit) {
			printf "  STACK   %s: at most %d bytes of %d\n", name, total, limit
			exit
		}
		print name ": the stack has " limit " bytes, this chain of calls needs " total ":" \
			> "/dev/stderr"
		for (f = first; f != ""; f = then[f])
			print "    " (f in frame ? frame[f] : unknown) " " f > "/dev/stderr"
		exit 1
	}'
