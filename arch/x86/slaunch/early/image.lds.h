/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Secure Launch: what only the linker knows about the measured image. Included
 * by arch/x86/kernel/vmlinux.lds.S.
 *
 * Each value is taken in entry.S relative to its own place ("value - ."), so it
 * ends up as a constant and is never relocated.
 */
#ifdef CONFIG_SECURE_LAUNCH
slaunch_mle_entry_value = slaunch_mle_entry_field + (slaunch_entry - _text);
slaunch_mle_end_value = slaunch_mle_end_field + (__bss_start - _text);

. = ASSERT(((__bss_start - _text) & 0xfff) == 0,
	   "the measured part of the image must end on a page boundary");
. = ASSERT(slaunch_mle_header + 52 <= __bss_start,
	   "the MLE header must lie in the measured part of the image");
#endif
