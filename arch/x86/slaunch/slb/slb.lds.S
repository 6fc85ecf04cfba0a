/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Secure Loader Block: one flat image of at most 64 KiB, linked at 0 and
 * free of relocations. The CPU measures [0, slb_length); what is written at run
 * time lies behind that, and is not part of slb.bin.
 */
#include "slb.h"

OUTPUT_FORMAT("elf64-x86-64")
OUTPUT_ARCH(i386:x86-64)
ENTRY(slb_entry)

SECTIONS
{
	. = 0;
	slb_start = .;

	.head : {
		SHORT(slb_entry - slb_start)
		SHORT(slb_length - slb_start)
		SHORT(SLB_INFO_OFFSET)
		SHORT(0)
		LONG(SLB_INFO_MAGIC)
		SHORT(SLB_INFO_VERSION)
		SHORT(SLB_INFO_SIZE)
		SHORT(slb_params - slb_start)
		SHORT(slb_record - slb_start)
		LONG(slb_total - slb_start)
		. = SLB_HEADER_SIZE;
		KEEP(*(.head.text))
	}
	.text : {
		*(.text .text.*)
	}
	.rodata : {
		*(.rodata .rodata.*)
		. = ALIGN(16);
	}
	slb_length = .;

	.unmeasured (NOLOAD) : {
		slb_params = .;
		. += PARAMS_SIZE;
		slb_record = .;
		. += RECORD_SIZE;
		slb_idt32 = .;
		. += 32 * 8;

		/* From here to the end: wiped before the kernel is entered. */
		slb_wipe = .;
		slb_idt64 = .;
		. += 32 * 16;
		*(.bss .bss.* COMMON)
		. = ALIGN(16);
		slb_stack_bottom = .;
		. += SLB_STACK_SIZE;
		. = ALIGN(4096);
		slb_stack_top = .;
		slb_pml4 = .;
		. += 4096;
		slb_pdpt = .;
		. += 4096;
		slb_total = .;
	}

	/* Must be empty: the image is not relocated, and cannot be written. */
	.data : {
		*(.data .data.*)
	}
	.got : {
		*(.got .got.* .plt .plt.*)
	}

	.symtab 0 : { *(.symtab) }
	.strtab 0 : { *(.strtab) }
	.shstrtab 0 : { *(.shstrtab) }
	.comment 0 : { *(.comment) }
	/DISCARD/ : {
		*(.discard .discard.*)
		*(.stack_sizes)
		*(.note .note.*)
		*(.eh_frame .eh_frame.*)
		*(.modinfo .export_symbol .llvm_addrsig)
		*(.debug*)
	}
}

ASSERT(SIZEOF(.data) == 0, "the SLB has writable data with initial values")
ASSERT(SIZEOF(.got) == 0, "the SLB has a global offset table")
ASSERT(slb_entry == SLB_HEADER_SIZE, "the SLB does not begin with its entry point")
ASSERT(slb_length < 0x10000, "the measured part of the SLB is larger than SKINIT can measure")
ASSERT(slb_total <= SLB_MAX_TOTAL, "the SLB with its stack is larger than 48 KiB")
