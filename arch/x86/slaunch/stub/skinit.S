/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The launch instruction. It exists once, so that a debugger or the machine
 * model can be told its address beforehand.
 */
#include <linux/linkage.h>

	.code64
	.text

/*
 * slaunch_skinit() - leave for the loader block
 * @edi:	address of the loader block, 64 KiB aligned, below 4 GiB
 * @rsi:	GDT descriptor (limit, base): flat 32-bit code at selector 8, data
 *		at 0x10. The processor sets these segments up by itself, but an
 *		emulator may look at the table, and nothing is lost by having it
 *		agree.
 *
 * Interrupts are off, EFER.SVME is on, the other processors wait for SIPI.
 * SKINIT does not come back. Where it is only a fault or a no-op, the machine
 * cannot go on either: boot services are gone and the other processors are
 * stopped, so it halts.
 */
SYM_FUNC_START(slaunch_skinit)
	lgdt	(%rsi)
	movl	%edi, %eax
SYM_INNER_LABEL(slaunch_skinit_insn, SYM_L_GLOBAL)
	.byte	0x0f, 0x01, 0xde	/* skinit %eax */
.Lhalt:
	hlt
	jmp	.Lhalt
SYM_FUNC_END(slaunch_skinit)
