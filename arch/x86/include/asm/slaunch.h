/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The door: all native EFI calls pass it after a launch, and no other call of
 * firmware reaches it (arch/x86/slaunch/efi).
 *
 * SLAUNCH_EFI_DOOR stands where the arguments are still as the caller left
 * them, SLAUNCH_EFI_DOOR_TAKEN behind a return. Without a
 * launch the door is one static branch that is not taken. It works before
 * alternatives are patched.
 */
#ifndef _ASM_X86_SLAUNCH_H
#define _ASM_X86_SLAUNCH_H

#ifdef __ASSEMBLER__

#include <asm/asm.h>
#include <asm/nops.h>

#ifdef CONFIG_SECURE_LAUNCH

.macro SLAUNCH_EFI_DOOR
	.set	.Lslaunch_efi_door, .
	.byte	BYTES_NOP5
	.pushsection __jump_table, "aw"
	.balign	8
	ANNOTATE_DATA_SPECIAL
	.long	.Lslaunch_efi_door - .
	.long	.Lslaunch_efi_door_taken - .
	.quad	slaunch_efi_gate - .
	.popsection
.endm

.macro SLAUNCH_EFI_DOOR_TAKEN
	.set	.Lslaunch_efi_door_taken, .
	jmp	slaunch_efi_door
.endm

#else

.macro SLAUNCH_EFI_DOOR
.endm

.macro SLAUNCH_EFI_DOOR_TAKEN
.endm

#endif /* CONFIG_SECURE_LAUNCH */
#endif /* __ASSEMBLER__ */
#endif /* _ASM_X86_SLAUNCH_H */
