/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Secure Launch: where a measured kernel begins.
 *
 * The loader block of the launch (slb/ on AMD) has measured this image and
 * enters it at slaunch_entry in flat 32-bit protected mode. The code below
 * takes the way to 64-bit mode with what lies inside the measured image alone,
 * calls slaunch_early() (early.rs) to validate and measure everything else, and
 * goes on to startup_64.
 */

#include <linux/init.h>
#include <linux/linkage.h>
#include <asm/msr-index.h>
#include <asm/page_types.h>
#include <asm/pgtable_types.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <asm/unwind_hints.h>
#include <asm/nospec-branch.h>

/*
 * Distance of X from slaunch_entry. As an operand of an instruction in this
 * section the assembler turns it into a PC relative relocation, so the image
 * needs none at run time (see rva() in boot/compressed/head_64.S).
 */
#define rva(X)		((X) - slaunch_entry)

#define ENTRY_CS32	0x08
#define ENTRY_DS	0x10
#define ENTRY_CS64	0x18

/* Tables: one PML4, one PDPT, four PDs for 0 to 4 GiB, one for the window. */
#define PGT_PDPT	(1 * PAGE_SIZE)
#define PGT_PD		(2 * PAGE_SIZE)
#define PGT_WINDOW	(6 * PAGE_SIZE)
#define PGT_SIZE	(7 * PAGE_SIZE)
#define PGT_BIG_ENTRIES	(4 * 512)
#define PGT_TABLE	(_PAGE_PRESENT | _PAGE_RW)
#define PGT_BIG_PAGE	(_PAGE_PRESENT | _PAGE_RW | _PAGE_PSE)
#define PGT_UNCACHED	(_PAGE_PWT | _PAGE_PCD)
/* The last 32 MiB below 4 GiB hold APICs, the TPM and the flash: never RAM. */
#define PGT_MMIO_ENTRIES 16

/* The values of the PAT at reset: entry 0 is write-back, entry 3 uncached. */
#define PAT_RESET	0x00070406

#define IDT_VECTORS	32
#define IDT_GATE_INTR	0x8e00
/* Vectors 8, 10 to 14, 17, 21, 29 and 30 come with an error code. */
#define VECTORS_WITH_ERROR_CODE	0x60227d00
#define VECTOR_STUB_SIZE	16

/*
 * Checked against the deepest chain of calls in the early code when it is
 * built, see check-stack.sh.
 */
#define STACK_SIZE	SLAUNCH_STACK_SIZE

/*
 * The MLE header (Intel TXT Software Development Guide, section on the measured
 * launched environment): describes the image to whoever launches it, found by
 * its UUID, which must occur only once in the image. Offsets count from _text;
 * the values that need the linker come from image.lds.h.
 */
	__INITRODATA
	.balign	16
SYM_DATA_START(slaunch_mle_header)
	.long	0x9082ac5a, 0x74a7476f, 0xa2555c0f, 0x42b651cb
	.long	.Lmle_header_end - slaunch_mle_header
	.long	0x00020002			/* Version 2.2 */
SYM_INNER_LABEL(slaunch_mle_entry_field, SYM_L_GLOBAL)
	.long	slaunch_mle_entry_value - .	/* Entry point */
	.long	0				/* First valid page */
	.long	0				/* Start of the image */
SYM_INNER_LABEL(slaunch_mle_end_field, SYM_L_GLOBAL)
	.long	slaunch_mle_end_value - .	/* End of what is measured */
	.long	0x00000227			/* Capabilities */
	.long	0				/* Command line: none */
	.long	0
.Lmle_header_end:
SYM_DATA_END(slaunch_mle_header)

/*
 * Entry of the measured image.
 *
 *   EBX  physical address of slaunch_entry
 *   EDX  physical address of the loader block
 *   EDI  physical address of the launch table (SLRT)
 *   ESI  physical address of boot_params
 *
 * CS, DS, ES and SS are flat, paging, interrupts and the direction flag are
 * off. The stack and the descriptor tables are the loader block's, whose
 * interrupt table can take an NMI. Only EBX is relied on; the other three are
 * claims, which slaunch_early() checks.
 */
	__INIT
	.code32
