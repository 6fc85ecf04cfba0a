#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# attestation.sh KERNEL INITRD LAUNCH: predict, attest and verify, from end to end.
#
# LAUNCH is a directory with what a launch of these files left: eventlog.bin, and
# cmdline.txt, the kernel's command line (out/run after "make run"). A software
# TPM takes the place of the launched machine's: it is taken through the same
# launch, by the command that the processor gives it and by those of the log. What is
# asked of it then, and what the judge does, is as with any machine.
#
# Needs swtpm, tpm2-tools, jq, and slaunch in PATH.

set -eu -o pipefail

KERNEL=$1
INITRD=$2
LAUNCH=$3
PORT=${PORT:-2321}
DIR=$(mktemp -d)
trap 'kill "$(cat "$DIR/pid")" 2> /dev/null || true; rm -rf "$DIR"' EXIT
export TPM2TOOLS_TCTI=swtpm:port=$PORT

say() {
	echo "--- $*"
}

# The TPM's simulator, with nothing launched.
start_tpm() {
	mkdir "$DIR/tpm"
	swtpm_setup --tpm2 --tpmstate "$DIR/tpm" --pcr-banks sha256 > /dev/null
	swtpm socket --tpm2 --tpmstate "dir=$DIR/tpm" --flags startup-clear,not-need-init \
		--server "type=tcp,port=$PORT" --ctrl "type=tcp,port=$((PORT + 1))" \
		--daemon --pid "file=$DIR/pid"
}

control() {
	swtpm_ioctl --tcp "127.0.0.1:$((PORT + 1))" "$@"
}

# extend PCR DIGEST: TPM2_PCR_Extend of SHA-256. tpm2-tools would go back to locality 0.
extend() {
	local command
	command=$(printf '80020000004100000182%08x' "$1")
	command+="0000000940000009000000000000000001000b$2"
	# In one piece: the TPM takes what comes at once for a command.
	printf "%b" "$(sed 's/../\\x&/g' <<< "$command")" |
		dd bs=65 count=1 iflag=fullblock status=none >&3
	# The answer has 19 bytes, and no error in the last four of the first ten.
	[ "$(head -c 19 <&3 | od -An -tx1 -N 10 | tr -d ' \n')" = 80020000001300000000 ]
}

# The launch: the processor measures the loader block, what runs then all else.
launch() {
	local size at pcr digest
	read -r size at <<< "$(jq -r '.events[0].how' "$DIR/launch.json" |
		sed -E 's/^the ([0-9]+) bytes of the loader block at (0x[0-9a-f]+) .*/\1 \2/')"
	tail -c "+$((at + 1))" "$KERNEL" | head -c "$size" > "$DIR/block" || true
	control -h - < "$DIR/block"
	control -l 2
	exec 3<> "/dev/tcp/127.0.0.1/$PORT"
	while read -r pcr digest; do
		extend "$pcr" "$digest"
	done < <(slaunch log "$LAUNCH/eventlog.bin" --json |
		jq -r '.events[1:][] | "\(.pcr) \(.digests.sha256)"')
	exec 3>&-
	control -l 0
}

# The attestation key: restricted, so that it signs what the TPM says and nothing else.
make_key() {
	tpm2_createprimary -Q -C o -G ecc256:ecdsa-sha256:null -c "$DIR/ak.ctx" \
		-a "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign"
	tpm2_flushcontext -t
	tpm2_readpublic -Q -c "$DIR/ak.ctx" -f tss -o "$DIR/ak.pub"
	tpm2_flushcontext -t
}

# attest: a quote for a new nonce, and the verdict on it.
attest() {
	local nonce
	nonce=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
	tpm2_quote -Q -c "$DIR/ak.ctx" -l sha256:17,18 -q "$nonce" -g sha256 \
		-m "$DIR/quote.msg" -s "$DIR/quote.sig"
	tpm2_flushcontext -t
	slaunch verify --quote "$DIR/quote.msg" --signature "$DIR/quote.sig" --key "$DIR/ak.pub" \
		--nonce "$nonce" --log "$LAUNCH/eventlog.bin" --policy "$DIR/policy.json"
}

say "Predict the launch, and accept it"
slaunch predict --kernel "$KERNEL" --initrd "$INITRD" --cmdline-file "$LAUNCH/cmdline.txt" \
	--log "$LAUNCH/eventlog.bin" --bank sha256 --json > "$DIR/launch.json"
slaunch policy "$DIR/launch.json" > "$DIR/policy.json"
jq -r '.pcrs.sha256 | to_entries[] | "PCR \(.key)  \(.value.running)"' "$DIR/launch.json"

start_tpm
make_key
say "A machine that was not launched"
if attest; then
	echo "It was accepted!" >&2
	exit 1
fi
say "The same machine after the launch"
launch
attest
say "The same after one more event that nobody knows"
control -l 2
exec 3<> "/dev/tcp/127.0.0.1/$PORT"
extend 18 "$(printf '%064d' 1)"
exec 3>&-
control -l 0
if attest; then
	echo "It was accepted!" >&2
	exit 1
fi
say "As it should be"
