/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Numbers that assembler, linker script and Rust share. Rust has them from
 * ../core/slb.rs and ../core/record.rs; slb/layout.rs asserts that they agree.
 */
#ifndef SLAUNCH_SLB_H
#define SLAUNCH_SLB_H

/* Entry, length and info offset (u16 each), 2 bytes, struct SlbInfo, 8 bytes. */
#define SLB_HEADER_SIZE		32
#define SLB_INFO_OFFSET		8
#define SLB_INFO_SIZE		16
#define SLB_INFO_MAGIC		0x52424c53
#define SLB_INFO_VERSION	1

/* Measured part, parameters, record, tables and stack together. */
#define SLB_MAX_TOTAL		0xc000

#define PARAMS_SIZE		16

#define RECORD_MAGIC		0x43524c53
#define RECORD_VERSION		1
#define RECORD_SIZE		64
#define RECORD_STAGE_SLB	1
#define RECORD_MAGIC_OFF	0
#define RECORD_VERSION_OFF	4
#define RECORD_STAGE_OFF	8
#define RECORD_CODE_OFF		12
#define RECORD_DETAIL0_OFF	24
#define RECORD_DETAIL1_OFF	32

/* What head.S reports by itself: Error::Exception, Error::CpuState. */
#define ERROR_EXCEPTION		0xc00080a3
#define ERROR_CPU		0xc00080a4

/* First detail of ERROR_CPU: the stack overflowed, or a feature is missing. */
#define DETAIL_STACK		1
#define DETAIL_FEATURE		2

/* Lowest word of the stack: if it changes, the stack was too small. */
#define STACK_CANARY		0x5ac0ffee

#define POST_PORT		0x80
#define RESET_PORT		0xcf9
#define RESET_WAIT		0x1000000

#endif