SYM_CODE_START(slaunch_entry)
	UNWIND_HINT_END_OF_STACK
	ANNOTATE_NOENDBR
	cld
	cli

	/*
	 * BSS and brk are not in the file and not measured: they hold what the
	 * code before the launch left there. Nothing of them is used before.
	 */
	movl	%edi, %ebp
	leal	rva(__bss_start)(%ebx), %edi
	leal	rva(_end)(%ebx), %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	xorl	%eax, %eax
	rep	stosl
	movl	%ebp, %edi

	/* Own stack and own segments. */
	leal	rva(slaunch_stack_end)(%ebx), %esp
	leal	rva(slaunch_gdt)(%ebx), %eax
	pushl	%eax
	pushw	$(.Lgdt_end - slaunch_gdt - 1)
	lgdt	(%esp)
	leal	rva(slaunch_stack_end)(%ebx), %esp
	movl	$ENTRY_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%eax, %ss
	xorl	%eax, %eax
	lldt	%ax

	/*
	 * The launch leaves the page attribute table as it was. With its reset
	 * values the tables below mean what they say whoever set it before, and
	 * the TPM is read uncached even where the MTRRs claim otherwise; lines
	 * cached under the old types go.
	 */
	pushl	%edx
	movl	$MSR_IA32_CR_PAT, %ecx
	movl	$PAT_RESET, %eax
	movl	%eax, %edx
	wrmsr
	popl	%edx
	wbinvd

	/* PML4 and PDPT; the fifth entry of the PDPT is the window. */
	leal	rva(slaunch_pgt)(%ebx), %ebp
	leal	(PGT_PDPT + PGT_TABLE)(%ebp), %eax
	movl	%eax, (%ebp)
	leal	(PGT_PD + PGT_TABLE)(%ebp), %eax
	xorl	%ecx, %ecx
1:	movl	%eax, PGT_PDPT(%ebp, %ecx, 8)
	addl	$PAGE_SIZE, %eax
	incl	%ecx
	cmpl	$5, %ecx
	jb	1b

	/* 0 to 4 GiB, identity, by pages of 2 MiB. */
	movl	$PGT_BIG_PAGE, %eax
	xorl	%ecx, %ecx
1:	cmpl	$(PGT_BIG_ENTRIES - PGT_MMIO_ENTRIES), %ecx
	jne	2f
	orl	$PGT_UNCACHED, %eax
2:	movl	%eax, PGT_PD(%ebp, %ecx, 8)
	addl	$PMD_SIZE, %eax
	incl	%ecx
	cmpl	$PGT_BIG_ENTRIES, %ecx
	jb	1b

	/*
	 * Long mode, with SSE for the hash code. CR4 and EFER are set, not
	 * changed: nothing that was on before the launch stays on.
	 */
	movl	$(X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT), %eax
	movl	%eax, %cr4
	movl	%ebp, %cr3
	pushl	%edx
	movl	$MSR_EFER, %ecx
	movl	$EFER_LME, %eax
	xorl	%edx, %edx
	wrmsr
	popl	%edx

	/*
	 * From here to the LIDT below an NMI finds a table of the wrong format
	 * and resets the machine, which ends the launch but breaks nothing.
	 */
	pushl	$ENTRY_CS64
	leal	rva(slaunch_entry_64)(%ebx), %eax
	pushl	%eax
	movl	$CR0_STATE, %eax
	movl	%eax, %cr0
	lretl
SYM_CODE_END(slaunch_entry)

	.code64
SYM_CODE_START_LOCAL(slaunch_entry_64)
	UNWIND_HINT_END_OF_STACK
	ANNOTATE_NOENDBR
	/* The upper halves of the registers are undefined after the switch. */
	movl	%edx, %edx
	movl	%esi, %esi
	movl	%edi, %edi
	leaq	slaunch_stack_end(%rip), %rsp

	/* One gate per exception. */
	movq	%rdi, %r8
	movq	%rdx, %r9
	leaq	slaunch_idt(%rip), %rdi
	leaq	slaunch_vectors(%rip), %rax
	xorl	%ecx, %ecx
1:	movq	%rax, %rdx
	cmpl	$X86_TRAP_NMI, %ecx
	jne	2f
	leaq	slaunch_nmi(%rip), %rdx
