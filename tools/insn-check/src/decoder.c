// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's instruction decoder, and what the kernel takes from it.
 */
#include <string.h>
#include <stdint.h>

#include <asm/insn.h>
#include <inat.c>
#include <insn.c>

struct decoded {
	uint8_t prefixes[4];
	uint8_t rex;
	uint8_t extended;
	uint8_t opcode[3];
	uint8_t opcode_bytes;
	uint8_t has_modrm;
	uint8_t modrm;
	uint8_t length;
	uint32_t immediate;
};

int insn_check_decode(const uint8_t *bytes, int size, struct decoded *to)
{
	struct insn insn;

	if (insn_decode(&insn, bytes, size, INSN_MODE_64))
		return -1;
	memset(to, 0, sizeof(*to));
	memcpy(to->prefixes, insn.prefixes.bytes, sizeof(to->prefixes));
	to->rex = insn.rex_prefix.nbytes ? insn.rex_prefix.bytes[0] : 0;
	to->extended = insn.vex_prefix.nbytes || insn.rex_prefix.nbytes > 1;
	memcpy(to->opcode, insn.opcode.bytes, sizeof(to->opcode));
	to->opcode_bytes = insn.opcode.nbytes;
	to->has_modrm = insn.modrm.nbytes != 0;
	to->modrm = insn.modrm.bytes[0];
	to->length = insn.length;
	to->immediate = insn.immediate.value;
	return 0;
}
