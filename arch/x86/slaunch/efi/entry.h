/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Offsets in the structures of door.rs and verify/frame.rs, which assert them.
 */
#ifndef _SLAUNCH_EFI_ENTRY_H
#define _SLAUNCH_EFI_ENTRY_H

/* struct Call */
#define CALL_FUNCTION		0x00
#define CALL_ARG1		0x08
#define CALL_ARG2		0x10
#define CALL_ARG3		0x18
#define CALL_ARG4		0x20
#define CALL_ARG5		0x28
#define CALL_ARG6		0x30
#define CALL_SIZE		0x38

/* struct Frame; it begins with a struct Call */
#define FRAME_STACK		0x38
#define FRAME_KERNEL_RSP	0x40
#define FRAME_STATUS		0x48
#define FRAME_RSP		0x50
#define FRAME_RFLAGS		0x58
#define FRAME_BEFORE		0x60
#define FRAME_AFTER		0xa0
#define FRAME_GS_BEFORE		0xe0
#define FRAME_GS_AFTER		0xe8
#define FRAME_ARMED		0xf0

/* In FRAME_BEFORE and FRAME_AFTER */
#define REG_RBX			0x00
#define REG_RBP			0x08
#define REG_R12			0x10
#define REG_R13			0x18
#define REG_R14			0x20
#define REG_R15			0x28
#define REG_RDI			0x30
#define REG_RSI			0x38

#endif /* _SLAUNCH_EFI_ENTRY_H */
