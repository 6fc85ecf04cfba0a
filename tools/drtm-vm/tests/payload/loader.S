/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test payload, before the launch: a multiboot kernel that enters long mode as an EFI stub would
 * be in, fills the registers with rubbish, announces its SKINIT on COM1, waits for a key there,
 * sends the other CPUs to INIT and executes SKINIT.
 *
 * Variants, by -D: RUNNING_APS (no INIT), LEGACY (SKINIT from 32-bit mode).
 */
	.set COM1, 0x3f8
	.set LAPIC_ICR, 0xfee00300
	.set TPM_ACCESS, 0xfed40000

	.section .multiboot, "a"
	.align	4
	.long	0x1badb002, 0, -0x1badb002

	.section .boot, "awx"
	.code32
	.globl	start
start:
	cli
	mov	$stack_top, %esp
	lgdt	gdt_pointer
	ljmp	$0x18, $1f
1:	mov	$0x20, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%eax, %ss

	/* The firmware's timer must not interrupt. */
	mov	$0xff, %al
	out	%al, $0x21
	out	%al, $0xa1

	mov	$prompt, %esi
	call	print
	mov	$launch, %ebx
	mov	$16, %edi
2:	/* Sixteen digits; the upper eight are zero. */
	cmp	$8, %edi
	mov	$0, %eax
	ja	3f
	rol	$4, %ebx
	mov	%ebx, %eax
	and	$0xf, %eax
3:	mov	digits(%eax), %al
	call	putc
	dec	%edi
	jnz	2b
	mov	$prompt_end, %esi
	call	print

	mov	$(COM1 + 5), %dx
4:	in	%dx, %al
	test	$1, %al
	jz	4b
	mov	$COM1, %dx
	in	%dx, %al

#ifndef RUNNING_APS
	movl	$0xc4500, LAPIC_ICR
5:	testl	$0x1000, LAPIC_ICR
	jnz	5b
#endif
	/* The firmware keeps locality 0 of the TPM active. */
	movb	$0x20, TPM_ACCESS

	/* A stale debug register that SKINIT must clear. */
	mov	$0x12345678, %eax
	mov	%eax, %dr0

#ifdef LEGACY
	mov	$0xdeadbeef, %ebx
	mov	%ebx, %ecx
	mov	%ebx, %edx
	mov	%ebx, %esi
	mov	%ebx, %edi
	mov	%ebx, %ebp
	mov	$slb_base, %eax
	.globl	launch
launch:	.byte	0x0f, 0x01, 0xde
	ud2
#else
	/* Identity map of the first gigabyte, 2 MiB pages. */
	mov	$page_directory, %edi
	mov	$0x83, %eax
6:	mov	%eax, (%edi)
	movl	$0, 4(%edi)
	add	$0x200000, %eax
	add	$8, %edi
	cmp	$0x40000083, %eax
	jne	6b
	movl	$(page_pointers + 3), page_map
	movl	$(page_directory + 3), page_pointers
	mov	%cr4, %eax
	or	$0x20, %eax
	mov	%eax, %cr4
	mov	$page_map, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x1900, %eax		/* LME, NXE, SVME */
	wrmsr
	mov	%cr0, %eax
	or	$0x80010000, %eax	/* PG, WP */
	mov	%eax, %cr0
	ljmp	$0x28, $7f
	.code64
7:	movabs	$0xdeadbeefcafef00d, %rbx
	mov	%rbx, %rcx
	mov	%rbx, %rdx
	mov	%rbx, %rsi
	mov	%rbx, %rdi
	mov	%rbx, %rbp
	mov	%rbx, %r8
	mov	%rbx, %r9
	mov	%rbx, %r10
	mov	%rbx, %r11
	mov	%rbx, %r12
	mov	%rbx, %r13
	mov	%rbx, %r14
	mov	%rbx, %r15
	/* Only EAX counts, and of it only the upper half. */
	movabs	$0xffffffff00201234, %rax	/* slb_base + 1234h */
	stc
	.globl	launch
launch:	.byte	0x0f, 0x01, 0xde
	ud2
	.code32
#endif

print:	lodsb
	test	%al, %al
	jz	8f
	call	putc
	jmp	print
putc:	mov	$COM1, %dx
	out	%al, %dx
8:	ret

	.align	8
gdt:	.quad	0
	/* Unusable where the model must provide its own descriptors. */
	.quad	0x0000920000000000, 0x0000920000000000
	.quad	0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
gdt_pointer:
	.word	0x2f
	.long	gdt
prompt:	.asciz	"slaunch: SKINIT at 0x"
prompt_end:
	.asciz	", press a key\r\n"
digits:	.ascii	"0123456789abcdef"

	.align	4096
page_map:
	.fill	4096, 1, 0
page_pointers:
	.fill	4096, 1, 0
page_directory:
	.fill	4096, 1, 0
	.fill	1024, 1, 0
stack_top:
