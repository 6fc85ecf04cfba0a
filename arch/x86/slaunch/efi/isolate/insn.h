/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's decoder says of an instruction, as Rust wants it. The tests of
 * what is made of it include this file too.
 */
#ifndef _SLAUNCH_EFI_ISOLATE_INSN_H
#define _SLAUNCH_EFI_ISOLATE_INSN_H

#include <linux/types.h>

#include <asm/insn.h>

/* In core/isolate/insn.rs too. */
struct slaunch_efi_insn {
	u8 prefixes[4];
	u8 rex;
	u8 extended;
	u8 opcode[3];
	u8 opcode_bytes;
	u8 has_modrm;
	u8 modrm;
	u32 immediate;
	u8 length;
};

/* Parts that an instruction does not have are 0. */
static inline void slaunch_efi_take_insn(struct slaunch_efi_insn *to,
					 const struct insn *insn)
{
	int i;

	for (i = 0; i < 4; i++)
		to->prefixes[i] = i < insn->prefixes.nbytes ? insn->prefixes.bytes[i] : 0;
	to->rex = insn->rex_prefix.nbytes ? insn->rex_prefix.bytes[0] : 0;
	to->extended = insn->vex_prefix.nbytes || insn->rex_prefix.nbytes > 1;
	for (i = 0; i < 3; i++)
		to->opcode[i] = i < insn->opcode.nbytes ? insn->opcode.bytes[i] : 0;
	to->opcode_bytes = insn->opcode.nbytes;
	to->has_modrm = !!insn->modrm.nbytes;
	to->modrm = insn->modrm.bytes[0];
	to->immediate = insn->immediate.nbytes ? insn->immediate.value : 0;
	to->length = insn->length;
}

#endif /* _SLAUNCH_EFI_ISOLATE_INSN_H */
