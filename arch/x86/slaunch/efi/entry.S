/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way into firmware, and back.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>

#include <asm/msr-index.h>
#include <asm/nospec-branch.h>

#include "entry.h"

/*
 * From __efi_call(): the function and up to six arguments, as for any function.
 * Rust gets them as a struct Call.
 */
SYM_FUNC_START(slaunch_efi_door)
	pushq	%rbp
	movq	%rsp, %rbp
	movq	16(%rbp), %rax
	subq	$(CALL_SIZE + 8), %rsp
	movq	%rdi, CALL_FUNCTION(%rsp)
	movq	%rsi, CALL_ARG1(%rsp)
	movq	%rdx, CALL_ARG2(%rsp)
	movq	%rcx, CALL_ARG3(%rsp)
	movq	%r8, CALL_ARG4(%rsp)
	movq	%r9, CALL_ARG5(%rsp)
	movq	%rax, CALL_ARG6(%rsp)
	movq	%rsp, %rdi
	call	slaunch_efi_call
	leave
	RET
SYM_FUNC_END(slaunch_efi_door)

/*
 * slaunch_efi_native(call): call firmware on this stack, and trust it.
 */
SYM_FUNC_START(slaunch_efi_native)
	ANNOTATE_NOCFI_SYM
	pushq	%rbp
	movq	%rsp, %rbp
	andq	$~0xf, %rsp
	subq	$48, %rsp
	movq	CALL_ARG6(%rdi), %rax
	movq	%rax, 40(%rsp)
	movq	CALL_ARG5(%rdi), %rax
	movq	%rax, 32(%rsp)
	movq	CALL_ARG4(%rdi), %r9
	movq	CALL_ARG3(%rdi), %r8
	movq	CALL_ARG2(%rdi), %rdx
	movq	CALL_ARG1(%rdi), %rcx
	movq	CALL_FUNCTION(%rdi), %rdi
	CALL_NOSPEC rdi
	leave
	RET
SYM_FUNC_END(slaunch_efi_native)

#define FRAME(field)	(slaunch_efi_frame + (field))(%rip)

/*
 * slaunch_efi_checked(): call firmware on a stack of its own, as slaunch_efi_frame
 * says, which also gets what it came back with. Interrupts are off.
 *
 * Nothing but RIP is relied on after the call. The GS base is put right here,
 * since compiled code may use it at any time; all else is left to the caller.
 */
SYM_FUNC_START(slaunch_efi_checked)
	ANNOTATE_NOCFI_SYM
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movl	$MSR_GS_BASE, %ecx
	rdmsr
	movl	%eax, FRAME(FRAME_GS_BEFORE)
	movl	%edx, FRAME(FRAME_GS_BEFORE + 4)
	movq	%rsp, FRAME(FRAME_KERNEL_RSP)
	xorl	%esi, %esi
	xorl	%edi, %edi
	movq	%rbx, FRAME(FRAME_BEFORE + REG_RBX)
	movq	%rbp, FRAME(FRAME_BEFORE + REG_RBP)
	movq	%r12, FRAME(FRAME_BEFORE + REG_R12)
	movq	%r13, FRAME(FRAME_BEFORE + REG_R13)
	movq	%r14, FRAME(FRAME_BEFORE + REG_R14)
	movq	%r15, FRAME(FRAME_BEFORE + REG_R15)
	movq	%rdi, FRAME(FRAME_BEFORE + REG_RDI)
	movq	%rsi, FRAME(FRAME_BEFORE + REG_RSI)
	movq	FRAME(FRAME_STACK), %rsp
	movq	FRAME(CALL_ARG5), %rax
	movq	%rax, 32(%rsp)
	movq	FRAME(CALL_ARG6), %rax
	movq	%rax, 40(%rsp)
	movq	FRAME(CALL_ARG1), %rcx
	movq	FRAME(CALL_ARG2), %rdx
	movq	FRAME(CALL_ARG3), %r8
	movq	FRAME(CALL_ARG4), %r9
	movq	FRAME(CALL_FUNCTION), %rax
	movq	$1, FRAME(FRAME_ARMED)
	cld
	CALL_NOSPEC rax

	/* Exceptions in firmware, and the watchdog, continue here too. */
SYM_INNER_LABEL(slaunch_efi_recover, SYM_L_GLOBAL)
	ANNOTATE_NOENDBR
	movq	$0, FRAME(FRAME_ARMED)
	movq	%rsp, FRAME(FRAME_RSP)
	movq	FRAME(FRAME_KERNEL_RSP), %rsp
	pushfq
	popq	FRAME(FRAME_RFLAGS)
	pushq	$2
	popfq
	movq	%rax, FRAME(FRAME_STATUS)
	movq	%rbx, FRAME(FRAME_AFTER + REG_RBX)
	movq	%rbp, FRAME(FRAME_AFTER + REG_RBP)
	movq	%r12, FRAME(FRAME_AFTER + REG_R12)
	movq	%r13, FRAME(FRAME_AFTER + REG_R13)
	movq	%r14, FRAME(FRAME_AFTER + REG_R14)
	movq	%r15, FRAME(FRAME_AFTER + REG_R15)
	movq	%rdi, FRAME(FRAME_AFTER + REG_RDI)
	movq	%rsi, FRAME(FRAME_AFTER + REG_RSI)
	movl	$MSR_GS_BASE, %ecx
	rdmsr
	movl	%eax, FRAME(FRAME_GS_AFTER)
	movl	%edx, FRAME(FRAME_GS_AFTER + 4)
	movl	FRAME(FRAME_GS_BEFORE), %eax
	movl	FRAME(FRAME_GS_BEFORE + 4), %edx
	cmpl	%eax, FRAME(FRAME_GS_AFTER)
	jne	.Lgs_base
	cmpl	%edx, FRAME(FRAME_GS_AFTER + 4)
	je	.Lgs_base_right
.Lgs_base:
	wrmsr
.Lgs_base_right:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	RET
SYM_FUNC_END(slaunch_efi_checked)
STACK_FRAME_NON_STANDARD slaunch_efi_checked
