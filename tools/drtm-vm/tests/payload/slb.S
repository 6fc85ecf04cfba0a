/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test payload, after the launch: a loader block that prints the state it was entered in, proves
 * that interrupts are blocked until STGI, and enters a small kernel that does the same on every
 * other CPU.
 *
 * Variants, by -D: FAIL (record an error and reset), STRAY_INIT, KEEP_VM_CR, SILENT_AP (no STGI
 * on the other CPUs), HANG.
 */
	.set COM1, 0x3f8
	.set LAPIC_EOI, 0xfee000b0
	.set LAPIC_SVR, 0xfee000f0
	.set LAPIC_ICR, 0xfee00300
	.set VM_CR, 0xc0010114
	.set VECTOR, 0x40
	.set AP_PAGE, 0x8

	.section .slb, "awx"
	.code32
	.globl	slb_base
slb_base:
	.word	slb_entry - slb_base
	.word	slb_measured_end - slb_base
	.word	slb_info - slb_base
	.align	4
slb_info:
	.long	0x52424c53
	.word	1, 20
	.word	params - slb_base
	.word	record - slb_base
	.long	0x3000

slb_entry:
	/* DS is not usable yet; pushes go through SS. In the order the test expects. */
	push	%eax
	pushf
	push	%ebx
	push	%ecx
	push	%edx
	push	%esi
	push	%edi
	push	%ebp
	mov	%cr0, %eax
	push	%eax
	mov	%cr3, %eax
	push	%eax
	mov	%cr4, %eax
	push	%eax
	xor	%eax, %eax
	mov	%cs, %ax
	push	%eax
	mov	%ss, %ax
	push	%eax
	mov	%ds, %ax
	push	%eax
	mov	%es, %ax
	push	%eax
	mov	%fs, %ax
	push	%eax
	mov	%gs, %ax
	push	%eax
	sldt	%ax
	push	%eax
	mov	%dr0, %eax
	push	%eax
	mov	%dr6, %eax
	push	%eax
	mov	%dr7, %eax
	push	%eax
	mov	$0xc0000080, %ecx
	rdmsr
	push	%eax
	sub	$8, %esp
	sgdt	%ss:(%esp)
	sub	$8, %esp
	sidt	%ss:(%esp)

	lgdt	%ss:slb_gdt_pointer
	lidt	%ss:idt_pointer
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es

	mov	$state_text, %esi
	call	slb_print
	mov	$(slb_base + 0x10000), %ebp
1:	sub	$4, %ebp
	mov	(%ebp), %ebx
	call	slb_hex
	mov	$' ', %al
	call	slb_putc
	cmp	%esp, %ebp
	jne	1b
	mov	$end_text, %esi
	call	slb_print

#ifdef FAIL
	mov	$record, %edi
	movl	$0x43524c53, (%edi)
	movl	$0x00400001, 4(%edi)
	movl	$1, 8(%edi)
	movl	$0xc0008042, 12(%edi)
	movl	$0x101, 16(%edi)
	mov	$0xcf9, %dx
	mov	$2, %al
	out	%al, %dx
	mov	$6, %al
	out	%al, %dx
#endif
#ifdef HANG
2:	pause
	jmp	2b
#endif
	mov	$'B', %bh
	call	gif_probe
	mov	$VM_CR, %ecx
	rdmsr
	mov	$2, %eax
	wrmsr
	.byte	0x0f, 0x01, 0xdc
	call	gif_answer
	cli

	mov	$kernel_entry, %ebx
	mov	$slb_base, %edx
	xor	%eax, %eax
	xor	%ecx, %ecx
	jmp	*%ebx

slb_hex:
	mov	$8, %ecx
3:	rol	$4, %ebx
	mov	%ebx, %eax
	and	$0xf, %eax
	mov	slb_digits(%eax), %al
	call	slb_putc
	dec	%ecx
	jnz	3b
	ret
slb_print:
	lodsb
	test	%al, %al
	jz	4f
	call	slb_putc
	jmp	slb_print
slb_putc:
	mov	$COM1, %dx
	out	%al, %dx
4:	ret

/* Enables interrupts, interrupts itself, and prints BH and whether the handler ran. */
gif_probe:
	movl	$0x1ff, LAPIC_SVR
	movb	$0, handled
	sti
	movl	$(0x44000 + VECTOR), LAPIC_ICR
