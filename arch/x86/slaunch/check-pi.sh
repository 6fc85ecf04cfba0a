#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check an object, or an image linked with --emit-relocs, against the rules of
# position independent, freestanding code:
#
#   - nothing in it can panic or format text (core::panicking, core::fmt and
#     what else of the core library would have to be linked in),
#   - no absolute relocation in a section that is loaded,
#   - not more code than TEXT_LIMIT bytes (0: no limit).
#
# Usage: NM=.. READELF=.. OBJDUMP=.. check-pi.sh FILE TEXT_LIMIT

file=$1
limit=${2:-0}
fail=0

die()
{
	echo "$0: $file: $*" >&2
	exit 1
}

syms=$($NM "$file") || die "cannot read symbols"
sections=$($READELF -SW "$file") || die "cannot read sections"
relocs=$($READELF -rW "$file") || die "cannot read relocations"

# Functions of this object with a relocation against symbol $1.
users()
{
	$OBJDUMP -dr "$file" | awk -v s="$1" '
		/^[0-9a-f]+ <.*>:$/ { f = $2; gsub(/[<>:]/, "", f) }
		index($0, s) && /R_X86_64_/ && !seen[f]++ { print "    reached from " f }' |
	head -n 4
}

# Generic code is instantiated in the object. Whatever it still wants from a
# Rust crate does not exist at run time, and is nearly always a panic.
bad=$(echo "$syms" | awk '
	$1 == "U" && $2 ~ /^(_R|_ZN)/ { print $2; next }
	$NF ~ /^(_R|_ZN).*(4core9panicking|4core3fmt)/ || $NF == "rust_begin_unwind" { print $NF }')
for s in $bad; do
	case $s in
	*9panicking*|*_fail*|*panic*|rust_begin_unwind)
		why="a panic is reachable: use get(), checked_*() or a provable bound" ;;
	*3fmt*)
		why="core::fmt is reachable: no formatting in freestanding code" ;;
	*)
		why="a function of another Rust crate, which is not linked here" ;;
	esac
	echo "$file: $s: $why" >&2
	users "$s" >&2
	fail=1
done

# "Relocation section '.rela.X'" headings name the section that is patched; only
# loaded ones (flag A) matter. A GOT would hold addresses.
abs=$({ echo "$sections"; echo "$relocs"; } | awk '
	/^ *\[ *[0-9]+\]/ {
		sub(/^ *\[ *[0-9]+\] */, "")
		name = $1
		# name type address offset size entsize flags...
		if ($7 ~ /A/) alloc[name] = 1
	}
	/^Relocation section/ {
		split($0, q, "\047"); sec = q[2]; sub(/^\.rela?/, "", sec)
	}
	/ R_X86_64_/ && alloc[sec] {
		if ($3 ~ /_(64|32|32S|16|8|GLOB_DAT|JUMP_SLOT|RELATIVE|COPY)$|GOT/)
			print sec ": " $3 " against " $5
	}' | sort -u)
if [ -n "$abs" ]; then
	echo "$abs" | head -n 20 | while read -r line; do
		echo "$file: absolute relocation in $line" >&2
	done
	echo "$file: it would need its load address: no table of pointers or references," \
		"no fn pointer in data, no extern static" >&2
	fail=1
fi

if [ "$limit" -ne 0 ]; then
	text=0
	for h in $(echo "$sections" | awk '
		/^ *\[ *[0-9]+\]/ {
			sub(/^ *\[ *[0-9]+\] */, "")
			if ($7 ~ /A/ && $7 ~ /X/) print $5
		}'); do
		text=$((text + 0x$h))
	done
	if [ "$text" -gt "$limit" ]; then
		echo "$file: $text bytes of code, at most $limit are allowed" >&2
		fail=1
	fi
fi

exit $fail
