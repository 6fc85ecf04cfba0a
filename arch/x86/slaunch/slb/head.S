/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry to and exit from the Secure Loader Block.
 *
 * SKINIT (APM volume 2, 15.27) leaves 32-bit protected mode without paging, EAX
 * with the base of the block, CS and SS flat, the other segments unusable, no
 * GDT and no IDT. From there: own GDT, own stack, IDT, identity map of the first
 * 4 GiB, long mode, SSE, slb_main(). Afterwards back to 32-bit flat protected
 * mode, with STGI as the last step before the kernel's entry point.
 *
 * The image runs where it lies. All addresses are offsets from EBP, the base,
 * or relative to RIP. Nothing is written below slb_length: that part was
 * measured and will be hashed again for the event log.
 */
#include <linux/linkage.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include "slb.h"

/* Offset of a symbol from the base; the linker puts the header before .Lhead. */
#define rva(X)		((X) - .Lhead + SLB_HEADER_SIZE)

#define CS32		0x08
#define DS32		0x10
#define CS64		0x18

/* Vectors 0 to 31 with an error code: 8, 10-14, 17, 21, 29, 30. */
#define ERROR_CODES	0x60227d00
#define VECTORS		32
#define NMI_VECTOR	2

#define CPUID_EDX_LM	(1 << 29)
#define CPUID_EDX_1GB	(1 << 26)
#define CPUID_ECX_SKINIT (1 << 12)

/* The reset value: WB, WT, UC-, UC, twice. */
#define PAT_LOW		0x00070406
#define PTE_PRESENT_RW	0x03
#define PTE_LARGE	0x80
#define PTE_UC		0x18		/* PWT and PCD: entry 3 of the PAT */

/* VM_CR: debug port disable, A20 mask disable. INIT redirection stays. */
#define VM_CR_DPD	(1 << 0)
#define VM_CR_A20M	(1 << 2)

	.section .head.text, "ax"
	.code32
.Lhead:

SYM_CODE_START_NOALIGN(slb_entry)
	cli
	cld
	movl	%eax, %ebp
	leal	rva(slb_stack_top)(%ebp), %esp

	/* The descriptors are marked accessed already: the CPU writes nothing. */
	leal	rva(slb_gdt)(%ebp), %eax
	pushl	%eax
	pushl	$((slb_gdt_end - slb_gdt - 1) << 16)
	lgdtl	2(%esp)
	addl	$8, %esp

	leal	rva(.Lsegments)(%ebp), %eax
	pushl	$CS32
	pushl	%eax
	lretl
.Lsegments:
	movl	$DS32, %eax
	movl	%eax, %ss
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs

	/*
	 * Whoever ran before us owned this memory. Of what was not measured,
	 * only the parameters are read later.
	 */
	leal	rva(slb_record)(%ebp), %edi
	leal	rva(slb_total)(%ebp), %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	xorl	%eax, %eax
	rep stosl

	/* From here on an error leaves a record. */
	leal	rva(slb_record)(%ebp), %edi
	movl	$RECORD_MAGIC, RECORD_MAGIC_OFF(%edi)
	movl	$(RECORD_VERSION | RECORD_SIZE << 16), RECORD_VERSION_OFF(%edi)
	movl	$RECORD_STAGE_SLB, RECORD_STAGE_OFF(%edi)

	movl	$STACK_CANARY, rva(slb_stack_bottom)(%ebp)
	call	.Lidt32

	/* Long mode with 1 GiB pages: two pages of tables map what we need. */
	movl	$0x80000000, %eax
	cpuid
	cmpl	$0x80000001, %eax
	jb	.Lno_cpu
	movl	$0x80000001, %eax
	cpuid
	andl	$(CPUID_EDX_LM | CPUID_EDX_1GB), %edx
	cmpl	$(CPUID_EDX_LM | CPUID_EDX_1GB), %edx
	jne	.Lno_cpu

	/*
	 * Caching is as the loader left it, and it must not matter: cached TPM
	 * registers could be made to answer in the TPM's stead. So what is in
	 * the caches goes to memory, the PAT gets its reset value, and the TPM
	 * is only reached through an uncached mapping, which beats any MTRR: the
	 * gigabyte below 4 GiB appears a second time above 4 GiB.
	 */
	movl	%cr0, %eax
	andl	$~(X86_CR0_CD | X86_CR0_NW), %eax
	movl	%eax, %cr0
	wbinvd
	movl	$MSR_IA32_CR_PAT, %ecx
	movl	$PAT_LOW, %eax
	movl	%eax, %edx
	wrmsr

	leal	(rva(slb_pdpt) + PTE_PRESENT_RW)(%ebp), %eax
	movl	%eax, rva(slb_pml4)(%ebp)
	leal	rva(slb_pdpt)(%ebp), %edi
	movl	$(PTE_LARGE | PTE_PRESENT_RW), (%edi)
	movl	$(0x40000000 | PTE_LARGE | PTE_PRESENT_RW), 8(%edi)
	movl	$(0x80000000 | PTE_LARGE | PTE_PRESENT_RW), 16(%edi)
	movl	$(0xc0000000 | PTE_LARGE | PTE_PRESENT_RW), 24(%edi)
	movl	$(0xc0000000 | PTE_LARGE | PTE_UC | PTE_PRESENT_RW), 32(%edi)

	movl	$(X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT), %eax
	movl	%eax, %cr4
	leal	rva(slb_pml4)(%ebp), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	movl	$(1 << _EFER_LME), %eax
	xorl	%edx, %edx
	wrmsr
	movl	$(X86_CR0_PG | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP | X86_CR0_PE), %eax
	movl	%eax, %cr0

	leal	rva(.Llong_mode)(%ebp), %eax
	pushl	$CS64
	pushl	%eax
	lretl

.Lno_cpu:
	movl	$DETAIL_FEATURE, %esi
	jmp	.Lfail_cpu

	.code64
.Llong_mode:
	movl	%ebp, %ebp
	leaq	slb_stack_top(%rip), %rsp

	/* 64-bit gates to the vectors, 16 bytes each. */
	leaq	.Lvectors64(%rip), %rax
	leaq	slb_idt64(%rip), %rdi
	movl	$VECTORS, %ecx
1:	movl	%eax, %edx
	andl	$0xffff, %edx
	orl	$(CS64 << 16), %edx
	movl	%edx, (%rdi)
	movl	%eax, %edx
	andl	$0xffff0000, %edx
	orl	$0x8e00, %edx
	movl	%edx, 4(%rdi)
	addl	$8, %eax
	addq	$16, %rdi
	decl	%ecx
	jnz	1b
	leaq	slb_idt64(%rip), %rax
	pushq	%rax
	pushq	$0
	movw	$(VECTORS * 16 - 1), 6(%rsp)
	lidt	6(%rsp)
	addq	$16, %rsp

	/* slb_main(base, &handover); it does not come back with an error. */
	subq	$32, %rsp
	movl	%ebp, %edi
	movq	%rsp, %rsi
	call	slb_main
	movl	0(%rsp), %ebx		/* entry point */
	movl	8(%rsp), %esi		/* boot parameters */
	movl	16(%rsp), %edi		/* SLRT */

	leaq	slb_entry(%rip), %rbp
	andl	$0xffff0000, %ebp
	leaq	slb_stack_top(%rip), %rsp
	leaq	.Lleave(%rip), %rax
	pushq	$CS32
	pushq	%rax
	lretq

	/* Compatibility mode, then 32-bit protected mode. */
	.code32
.Lleave:
	movl	$DS32, %eax
	movl	%eax, %ss
	movl	%eax, %ds
	movl	%eax, %es
	movl	%cr0, %eax
	andl	$~X86_CR0_PG, %eax
	movl	%eax, %cr0
	movl	$MSR_EFER, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	movl	%eax, %cr4
	movl	%eax, %cr3
	movl	$(X86_CR0_ET | X86_CR0_PE), %eax
	movl	%eax, %cr0
	leal	rva(slb_stack_top)(%ebp), %esp

	cmpl	$STACK_CANARY, rva(slb_stack_bottom)(%ebp)
	jne	.Lstack_overflow

	/* Exceptions, and the NMIs that STGI will let in. */
	call	.Llidt32

	/*
	 * End the state that SKINIT left, in this order: debug and A20 as usual,
	 * then interrupts. VM_CR.R_INIT stays set: until the kernel wants INIT
	 * again, a stray one is an exception and not a way back into firmware.
	 */
	pushl	%ebx
	movl	$0x80000001, %eax
	cpuid
	popl	%ebx
	testl	$CPUID_ECX_SKINIT, %ecx
	jz	1f
	movl	$MSR_VM_CR, %ecx
	rdmsr
	andl	$~(VM_CR_DPD | VM_CR_A20M), %eax
	wrmsr
	stgi
1:
	/* Nothing of the measurement stays behind but the record. */
	movl	%edi, %edx
	xorl	%eax, %eax
	leal	rva(slb_params)(%ebp), %edi
	movl	$(PARAMS_SIZE / 4), %ecx
	rep stosl
	leal	rva(slb_wipe)(%ebp), %edi
	leal	rva(slb_total)(%ebp), %ecx
	subl	%edi, %ecx
	shrl	$2, %ecx
	rep stosl
	movl	%edx, %edi

	movl	%ebp, %edx
	xorl	%ebp, %ebp
	xorl	%eax, %eax		/* and ECX is zero */
	jmp	*%ebx

.Lstack_overflow:
	movl	$DETAIL_STACK, %esi
.Lfail_cpu:
	movl	$ERROR_CPU, %ebx
	xorl	%edi, %edi
	jmp	.Lfail32
SYM_CODE_END(slb_entry)