gif_answer:
	mov	$2000, %ecx
5:	pause
	dec	%ecx
	jnz	5b
	mov	%bh, %al
	call	slb_putc
	mov	handled, %al
	add	$'0', %al
	call	slb_putc
	mov	$'\n', %al
	call	slb_putc
	ret

handler:
	movb	$1, handled
	movl	$0, LAPIC_EOI
	iret

	.align	8
slb_gdt:
	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
slb_gdt_pointer:
	.word	0x17
	.long	slb_gdt
	/* A gate splits its address; the block lies at 200000h. */
idt:	.fill	VECTOR, 8, 0
	.word	handler - slb_base, 0x08, 0x8e00, 0x20
idt_end:
idt_pointer:
	.word	idt_end - idt - 1
	.long	idt
state_text:
	.asciz	"STATE "
end_text:
	.asciz	"END\n"
slb_digits:
	.ascii	"0123456789abcdef"
slb_measured_end:

params:	.long	0x50424c53, 16
	.long	slrt, 0
	.align	64
record:	.fill	64, 1, 0
handled:
	.byte	0
	.align	64
slrt:	.long	0x4452544d
	.word	1, 2
	.long	112, 4096
	.long	1, 88
	.long	0x10000, 0, slb_base, 0
	.long	0x10000, 0, kernel_base, 0
	.long	kernel_entry - kernel_base, 0, kernel_header - kernel_base, 0
	.quad	0, 0x4c, 0, 0
	.long	0xffff, 8

	.section .kernel, "awx"
kernel_base:
	.fill	64, 1, 0
kernel_header:
	.long	0x9082ac5a, 0x74a7476f, 0xa2555c0f, 0x42b651cb
	.long	52, 0x00020002
	.long	kernel_entry - kernel_base, 0, 0, kernel_end - kernel_base
	.long	0x227, 0, 0

kernel_entry:
	mov	$kernel_text, %esi
	call	slb_print
	call	end_skinit
	/* Number of CPUs from fw_cfg. */
	mov	$0x510, %dx
	mov	$5, %ax
	out	%ax, %dx
	inc	%dx
	in	%dx, %al
	movzbl	%al, %ebp
	dec	%ebp
	jz	7f
	mov	$ap_start, %esi
	mov	$(AP_PAGE << 12), %edi
	mov	$(ap_end - ap_start), %ecx
	rep movsb
#ifdef STRAY_INIT
	movl	$0xc4500, LAPIC_ICR
	mov	$100000, %ecx
5:	pause
	dec	%ecx
	jnz	5b
#endif
	movl	$(0xc4600 + AP_PAGE), LAPIC_ICR
6:	pause
	cmp	%ebp, ap_count
	jne	6b
7:	mov	$done_text, %esi
	call	slb_print
	mov	$0x604, %dx
	mov	$0x2000, %ax
	out	%ax, %dx
8:	hlt
	jmp	8b

/* What every CPU must do. */
end_skinit:
	mov	$VM_CR, %ecx
	rdmsr
#ifdef KEEP_VM_CR
	or	$2, %eax
#else
	and	$~7, %eax
#endif
	wrmsr
	.byte	0x0f, 0x01, 0xdc
	ret

	.code16
ap_start:
	cli
	lgdtl	%cs:(ap_gdt_pointer - ap_start)
	mov	%cr0, %eax
	or	$1, %eax
	mov	%eax, %cr0
	ljmpl	$0x08, $ap_flat
ap_gdt_pointer:
	.word	0x17
	.long	slb_gdt
ap_end:
	.code32
ap_flat:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	/* One at a time: they share a stack and the probe's flag. */
9:	lock btsl $0, ap_lock
	jnc	10f
	pause
	jmp	9b
10:	mov	$(slb_base + 0xf000), %esp
	lidt	idt_pointer
	mov	$'A', %bh
	call	gif_probe
#ifndef SILENT_AP
	call	end_skinit
	call	gif_answer
#endif
	cli
	movl	$0, ap_lock
	lock incl ap_count
11:	hlt
	jmp	11b

ap_lock:
	.long	0
ap_count:
	.long	0
kernel_text:
	.asciz	"KERNEL\n"
done_text:
	.asciz	"DONE\n"
kernel_end:
