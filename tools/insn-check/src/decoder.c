// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's instruction decoder, and what the kernel takes from it.
 */
#include <asm/insn.h>
#include <inat.c>
#include <insn.c>

#include "insn.h"

int insn_check_decode(const u8 *bytes, int size, struct slaunch_efi_insn *to)
{
	struct insn insn;

	if (insn_decode(&insn, bytes, size, INSN_MODE_64))
		return -1;
	slaunch_efi_take_insn(to, &insn);
	return 0;
}