/* Fill the 32-bit IDT, and load it. Clobbers EAX, ECX, EDX, EDI; .Llidt32: EAX. */
SYM_CODE_START_LOCAL_NOALIGN(slb_idt32_setup)
.Lidt32:
	leal	rva(.Lvectors32)(%ebp), %eax
	leal	rva(slb_idt32)(%ebp), %edi
	movl	$VECTORS, %ecx
1:	movl	%eax, %edx
	andl	$0xffff, %edx
	orl	$(CS32 << 16), %edx
	movl	%edx, (%edi)
	movl	%eax, %edx
	andl	$0xffff0000, %edx
	orl	$0x8e00, %edx
	movl	%edx, 4(%edi)
	addl	$8, %eax
	addl	$8, %edi
	decl	%ecx
	jnz	1b
.Llidt32:
	leal	rva(slb_idt32)(%ebp), %eax
	pushl	%eax
	pushl	$((VECTORS * 8 - 1) << 16)
	lidtl	2(%esp)
	addl	$8, %esp
	ret
SYM_CODE_END(slb_idt32_setup)

/*
 * An exception outside slb_main(), or in the kernel's first instructions, which
 * still run on this IDT. EBP may be anything then.
 */
SYM_CODE_START_LOCAL_NOALIGN(slb_exception32)
	.balign 8
.Lvectors32:
	.set	vector, 0
	.rept	VECTORS
	.if	vector == NMI_VECTOR
	iretl
	.else
	pushl	$vector
	jmp	.Lcommon32
	.endif
	.balign 8
	.set	vector, vector + 1
	.endr

.Lcommon32:
	call	1f
1:	popl	%ebp
	andl	$0xffff0000, %ebp
	popl	%esi			/* vector */
	xorl	%edi, %edi
	movl	$ERROR_CODES, %eax
	btl	%esi, %eax
	jnc	2f
	popl	%edi			/* error code */
2:	popl	%edx			/* EIP */
	movl	%edx, %ss:(rva(slb_record) + RECORD_DETAIL1_OFF)(%ebp)
	movl	$ERROR_EXCEPTION, %ebx

	/* EBX code, EDI:ESI first detail. */
.Lfail32:
	movl	%ebx, %ss:(rva(slb_record) + RECORD_CODE_OFF)(%ebp)
	movl	%esi, %ss:(rva(slb_record) + RECORD_DETAIL0_OFF)(%ebp)
	movl	%edi, %ss:(rva(slb_record) + RECORD_DETAIL0_OFF + 4)(%ebp)
	movl	%ebx, %eax
	outb	%al, $POST_PORT

	/* The reset control register, the keyboard controller, a triple fault. */
	movl	$RESET_PORT, %edx
	movb	$0x02, %al
	outb	%al, %dx
	movb	$0x06, %al
	outb	%al, %dx
	movl	$RESET_WAIT, %ecx
1:	pause
	loop	1b
	movb	$0xfe, %al
	outb	%al, $0x64
	movl	$RESET_WAIT, %ecx
1:	pause
	loop	1b
	pushl	$0
	pushl	$0
	lidtl	(%esp)
	int3
2:	hlt
	jmp	2b
SYM_CODE_END(slb_exception32)

/* Exceptions in long mode: slb_exception(base, vector, error code, RIP). */
	.code64
SYM_CODE_START_LOCAL_NOALIGN(slb_exception64)
	.balign 8
.Lvectors64:
	.set	vector, 0
	.rept	VECTORS
	.if	vector == NMI_VECTOR
	iretq
	.else
	pushq	$vector
	jmp	.Lcommon64
	.endif
	.balign 8
	.set	vector, vector + 1
	.endr

.Lcommon64:
	cld
	leaq	.Lcommon64(%rip), %rdi
	andl	$0xffff0000, %edi
	popq	%rsi
	xorl	%edx, %edx
	movl	$ERROR_CODES, %eax
	btl	%esi, %eax
	jnc	1f
	popq	%rdx
1:	popq	%rcx
	leaq	slb_stack_top(%rip), %rsp
	call	slb_exception
SYM_CODE_END(slb_exception64)

/* void slb_reset(void): the same resets as above, and no return. */
SYM_CODE_START_NOALIGN(slb_reset)
	movl	$RESET_PORT, %edx
	movb	$0x02, %al
	outb	%al, %dx
	movb	$0x06, %al
	outb	%al, %dx
	movl	$RESET_WAIT, %ecx
1:	pause
	loop	1b
	movb	$0xfe, %al
	outb	%al, $0x64
	movl	$RESET_WAIT, %ecx
1:	pause
	loop	1b
	pushq	$0
	pushq	$0
	lidt	(%rsp)
	int3
2:	hlt
	jmp	2b
SYM_CODE_END(slb_reset)

	.section .rodata, "a"
	.balign 8
slb_gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* 0x08: 32-bit code */
	.quad	0x00cf93000000ffff	/* 0x10: data */
	.quad	0x00af9b000000ffff	/* 0x18: 64-bit code */
slb_gdt_end:
