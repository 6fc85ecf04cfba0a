/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The AMD loader block, as the build made it: the measured part only. It is
 * copied to its place below 4 GiB before the launch.
 */
#include <linux/linkage.h>

	.section .rodata, "a"
	.balign	16

SYM_DATA_START(slaunch_slb_image)
	.incbin	"arch/x86/slaunch/slb/slb.bin"
SYM_DATA_END_LABEL(slaunch_slb_image, SYM_L_GLOBAL, slaunch_slb_image_end)
