# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# tools.sh: tpm2-tools through the resource manager.

cd /tmp || exit

pcrextend() {
	local before digest
	before=$(pcr 23)
	digest=$(echo tools | sha256)
	tpm2_pcrextend "23:sha256=$digest"
	same "PCR 23" "$(pcr 23)" "$(raw "$before$digest" | sha256)"
}

# PCR 16 and 23 can be reset from locality 0, PCR 17 cannot.
pcrreset() {
	tpm2_pcrreset 16
	same "PCR 16" "$(pcr 16)" "$(printf '%064d' 0)"
	fails tpm2_pcrreset 17
}

getrandom() {
	tpm2_getrandom -o first 48
	tpm2_getrandom -o second 48
	same length "$(stat -c %s first)" 48
	differ "two numbers" "$(hex first)" "$(hex second)"
}

quote() {
	local nonce
	nonce=$(echo nonce | sha256)
	tpm2_createprimary -Q -C e -g sha256 -G ecc:ecdsa-sha256:null -c key.ctx \
		-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign'
	tpm2_readpublic -Q -c key.ctx -f pem -o key.pem
	tpm2_quote -Q -c key.ctx -l sha256:16,23 -q "$nonce" -g sha256 -m quote.msg -s quote.sig -o quote.pcrs
	tpm2_checkquote -Q -u key.pem -m quote.msg -s quote.sig -f quote.pcrs -g sha256 -q "$nonce"
	case $(hex quote.pcrs) in
	*"$(pcr 16)"*"$(pcr 23)"*) ;;
	*) fail "the quote is of other PCR values" ;;
	esac
	fails tpm2_checkquote -Q -u key.pem -m quote.msg -s quote.sig -g sha256 -q "$(echo other | sha256)"
}

# More than fits into one command, and into the buffer of any TIS.
nv() {
	local index=0x1500016
	head -c 2000 /dev/urandom > nv.data
	tpm2_nvdefine -Q $index -C o -s 2000 -a 'ownerread|ownerwrite'
	tpm2_nvwrite -Q $index -C o -i nv.data
	tpm2_nvread $index -C o -s 2000 -o nv.back
	cmp nv.data nv.back
	tpm2_nvundefine -Q $index -C o
	fails tpm2_nvread $index -C o -s 2000 -o nv.gone
}

# A key of the resource manager's one user is not seen by another, and the TPM
# is left empty.
contexts() {
	tpm2_createprimary -Q -C o -G ecc -c parent.ctx
	tpm2_create -Q -C parent.ctx -G aes -u sub.pub -r sub.priv
	tpm2_load -Q -C parent.ctx -u sub.pub -r sub.priv -c sub.ctx
	echo "secret words" > plain
	tpm2_encryptdecrypt -Q -c sub.ctx -o cipher plain
	tpm2_encryptdecrypt -Q -d -c sub.ctx -o back cipher
	cmp plain back
	fails cmp -s plain cipher
	same "transient handles" "$(TPM2TOOLS_TCTI=device:/dev/tpm0 tpm2_getcap handles-transient)" ""
}

test_case tools_pcrextend pcrextend
test_case tools_pcrreset pcrreset
test_case tools_getrandom getrandom
test_case tools_quote quote
test_case tools_nv nv
test_case tools_contexts contexts