2:	movw	%dx, 0(%rdi)
	movw	$ENTRY_CS64, 2(%rdi)
	movw	$IDT_GATE_INTR, 4(%rdi)
	shrq	$16, %rdx
	movw	%dx, 6(%rdi)
	shrq	$16, %rdx
	movl	%edx, 8(%rdi)
	addq	$16, %rdi
	addq	$VECTOR_STUB_SIZE, %rax
	incl	%ecx
	cmpl	$IDT_VECTORS, %ecx
	jb	1b

	subq	$16, %rsp
	leaq	slaunch_idt(%rip), %rax
	movw	$(IDT_VECTORS * 16 - 1), 6(%rsp)
	movq	%rax, 8(%rsp)
	lidt	6(%rsp)
	addq	$16, %rsp

	/* struct EntryState (early.rs) on the stack, which stays aligned to 16. */
	subq	$8, %rsp
	leaq	slaunch_handoff(%rip), %rax
	pushq	%rax
	leaq	slaunch_pgt + PGT_WINDOW(%rip), %rax
	pushq	%rax
	pushq	%r9
	pushq	%r8
	pushq	%rsi
	leaq	_end(%rip), %rax
	pushq	%rax
	leaq	_text(%rip), %rax
	pushq	%rax
	movq	%rsp, %rdi
	call	__pi_slaunch_early
	addq	$64, %rsp

	/* The kernel's own copy of boot_params. */
	movq	%rax, %rsi

	/* Leave nothing in the registers of the hash code. */
	.irpc n, 01234567
	pxor	%xmm\n, %xmm\n
	.endr
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	pxor	%xmm\n, %xmm\n
	.endr

	/* What startup_64 finds when the decompressor enters it. */
	movl	$X86_CR4_PAE, %eax
	movq	%rax, %cr4
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	jmp	startup_64
SYM_CODE_END(slaunch_entry_64)

/*
 * An exception other than an NMI is the end of the launch: nothing here is
 * meant to fault. One stub per vector makes the stack the same for all.
 */
	.balign	VECTOR_STUB_SIZE
SYM_CODE_START_LOCAL(slaunch_vectors)
	.set	vector, 0
	.rept	IDT_VECTORS
	.balign	VECTOR_STUB_SIZE
	UNWIND_HINT_END_OF_STACK
	ANNOTATE_NOENDBR
	.if	!((VECTORS_WITH_ERROR_CODE >> vector) & 1)
	pushq	$0
	.endif
	pushq	$vector
	jmp	slaunch_exception
	.set	vector, vector + 1
	.endr
SYM_CODE_END(slaunch_vectors)

SYM_CODE_START_LOCAL(slaunch_exception)
	UNWIND_HINT_END_OF_STACK
	cld
	popq	%rdi			/* Vector */
	popq	%rsi			/* Error code */
	popq	%rdx			/* Address of the instruction */
	leaq	_text(%rip), %rax
	subq	%rax, %rdx
	andq	$~15, %rsp
	pushq	$0			/* No return address: it does not return */
	jmp	__pi_slaunch_early_exception
SYM_CODE_END(slaunch_exception)

SYM_CODE_START_LOCAL(slaunch_nmi)
	UNWIND_HINT_IRET_REGS
	ANNOTATE_NOENDBR
	iretq
SYM_CODE_END(slaunch_nmi)

	__INITRODATA
	.balign	8
SYM_DATA_START_LOCAL(slaunch_gdt)
	.quad	0
	.quad	0x00cf9b000000ffff	/* ENTRY_CS32: flat 32-bit code */
	.quad	0x00cf93000000ffff	/* ENTRY_DS: flat data */
	.quad	0x00af9b000000ffff	/* ENTRY_CS64: 64-bit code */
.Lgdt_end:
SYM_DATA_END(slaunch_gdt)

/* struct Handoff (core/handoff.rs), for late/. Not BSS, which is cleared before. */
	.data
	.balign	8
SYM_DATA_START(slaunch_handoff)
	.skip	96
SYM_DATA_END(slaunch_handoff)

	.section ".bss..page_aligned", "aw", @nobits
	.balign	PAGE_SIZE
SYM_DATA_START_LOCAL(slaunch_pgt)
	.skip	PGT_SIZE
SYM_DATA_END(slaunch_pgt)
SYM_DATA_START_LOCAL(slaunch_stack)
	.skip	STACK_SIZE
SYM_DATA_END_LABEL(slaunch_stack, SYM_L_LOCAL, slaunch_stack_end)
SYM_DATA_START_LOCAL(slaunch_idt)
	.skip	PAGE_SIZE
SYM_DATA_END(slaunch_idt)
