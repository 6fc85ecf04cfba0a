/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For lib/crypto's assembler: every function in a section of its own, so that a
 * link with --gc-sections leaves out those that nobody calls.
 */
#include <linux/linkage.h>

#ifdef SLAUNCH_FUNCTION_SECTIONS
.macro slaunch_func_start name
	.section .text.\name, "ax", @progbits
	SYM_START(\name, SYM_L_GLOBAL, SYM_A_ALIGN)
.endm
#undef SYM_FUNC_START
#define SYM_FUNC_START(name)	slaunch_func_start name
#endif
